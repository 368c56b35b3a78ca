"""Data: arrays and data sets, as far as rules ask about them: how many samples, in batches of what size, scaled by what.

They are unknown values of which something is known: whatever does not ask for that treats them as any other unknown value.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from bnlint.finding import Span
from bnlint.interpreter.dispatch import CallSite, span_of
from bnlint.interpreter.iteration import IterableV
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Context
from bnlint.interpreter.values import Arguments, Const, DictV, ListV, TupleV, Unknown, Value
from bnlint.keras_api.shapes import UNKNOWN, Shape


@dataclass(frozen=True, slots=True)
class Number:
    """A size that is known. ``assumed``: by default; ``place``: the argument that says it."""

    value: int
    assumed: bool = False
    place: Span | None = None
    default: bool = False
    """A library's default, which the source does not give."""
    batched: bool = False
    """It was given as the size of a batch."""
    per_replica: bool = False
    """It is to be multiplied by the number of replicas of a strategy."""


@dataclass(slots=True, eq=False)
class Fit:
    """What was computed from some data, to scale with it: a scaler that was fitted, a mean."""

    name: str
    data: Value
    context: Context


@dataclass(frozen=True, slots=True)
class Step:
    """One step of scaling; two are the same where ``key`` is equal."""

    key: Hashable
    name: str
    fit: Fit | None = field(default=None, compare=False)
    context: Context | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a file: by which function, by what words but those that name a part of the data, in which call; ``keys``
    are what was taken out of it."""

    reader: str
    words: tuple[str, ...]
    place: Span
    keys: tuple[tuple[str, ...], ...] = ()

    def is_like(self, other: Reading) -> bool:
        """Whether both are data of one kind: read by one call, or from files whose names differ in the part of the data alone."""
        same = self.reader == other.reader and self.keys == other.keys
        return same and (self.place == other.place or bool(self.words) and self.words == other.words)


@dataclass(slots=True, eq=False)
class ArrayV(Unknown):
    """An array, a data frame or a batch of one. ``steps``: how the data that ``root`` names were scaled; None: not known."""

    shape: Shape = None
    rows: Number | None = None
    steps: tuple[Step, ...] | None = None
    root: Hashable = None
    constant: bool = False
    """Zeros, ones or the like, in which there is nothing to learn."""


@dataclass(slots=True, eq=False)
class MaskV(ArrayV):
    """What a comparison of an array gives: an array for each sample, by which some can be chosen."""


@dataclass(slots=True, eq=False)
class BatchV(ArrayV):
    """A batch of which nothing but its size is known: an array, or several that can be taken apart."""


@dataclass(slots=True, eq=False)
class StatisticV(Unknown):
    """A mean or standard deviation of an array."""

    name: str = ""
    key: Hashable = None
    fit: Fit | None = None


@dataclass(slots=True, eq=False)
class DatasetV(Unknown):
    """A ``tf.data.Dataset`` or a generator of batches.

    ``count``: its elements, which are batches where ``batch`` is known. ``last``: the samples in the last batch where that is a
    smaller one. ``endless``: it begins again when it has ended.
    """

    element: Value | None = None
    count: Number | None = None
    samples: Number | None = None
    batch: Number | None = None
    batched: bool = False
    last: int | None = None
    endless: bool = False
    steps: tuple[Step, ...] | None = None
    root: Hashable = None
    generator: Value | None = None


def fresh() -> tuple[str, object]:
    """A term that is equal to no other."""
    return ("?", object())


def array(
    shape: Shape = None,
    rows: Number | None = None,
    steps: tuple[Step, ...] | None = None,
    root: Hashable = None,
    constant: bool = False,
) -> ArrayV:
    """An array of which something is known."""
    if rows is None and shape and isinstance(shape[0], int):
        rows = Number(shape[0])
    return ArrayV(fresh(), "an array", shape, rows, steps, root, constant)


def like(
    value: ArrayV,
    *,
    shape: Shape = None,
    rows: Number | None = None,
    steps: tuple[Step, ...] | None = None,
    constant: bool = False,
) -> ArrayV:
    """An array made from another one."""
    return array(shape, rows, steps, value.root, constant)


def changed(dataset: DatasetV, **changes: object) -> DatasetV:
    """A data set made from another one."""
    return replace(dataset, term=fresh(), **changes)  # type: ignore[arg-type]


def number(m: Machine, value: Value | None, place: Span | None = None) -> Number | None:
    """The size that a value is; None where that is not known."""
    return as_number(m.resolve(value) if value is not None else None, place)


def as_number(value: Value | None, place: Span | None = None) -> Number | None:
    """The size that a value is, also where it is multiplied by a number of replicas that is not known."""
    if isinstance(value, Unknown) and len(value.term) == 3 and value.term[0] == "*":
        factors: Any = value.term[1:]
        for one, other in (factors, factors[::-1]):
            if _is_term(one, "replicas") and _is_term(other, "c") and isinstance(other[1], int):
                return Number(other[1], False, place, per_replica=True)
    if not isinstance(value, Const) or isinstance(value.value, bool) or not isinstance(value.value, (int, float)):
        return None
    if value.value != value.value or abs(value.value) > 1e12 or value.value != int(value.value):
        return None
    return Number(int(value.value), value.assumed, place)


def _is_term(term: Any, kind: str) -> bool:
    return isinstance(term, tuple) and len(term) == 2 and term[0] == kind


def argument(m: Machine, arguments: Arguments, index: int | None, name: str, site: CallSite) -> Number | None:
    """A size given as an argument, with its place."""
    return number(m, arguments.get(index, name), argument_place(arguments, index, name, site))


def argument_place(arguments: Arguments, index: int | None, name: str, site: CallSite) -> Span:
    """Where an argument stands, else its call."""
    node = arguments.nodes.get(name) or (arguments.nodes.get(index) if index is not None else None)
    inside = node is not None and site.fixed is None
    return span_of(site.frame.module, node) if inside and node is not None else site.span


def rows_of(value: Value | None, depth: int = 4) -> Number | None:
    """How many samples some data hold: the first of several arrays that says it."""
    if isinstance(value, ArrayV):
        return value.rows
    if isinstance(value, ListV) and value.kind == "array":
        return None if value.open or value.grown else Number(len(value.items))
    if not depth:
        return None
    found = (rows_of(item, depth - 1) for item in parts_of(value))
    return next((each for each in found if each is not None), None)


def arrays_in(value: Value | None, depth: int = 4) -> list[ArrayV]:
    """The arrays in some data, in order."""
    if isinstance(value, ArrayV):
        return [value]
    return [found for item in parts_of(value) for found in arrays_in(item, depth - 1)] if depth else []


def first_array(element: Value | None) -> ArrayV | None:
    """The inputs of an element, if they are one array; targets and weights may come behind them."""
    inputs = element.items[0] if isinstance(element, TupleV) and element.items else element
    arrays = arrays_in(inputs)
    return arrays[0] if len(arrays) == 1 else None


def parts_of(value: Value | None) -> Iterable[Value]:
    """The items of a tuple, list or dictionary of data."""
    if isinstance(value, (TupleV, ListV)):
        return value.items
    return [item for _, item in value.items.values()] if isinstance(value, DictV) else []


def size(shape: Shape) -> int | None:
    """How many numbers an array of a shape holds."""
    total = 1
    for each in shape if shape is not None else (UNKNOWN,):
        if not isinstance(each, int):
            return None
        total *= each
    return total


def with_rows(shape: Shape, rows: Number | None) -> Shape:
    """The shape of as many other samples."""
    return (rows.value if rows is not None else UNKNOWN, *shape[1:]) if shape else None


def dataset_in(value: Value | None, depth: int = 3) -> DatasetV | None:
    """The data set that a value is, or hands on as ``zip(a, b)``, ``iter(a)`` and ``enumerate(a)`` do."""
    if isinstance(value, DatasetV):
        return value
    if isinstance(value, IterableV) and depth and value.kind in ("zip", "iter", "enumerate", "tqdm", "map", "cycle"):
        found = (dataset_in(each, depth - 1) for each in value.parts)
        return next((each for each in found if each is not None), None)
    return None
