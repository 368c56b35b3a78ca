"""Shapes of what operators and functions make of tensors: ``keras.ops``, TensorFlow's and the backend's functions.

Axes may be negative; whatever Keras would refuse, and whatever bnlint cannot tell, gives an unknown size or an unknown rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import EllipsisType
from typing import TypeAlias

from bnlint.keras_api.shapes_size import UNKNOWN, Dim, Shape, UnknownSize, as_shape, axis_of, number, product, total

Index: TypeAlias = int | slice | EllipsisType | UnknownSize | None
"""One position of a subscript; :data:`UNKNOWN` may be a number as well as a slice."""


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of an elementwise operation on tensors (or numbers, whose shape is ``()``) of these shapes."""
    ranks = [len(shape) for shape in shapes if shape is not None]
    if len(ranks) < len(shapes) or not ranks:
        return None
    rank = max(ranks)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes if shape is not None]
    return tuple(broadcast_sizes(column) for column in zip(*padded, strict=True))


def broadcast_sizes(sizes: Sequence[Dim]) -> Dim:
    """Return the size of one axis of an elementwise operation: a size above one wins over a free or unknown one."""
    wide = {size for size in sizes if size != 1}
    fixed = wide - {None, UNKNOWN}
    if not wide:
        return 1
    if len(fixed) == 1:
        return fixed.pop()
    return None if wide == {None} else UNKNOWN


def reduce(shape: Shape, axis: object = None, keepdims: object = False) -> Shape:
    """Return the shape of a sum, mean, maximum, ... over ``axis``: one axis, several, or all of them (``None``)."""
    if shape is None:
        return None
    if axis is None:
        reduced: set[int] | None = set(range(len(shape)))
    else:
        reduced = _axes(axis, len(shape))
    if keepdims is UNKNOWN:
        return None
    if reduced is None:
        return tuple(1 if size == 1 else UNKNOWN for size in shape) if keepdims else None
    if keepdims:
        return tuple(1 if position in reduced else size for position, size in enumerate(shape))
    return tuple(size for position, size in enumerate(shape) if position not in reduced)


def transpose(shape: Shape, axes: object = None) -> Shape:
    """Return the shape after moving the axes to the order ``axes``; ``None`` reverses them."""
    if axes is None:
        return shape if shape is None else shape[::-1]
    if not isinstance(axes, (tuple, list)) or (shape is not None and len(axes) != len(shape)):
        return None if shape is None else (UNKNOWN,) * len(shape)
    if shape is None:
        return (UNKNOWN,) * len(axes)
    order = [axis_of(axis, len(shape)) for axis in axes]
    return tuple(UNKNOWN if axis is None else shape[axis] for axis in order)


def reshape(shape: Shape, target: object) -> Shape:
    """Return ``target`` with its ``-1`` replaced by the size that is left over, where that can be told.

    ``target`` holds all axes, the batch axis too.
    """
    sizes = as_shape(target)
    if sizes is None:
        return None
    if -1 not in sizes:
        return sizes
    rest: Dim = UNKNOWN
    if shape is not None:
        given, taken = product(shape), product(size for size in sizes if size != -1)
        if given is None or taken is None:
            rest = None
        elif given is not UNKNOWN and taken is not UNKNOWN and taken > 0 and given % taken == 0:
            rest = given // taken
    if sizes.count(-1) > 1:
        rest = UNKNOWN
    return tuple(rest if size == -1 else size for size in sizes)


def concatenate(shapes: Sequence[Shape], axis: object = -1) -> Shape:
    """Return the shape of tensors joined along ``axis``; the other sizes are the first tensor's, as in Keras 3."""
    known = [shape for shape in shapes if shape is not None]
    if not known or any(len(shape) != len(known[0]) for shape in known):
        return None
    rank = len(known[0])
    along = axis_of(axis, rank)
    if len(known) < len(shapes) or along is None:
        return (UNKNOWN,) * rank
    first = known[0]
    return (*first[:along], total(shape[along] for shape in known), *first[along + 1 :])


def stack(shapes: Sequence[Shape], axis: object = 0) -> Shape:
    """Return the shape of tensors of one shape put side by side along a new axis."""
    first = next((shape for shape in shapes if shape is not None), None)
    if first is None:
        return None
    along = axis_of(axis, len(first) + 1)
    if along is None:
        return (UNKNOWN,) * (len(first) + 1)
    return (*first[:along], len(shapes), *first[along:])


def expand_dims(shape: Shape, axis: object) -> Shape:
    """Return the shape with an axis of size one put in at ``axis``, or at each of several axes."""
    if shape is None:
        return None
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    new = _axes(axis, len(shape) + count)
    if new is None or len(new) != count:
        return (UNKNOWN,) * (len(shape) + count)
    sizes = iter(shape)
    return tuple(1 if position in new else next(sizes) for position in range(len(shape) + count))


