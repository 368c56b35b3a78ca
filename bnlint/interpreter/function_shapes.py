"""The shapes of what functions of tensors give: TensorFlow's, ``keras.ops`` and the backend's, by the function's last name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import TensorV
from bnlint.interpreter.tensors import shape_from, shape_of, tensors_in
from bnlint.interpreter.values import Arguments, Const, ListV, NotPlain, TupleV, Value, plain
from bnlint.keras_api import shapes
from bnlint.keras_api.shapes import UNKNOWN, Dim, Shape

LIBRARIES = ("tensorflow.", "keras.", "jax.")
Output = Shape | list[Shape]


@dataclass(frozen=True)
class Request:
    """One call: its arguments, the tensors among them, and the function's name."""

    arguments: Arguments
    tensors: Sequence[TensorV]
    path: str

    @property
    def tensorflow(self) -> bool:
        return self.path.startswith("tensorflow.")

    @property
    def first(self) -> Shape:
        return self.tensors[0].shape

    def value(self, index: int | None, *names: str) -> Value | None:
        """An argument by any of its names, or its position."""
        for name in names:
            if name in self.arguments.keywords:
                return self.arguments.keywords[name]
        return self.arguments.get(index, "") if index is not None else None

    def plain(self, index: int | None, *names: str, default: object = None) -> object:
        """A constant argument; UNKNOWN where it is not known."""
        value = self.value(index, *names)
        if value is None:
            return default
        try:
            return plain(value)
        except NotPlain:
            return UNKNOWN


Rule = Callable[[Request], Output]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """The function tells the shape of what functions of these names give."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def function_shape(m: Machine, path: str, family: str | None, arguments: Arguments, tensors: Sequence[TensorV]) -> Output:
    """The shape, or shapes, of a function's result; None where they cannot be told."""
    if not path.startswith(LIBRARIES):
        return None
    name = path.rpartition(".")[2]
    request = Request(arguments, tensors, path)
    found = RULES.get(name)
    if found is not None and family not in ("elementwise", "same"):
        return found(request)
    if family is None:
        known = m.table.operation(f"keras.ops.{_snake(name)}") or m.table.operation(f"keras.activations.{_snake(name)}")
        family = known.family if known is not None else None
    general = FAMILIES.get(family or "")
    return general(request) if general is not None else None


def _snake(name: str) -> str:
    return re.sub(r"^reduce_", "", name)


# -- families ----------------------------------------------------------------------------------------------------


@rule("identity", "cast", "stop_gradient", "clip_by_value", "dropout", "l2_normalize", "bias_add", "ensure_shape", "random_shuffle",
      "convert_to_tensor", "zeros_like", "ones_like", "reverse", "roll", "relu", "relu6", "sigmoid", "softmax", "tanh", "hard_sigmoid",
      "softplus", "softsign", "elu", "selu", "crelu", "silu", "swish", "gelu", "leaky_relu", "batch_normalization", "add_n", "accumulate_n")  # fmt: skip
def same(call: Request) -> Shape:
    return call.first


@rule("add", "subtract", "multiply", "divide", "maximum", "minimum", "truediv", "pow", "squared_difference", "div_no_nan")
def broadcast(call: Request) -> Shape:
    operands = [shape_of(value) for value in call.arguments.positional[:2]]
    return shapes.broadcast(operands) if len(operands) == 2 else call.first


def reduce(call: Request) -> Shape:
    axis, keep = call.plain(1, "axis", "axes"), call.plain(2, "keepdims", "keep_dims", default=False)
    if axis is UNKNOWN or keep is UNKNOWN:
        return None
    return shapes.reduce(call.first, axis, bool(keep))


@rule("argmax", "argmin")
def argument(call: Request) -> Shape:
    axis = call.plain(1, "axis", "dimension", default=0 if call.tensorflow else None)
    return shapes.reduce(call.first, axis, bool(call.plain(None, "keepdims"))) if axis is not UNKNOWN else None


@rule("reshape")
def reshape(call: Request) -> Shape:
    target = call.value(1, "newshape", "shape")
    return shapes.reshape(call.first, shape_from(target)) if target is not None else None


