"""The small NumPy calls that make configurations. An array is a list of numbers of the kind "array"."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import METHODS, CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import (
    Meter,
    apply,
    concrete,
    cut,
    derive,
    evaluate,
    lifted,
    numbers,
    part,
    raised,
    settle,
    words,
)
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.values import (
    Arguments,
    Const,
    ListV,
    NativeMethodV,
    NotPlain,
    TupleV,
    Unknown,
    Value,
    const,
    unknown,
)


def as_array(m: Machine, site: CallSite, obj: Any, assumed: bool = False) -> Value:
    """The value of nested lists of numbers, as an array."""
    if isinstance(obj, tuple):
        obj = list(obj)
    found = lifted(m, site, obj, assumed)
    return _mark(found)


def _mark(value: Value) -> Value:
    if isinstance(value, ListV):
        value.kind = "array"
        value.items = [_mark(item) for item in value.items]
    return value


def is_array(value: Value) -> bool:
    return isinstance(value, ListV) and value.kind == "array"


# -- making arrays -----------------------------------------------------------------------------------------------


@native("numpy.array", "numpy.asarray", "numpy.asanyarray", "numpy.ascontiguousarray")
def array(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``np.array(list)`` of constants; of anything else, unknown."""
    value = first(m, arguments, 0, "object")
    meter = Meter(m)
    try:
        obj = meter.plain(value)
    except NotPlain:
        m.escape(value)
        return derive(m, "numpy.array", part(value)) if isinstance(value, Unknown) else unknown("an array")
    if isinstance(obj, range):
        obj = list(obj[: budget.ITEMS + 1])
    if isinstance(obj, (list, tuple)) and _is_numeric(obj):
        return as_array(m, site, obj, meter.assumed)
    return value if isinstance(obj, (int, float, bool)) else unknown("an array")


def _is_numeric(obj: Any) -> bool:
    return all(_is_numeric(each) if isinstance(each, (list, tuple)) else isinstance(each, (int, float)) for each in obj)


def _arange(*bounds: Any, dtype: Any = None) -> Any:
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    return [start + index * step for index in range(_steps(start, stop, step))]


def _steps(start: Any, stop: Any, step: Any) -> int:
    return int(max(0, math.ceil((stop - start) / step)))


def _arange_fits(*bounds: Any, dtype: Any = None) -> bool:
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    return _steps(start, stop, step) <= budget.ITEMS


def _linspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, **options: Any) -> Any:
    parts = num - 1 if endpoint else num
    found = [float(start) + (float(stop) - float(start)) * index / parts if parts else float(start) for index in range(num)]
    if endpoint and num > 1:
        found[-1] = float(stop)
    return found


def _logspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, base: Any = 10.0, **options: Any) -> Any:
    return [base**each for each in _linspace(start, stop, num, endpoint)]


def _num_fits(start: Any, stop: Any, num: Any = 50, *rest: Any, **options: Any) -> bool:
    return bool(num <= budget.ITEMS)


def makes_array(path: str, function: Callable[..., Any], affordable: Callable[..., bool] | None = None) -> None:
    @native(path)
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        keywords = {name: value for name, value in arguments.keywords.items() if name != "dtype"}
        if not all(isinstance(settle(m, each), (Const, Unknown, ListV, TupleV)) for each in arguments.positional):
            m.escape_all(arguments.values())
            return unknown(path)
        plain = Arguments(arguments.positional, keywords, arguments.open_positional, arguments.open_keywords)
        return _mark(apply(m, site, path, function, plain, affordable))


makes_array("numpy.arange", _arange, _arange_fits)
makes_array("numpy.linspace", _linspace, _num_fits)
makes_array("numpy.logspace", _logspace, _num_fits)


