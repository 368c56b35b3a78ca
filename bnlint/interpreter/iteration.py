"""Iteration over what is not wholly known: items that stand for the first rounds, and iterables that are lazy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import ITEMS, ITERATORS, CallSite
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import TERM_PARTS, charge_items, derive, part, raised, range_length, settle, term_size
from bnlint.interpreter.values import (
    Arguments,
    Const,
    DictV,
    ListV,
    SetV,
    SliceV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)


@dataclass(slots=True, eq=False)
class IterableV(Unknown):
    """An iterable made of ``parts`` whose length is not known: ``enumerate``, ``zip``, ``map``, ``range``, a slice, ...

    Whatever makes it escape makes its parts escape.
    """

    kind: str = ""
    parts: tuple[Value, ...] = ()

    def parts_inside(self) -> tuple[Value, ...]:
        return self.parts


@dataclass(slots=True, eq=False)
class RestV(Unknown):
    """Stands in an open list for the items, of a number not known, that ``source`` gave it."""

    source: Value | None = None

    def parts_inside(self) -> tuple[Value, ...]:
        return (self.source,) if self.source is not None else ()


def iterable(kind: str, *parts: Value) -> IterableV:
    """An iterable made of parts."""
    term = (kind, *map(part, parts))
    return IterableV(term if term_size(term) <= TERM_PARTS else ("?", object()), kind, kind, parts)


def rest(source: Value | None = None) -> RestV:
    """A place in an open list where items are missing."""
    return RestV(("?", object()), "items that are not known", source)


def unknown_item(m: Machine, value: Value, round: int, site: CallSite) -> Value:
    """The item of an iterable for one round of a loop, where the iterable is not wholly known."""
    value = settle(m, value)
    if type(value) in ITEMS:
        return ITEMS[type(value)](m, value, round, site)
    if isinstance(value, IterableV):
        found = _lazy_item(m, value, round, site)
        if found is not None:
            return found
    elif isinstance(value, ListV):
        return list_item(m, value, round, site)
    elif isinstance(value, TupleV):
        return value.items[round] if round < len(value.items) else unknown("behind the end of a tuple")
    elif isinstance(value, (DictV, SetV)):
        keys = [entry[0] for entry in value.items.values()] if isinstance(value, DictV) else list(value.items.values())
        if round < len(keys):
            return keys[round]
    elif isinstance(value, Const) and isinstance(value.value, (str, bytes, range)) and round < len(value.value):
        return Const(value.value[round], value.assumed)
    elif isinstance(value, Unknown) and value.term[0] in PAIRS:
        pair = (value.term[0], value.term, ("c", round))
        return TupleV((derive(m, "item", pair, ("c", 0)), derive(m, "item", pair, ("c", 1))))
    return derive(m, "item", part(value), ("c", round))


PAIRS = frozenset({"items", "enumerate"})


def list_item(m: Machine, value: ListV, index: int, site: CallSite) -> Value:
    """An item of an open list counted from its start."""
    charge_items(m, min(index, len(value.items)))
    for position, item in enumerate(value.items[: index + 1]):
        if isinstance(item, RestV):
            if item.source is None:
                return unknown("an item of a list that is not wholly known")
            return unknown_item(m, item.source, index - position, site)
    if index < len(value.items):
        return value.items[index]
    return derive(m, "item", part(value), ("c", index))


def _lazy_item(m: Machine, value: IterableV, round: int, site: CallSite) -> Value | None:
    parts = value.parts
    if value.kind == "enumerate":
        return TupleV((_counted(m, parts[1], Const(1), round), unknown_item(m, parts[0], round, site)))
    if value.kind == "zip":
        return TupleV(tuple(unknown_item(m, each, round, site) for each in parts))
    if value.kind == "map":
        items = [unknown_item(m, each, round, site) for each in parts[1:]]
        return m.call(parts[0], Arguments(items, {}), site)
    if value.kind in ("filter", "iter", "list", "tuple", "tqdm"):
        return unknown_item(m, parts[0], round, site)
    if value.kind in ("range", "count"):
        return _counted(m, parts[0], parts[-1], round)
    if value.kind == "repeat":
        return parts[0]
    if value.kind == "cycle":
        known = m.items(parts[0], site)
        return known[round % len(known)] if known else unknown_item(m, parts[0], round, site)
    if value.kind == "slice" and isinstance(parts[1], SliceV):
        return _slice_item(m, parts[0], parts[1], round, site)
    return None


def _counted(m: Machine, start: Value, step: Value, round: int) -> Value:
    if (
        isinstance(start, Const)
        and isinstance(step, Const)
        and isinstance(start.value, (int, float))
        and isinstance(step.value, (int, float))
    ):
        return Const(start.value + round * step.value, start.assumed)
    return start if round == 0 else derive(m, "+", part(start), ("*", ("c", round), part(step)))


def _slice_item(m: Machine, container: Value, index: SliceV, round: int, site: CallSite) -> Value | None:
    """``x[:n]`` starts with the first item of ``x``, whatever n is."""
    lower, step = index.lower, index.step
    if not (isinstance(lower, Const) and isinstance(step, Const) and step.value in (None, 1)):
        m.escape(container)
        return None
    start = lower.value or 0
    if not isinstance(start, int) or start < 0:
        m.escape(container)
        return None
    return unknown_item(m, container, start + round, site)


def iterate_lazily(m: Machine, value: IterableV, site: CallSite) -> Iterator[Value] | None:
    """The items of a lazy iterable whose parts are known."""
    parts = value.parts
    if value.kind in ("iter", "list", "tuple", "tqdm"):
        return m.iterate(parts[0], site)
    if value.kind == "enumerate":
        inner = m.iterate(parts[0], site)
        start = parts[1]
        if inner is None or not isinstance(start, Const) or not isinstance(start.value, int):
            return None
        return (TupleV((Const(number), item)) for number, item in enumerate(inner, start.value))
    if value.kind == "zip":
        inners = [m.iterate(each, site) for each in parts]
        known = [each for each in inners if each is not None]
        return (TupleV(items) for items in zip(*known)) if known and len(known) == len(inners) else None
    return None


ITERATORS[IterableV] = iterate_lazily


def is_grown(value: Value) -> bool:
    """Whether an iterable has as many items as a list to which a loop of unknown length added them."""
    if isinstance(value, ListV):
        return value.grown
    return isinstance(value, IterableV) and any(map(is_grown, value.parts))


ENDLESS = frozenset({"count", "cycle", "repeat"})


def is_endless(value: Value) -> bool:
    """Whether an iterable has no end, so that beside another one its length does not matter."""
    return isinstance(value, IterableV) and value.kind in ENDLESS


def items_of(m: Machine, value: Value, site: CallSite) -> list[Value] | None:
    """The items of an iterable, None where they are not known; raises TypeError for a constant that has none."""
    value = settle(m, value)
    if isinstance(value, Const) and not isinstance(value.value, (str, bytes, range)) and not value.assumed:
        raise raised("TypeError", f"'{type(value.value).__name__}' object is not iterable")
    return m.items(value, site)


def known_items(m: Machine, value: Value, site: CallSite, length: int | None = None) -> list[Value] | None:
    """The items of a known iterable, or the first ``length`` of an endless one."""
    value = settle(m, value)
    if length is not None and is_endless(value):
        return [unknown_item(m, value, number, site) for number in range(min(length, budget.ITEMS))]
    if isinstance(value, Const) and isinstance(value.value, range) and range_length(value.value) > budget.ITEMS:
        return None
    return items_of(m, value, site)


def is_long(value: Value) -> bool:
    """Whether an iterable is known but too long to be spread out."""
    if isinstance(value, Const):
        return isinstance(value.value, range) and range_length(value.value) > budget.ITEMS
    return isinstance(value, IterableV) and any(is_long(each) for each in value.parts)


def as_item(m: Machine, value: Value, site: CallSite) -> Value:
    """A value that becomes an item of a list; the class of a layer remembers where."""
    if isinstance(value, SymbolV) and m.table.layer(value.path) is not None:
        return SymbolV(value.path, value.generation, m.context(site))
    return value