@rule("transpose", "permute_dimensions")
def transpose(call: Request) -> Shape:
    axes = call.plain(1, "axes", "perm", "pattern")
    return shapes.transpose(call.first, axes) if axes is not UNKNOWN else _like(call.first)


@rule("concatenate", "concat")
def concatenate(call: Request) -> Shape:
    axis = call.plain(1, "axis", default=0 if call.tensorflow else -1)
    if axis is UNKNOWN:
        return _like(call.first)
    return shapes.concatenate([each.shape for each in call.tensors], axis)


FAMILIES: dict[str, Rule] = {
    "elementwise": same, "same": same, "broadcast": broadcast, "reduce": reduce, "reshape": reshape, "transpose": transpose,
    "concatenate": concatenate,
}  # fmt: skip


def _like(shape: Shape) -> Shape:
    return None if shape is None else (UNKNOWN,) * len(shape)


# -- functions ---------------------------------------------------------------------------------------------------


@rule("split")
def split(call: Request) -> Output:
    parts, axis = call.plain(1, "num_or_size_splits", "indices_or_sections"), call.plain(2, "axis", default=0)
    return shapes.split(call.first, parts, axis, sizes=call.tensorflow) if parts is not UNKNOWN else None


@rule("unstack")
def unstack(call: Request) -> Output:
    axis, count = call.plain(2, "axis", default=0), call.plain(1, "num")
    shape = call.first
    if shape is not None and isinstance(axis, int) and -len(shape) <= axis < len(shape):
        size = shape[axis]
        rest = shapes.reduce(shape, axis, False)
        count = size if isinstance(size, int) else count
        return [rest] * count if isinstance(count, int) and 0 < count <= 1_000 else None
    return [None] * count if isinstance(count, int) and 0 < count <= 1_000 else None


@rule("stack")
def stack(call: Request) -> Shape:
    axis = call.plain(1, "axis", default=0)
    return shapes.stack([each.shape for each in call.tensors], axis) if axis is not UNKNOWN else None


@rule("expand_dims")
def expand_dims(call: Request) -> Shape:
    axis = call.plain(1, "axis", default=-1)
    return shapes.expand_dims(call.first, axis) if axis is not UNKNOWN else None


@rule("squeeze")
def squeeze(call: Request) -> Shape:
    axis = call.plain(1, "axis")
    return shapes.squeeze(call.first, axis) if axis is not UNKNOWN else None


@rule("matmul")
def matmul(call: Request) -> Shape:
    operands = [shape_of(value) for value in call.arguments.positional[:2]]
    if len(operands) < 2:
        return None
    for index, name in enumerate(("transpose_a", "transpose_b")):
        shape = operands[index]
        if call.plain(None, name) and shape is not None and len(shape) > 1:
            operands[index] = (*shape[:-2], shape[-1], shape[-2])
    return shapes.matmul(*operands)


@rule("einsum")
def einsum(call: Request) -> Shape:
    equation = call.plain(0, "equation", "subscripts")
    if not isinstance(equation, str) or "..." in equation or "->" not in equation:
        return None
    left, _, right = equation.replace(" ", "").partition("->")
    operands = [shape for value in call.arguments.positional[1:] for shape in [shape_of(value)]]
    sizes: dict[str, Dim] = {}
    for letters, shape in zip(left.split(","), operands):
        if shape is None or len(letters) != len(shape):
            continue
        for letter, size in zip(letters, shape):
            if sizes.get(letter, UNKNOWN) in (UNKNOWN, None, 1):
                sizes[letter] = size
    return tuple(sizes.get(letter, UNKNOWN) for letter in right)


@rule("pad")
def pad(call: Request) -> Shape:
    widths, shape = call.plain(1, "paddings", "pad_width"), call.first
    if shape is None or not isinstance(widths, (list, tuple)) or len(widths) != len(shape):
        return _like(shape)
    return tuple(_more(size, width) for size, width in zip(shape, widths))


def _more(size: Dim, width: object) -> Dim:
    if not isinstance(width, (list, tuple)) or not all(isinstance(each, int) for each in width):
        return UNKNOWN
    return size + sum(width) if isinstance(size, int) else size