# -- functions of numbers ----------------------------------------------------------------------------------------


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(value: Any, *rest: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [run(each, *rest) for each in value]
        return function(value, *rest)

    return run


def _sign(value: Any) -> int:
    return int(value > 0) - int(value < 0)


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(exponent, (list, tuple)):
        return [_power(base, each) for each in exponent]
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1 and base.bit_length() * exponent > 64:
        raise MemoryError
    return base**exponent


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "ceil": lambda value: float(math.ceil(value)),
    "floor": lambda value: float(math.floor(value)),
    "trunc": lambda value: float(math.trunc(value)),
    "round": lambda value, decimals=0: round(float(value), decimals) if isinstance(value, float) else value,
    "around": lambda value, decimals=0: round(float(value), decimals) if isinstance(value, float) else value,
    "rint": lambda value: float(round(value)),
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "log2": math.log2, "log10": math.log10, "log1p": math.log1p,
    "abs": abs, "absolute": abs, "square": lambda value: value * value, "sign": _sign, "power": _power,
    "deg2rad": math.radians, "rad2deg": math.degrees, "sin": math.sin, "cos": math.cos, "tan": math.tan, "tanh": math.tanh,
    "negative": lambda value: -value,
}  # fmt: skip


def _flat(obj: Any) -> list[Any]:
    if isinstance(obj, range):
        obj = list(obj[: budget.ITEMS + 1])
        if len(obj) > budget.ITEMS:
            raise MemoryError
    if not isinstance(obj, (list, tuple)):
        return [obj]
    return [item for each in obj for item in (_flat(each) if isinstance(each, (list, tuple)) else [each])]


def _prod(obj: Any) -> Any:
    product: Any = 1
    for each in _flat(obj):
        product = product * each
        if isinstance(product, int) and product.bit_length() > 10_000:
            raise MemoryError
    return product


def _cumsum(obj: Any) -> list[Any]:
    total: Any = 0
    found: list[Any] = []
    for each in _flat(obj):
        total = total + each
        found.append(total)
    return found


def _argbest(choose: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda obj: choose(range(len(_flat(obj))), key=_flat(obj).__getitem__)


def _median(obj: Any) -> float:
    items = sorted(_flat(obj))
    middle = len(items) // 2
    return float(items[middle]) if len(items) % 2 else (items[middle - 1] + items[middle]) / 2


REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "prod": _prod, "product": _prod, "sum": lambda obj: sum(_flat(obj)), "min": lambda obj: min(_flat(obj)),
    "max": lambda obj: max(_flat(obj)), "amin": lambda obj: min(_flat(obj)), "amax": lambda obj: max(_flat(obj)),
    "mean": lambda obj: sum(_flat(obj)) / len(_flat(obj)), "median": _median, "cumsum": _cumsum,
    "argmax": _argbest(max), "argmin": _argbest(min), "size": lambda obj: len(_flat(obj)),
}  # fmt: skip


def _function(path: str, function: Callable[..., Any], few: bool) -> None:
    """A NumPy function of numbers; with options such as ``axis`` it is not followed."""

    @native(path)
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        values = [settle(m, each) for each in arguments.positional]
        keywords = {name: each for name, each in arguments.keywords.items() if name not in ("dtype", "keepdims")}
        simple = all(isinstance(each, (Const, Unknown, ListV, TupleV)) for each in values)
        if not simple or keywords or few and len(values) != 1:
            m.escape_all(arguments.values())
            return unknown(path)
        return _mark(apply(m, site, path, function, Arguments(values, {}, arguments.open_positional), _moderate))


def _moderate(*objects: Any) -> bool:
    return numbers(*(each for obj in objects for each in _flat(obj)))


for _name, _pure in ELEMENTWISE.items():
    _function(f"numpy.{_name}", _elementwise(_pure), False)
for _name, _pure in REDUCTIONS.items():
    _function(f"numpy.{_name}", _pure, True)

CASTS: dict[str, Callable[[Any], Any]] = {
    **{name: int for name in ("int8", "int16", "int32", "int64", "int_", "uint8", "uint16", "uint32", "uint64", "intp", "int")},
    **{name: float for name in ("float16", "float32", "float64", "float_", "double", "float")},
    "bool_": bool,
}

for _name, _cast in CASTS.items():
    _function(f"numpy.{_name}", _elementwise(_cast), True)


def _pairwise(path: str, function: Callable[[Any, Any], Any]) -> None:
    @native(path)
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        values = [settle(m, each) for each in arguments.positional]
        if len(values) != 2 or not all(isinstance(each, (Const, Unknown)) for each in values):
            m.escape_all(arguments.values())
            return unknown(path)
        return apply(m, site, path, function, Arguments(values, {}), numbers)


