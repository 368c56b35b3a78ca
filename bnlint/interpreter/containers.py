"""Subscripts of Python's containers, their operators in place, and what attributes they have."""

from __future__ import annotations

import ast
from collections.abc import Hashable
from typing import Any

from bnlint.interpreter import budget
from bnlint.interpreter.comparisons import dictionary_key
from bnlint.interpreter.data import ArrayV
from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.iteration import IterableV, RestV, items_of, iterable, list_item, rest, unknown_item
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.operators import binary
from bnlint.interpreter.pure import charge, charge_items, cut, derive, evaluate, part, raised, settle
from bnlint.interpreter.scope import Frame
from bnlint.interpreter.values import (
    Arguments,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    MethodV,
    Mutable,
    PartialV,
    SetV,
    SliceV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)

CHOICES = 4
"""A dictionary of so many functions or classes under an unknown key is a choice between them."""


# -- reading -----------------------------------------------------------------------------------------------------


def subscript(m: Machine, container: Value, index: Value, site: CallSite) -> Value | None:
    """``container[index]``; None where the container is not one of Python's own."""
    container, index = settle(m, container), settle(m, index)
    if isinstance(container, DictV):
        return _lookup(m, container, index, site)
    if isinstance(container, (TupleV, ListV)):
        return _of_sequence(m, container, index, site)
    if isinstance(container, Const):
        return _of_constant(m, container, index, site)
    if isinstance(container, SymbolV):
        return _of_symbol(m, container, index)
    if isinstance(container, Unknown):
        if isinstance(index, SliceV):
            return _slice_of_unknown(m, container, index)
        if isinstance(container, IterableV) and isinstance(index, Const) and isinstance(index.value, int) and index.value >= 0:
            return unknown_item(m, container, index.value, site)
        return derive(m, "item", container.term, part(index))
    if isinstance(container, SetV):
        raise raised("TypeError", "'set' object is not subscriptable")
    if isinstance(container, InstanceV) and isinstance(container.cls, SymbolV) and container.cls.path in MAPPINGS:
        return m.getattr(container, index.value, site) if isinstance(index, Const) and isinstance(index.value, str) else None
    return None


MAPPINGS = frozenset({"easydict.EasyDict", "munch.Munch", "addict.Dict", "ml_collections.ConfigDict"})
"""Classes whose attributes are their items."""


def _slice_of_unknown(m: Machine, container: Unknown, index: SliceV) -> Value:
    if all(isinstance(each, Const) and each.value is None for each in (index.lower, index.upper, index.step)):
        return container
    return (
        m.resolve(iterable("slice", container, index)) if _plain_slice(index) is not None else iterable("slice", container, index)
    )


def _of_symbol(m: Machine, container: SymbolV, index: Value) -> Value | None:
    if container.path.startswith(("typing.", "builtins.", "collections.")):
        return container
    if container.path == "os.environ":
        return derive(m, "environ", part(index))
    return None


def _of_constant(m: Machine, container: Const, index: Value, site: CallSite) -> Value:
    obj = container.value
    if not isinstance(obj, (str, bytes, range)):
        if container.assumed:
            return derive(m, "item", part(container), part(index))
        raise raised("TypeError", f"'{type(obj).__name__}' object is not subscriptable")
    if isinstance(index, SliceV):
        wanted = _plain_slice(index)
        if wanted is None:
            return derive(m, "slice", part(container), *map(part, (index.lower, index.upper, index.step)))
        return evaluate(m, site, lambda: obj[wanted], assumed=container.assumed or _assumed_slice(index))
    if not isinstance(index, Const):
        return derive(m, "item", part(container), part(index))
    return evaluate(m, site, lambda: obj[index.value], assumed=container.assumed or index.assumed)


def _plain_slice(index: SliceV) -> slice | None:
    parts: list[Any] = []
    for each in (index.lower, index.upper, index.step):
        if not isinstance(each, Const):
            return None
        if each.value is not None and not isinstance(each.value, int):
            raise raised("TypeError", "slice indices must be integers or None")
        parts.append(each.value)
    if parts[2] == 0:
        raise raised("ValueError", "slice step cannot be zero")
    return slice(*parts)