@rule("tile")
def tile(call: Request) -> Shape:
    counts, shape = call.plain(1, "multiples", "repeats", "n"), call.first
    if shape is None or not isinstance(counts, (list, tuple)) or len(counts) != len(shape):
        return _like(shape)
    return tuple(_times(size, count) for size, count in zip(shape, counts))


@rule("repeat", "repeat_elements")
def repeat(call: Request) -> Shape:
    count, axis, shape = call.plain(1, "repeats", "rep"), call.plain(2, "axis"), call.first
    if shape is None or not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return None
    axis %= len(shape)
    return (*shape[:axis], _times(shape[axis], count), *shape[axis + 1 :])


def _times(size: Dim, count: object) -> Dim:
    if count == 1:
        return size
    return size * count if isinstance(size, int) and isinstance(count, int) else None if size is None else UNKNOWN


@rule("one_hot")
def one_hot(call: Request) -> Shape:
    count = call.plain(1, "depth", "num_classes")
    return None if call.first is None else (*call.first, count if isinstance(count, int) else UNKNOWN)


@rule("resize", "resize_bilinear", "resize_nearest_neighbor", "resize_bicubic", "resize_images")
def resize(call: Request) -> Shape:
    shape, size = call.first, call.value(1, "size")
    if shape is None or len(shape) != 4:
        return _like(shape)
    wanted = shape_from(size) if size is not None else None
    height, width = wanted if wanted is not None and len(wanted) == 2 else (UNKNOWN, UNKNOWN)
    first = call.plain(None, "data_format") == "channels_first"
    return (shape[0], shape[1], height, width) if first else (shape[0], height, width, shape[3])


@rule("max_pool", "avg_pool", "max_pool2d", "avg_pool2d", "extract_patches", "extract_image_patches", "conv2d", "depthwise_conv2d",
      "conv2d_transpose", "resize_volumes", "spatial_2d_padding", "average_pool", "conv")  # fmt: skip
def same_rank(call: Request) -> Shape:
    shape = call.first
    return None if shape is None else (shape[0], *(UNKNOWN,) * (len(shape) - 1))


@rule("depth_to_space", "space_to_depth")
def blocks(call: Request) -> Output:
    return same_rank(call)


@rule("top_k")
def top_k(call: Request) -> Output:
    count = call.plain(1, "k", default=1)
    shape = None if not call.first else (*call.first[:-1], count if isinstance(count, int) else UNKNOWN)
    return [shape, shape]


@rule("moments")
def moments(call: Request) -> Output:
    axes, keep = call.plain(1, "axes"), call.plain(None, "keepdims", "keep_dims", default=False)
    shape = shapes.reduce(call.first, axes, bool(keep)) if UNKNOWN not in (axes, keep) else None
    return [shape, shape]


@rule("broadcast_to")
def broadcast_to(call: Request) -> Shape:
    target = call.value(1, "shape")
    return shape_from(target) if target is not None else None


@rule("gather", "take")
def gather(call: Request) -> Shape:
    indices, shape = call.value(1, "indices"), call.first
    axis = call.plain(None, "axis", default=0) if call.plain(None, "batch_dims") is None else UNKNOWN
    picked = next((each.shape for each in tensors_in(indices)), None) if indices is not None else None
    if isinstance(indices, Const):
        picked = ()
    elif isinstance(indices, (ListV, TupleV)):
        picked = (len(indices.items),)
    if shape is None or picked is None or not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return None
    axis %= len(shape)
    return (*shape[:axis], *picked, *shape[axis + 1 :])


@rule("swapaxes")
def swapaxes(call: Request) -> Shape:
    shape, one, other = call.first, call.plain(1, "axis1"), call.plain(2, "axis2")
    if shape is None or not isinstance(one, int) or not isinstance(other, int):
        return _like(shape)
    sizes = list(shape)
    if max(one, other) >= len(sizes) or min(one, other) < -len(sizes):
        return _like(shape)
    sizes[one], sizes[other] = sizes[other], sizes[one]
    return tuple(sizes)


@rule("batch_flatten")
def batch_flatten(call: Request) -> Shape:
    return shapes.reshape(call.first, (call.first[0], -1)) if call.first else (None, UNKNOWN)