_pairwise("numpy.maximum", max)
_pairwise("numpy.minimum", min)
_pairwise("numpy.mod", lambda a, b: a % b)
_pairwise("numpy.floor_divide", lambda a, b: a // b)
_pairwise("numpy.gcd", math.gcd)
_pairwise("numpy.divide", lambda a, b: a / b)


@native("numpy.clip")
def clip(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    values = [settle(m, each) for each in arguments.positional]
    if len(values) != 3 or not all(isinstance(each, (Const, Unknown)) for each in values):
        m.escape_all(arguments.values())
        return unknown("numpy.clip")
    return apply(m, site, "numpy.clip", lambda value, low, high: min(max(value, low), high), Arguments(values, {}))


# -- arrays ------------------------------------------------------------------------------------------------------

ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: _power,
}


def array_operator(m: Machine, op: type[ast.operator], left: Value, right: Value, site: CallSite) -> Value | None:
    """An operator on an array of constants, item by item."""
    function = ARITHMETIC.get(op)
    meter = Meter(m)
    try:
        a, b = meter.plain(left), meter.plain(right)
    except NotPlain:
        return derive(m, op.__name__, part(left), part(right))
    if function is None or not _moderate(a, b):
        return unknown("an operator on arrays")
    found = evaluate(m, site, _broadcast, function, a, b, assumed=meter.assumed)
    return _mark(found)


def _broadcast(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            raise ValueError("operands could not be broadcast together")
        return [_broadcast(function, x, y) for x, y in zip(a, b)]
    if isinstance(a, (list, tuple)):
        return [_broadcast(function, x, b) for x in a]
    if isinstance(b, (list, tuple)):
        return [_broadcast(function, a, y) for y in b]
    return function(a, b)


def shape_of(value: Value) -> list[int]:
    """The sizes of an array of nested lists."""
    found: list[int] = []
    while isinstance(value, ListV) and not value.open:
        found.append(len(value.items))
        if not value.items:
            break
        value = value.items[0]
    return found


def array_attribute(m: Machine, value: ListV, name: str) -> Value | None:
    """An attribute or method of an array."""
    sizes = shape_of(value)
    if name == "shape":
        return TupleV(tuple(const(size) for size in sizes))
    if name == "ndim":
        return const(len(sizes))
    if name == "size":
        return const(math.prod(sizes))
    if name in ARRAY_METHODS or (ListV, name) in METHODS and name not in LIST_ONLY:
        return NativeMethodV(value, name)
    return None


LIST_ONLY = words("append extend insert pop popleft appendleft remove index count reverse rotate clear")


def _plain_list(obj: Any) -> Any:
    return [_plain_list(each) for each in obj] if isinstance(obj, (list, tuple)) else obj


ARRAY_METHODS: dict[str, Callable[..., Any]] = {
    **{name: function for name, function in REDUCTIONS.items() if name not in ("amin", "amax", "size", "product")},
    "astype": lambda obj, kind=None: obj,
    "round": _elementwise(lambda value, decimals=0: round(value, decimals)),
    "flatten": _flat,
    "ravel": _flat,
}


def _array_method(name: str, function: Callable[..., Any]) -> None:
    def run(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
        if self.kind != "array":
            raise raised("AttributeError", f"'list' object has no attribute '{name}'")
        if name == "astype":
            return _cast_array(m, site, self, arguments)
        if arguments.values() or arguments.open_positional or arguments.open_keywords:
            return derive(m, name, part(self), *map(part, arguments.positional))
        return _mark(apply(m, site, name, function, Arguments([self], {}), _moderate))

    METHODS[ListV, name] = run


for _name, _pure in ARRAY_METHODS.items():
    _array_method(_name, _pure)


def _cast_array(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    kind = first(m, arguments, 0, "dtype")
    path = getattr(kind, "path", "").rpartition(".")[2]
    name = kind.value if isinstance(kind, Const) else path
    cast = CASTS.get(str(name))
    try:
        obj = concrete(m, self)
    except NotPlain:
        return derive(m, "astype", part(self), part(kind))
    if cast is None:
        return cut(m, site, "a cast that is not known") if not name else unknown("astype")
    return _mark(evaluate(m, site, _elementwise(cast), obj))


def _tolist(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    try:
        return lifted(m, site, _plain_list(concrete(m, self)))
    except NotPlain:
        return derive(m, "tolist", part(self))


METHODS[ListV, "tolist"] = _tolist
