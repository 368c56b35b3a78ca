"""Parts of arrays, and arithmetic on them: how many samples are left, and how they were scaled."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from bnlint.interpreter.data import ArrayV, BatchV, MaskV, Number, Reading, StatisticV, Step, array, like, rows_of, with_rows
from bnlint.interpreter.dispatch import ITEMS, CallSite
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import part
from bnlint.interpreter.records import Context
from bnlint.interpreter.values import Const, ListV, SliceV, TupleV, Unknown, Value
from bnlint.keras_api import shapes
from bnlint.keras_api.shapes import UNKNOWN
from bnlint.purpose import words_beside_parts

# -- parts of arrays ---------------------------------------------------------------------------------------------


def data_subscript(m: Machine, container: Value, index: Value, site: CallSite) -> Value | None:
    """``array[...]``, and the samples ``x[i : i + n]`` of what is not known; None for anything else."""
    index = m.resolve(index)
    if isinstance(container, ArrayV):
        part_of_it = _part(m, container, index, site)
        m.flow(part_of_it, [container])
        return part_of_it
    if isinstance(container, ListV) and container.kind == "array":
        from bnlint.interpreter.array_math import as_data, is_new_axis

        return _part(m, as_data(container), index, site) if is_new_axis(index) else None
    first = index.items[0] if isinstance(index, TupleV) and index.items else index
    if isinstance(container, Unknown) and type(container) is Unknown:
        rows = (
            _sliced(None, first, site)
            if isinstance(first, SliceV)
            else rows_of(first)
            if isinstance(first, ArrayV) and not isinstance(first, MaskV)
            else None
        )
        if isinstance(first, Const) and first.value is None:
            rows = Number(1)
        found = array(rows=rows, steps=(), root=("of", container.term))
        m.flow(found, [container])
        return found if rows is not None else None
    return None


def _part(m: Machine, value: ArrayV, index: Value, site: CallSite) -> Value:
    if isinstance(value, BatchV) and isinstance(index, Const) and isinstance(index.value, (int, str)):
        return array(rows=value.rows)
    picks = index.items if isinstance(index, TupleV) else (index,)
    first = m.resolve(picks[0]) if picks else index
    shape = shapes.slice_shape(value.shape, tuple(_pick(m, each) for each in picks)) if value.shape is not None else None
    if isinstance(first, SliceV):
        rows = _sliced(value.rows, first, site)
        return like(value, shape=with_rows(shape, rows), rows=rows, steps=value.steps, constant=value.constant)
    if isinstance(first, Const):
        if first.value is None:
            return like(value, shape=shape, rows=Number(1), steps=value.steps, constant=value.constant)
        if isinstance(first.value, str) and isinstance(value.root, Reading) and value.steps == ():
            root = replace(value.root, keys=(*value.root.keys, words_beside_parts(first.value)))
            return array(None, value.rows, (), root)
        if isinstance(first.value, str) or first.value is Ellipsis:
            return like(value, rows=value.rows, steps=value.steps if first.value is Ellipsis else None, constant=value.constant)
        return like(value, shape=shape, steps=value.steps, constant=value.constant)
    if (
        isinstance(first, ListV)
        and first.items
        and all(isinstance(each, Const) and isinstance(each.value, str) for each in first.items)
    ):
        return like(value, rows=value.rows, steps=value.steps, constant=value.constant)
    rows = rows_of(first) if isinstance(first, (ArrayV, ListV)) and not isinstance(first, MaskV) else None
    return like(
        value,
        shape=with_rows(value.shape, rows) if len(picks) == 1 else None,
        rows=rows,
        steps=value.steps,
        constant=value.constant,
    )


def _pick(m: Machine, value: Value) -> shapes.Index:
    value = m.resolve(value)
    if isinstance(value, Const) and (value.value is None or value.value is Ellipsis or isinstance(value.value, int)):
        found: shapes.Index = value.value
        return found
    if isinstance(value, SliceV) and all(isinstance(each, Const) for each in (value.lower, value.upper, value.step)):
        return slice(*(each.value for each in (value.lower, value.upper, value.step) if isinstance(each, Const)))
    return UNKNOWN


def _sliced(rows: Number | None, index: SliceV, site: CallSite) -> Number | None:
    """How many samples a slice takes; of unknown data it takes as many as it says."""
    lower, upper, step = index.lower, index.upper, index.step
    if not isinstance(step, Const) or step.value not in (None, 1):
        return None
    if isinstance(lower, Const) and isinstance(upper, Const):
        return _between(rows, lower, upper, site)
    width = _width(part(lower), part(upper))
    return Number(width, False, site.span) if width is not None and (rows is None or rows.value >= width) else None


def _between(rows: Number | None, lower: Const, upper: Const, site: CallSite) -> Number | None:
    bounds = (lower.value, upper.value)
    if not all(each is None or isinstance(each, int) for each in bounds):
        return None
    assumed = lower.assumed or upper.assumed or (rows is not None and rows.assumed)
    if rows is not None:
        return Number(len(range(rows.value)[slice(*bounds)]), assumed, site.span)
    start = lower.value or 0
    return Number(upper.value - start, assumed, site.span) if upper.value is not None and 0 <= start < upper.value else None


def _width(lower: Any, upper: Any) -> int | None:
    """``n`` where the bounds are ``i`` and ``i + n``, or ``i * n`` and ``(i + 1) * n``."""
    if not isinstance(upper, tuple) or len(upper) != 3:
        return None
    op, left, right = upper
    if op == "+":
        for base, more in ((left, right), (right, left)):
            if base == lower:
                return _whole(more)
    if op == "*" and isinstance(lower, tuple) and len(lower) == 3 and lower[0] == "*":
        for index, width in ((left, right), (right, left)):
            for base, same in ((lower[1], lower[2]), (lower[2], lower[1])):
                if width == same and index in (("+", base, ("c", 1)), ("+", ("c", 1), base)):
                    return _whole(width)
    return None


def _whole(term: Any) -> int | None:
    known = isinstance(term, tuple) and len(term) == 2 and term[0] == "c" and isinstance(term[1], int)
    return term[1] if known and not isinstance(term[1], bool) and term[1] > 0 else None


def sample(m: Machine, value: ArrayV, round: int, site: CallSite) -> Value:
    """One sample of an array."""
    return like(value, shape=value.shape[1:] if value.shape else None, steps=value.steps, constant=value.constant)


def part_of_batch(m: Machine, value: BatchV, round: int, site: CallSite) -> Value:
    """One of the arrays that a batch consists of."""
    return array(rows=value.rows)


ITEMS[ArrayV] = sample
ITEMS[BatchV] = part_of_batch

# -- arithmetic --------------------------------------------------------------------------------------------------


def data_operator(m: Machine, op: type[ast.operator], left: Value, right: Value, site: CallSite) -> Value | None:
    """Arithmetic on arrays: what scales all samples alike is remembered; None where no array is meant."""
    if isinstance(left, StatisticV) and isinstance(right, Const):
        return left
    if isinstance(right, StatisticV) and isinstance(left, Const) and op is ast.Add:
        return right
    if not isinstance(left, ArrayV) and not isinstance(right, ArrayV):
        return None
    base, other = (left, right) if isinstance(left, ArrayV) else (right, left)
    if not isinstance(base, ArrayV) or not isinstance(other, (ArrayV, Const, StatisticV)) or op is ast.MatMult:
        from bnlint.interpreter.array_math import is_data, product, together

        if op is ast.MatMult:
            return product(m, left, right)
        return together(m, [left, right]) if is_data(other) else None
    if base.shape == () and isinstance(other, ArrayV):
        base, other = other, base
    shape = base.shape if not isinstance(other, ArrayV) else shapes.broadcast([base.shape, other.shape])
    rows = base.rows if base.rows is None or not isinstance(other, ArrayV) else _wider(base.rows, other.rows)
    constant = base.constant and isinstance(other, (Const, StatisticV))
    found = like(base, shape=shape if isinstance(other, (Const, ArrayV)) else None, rows=rows, constant=constant)
    m.flow(found, [left, right])
    found.steps = _scaled(base.steps, op, other, base is left, site, m)
    return found


def _wider(one: Number, other: Number | None) -> Number:
    return other if other is not None and one.value == 1 else one


def _scaled(
    steps: tuple[Step, ...] | None, op: type[ast.operator], other: Value, first: bool, site: CallSite, m: Machine
) -> tuple[Step, ...] | None:
    if steps is None or not first and op in (ast.Div, ast.Sub):
        return None
    if isinstance(other, Const) and isinstance(other.value, (int, float)):
        return _affine(steps, op, float(other.value), m.context(site))
    if isinstance(other, StatisticV) and op in (ast.Sub, ast.Div) and other.fit is not None:
        return (*steps, Step((op.__name__, other.key), other.name, other.fit, other.fit.context))
    return None


def _affine(steps: tuple[Step, ...], op: type[ast.operator], value: float, context: Context) -> tuple[Step, ...] | None:
    """Factors and offsets in a row are one step."""
    factor, offset = 1.0, 0.0
    last = steps[-1] if steps else None
    if last is not None and isinstance(last.key, tuple) and last.key[0] == "affine":
        _, factor, offset = last.key
        steps = steps[:-1]
    if op is ast.Div and value:
        factor, offset = factor / value, offset / value
    elif op is ast.Mult:
        factor, offset = factor * value, offset * value
    elif op in (ast.Add, ast.Sub):
        offset += value if op is ast.Add else -value
    else:
        return None
    key = ("affine", float(f"{factor:.5g}"), float(f"{offset:.5g}"))
    return steps if key == ("affine", 1.0, 0.0) else (*steps, Step(key, "arithmetic", None, context))
