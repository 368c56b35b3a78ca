"""Methods of dictionaries."""

from __future__ import annotations

from bnlint.interpreter.comparisons import dictionary_key
from bnlint.interpreter.containers import lose, put, remove_key
from bnlint.interpreter.dispatch import CallSite, method, native
from bnlint.interpreter.iteration import items_of
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import charge, charge_items, derive, part, raised, settle
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    DictV,
    InstanceV,
    ListV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)


@method(DictV, "get")
def get(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    key = first(m, arguments)
    default = arguments.get(1, "default") or NONE
    hashed = dictionary_key(key)
    if hashed is not None and hashed in self.items:
        return self.items[hashed][1]
    if not isinstance(key, Unknown) and not self.open:
        return default
    if isinstance(key, Unknown) and not self.open and not self.items:
        return default
    m.escape_all([default, *([item for _, item in self.items.values()] if isinstance(key, Unknown) else [])])
    return derive(m, "get", part(self), part(key), part(default))


@method(DictV, "__contains__", "has_key")
def has_key(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    from bnlint.interpreter.comparisons import contains

    return contains(m, self, first(m, arguments), site)


@method(DictV, "keys")
def keys(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    charge_items(m, len(self.items))
    return ListV([key for key, _ in self.items.values()], self.open, "view")


@method(DictV, "values")
def values(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    charge_items(m, len(self.items))
    return ListV([item for _, item in self.items.values()], self.open, "view")


@method(DictV, "items")
def items(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    charge_items(m, len(self.items))
    return ListV([TupleV((key, item)) for key, item in self.items.values()], self.open, "view")


@method(DictV, "copy")
def copy(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    charge(m, len(self.items))
    return DictV(dict(self.items), self.open, self.default)


@method(DictV, "clear")
def clear(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    m.touch(self)
    m.changed()
    self.items, self.open = {}, False
    return NONE


@method(DictV, "pop")
def pop(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    key = first(m, arguments)
    default = arguments.get(1, "default")
    hashed = dictionary_key(key)
    missing = hashed is None or hashed not in self.items
    if missing and default is not None and not self.open and not isinstance(key, Unknown):
        return default
    found = remove_key(m, self, key)
    if found is not None:
        return found
    if default is not None:
        m.escape(default)
    return derive(m, "get", part(self), part(key), part(default or NONE))


@method(DictV, "popitem")
def popitem(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    last = settle(m, arguments.get(0, "last") or Const(True))
    if not self.items and not self.open:
        raise raised("KeyError", "popitem(): dictionary is empty")
    if self.open or not isinstance(last, Const):
        lose(m, self)
        return unknown("popped from a dictionary")
    m.touch(self)
    m.changed()
    key = next(reversed(self.items) if last.value else iter(self.items))
    return TupleV(self.items.pop(key))


@method(DictV, "move_to_end")
def move_to_end(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    hashed = dictionary_key(first(m, arguments))
    if hashed in self.items:
        m.touch(self)
        m.changed()
        entry = self.items.pop(hashed)
        last = settle(m, arguments.get(1, "last") or Const(True))
        forwards = isinstance(last, Const) and not last.value
        self.items = {hashed: entry, **self.items} if forwards else {**self.items, hashed: entry}
    return NONE


@method(DictV, "setdefault")
def setdefault(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    key = first(m, arguments)
    default = arguments.get(1, "default") or NONE
    hashed = dictionary_key(key)
    if hashed is not None and hashed in self.items:
        return self.items[hashed][1]
    if self.open and not isinstance(key, Unknown):
        found = derive(m, "get", part(self), part(key), part(default))
        m.escape(default)
        put(m, self, key, found, site)
        return found
    put(m, self, key, default, site)
    return default


@method(DictV, "update")
def update(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    for each in arguments.positional:
        fill(m, self, settle(m, each), site)
    for name, value in arguments.keywords.items():
        put(m, self, Const(name), value, site)
    if arguments.open_positional or arguments.open_keywords:
        m.touch(self)
        self.open = True
    return NONE


def fill(m: Machine, target: DictV, source: Value, site: CallSite) -> None:
    """Put the items of a mapping, or of an iterable of pairs, into a dictionary."""
    m.touch(target)
    m.changed()
    if isinstance(source, DictV):
        charge(m, len(source.items))
        target.items = {**target.items, **source.items}
        target.open |= source.open
        return
    if isinstance(source, InstanceV) and isinstance(source.cls, SymbolV):
        for name, value in source.attributes.items():
            put(m, target, Const(name), value, site)
        target.open |= source.open
        return
    pairs = items_of(m, source, site)
    if pairs is None:
        target.open = True
        m.escape(source)
        return
    for each in pairs:
        pair = items_of(m, each, site)
        if pair is None:
            target.open = True
            m.escape(each)
        elif len(pair) != 2:
            raise raised("ValueError", "dictionary update sequence element has the wrong length")
        else:
            put(m, target, pair[0], pair[1], site)


@native("builtins.dict", "collections.OrderedDict")
def dict_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``dict(...)``."""
    found = DictV({})
    update(m, site, found, arguments)
    return found


@native("collections.defaultdict")
def defaultdict(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``defaultdict(factory, ...)``."""
    found = DictV({})
    factory = settle(m, arguments.positional[0]) if arguments.positional else NONE
    update(
        m,
        site,
        found,
        Arguments(arguments.positional[1:], arguments.keywords, arguments.open_positional, arguments.open_keywords),
    )
    found.default = None if isinstance(factory, Const) else factory
    return found


@native("builtins.dict.fromkeys", "collections.OrderedDict.fromkeys")
def fromkeys(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``dict.fromkeys(keys, value)``."""
    found = DictV({})
    value = arguments.get(1, "value") or NONE
    names = items_of(m, first(m, arguments), site)
    if names is None:
        m.escape(value)
        found.open = True
    for name in names or ():
        put(m, found, name, value, site)
    return found


@method(DictV, "fromkeys")
def fromkeys_method(m: Machine, site: CallSite, self: DictV, arguments: Arguments) -> Value:
    return fromkeys(m, site, arguments)
