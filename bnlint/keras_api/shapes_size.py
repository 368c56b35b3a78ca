"""Sizes and shapes of tensors, what is known of them, and the arithmetic every shape rule rests on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Final, TypeAlias


class UnknownSize(Enum):
    """The type of :data:`UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = UnknownSize.UNKNOWN
"""A size, or an argument's value, that bnlint cannot tell; it may turn out to be any integer or free."""

Dim: TypeAlias = int | UnknownSize | None
"""A size: an integer, free (``None``, as Keras writes it) or :data:`UNKNOWN`."""

Shape: TypeAlias = tuple[Dim, ...] | None
"""The sizes of a tensor, the batch size first; ``None`` where not even the rank is known."""

Number: TypeAlias = int | UnknownSize
"""A number that a layer was given."""


def as_shape(value: object) -> Shape:
    """Return ``value`` as a shape: a tuple or list of sizes; anything else is a shape of unknown rank."""
    if not isinstance(value, (tuple, list)):
        return None
    return tuple(size if size is None else number(size) for size in value)


def number(value: object) -> Number:
    """Return ``value`` if it is a whole number, else :data:`UNKNOWN`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNKNOWN


def numbers(value: object, count: int) -> tuple[Number, ...]:
    """Return ``value`` as ``count`` numbers, the way Keras reads ``kernel_size=3`` or ``kernel_size=(3, 5)``."""
    if isinstance(value, (tuple, list)):
        return tuple(number(item) for item in value) if len(value) == count else (UNKNOWN,) * count
    return (number(value),) * count


def pairs(value: object, count: int) -> tuple[tuple[Number, Number], ...]:
    """Return ``value`` as what is added or cut before and behind each of ``count`` axes (``padding``, ``cropping``)."""
    unknown = ((UNKNOWN, UNKNOWN),) * count
    if not isinstance(value, (tuple, list)):
        return ((number(value),) * 2,) * count
    if count == 1 and len(value) == 2:
        return ((number(value[0]), number(value[1])),)
    if len(value) != count:
        return unknown
    both = [numbers(item, 2) for item in value]
    return tuple((first, second) for first, second in both)


def axis_of(value: object, rank: int) -> int | None:
    """Return the axis ``value`` counted from the front, or ``None`` if it is no axis of a tensor of that rank."""
    axis = number(value)
    if axis is UNKNOWN or not -rank <= axis < rank:
        return None
    return axis % rank


def product(sizes: Iterable[Dim]) -> Dim:
    """Return the product of sizes: free if one is free, else unknown if one is unknown."""
    return _fold(sizes, math.prod)


def total(sizes: Iterable[Dim]) -> Dim:
    """Return the sum of sizes: free if one is free, else unknown if one is unknown."""
    return _fold(sizes, sum)


def window(size: Dim, kernel: Number, stride: Number, dilation: Number, padding: str) -> Dim:
    """Return the number of places at which a convolution's or a pooling's window stands along one axis."""
    if size is None:
        return None
    if size is UNKNOWN or stride is UNKNOWN or stride < 1:
        return UNKNOWN
    if padding in ("same", "causal"):
        return _positive((size - 1) // stride + 1)
    span = _span(kernel, dilation)
    if padding != "valid" or span is UNKNOWN:
        return UNKNOWN
    return _positive((size - span) // stride + 1)


def transposed_window(size: Dim, kernel: Number, stride: Number, dilation: Number, padding: str, extra: Number | None) -> Dim:
    """Return the length that a transposed convolution makes of ``size``; ``extra`` is its ``output_padding``."""
    if size is None:
        return None
    if size is UNKNOWN or stride is UNKNOWN or stride < 1 or extra is UNKNOWN:
        return UNKNOWN
    if padding == "same" and extra is None:
        return size * stride
    span = _span(kernel, dilation)
    if span is UNKNOWN or padding not in ("same", "valid"):
        return UNKNOWN
    if extra is None:
        return _positive((size - 1) * stride + max(span, stride))
    return _positive((size - 1) * stride + (span % 2 if padding == "same" else span) + extra)


def join(shapes: Sequence[Shape]) -> Shape:
    """Return what several possible shapes of one tensor have in common."""
    first, *others = shapes
    if first is None or any(other is None or len(other) != len(first) for other in others):
        return None
    columns = zip(*(shape for shape in shapes if shape is not None), strict=True)
    return tuple(column[0] if len(set(column)) == 1 else UNKNOWN for column in columns)


def _fold(sizes: Iterable[Dim], fold: Callable[[list[int]], int]) -> Dim:
    items = list(sizes)
    if None in items:
        return None
    known = [item for item in items if isinstance(item, int)]
    return fold(known) if len(known) == len(items) else UNKNOWN


def _span(kernel: Number, dilation: Number) -> Number:
    if kernel == 1:
        return 1
    if kernel is UNKNOWN or dilation is UNKNOWN:
        return UNKNOWN
    return dilation * (kernel - 1) + 1


def _positive(size: int) -> Dim:
    return size if size > 0 else UNKNOWN
