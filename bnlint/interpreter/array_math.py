"""Functions of arrays, element by element or along axes: how many samples the results hold."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import bnlint.interpreter.splits  # noqa: F401  registers what is wrapped here
from bnlint.interpreter.arrays import reshaped
from bnlint.interpreter.data import ArrayV, MaskV, Number, StatisticV, array, fresh, number, rows_of
from bnlint.interpreter.dispatch import METHODS, NATIVES, CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.numpy_natives import shape_of
from bnlint.interpreter.values import Arguments, Const, ListV, SliceV, TupleV, Value, const, unknown
from bnlint.keras_api import shapes
from bnlint.keras_api.shapes import Shape

ELEMENTWISE = (
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "exp", "expm1", "exp2", "log", "log1p",
    "log2", "log10", "sqrt", "cbrt", "square", "abs", "absolute", "fabs", "sign", "negative", "reciprocal", "round", "around", "rint",
    "floor", "ceil", "trunc", "fix", "clip", "power", "float_power", "maximum", "minimum", "fmax", "fmin", "add", "subtract",
    "multiply", "divide", "true_divide", "floor_divide", "mod", "remainder", "fmod", "hypot", "greater", "greater_equal", "less",
    "less_equal", "equal", "not_equal", "isclose", "isnan", "isfinite", "isinf", "logical_and", "logical_or", "logical_xor",
    "logical_not", "deg2rad", "rad2deg", "degrees", "radians", "sinc", "heaviside", "real", "imag", "angle", "conj",
)  # fmt: skip
REDUCING = ("sum", "max", "min", "amax", "amin", "prod", "median", "ptp", "var", "argmax", "argmin", "any", "all", "nansum", "nanmax",
            "nanmin", "nanmean", "nanstd", "count_nonzero")  # fmt: skip
LIKE = ("zeros_like", "ones_like", "empty_like", "full_like", "cumsum", "cumprod", "sort", "argsort", "gradient", "flipud", "fliplr",
        "random.shuffle")  # fmt: skip
"""Functions whose results have the shape of their first argument."""


def shape_known(value: Value) -> Shape:
    """The shape of an array, of a list of numbers that is one, or of a number."""
    if isinstance(value, ArrayV):
        return value.shape
    if isinstance(value, ListV) and value.kind == "array":
        return tuple(shape_of(value)) or None
    return () if isinstance(value, (Const, StatisticV)) else None


def is_data(value: Value) -> bool:
    """Whether a value is an array, a small one whose numbers are followed included."""
    return isinstance(value, ArrayV) or isinstance(value, ListV) and value.kind == "array"


def together(m: Machine, values: Sequence[Value], mask: bool = False) -> ArrayV:
    """The array that arithmetic on some values gives; what is not known among them is taken for a number or an array that fits."""
    known = [shape_known(each) for each in values]
    shape = shapes.broadcast(known) if all(each is not None for each in known) else None
    counts = [each for each in map(rows_of, values) if each is not None]
    rows = max(counts, key=lambda each: each.value, default=None)
    if shape is not None:
        first = shape[0] if shape else None
        rows = rows if rows is not None and rows.value == first else Number(first) if isinstance(first, int) else rows
    elif any(not is_data(each) and not isinstance(each, (Const, StatisticV)) for each in values):
        rows = None
    arrays = [each for each in values if isinstance(each, ArrayV)]
    constant = bool(arrays) and all(each.constant for each in arrays) and len(arrays) == len(list(filter(is_data, values)))
    masks = all(isinstance(each, MaskV) for each in values)
    kind = MaskV if mask or masks else ArrayV
    found = kind(fresh(), "an array", shape, rows, None, arrays[0].root if arrays else None, constant)
    m.flow(found, list(values))
    return found


def _elementwise(path: str) -> None:
    plain = NATIVES.get(path)

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        values = [m.resolve(each) for each in arguments.positional]
        if any(isinstance(each, ArrayV) for each in values):
            return together(m, values, path.rpartition(".")[2].startswith(TESTS))
        return plain(m, site, arguments) if plain is not None else _other(m, arguments, path)


TESTS = ("greater", "less", "equal", "not_equal", "is", "logical")
"""The beginnings of the names of functions that ask each element."""


def _other(m: Machine, arguments: Arguments, path: str) -> Value:
    m.escape_all(arguments.values())
    return unknown(f"result of {path}")


for _name in ELEMENTWISE:
    _elementwise(f"numpy.{_name}")


def _like(path: str) -> None:
    plain = NATIVES.get(path)

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        value = m.resolve(arguments.positional[0]) if arguments.positional else None
        if isinstance(value, ArrayV):
            made = path.endswith("_like")
            found = array(value.shape, value.rows, None, None if made else value.root, made or value.constant)
            m.flow(found, [value])
            return found
        return plain(m, site, arguments) if plain is not None else _other(m, arguments, path)


for _name in LIKE:
    _like(f"numpy.{_name}")


@native("numpy.where")
def where(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``np.where(condition, a, b)``; with a condition alone, the places at which it holds."""
    values = [m.resolve(each) for each in arguments.positional]
    if len(values) == 3 and any(map(is_data, values)):
        return together(m, values)
    return _other(m, arguments, "numpy.where")


# -- along axes --------------------------------------------------------------------------------------------------


