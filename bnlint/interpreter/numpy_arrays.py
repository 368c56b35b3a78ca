"""NumPy functions that cut arrays of constants up and put them together."""

from __future__ import annotations

import itertools
from typing import Any

from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.numpy_natives import makes_array
from bnlint.interpreter.pure import derive, part
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.values import Arguments, Const, DictV, ListV, SetV, TupleV, Value, const


def _bounds(size: int, parts: Any, even: bool) -> list[int]:
    if isinstance(parts, (list, tuple)):
        return [0, *(min(max(each + size if each < 0 else each, 0), size) for each in parts), size]
    if parts <= 0 or (even and size % parts):
        raise ValueError("array split does not result in an equal division")
    each, more = divmod(size, parts)
    return [0, *itertools.accumulate([each + 1] * more + [each] * (parts - more))]


def _split(array: Any, parts: Any, axis: Any = 0, even: bool = True) -> list[Any]:
    if axis not in (0, -1) or (axis == -1 and _depth(array) > 1):
        raise ValueError
    bounds = _bounds(len(array), parts, even)
    return [list(array[start:end]) for start, end in itertools.pairwise(bounds)]


def _array_split(array: Any, parts: Any, axis: Any = 0) -> list[Any]:
    return _split(array, parts, axis, even=False)


def _depth(array: Any) -> int:
    return 1 + (_depth(array[0]) if array else 0) if isinstance(array, (list, tuple)) else 0


def _concatenate(arrays: Any, axis: Any = 0) -> list[Any]:
    if axis not in (0, None):
        raise ValueError
    return [item for each in arrays for item in each]


def _append(array: Any, values: Any, axis: Any = None) -> list[Any]:
    return [*array, *(values if isinstance(values, (list, tuple)) else [values])]


def _repeat(array: Any, count: Any, axis: Any = None) -> list[Any]:
    return [item for item in (array if isinstance(array, (list, tuple)) else [array]) for _ in range(count)]


def _tile(array: Any, count: Any) -> list[Any]:
    items: list[Any] = list(array) if isinstance(array, (list, tuple)) else [array]
    return items * int(count)


def _filled(shape: Any, value: Any, dtype: Any = None) -> Any:
    sizes = list(shape) if isinstance(shape, (list, tuple)) else [shape]
    found: Any = value
    for size in reversed(sizes):
        found = [found] * size
    return found


def _diff(array: Any) -> list[Any]:
    return [after - before for before, after in itertools.pairwise(array)]


def _few(array: Any, *rest: Any, **options: Any) -> bool:
    return not isinstance(array, (list, tuple)) or len(array) <= budget.ITEMS


def _repeats_fit(array: Any, count: Any = 1, *rest: Any, **options: Any) -> bool:
    size = len(array) if isinstance(array, (list, tuple)) else 1
    return bool(isinstance(count, int) and size * count <= budget.ITEMS)


def _shape_fits(shape: Any, *rest: Any, **options: Any) -> bool:
    size = 1
    for each in shape if isinstance(shape, (list, tuple)) else [shape]:
        size *= max(int(each), 1)
    return size <= budget.ITEMS


makes_array("numpy.split", _split, _few)
makes_array("numpy.array_split", _array_split, _few)
makes_array("numpy.concatenate", _concatenate, _few)
makes_array("numpy.hstack", _concatenate, _few)
makes_array("numpy.append", _append, _few)
makes_array("numpy.repeat", _repeat, _repeats_fit)
makes_array("numpy.tile", _tile, _repeats_fit)
makes_array("numpy.flip", lambda array, axis=0: list(array)[::-1], _few)
makes_array("numpy.diff", _diff, _few)
makes_array("numpy.zeros", lambda shape, dtype=None: _filled(shape, 0.0), _shape_fits)
makes_array("numpy.ones", lambda shape, dtype=None: _filled(shape, 1.0), _shape_fits)
makes_array("numpy.full", _filled, _shape_fits)


@native("numpy.isscalar")
def isscalar(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Whether a value is one number or one text."""
    value = first(m, arguments)
    if isinstance(value, Const):
        return const(isinstance(value.value, (int, float, complex, str, bytes)))
    if isinstance(value, (ListV, TupleV, DictV, SetV)):
        return const(False)
    return derive(m, "numpy.isscalar", part(value))
