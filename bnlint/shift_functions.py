"""Which functions of tensors commute with a constant that is added to each channel, and on which axis it comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bnlint.interpreter.records import Call, TensorV
from bnlint.interpreter.values import Const, NotPlain, SliceV, TupleV, Value, plain
from bnlint.keras_api import shapes_einsum
from bnlint.keras_api.shapes import follow_channels

LIBRARIES = ("keras.ops.", "keras.backend.", "tensorflow.")
IDENTITIES = frozenset({"identity", "cast"})
SUMS = frozenset({"add", "subtract"})
SCALES = frozenset({"multiply", "truedivide", "divide", "scalar_mul", "negative"})
JOINS = frozenset({"concat", "concatenate"})
REDUCTIONS = frozenset({"mean", "max", "min", "sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_sum"})
POOLS = frozenset(
    ("maxpool", "averagepool", "max_pool", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool", "avg_pool1d", "avg_pool2d",
     "avg_pool3d", "resize", "resize_images", "resize_bilinear", "resize_nearest_neighbor", "pool2d")
)  # fmt: skip


def moved_by_function(call: Call, tensor: TensorV, axis: int) -> int | None:
    """The axis on which a constant comes out of a function of tensors; None where it does not come out as one."""
    name = call.function.rpartition(".")[2].lower()
    shape = tensor.shape
    if not call.function.startswith(LIBRARIES) or call.unknown_inputs:
        return None
    if name in IDENTITIES or (name in SCALES and _scales(call, tensor)):
        return axis
    if name in SUMS or name in ("add_n", "accumulate_n"):
        return axis if _adds(call, axis) else None
    if shape is None or axis < 0:
        return None
    rule = _RULES.get(name)
    return rule(call, shape, axis) if rule is not None else None


def _adds(call: Call, axis: int) -> bool:
    """Whether an addition is one of tensors of the same rank, or of a tensor and a number."""
    if len(call.inputs) == 1:
        return any(_is_number(value) for value in call.arguments.values())
    ranks = {len(each.shape) if each.shape is not None else None for each in call.inputs}
    return bool(call.inputs) and (axis < 0 or (len(ranks) == 1 and None not in ranks))


def _scales(call: Call, tensor: TensorV) -> bool:
    """Whether a tensor is multiplied or divided by a number, or negated."""
    if call.function.endswith("egative"):
        return True
    given = list(call.arguments.values())
    if len(call.inputs) != 1 or len(given) != 2:
        return False
    divides = call.function.lower().endswith("divide")
    return _is_number(given[1]) if given[0] is tensor else given[1] is tensor and _is_number(given[0]) and not divides


def _is_number(value: Value) -> bool:
    return isinstance(value, Const) and isinstance(value.value, (int, float))


def _joined(call: Call, shape: Sequence[object], axis: int) -> int | None:
    joined = _constant(call, 1, "axis", -1)
    return axis if isinstance(joined, int) and joined % len(shape) == axis else None


def _reduced(call: Call, shape: Sequence[object], axis: int) -> int | None:
    given, keeps = _constant(call, 1, "axis", None), _constant(call, 2, "keepdims", False)
    axes = [given] if isinstance(given, int) else list(given) if isinstance(given, (list, tuple)) else []
    gone = {each % len(shape) for each in axes if isinstance(each, int)}
    if not gone or len(gone) < len(axes) or gone & {0, axis} or not isinstance(keeps, bool):
        return None
    return axis if keeps else axis - sum(each < axis for each in gone)


def _pooled(call: Call, shape: Sequence[object], axis: int) -> int | None:
    return axis if axis == len(shape) - 1 and "data_format" not in call.arguments else None


def _reshaped(call: Call, shape: Sequence[object], axis: int) -> int | None:
    before = call.inputs[0].shape
    return follow_channels("reshape", None, {}, before, call.outputs[0].shape, axis) if call.outputs else None


def _expanded(call: Call, shape: Sequence[object], axis: int) -> int | None:
    place = _constant(call, 1, "axis", None)
    if not isinstance(place, int):
        return None
    place %= len(shape) + 1
    return axis + (place <= axis) if place else None


def _squeezed(call: Call, shape: Sequence[object], axis: int) -> int | None:
    given = _constant(call, 1, "axis", None)
    axes = [given] if isinstance(given, int) else list(given) if isinstance(given, (list, tuple)) else []
    gone = {each % len(shape) for each in axes if isinstance(each, int)}
    return axis - sum(each < axis for each in gone) if gone and not gone & {0, axis} and len(gone) == len(axes) else None


def _transposed(call: Call, shape: Sequence[object], axis: int) -> int | None:
    order = next((_constant(call, 1, name, None) for name in ("perm", "axes", "pattern") if name in call.arguments), None)
    order = order if order is not None else _constant(call, 1, "perm", None)
    if not isinstance(order, (list, tuple)) or len(order) != len(shape) or order[0] != 0 or axis not in order:
        return None
    return list(order).index(axis)


def _tiled(call: Call, shape: Sequence[object], axis: int) -> int | None:
    times = _constant(call, 1, "multiples", _constant(call, 1, "repeats", None))
    whole = isinstance(times, (list, tuple)) and len(times) == len(shape)
    return axis if whole and times[axis] == 1 else None  # type: ignore[index]


def _repeated(call: Call, shape: Sequence[object], axis: int) -> int | None:
    place = _constant(call, 2, "axis", None)
    return axis if isinstance(place, int) and place % len(shape) != axis else None


def _picked(call: Call, shape: Sequence[object], axis: int) -> int | None:
    """``x[:, 1:, 0]``: slices keep their axis, numbers lose it, None makes one."""
    key = call.arguments.get("key")
    parts = list(key.items) if isinstance(key, TupleV) else [key]
    taken = [part for part in parts if not _is_constant(part, None) and not _is_constant(part, ...)]
    at, moved = 0, 0
    for part in parts:
        if _is_constant(part, ...):
            rest = len(shape) - len(taken)
            if at <= axis < at + rest:
                return moved + axis - at
            at, moved = at + rest, moved + rest
        elif _is_constant(part, None):
            moved += 1
        elif isinstance(part, SliceV):
            if at == axis:
                return moved
            at, moved = at + 1, moved + 1
        elif isinstance(part, Const) and isinstance(part.value, int):
            if at in (0, axis):
                return None
            at += 1
        else:
            return None
    return moved + axis - at if axis >= at else None


def _is_constant(value: Value | None, expected: object) -> bool:
    return isinstance(value, Const) and value.value is expected


def _split(call: Call, shape: Sequence[object], axis: int) -> int | None:
    return axis


def _einsum(call: Call, shape: Sequence[object], axis: int) -> int | None:
    """A product with something that is no tensor of the graph: a weight."""
    equation = call.arguments.get("0", call.arguments.get("equation", call.arguments.get("subscripts")))
    first = call.arguments.get("1")
    others = [each for each in call.inputs if each is not first]
    if not isinstance(equation, Const) or first not in call.inputs or any(each.symbolic or each.call for each in others):
        return None
    return shapes_einsum.follow(equation.value, len(shape), axis)


_Rule = Callable[[Call, Sequence[object], int], "int | None"]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(JOINS, _joined),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(POOLS, _pooled),
    "reshape": _reshaped,
    "expand_dims": _expanded,
    "expanddims": _expanded,
    "squeeze": _squeezed,
    "transpose": _transposed,
    "permute_dimensions": _transposed,
    "tile": _tiled,
    "repeat": _repeated,
    "repeat_elements": _repeated,
    "getitem": _picked,
    "split": _split,
    "einsum": _einsum,
}


def _constant(call: Call, index: int, name: str, default: object) -> object:
    """A constant argument of a function; Ellipsis where it is not known."""
    value = call.arguments.get(name, call.arguments.get(str(index)))
    if value is None:
        return default
    try:
        return plain(value)
    except NotPlain:
        return ...