def reduced(m: Machine, value: ArrayV, axis: Value, keep: bool) -> ArrayV:
    """What is left of an array: a number without an axis, one for each sample along another axis than the first."""
    axes = [axis] if isinstance(axis, Const) else list(getattr(axis, "items", ()))
    known = [each.value for each in axes if isinstance(each, Const)]
    if not axes or len(known) < len(axes):
        found = array()
    elif None in known:
        found = array(())
    else:
        last = value.shape is None or len(value.shape) > 1
        samples = 0 not in known and last and all(isinstance(each, int) for each in known)
        shape = shapes.reduce(value.shape, tuple(known), keep) if value.shape is not None else None
        found = array(shape, value.rows if samples else None)
    m.flow(found, [value])
    return found


def _reducing(name: str) -> None:
    path = f"numpy.{name}"
    plain = NATIVES.get(path)

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        value = m.resolve(arguments.positional[0]) if arguments.positional else None
        if isinstance(value, ArrayV):
            axis = m.resolve(arguments.get(1, "axis") or const(None))
            return reduced(m, value, axis, _true(arguments.keywords.get("keepdims")))
        return plain(m, site, arguments) if plain is not None else _other(m, arguments, path)

    def method(m: Machine, site: CallSite, value: ArrayV, arguments: Arguments) -> Value:
        axis = m.resolve(arguments.get(0, "axis") or const(None))
        return reduced(m, value, axis, _true(arguments.keywords.get("keepdims")))

    if not name.startswith("nan") and name not in ("amax", "amin", "median", "count_nonzero"):
        METHODS[ArrayV, name] = method


def _true(value: Value | None) -> bool:
    return isinstance(value, Const) and bool(value.value)


for _name in REDUCING:
    _reducing(_name)


def _method(name: str) -> None:
    def method(m: Machine, site: CallSite, value: ArrayV, arguments: Arguments) -> Value:
        return together(m, [value, *(m.resolve(each) for each in arguments.positional if name == "clip")])

    METHODS[ArrayV, name] = method


for _name in ("clip", "round", "cumsum", "abs"):
    _method(_name)


# -- products and ranges -----------------------------------------------------------------------------------------


def product(m: Machine, left: Value, right: Value) -> ArrayV:
    """``left @ right``: a row for each of the left one."""
    one, other = shape_known(left), shape_known(right)
    shape: Shape = None
    if one is not None and other is not None and len(one) == 2 and len(other) in (1, 2):
        shape = (one[0], *other[1:])
    vector = one is not None and len(one) < 2
    found = array(shape, None if vector else rows_of(left))
    m.flow(found, [left, right])
    return found


@native("numpy.dot", "numpy.matmul")
def dot(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``np.dot(left, right)``."""
    values = [m.resolve(each) for each in arguments.positional]
    if len(values) == 2 and any(isinstance(each, ArrayV) for each in values):
        return product(m, *values)
    return _other(m, arguments, "numpy.dot")


def _long(path: str, index: int) -> None:
    """Ranges of more numbers than are followed one by one, or with bounds that are not known."""
    plain = NATIVES[path]

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        found = plain(m, site, arguments)
        count = number(m, arguments.get(index, "num"), site.span)
        if isinstance(found, ListV) or count is None or path.endswith("arange") and len(arguments.positional) != 1:
            return found
        return array((count.value,), count, (), ("made", site.span))


for _name, _index in (("linspace", 2), ("logspace", 2), ("arange", 0)):
    _long(f"numpy.{_name}", _index)


# -- lists of numbers that are arrays ----------------------------------------------------------------------------


def as_data(value: ListV) -> ArrayV:
    """An array whose numbers are followed no further."""
    found = array(shape_known(value), rows_of(value), ())
    found.root = ("list", id(value))
    return found


def _reshape(m: Machine, site: CallSite, value: ListV, arguments: Arguments) -> Value:
    if value.kind != "array" or value.open:
        return unknown("reshape")
    return reshaped(m, as_data(value), arguments.positional)


METHODS[ListV, "reshape"] = _reshape


def is_new_axis(index: Value) -> bool:
    """Whether an index only adds axes: ``x[:, None]``, ``x[..., np.newaxis]``."""
    parts = index.items if isinstance(index, TupleV) else ()
    return bool(parts) and all(_keeps(each) for each in parts) and any(_is(each, None) for each in parts)


def _keeps(value: Value) -> bool:
    if isinstance(value, SliceV):
        return all(_is(each, None) for each in (value.lower, value.upper, value.step))
    return _is(value, None) or _is(value, Ellipsis)


def _is(value: Value, expected: object) -> bool:
    return isinstance(value, Const) and value.value is expected


# -- comparisons and signs ---------------------------------------------------------------------------------------

COMPARED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def data_comparison(m: Machine, op: type[ast.cmpop], left: Value, right: Value) -> Value | None:
    """``labels > 0.5`` has as many elements as the labels; None where no array is meant."""
    pair = (left, right)
    if op not in COMPARED or not any(is_data(each) and rows_of(each) is not None for each in pair):
        return None
    if not all(is_data(each) or isinstance(each, StatisticV) or _is_number(each) for each in pair):
        return None
    return together(m, pair, mask=True)


def _is_number(value: Value) -> bool:
    return isinstance(value, Const) and isinstance(value.value, (int, float))