def _assumed_slice(index: SliceV) -> bool:
    return any(isinstance(each, Const) and each.assumed for each in (index.lower, index.upper, index.step))


def _settled_slice(m: Machine, index: SliceV) -> SliceV:
    return SliceV(settle(m, index.lower), settle(m, index.upper), settle(m, index.step))


def _of_sequence(m: Machine, container: TupleV | ListV, index: Value, site: CallSite) -> Value | None:
    open_ = isinstance(container, ListV) and container.open
    if isinstance(container, ListV) and container.kind == "array" and not isinstance(index, (Const, SliceV)):
        return None
    if isinstance(index, SliceV):
        return _slice(m, container, _settled_slice(m, index))
    if isinstance(index, Const):
        if index.assumed and (
            not isinstance(index.value, int) or not -len(container.items) <= index.value < len(container.items)
        ):
            m.escape(container)
            return unknown("an assumed index does not fit")
        if not isinstance(index.value, int):
            raise raised("TypeError", "list indices must be integers or slices")
        if open_ and isinstance(container, ListV):
            return _of_open_list(m, container, index.value, site)
        size = len(container.items)
        if not -size <= index.value < size:
            raise raised("IndexError", "index out of range")
        found = container.items[index.value]
        return Const(found.value, True, found.origin) if index.assumed and isinstance(found, Const) else found
    if not isinstance(index, Unknown):
        return None
    m.escape(container)
    if len(container.items) == 1 and not open_:
        return container.items[0]
    return derive(m, "item", part(container), part(index))


def _of_open_list(m: Machine, container: ListV, index: int, site: CallSite) -> Value:
    """An item of a list of which some are not known: right as far as no gap lies between it and its end."""
    items = container.items
    if index >= 0:
        found = list_item(m, container, index, site)
    else:
        gap = has_gap(m, container)
        exact = gap and -index <= len(items) and not any(isinstance(item, RestV) for item in items[index:])
        found = items[index] if exact else derive(m, "item", part(container), ("c", index))
    if not any(found is item for item in items):
        m.escape(container)
    return found


def _slice(m: Machine, container: TupleV | ListV, index: SliceV) -> Value:
    wanted = _plain_slice(index)
    open_ = isinstance(container, ListV) and container.open
    if wanted is None or open_ and wanted != slice(None):
        return iterable("slice", container, index)
    items = container.items[wanted]
    charge(m, len(items))
    if isinstance(container, TupleV):
        return TupleV(tuple(items), "tuple" if container.fields else container.kind)
    return ListV(list(items), open_, container.kind if container.kind in ("array", "deque") else "list")


def _lookup(m: Machine, container: DictV, key: Value, site: CallSite) -> Value:
    hashed = dictionary_key(key)
    if hashed is not None and hashed in container.items:
        return container.items[hashed][1]
    if not isinstance(key, (Unknown, TupleV)) or isinstance(key, TupleV) and hashed is not None and hashed[0] == "t":  # type: ignore[index]
        if container.default is not None and not container.open:
            return _default(m, container, hashed, key, site)
        if not container.open and not (isinstance(key, Const) and key.assumed):
            raise raised("KeyError", key.value if isinstance(key, Const) else None)
        m.escape_all([item for _, item in container.items.values()] if not container.open else [])
        return derive(m, "item", part(container), part(key))
    chosen = _choose(m, container, key, site)
    if chosen is not None:
        return chosen
    m.escape_all([item for _, item in container.items.values()])
    return derive(m, "item", part(container), part(key))


def _default(m: Machine, container: DictV, hashed: Hashable, key: Value, site: CallSite) -> Value:
    """What a defaultdict makes for a missing key."""
    assert container.default is not None
    made = m.call(container.default, Arguments([], {}), site)
    put(m, container, key, made, site)
    return made


