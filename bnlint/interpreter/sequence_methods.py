"""Methods of lists, tuples, iterators and sets."""

from __future__ import annotations

from collections.abc import Hashable

from bnlint.interpreter import budget
from bnlint.interpreter.comparisons import dictionary_key, equal, truth_of
from bnlint.interpreter.containers import extend, has_gap, lose, note_growth
from bnlint.interpreter.dispatch import METHODS, CallSite, method
from bnlint.interpreter.iteration import RestV, as_item, items_of, list_item, rest
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.ordering import sorted_items
from bnlint.interpreter.pure import charge, charge_items, cut, derive, part, raised, settle
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    DictV,
    ListV,
    SetV,
    TupleV,
    Unknown,
    Value,
    const,
    key_of,
    unknown,
)


def first(m: Machine, arguments: Arguments, index: int = 0, name: str = "") -> Value:
    """An argument that must be there."""
    found = arguments.get(index, name)
    if found is None:
        if arguments.open_positional or arguments.open_keywords:
            return unknown("an argument out of sight")
        raise raised("TypeError", "missing argument")
    return settle(m, found)


# -- lists -------------------------------------------------------------------------------------------------------


@method(ListV, "append")
def append(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    value = as_item(m, first(m, arguments), CallSite(arguments.nodes.get(0, site.node), site.frame))
    m.touch(self)
    m.changed()
    note_growth(self, site.frame)
    if len(self.items) >= budget.ITEMS:
        cut(m, site, "a list is too big")
        m.escape(value)
        self.open = True
        return NONE
    if self.open and not has_gap(m, self):
        self.items.append(rest())
    self.items.append(value)
    return NONE


@method(ListV, "extend")
def extend_(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    extend(m, self, first(m, arguments), site)
    return NONE


@method(ListV, "appendleft")
def append_left(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    return insert(m, site, self, Arguments([const(0), first(m, arguments)], {}))


@method(ListV, "insert")
def insert(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    index, value = first(m, arguments), first(m, arguments, 1)
    if len(self.items) >= budget.ITEMS:
        cut(m, site, "a list is too big")
        m.escape(value)
        return NONE
    at_start = isinstance(index, Const) and index.value == 0
    if not isinstance(index, Const) or not isinstance(index.value, int) or self.open and not at_start:
        m.escape(value)
        lose(m, self)
        return NONE
    m.touch(self)
    m.changed()
    charge(m, len(self.items))
    note_growth(self, site.frame)
    self.items.insert(index.value, value)
    return NONE


@method(ListV, "pop")
def pop(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    index = settle(m, arguments.positional[0]) if arguments.positional else const(-1)
    return _take(m, site, self, index)


@method(ListV, "popleft", "__next__")
def pop_left(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    if not self.items and not self.open and self.kind == "iterator":
        raise raised("StopIteration")
    return _take(m, site, self, const(0))


def _take(m: Machine, site: CallSite, self: ListV, index: Value) -> Value:
    """Remove one item and return it."""
    if not isinstance(index, Const) or not isinstance(index.value, int):
        lose(m, self)
        return unknown("popped from an unknown place")
    size = len(self.items)
    if self.open:
        found = self.items[index.value] if -size <= index.value < size else None
        gap = has_gap(m, self)
        if found is None or isinstance(found, RestV) or index.value not in (0, -1) or (index.value == -1 and not gap):
            m.touch(self)
            m.changed()
            m.escape(self)
            return unknown("popped from a list that is not wholly known")
    elif not -size <= index.value < size:
        raise raised("IndexError", "pop from empty list" if not size else "pop index out of range")
    m.touch(self)
    m.changed()
    charge(m, size)
    return self.items.pop(index.value)


def next_item(m: Machine, site: CallSite, self: ListV) -> Value | None:
    """Take the next item of an iterator; None where there is none left."""
    if self.open and (not self.items or isinstance(self.items[0], RestV)):
        m.changed()
        return unknown("an item of an iterator that is not wholly known")
    if not self.items:
        return None
    return _take(m, site, self, const(0))


@method(ListV, "remove")
def remove(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    position = _find(m, site, self, first(m, arguments))
    if position is None:
        lose(m, self)
        return NONE
    if position < 0:
        raise raised("ValueError", "list.remove(x): x not in list")
    m.touch(self)
    m.changed()
    del self.items[position]
    return NONE


def _find(m: Machine, site: CallSite, self: ListV | TupleV, wanted: Value) -> int | None:
    """The first position of a value, -1 where it is not there, None where that is not known."""
    charge_items(m, len(self.items))
    for position, item in enumerate(self.items):
        known = True if item is wanted else truth_of(m, equal(m, item, wanted, site))
        if known is None:
            return None
        if known:
            return position
    return None if isinstance(self, ListV) and self.open else -1


@method(ListV, "index")
@method(TupleV, "index")
def index_(m: Machine, site: CallSite, self: ListV | TupleV, arguments: Arguments) -> Value:
    wanted = first(m, arguments)
    position = _find(m, site, self, wanted) if len(arguments.positional) < 2 else None
    if position is None:
        return derive(m, "index", part(self), part(wanted))
    if position < 0:
        raise raised("ValueError", "x is not in list")
    return const(position)


@method(ListV, "count")
@method(TupleV, "count")
def count(m: Machine, site: CallSite, self: ListV | TupleV, arguments: Arguments) -> Value:
    wanted = first(m, arguments)
    charge_items(m, len(self.items))
    answers = [item is wanted or truth_of(m, equal(m, item, wanted, site)) for item in self.items]
    if None in answers or isinstance(self, ListV) and self.open:
        return derive(m, "count", part(self), part(wanted))
    return const(sum(bool(each) for each in answers))


@method(ListV, "reverse")
def reverse(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    if self.open and not has_gap(m, self):
        lose(m, self)
        return NONE
    m.touch(self)
    m.changed()
    self.items = [rest() if isinstance(item, RestV) else item for item in reversed(self.items)]
    return NONE


@method(ListV, "rotate")
def rotate(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    count_ = settle(m, arguments.positional[0]) if arguments.positional else const(1)
    if self.open or not isinstance(count_, Const) or not isinstance(count_.value, int):
        lose(m, self)
    elif self.items:
        m.touch(self)
        m.changed()
        shift = count_.value % len(self.items)
        self.items = [*self.items[-shift:], *self.items[:-shift]] if shift else self.items
    return NONE


@method(ListV, "sort")
def sort(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    found = None if self.open else sorted_items(m, site, list(self.items), arguments)
    if found is None:
        lose(m, self)
        return NONE
    m.touch(self)
    m.changed()
    self.items = found
    return NONE


@method(ListV, "copy")
def copy(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    charge(m, len(self.items))
    return ListV(list(self.items), self.open, self.kind)


@method(ListV, "clear")
def clear(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    m.touch(self)
    m.changed()
    self.items, self.open = [], False
    return NONE


@method(ListV, "send")
def send(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    m.escape_all(arguments.values())
    return next_item(m, site, self) or unknown("sent to a generator")


@method(ListV, "close")
def close(m: Machine, site: CallSite, self: ListV, arguments: Arguments) -> Value:
    return NONE


@method(ListV, "__getitem__")
@method(TupleV, "__getitem__")
@method(DictV, "__getitem__")
def getitem(m: Machine, site: CallSite, self: Value, arguments: Arguments) -> Value:
    from bnlint.interpreter.containers import subscript

    return subscript(m, self, first(m, arguments), site) or unknown("item")


@method(ListV, "__len__")
@method(TupleV, "__len__")
@method(DictV, "__len__")
@method(SetV, "__len__")
def length(m: Machine, site: CallSite, self: TupleV | ListV | DictV | SetV, arguments: Arguments) -> Value:
    return size_of(m, self)


def size_of(m: Machine, value: TupleV | ListV | DictV | SetV) -> Value:
    """How many items a container has."""
    if not isinstance(value, TupleV) and value.open:
        return derive(m, "len", part(value))
    return const(len(value.items))


# -- tuples ------------------------------------------------------------------------------------------------------


@method(TupleV, "as_list")
def as_list(m: Machine, site: CallSite, self: TupleV, arguments: Arguments) -> Value:
    return ListV(list(self.items))


@method(TupleV, "num_elements")
def num_elements(m: Machine, site: CallSite, self: TupleV, arguments: Arguments) -> Value:
    product = 1
    for item in self.items:
        if not isinstance(item, Const) or not isinstance(item.value, int):
            return NONE if isinstance(item, Const) else derive(m, "num_elements", part(self))
        product *= item.value
    return const(product)


@method(TupleV, "is_fully_defined")
def is_fully_defined(m: Machine, site: CallSite, self: TupleV, arguments: Arguments) -> Value:
    if any(isinstance(item, Const) and item.value is None for item in self.items):
        return const(False)
    return const(True) if all(isinstance(item, Const) for item in self.items) else derive(m, "defined", part(self))


@method(TupleV, "_asdict")
def asdict(m: Machine, site: CallSite, self: TupleV, arguments: Arguments) -> Value:
    return DictV({("c", name): (Const(name), item) for name, item in zip(self.fields, self.items)})


@method(TupleV, "_replace")
def replace(m: Machine, site: CallSite, self: TupleV, arguments: Arguments) -> Value:
    items = [arguments.keywords.get(name, item) for name, item in zip(self.fields, self.items)]
    return unknown("a named tuple") if arguments.open_keywords else TupleV(tuple(items), self.kind, self.fields)


# -- sets --------------------------------------------------------------------------------------------------------


@method(SetV, "add")
def add(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
    value = first(m, arguments)
    key = dictionary_key(value)
    m.touch(self)
    m.changed()
    if key is None or len(self.items) >= budget.ITEMS:
        m.escape(value)
        self.open = True
        return NONE
    self.open |= isinstance(key, tuple) and key[0] == "u"
    self.items.setdefault(key, value)
    return NONE


def make_set(m: Machine, values: Value | None, site: CallSite) -> SetV:
    """A set of the items of an iterable."""
    found = SetV({})
    items = items_of(m, values, site) if values is not None else []
    if items is None:
        found.open = True
        if isinstance(values, ListV):
            m.escape(values)
    for item in items or ():
        key = dictionary_key(item)
        found.open |= key is None or isinstance(key, tuple) and key[0] == "u"
        if key is not None:
            found.items.setdefault(key, item)
        else:
            m.escape(item)
    return found


@method(SetV, "update")
def update(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
    m.touch(self)
    m.changed()
    for each in arguments.positional:
        other = make_set(m, settle(m, each), site)
        self.items = {**self.items, **other.items}
        self.open |= other.open
    self.open |= arguments.open_positional
    return NONE


@method(SetV, "discard")
def discard(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
    return _discard(m, self, first(m, arguments), must=False)


@method(SetV, "remove")
def remove_from_set(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
    return _discard(m, self, first(m, arguments), must=True)


def _discard(m: Machine, self: SetV, value: Value, must: bool) -> Value:
    key = dictionary_key(value)
    if isinstance(value, Unknown) and key not in self.items:
        lose(m, self)
    elif key in self.items:
        m.touch(self)
        m.changed()
        del self.items[key]
    elif must and not self.open:
        raise raised("KeyError", value.value if isinstance(value, Const) else None)
    return NONE


@method(SetV, "clear")
def clear_set(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
    m.touch(self)
    m.changed()
    self.items, self.open = {}, False
    return NONE


@method(SetV, "copy")
def copy_set(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
    return SetV(dict(self.items), self.open)


@method(SetV, "pop")
def pop_set(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
    if not self.items and not self.open:
        raise raised("KeyError", "pop from an empty set")
    if len(self.items) == 1 and not self.open:
        m.touch(self)
        m.changed()
        return self.items.popitem()[1]
    lose(m, self)
    return unknown("popped from a set")


def _combined(name: str) -> None:
    def run(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
        others = [make_set(m, settle(m, each), site) for each in arguments.positional]
        open_ = self.open or arguments.open_positional or any(each.open for each in others)
        everything: dict[Hashable, Value] = dict(self.items)
        keys = set(self.items)
        for each in others:
            everything = {**each.items, **everything}
            keys = getattr(keys, name)(each.items)
        return SetV({key: item for key, item in everything.items() if key in keys}, open_)

    METHODS[SetV, name] = run


for _name in ("union", "intersection", "difference", "symmetric_difference"):
    _combined(_name)


def _tested(name: str) -> None:
    def run(m: Machine, site: CallSite, self: SetV, arguments: Arguments) -> Value:
        other = make_set(m, first(m, arguments), site)
        if self.open or other.open:
            return derive(m, name, part(self), part(first(m, arguments)))
        return const(bool(getattr(set(self.items), name)(other.items)))

    METHODS[SetV, name] = run


for _name in ("issubset", "issuperset", "isdisjoint"):
    _tested(_name)

__all__ = ["first", "key_of", "list_item", "make_set", "next_item", "size_of"]