def squeeze(shape: Shape, axis: object = None) -> Shape:
    """Return the shape without ``axis``, or without every axis of size one."""
    if shape is None:
        return None
    if axis is None:
        return None if UNKNOWN in shape else tuple(size for size in shape if size != 1)
    gone = _axes(axis, len(shape))
    if gone is None:
        return None
    return tuple(size for position, size in enumerate(shape) if position not in gone)


def matmul(left: Shape, right: Shape) -> Shape:
    """Return the shape of the matrix product; a tensor of rank one is a row on the left and a column on the right."""
    if left is None or right is None or not left or not right:
        return None
    rows = left if len(left) > 1 else (1, *left)
    columns = right if len(right) > 1 else (*right, 1)
    lead = broadcast([rows[:-2], columns[:-2]])
    if lead is None:
        return None
    return lead + rows[-2:-1] * (len(left) > 1) + columns[-1:] * (len(right) > 1)


def slice_shape(shape: Shape, index: Index | tuple[Index, ...]) -> Shape:
    """Return the shape of ``tensor[index]``; a slice may hold :data:`UNKNOWN` bounds."""
    items = list(index) if isinstance(index, tuple) else [index]
    if shape is None or UNKNOWN in items:
        return None
    used = sum(1 for item in items if item is not None and item is not Ellipsis)
    if used > len(shape) or items.count(Ellipsis) > 1:
        return None
    if Ellipsis not in items:
        items.append(Ellipsis)
    result: list[Dim] = []
    rest = list(shape)
    for item in items:
        if item is None:
            result.append(1)
        elif item is Ellipsis:
            kept = len(shape) - used
            result += rest[:kept]
            rest = rest[kept:]
        elif isinstance(item, slice):
            result.append(_slice_size(rest.pop(0), item))
        elif number(item) is UNKNOWN:
            return None
        else:
            rest.pop(0)
    return tuple(result)


def split(shape: Shape, parts: object, axis: object = -1, *, sizes: bool = False) -> list[Shape] | None:
    """Return the shapes of the parts, or ``None`` where their number is not known.

    A number is the number of equal parts. A list holds the positions at which to cut, as in ``keras.ops`` and numpy, or with
    ``sizes`` the sizes of the parts, as in TensorFlow.
    """
    along = None if shape is None else axis_of(axis, len(shape))
    whole: Dim = UNKNOWN if shape is None or along is None else shape[along]
    lengths = _part_lengths(whole, parts, sizes)
    if lengths is None:
        return None
    if shape is None:
        return [None] * len(lengths)
    if along is None:
        return [(UNKNOWN,) * len(shape)] * len(lengths)
    return [(*shape[:along], length, *shape[along + 1 :]) for length in lengths]


def _part_lengths(whole: Dim, parts: object, sizes: bool) -> list[Dim] | None:
    if isinstance(parts, (tuple, list)):
        given: list[Dim] = [number(part) for part in parts]
        if not sizes:
            return _between(whole, given)
        known = [part for part in given if isinstance(part, int) and part >= 0]
        rest = whole - sum(known) if isinstance(whole, int) and len(known) == len(given) - 1 else UNKNOWN
        return [rest if part == -1 else part for part in given]
    count = number(parts)
    if count is UNKNOWN or not 0 < count <= 10_000:
        return None
    each: Dim = whole // count if isinstance(whole, int) and whole % count == 0 else None if whole is None else UNKNOWN
    return [each] * count


def _between(whole: Dim, cuts: Sequence[Dim]) -> list[Dim]:
    edges: list[Dim] = [0, *cuts, whole]
    lengths: list[Dim] = []
    for start, end in pairwise(edges):
        if end is None:
            lengths.append(None)
        elif isinstance(start, int) and isinstance(end, int) and 0 <= start <= end:
            lengths.append(end - start)
        else:
            lengths.append(UNKNOWN)
    return lengths


def _slice_size(size: Dim, item: slice) -> Dim:
    bounds = (item.start, item.stop, item.step)
    if bounds in ((None, None, None), (None, None, 1), (0, None, None), (0, None, 1)):
        return size
    if size is None:
        return None
    if size is UNKNOWN or any(bound is not None and number(bound) is UNKNOWN for bound in bounds) or item.step == 0:
        return UNKNOWN
    start, stop, step = item.indices(size)
    return max(0, -((start - stop) // step))


def _axes(value: object, rank: int) -> set[int] | None:
    items = value if isinstance(value, (tuple, list)) else [value]
    axes = [axis_of(item, rank) for item in items]
    known = {axis for axis in axes if axis is not None}
    return known if len(known) == len(axes) else None