def _choose(m: Machine, container: DictV, key: Value, site: CallSite) -> Value | None:
    """``{"a": f, "b": g}[unknown]``: a choice, so that each function is seen."""
    entries = list(container.items.values())
    if container.open or not isinstance(key, Unknown) or not 0 < len(entries) <= CHOICES:
        return None
    if not all(isinstance(name, Const) for name, _ in entries) or not any(isinstance(item, CHOSEN) for _, item in entries):
        return None
    for name, item in entries[:-1]:
        if m.decide(("==", key.term, part(name)), site.frame):
            return item
    m.assume(("==", key.term, part(entries[-1][0])), True)
    return entries[-1][1]


CHOSEN = (FunctionV, ClassV, SymbolV, PartialV, MethodV)


# -- writing -----------------------------------------------------------------------------------------------------


def put(m: Machine, container: DictV, key: Value, value: Value, site: CallSite) -> None:
    """``container[key] = value``."""
    key = settle(m, key)
    hashed = dictionary_key(key)
    m.touch(container)
    m.changed()
    if hashed is None or (len(container.items) >= budget.ITEMS and hashed not in container.items):
        container.open = True
        m.escape(value)
        if hashed is not None:
            cut(m, site, "a dictionary is too big")
        return
    container.open |= isinstance(hashed, tuple) and hashed[0] == "u"
    container.items[hashed] = (container.items[hashed][0] if hashed in container.items else key, value)


def lose(m: Machine, container: Mutable) -> None:
    """A container changes in a way that is not known: nothing in it is certain any more."""
    assert isinstance(container, (ListV, DictV, SetV))
    m.escape(container)
    m.touch(container)
    m.changed()
    container.items.clear()
    container.open = True


def store_subscript(m: Machine, container: Value, index: Value, value: Value, site: CallSite) -> None:
    """``container[index] = value``; a value stored in what is not followed escapes."""
    container, index = settle(m, container), settle(m, index)
    if isinstance(container, DictV):
        put(m, container, index, value, site)
    elif isinstance(container, ListV):
        _store_item(m, container, index, value, site)
    elif isinstance(container, InstanceV) and isinstance(container.cls, SymbolV) and container.cls.path in MAPPINGS:
        if isinstance(index, Const) and isinstance(index.value, str):
            m.setattr(container, index.value, value, site)
        else:
            m.escape(value)
    elif isinstance(container, (Const, TupleV, SetV)):
        raise raised("TypeError", "object does not support item assignment")
    else:
        if isinstance(container, ArrayV):
            container.steps, container.constant = None, False
        m.escape(value)


def _store_item(m: Machine, container: ListV, index: Value, value: Value, site: CallSite) -> None:
    if isinstance(index, SliceV):
        _store_slice(m, container, _settled_slice(m, index), value, site)
        return
    if isinstance(index, Const) and not isinstance(index.value, int):
        raise raised("TypeError", "list indices must be integers or slices")
    if not isinstance(index, Const) or container.open:
        m.escape(value)
        lose(m, container)
        return
    if not -len(container.items) <= index.value < len(container.items):
        raise raised("IndexError", "list assignment index out of range")
    m.touch(container)
    m.changed()
    container.items[index.value] = value


def _store_slice(m: Machine, container: ListV, index: SliceV, value: Value, site: CallSite) -> None:
    wanted = _plain_slice(index)
    items = items_of(m, value, site)
    if wanted is None or items is None or container.open and wanted != slice(None):
        m.escape(value)
        lose(m, container)
        return
    if len(container.items) + len(items) > budget.ITEMS:
        cut(m, site, "a list is too big")
        lose(m, container)
        return
    if container.kind == "array":
        items = items[:1] * len(container.items[wanted]) if isinstance(value, Const) else items
    m.touch(container)
    m.changed()
    changed = list(container.items)
    try:
        changed[wanted] = items
    except ValueError as error:
        raise raised("ValueError", str(error)) from None
    container.items, container.open = changed, False


def delete_subscript(m: Machine, container: Value, index: Value, site: CallSite) -> None:
    """``del container[index]``."""
    container, index = settle(m, container), settle(m, index)
    if isinstance(container, DictV):
        remove_key(m, container, index)
    elif isinstance(container, ListV):
        wanted = _plain_slice(_settled_slice(m, index)) if isinstance(index, SliceV) else None
        if isinstance(index, Const) and not isinstance(index.value, int):
            raise raised("TypeError", "list indices must be integers or slices")
        position = index.value if isinstance(index, Const) else wanted
        if position is None or container.open:
            lose(m, container)
            return
        if isinstance(position, int) and not -len(container.items) <= position < len(container.items):
            raise raised("IndexError", "list assignment index out of range")
        m.touch(container)
        m.changed()
        del container.items[position]
    elif isinstance(container, (Const, TupleV, SetV)):
        raise raised("TypeError", "object doesn't support item deletion")


def remove_key(m: Machine, container: DictV, key: Value) -> Value | None:
    """Take a key out of a dictionary; what was stored there, None where that is not known."""
    hashed = dictionary_key(key)
    if hashed is not None and hashed in container.items:
        m.touch(container)
        m.changed()
        return container.items.pop(hashed)[1]
    if isinstance(key, Unknown):
        lose(m, container)
        return None
    if not container.open:
        raise raised("KeyError", key.value if isinstance(key, Const) else None)
    return None


# -- in place ----------------------------------------------------------------------------------------------------


def has_gap(m: Machine, container: ListV) -> bool:
    """Whether the place of the items that are not known is marked in an open list."""
    charge_items(m, len(container.items))
    return any(isinstance(item, RestV) for item in container.items)


def note_growth(container: ListV, frame: Frame | None) -> None:
    """Whether a loop that began after the list was made, and whose rounds nobody counts, adds to it."""
    while frame is not None and not container.grown:
        container.grown = any(loop.tick > container.born for loop in frame.loops)
        frame = frame.caller


def extend(m: Machine, container: ListV, values: Value, site: CallSite) -> None:
    """Append all items of an iterable."""
    values = settle(m, values)
    items = list(values.items) if isinstance(values, ListV) else items_of(m, values, site)
    m.touch(container)
    m.changed()
    note_growth(container, site.frame)
    container.grown |= isinstance(values, ListV) and values.grown
    if items is not None and len(container.items) + len(items) > budget.ITEMS:
        cut(m, site, "a list is too big")
        m.escape(values)
        items = None
    charge(m, len(items or ()))
    if items is None or isinstance(values, ListV) and values.open:
        if container.open and not has_gap(m, container):
            container.items.append(rest())
        if items is None:
            container.items.append(rest(values))
        container.open = True
    elif container.open and items and not has_gap(m, container):
        container.items.append(rest())
    container.items.extend(items or ())


def inplace(m: Machine, op: type[ast.operator], left: Value, right: Value, site: CallSite) -> Value | None:
    """``left op= right`` where it changes ``left``; None where it is the operator followed by an assignment."""
    if isinstance(left, ListV) and left.kind in ("list", "deque"):
        if op is ast.Add and not isinstance(settle(m, right), InstanceV):
            if isinstance(settle(m, right), Const) and not isinstance(m.resolve(right), Unknown) and not _is_iterable(right):
                raise raised("TypeError", "object is not iterable")
            extend(m, left, right, site)
            return left
        if op is ast.Mult:
            result = binary(m, op, left, right, site)
            m.touch(left)
            m.changed()
            left.items = list(result.items) if isinstance(result, ListV) else []
            left.open = result.open if isinstance(result, ListV) else True
            return left
    if isinstance(left, (DictV, SetV)) and (isinstance(right, type(left)) or isinstance(settle(m, right), Unknown)):
        result = binary(m, op, left, settle(m, right), site)
        m.touch(left)
        m.changed()
        if isinstance(result, (DictV, SetV)):
            left.items = dict(result.items)  # type: ignore[assignment]
            left.open = result.open
        else:
            left.open = True
        return left
    return None


def _is_iterable(value: Value) -> bool:
    return isinstance(value, Const) and isinstance(value.value, (str, bytes, range))
