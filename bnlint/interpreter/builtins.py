"""Python's builtin functions."""

from __future__ import annotations

import ast
import builtins as python_builtins
from collections.abc import Callable, Sequence
from typing import Any

from bnlint.interpreter import budget, containers, dict_methods, introspection
from bnlint.interpreter.data import ArrayV, DatasetV, arrays_in, dataset_in, rows_of
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.iteration import (
    is_endless,
    is_grown,
    is_long,
    items_of,
    iterable,
    known_items,
    unknown_item,
)
from bnlint.interpreter.layer_loops import items_met, note_loop
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.operators import fitting_format, text_size
from bnlint.interpreter.ordering import extreme, sorted_items
from bnlint.interpreter.pure import alias, apply, charge, derive, evaluate, numbers, part, pure, raised, settle
from bnlint.interpreter.sequence_methods import first, make_set, next_item, size_of
from bnlint.interpreter.text import text_of
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    DictV,
    InstanceV,
    ListV,
    SetV,
    SliceV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    const,
    unknown,
)

__all__ = ["containers", "dict_methods", "introspection", "unknown_item"]


# -- containers --------------------------------------------------------------------------------------------------


@native("builtins.len")
def len_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    if isinstance(value, ListV) and value.grown and all(isinstance(each, (Const, Unknown)) for each in value.items):
        return derive(m, "len", part(value))
    if isinstance(value, (TupleV, ListV, DictV, SetV)):
        return size_of(m, value)
    if isinstance(value, Const):
        return evaluate(m, site, len, value.value, assumed=value.assumed)
    known = rows_of(value) if isinstance(value, ArrayV) else value.count if isinstance(value, DatasetV) else None
    if known is not None:
        return Const(known.value, known.assumed)
    special = m.special_method(value, "__len__")
    return m.call(special, Arguments([], {}), site) if special is not None else derive(m, "len", part(value))


@native("builtins.list")
def list_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    if not arguments.positional:
        return ListV([], arguments.open_positional)
    value = settle(m, arguments.positional[0])
    items = items_of(m, value, site)
    if items is not None:
        charge(m, len(items))
        return ListV(items, grown=is_grown(value))
    if isinstance(value, ListV):
        return ListV(list(value.items), open=True)
    special = m.special_method(value, "__iter__")
    if special is not None:
        return list_(m, site, Arguments([m.call(special, Arguments([], {}), site)], {}))
    if not isinstance(value, Unknown):
        m.escape(value)
    return ListV([], open=True)


@native("builtins.tuple")
def tuple_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    if not arguments.positional:
        return unknown("tuple") if arguments.open_positional else TupleV(())
    value = settle(m, arguments.positional[0])
    items = items_of(m, value, site)
    if items is not None:
        charge(m, len(items))
        return TupleV(tuple(items))
    return m.resolve(iterable("tuple", value))


@native("builtins.set", "builtins.frozenset")
def set_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return make_set(m, settle(m, arguments.positional[0]) if arguments.positional else None, site)


@native("builtins.slice")
def slice_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    parts = arguments.positional
    if len(parts) == 1:
        return SliceV(NONE, parts[0], NONE)
    return SliceV(parts[0], parts[1], parts[2] if len(parts) > 2 else NONE) if len(parts) in (2, 3) else unknown("slice")


# -- iterables ---------------------------------------------------------------------------------------------------


@native("builtins.range", "builtins.xrange")
def range_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    parts = [settle(m, each) for each in arguments.positional]
    if arguments.open_positional or not parts:
        return unknown("range")
    if all(isinstance(each, Const) for each in parts):
        assumed = any(isinstance(each, Const) and each.assumed for each in parts)
        return evaluate(m, site, range, *(each.value for each in parts if isinstance(each, Const)), assumed=assumed)
    start, stop, step = (const(0), parts[0], const(1)) if len(parts) == 1 else (*parts, const(1))[:3]
    return m.resolve(iterable("range", start, stop, step))


@native("builtins.enumerate")
def enumerate_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments, 0, "iterable")
    start = settle(m, arguments.get(1, "start") or const(0))
    items = None if is_long(value) else items_of(m, value, site)
    if items is None or not isinstance(start, Const) or not isinstance(start.value, int):
        return m.resolve(iterable("enumerate", value, start))
    return ListV(
        [TupleV((Const(number, start.assumed), item)) for number, item in enumerate(items, start.value)], kind="iterator"
    )


@native("builtins.zip", "itertools.izip")
def zip_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    parts = [settle(m, each) for each in arguments.positional]
    if arguments.open_positional:
        m.escape_all(parts)
        return unknown("zip")
    rows = _rows(m, parts, site)
    if rows is None:
        return m.resolve(iterable("zip", *parts))
    return ListV([TupleV(tuple(row)) for row in rows], kind="iterator")


def _rows(m: Machine, parts: Sequence[Value], site: CallSite) -> list[list[Value]] | None:
    """What several iterables give side by side, as far as the shortest goes; None where that is not known."""
    if len({id(each) for each in parts}) < len(parts) and any(
        isinstance(each, ListV) and each.kind == "iterator" for each in parts
    ):
        return _shared_rows(m, parts, site)
    ends = [each for each in parts if not is_endless(each)]
    columns = {id(each): None if is_long(each) else known_items(m, each, site) for each in ends}
    lengths = [len(items) for items in columns.values() if items is not None]
    if len(lengths) < len(columns) or not columns and parts:
        return None
    size = min(lengths, default=0)
    charge(m, size * len(parts))
    found = [columns.get(id(each)) or known_items(m, each, site, size) or [] for each in parts]
    return [list(row) for row in zip(*found)]


def _shared_rows(m: Machine, parts: Sequence[Value], site: CallSite) -> list[list[Value]] | None:
    """``zip(*[iter(x)] * n)``: each row takes its items from the one iterator."""
    shared = parts[0]
    items = items_of(m, shared, site) if all(each is shared for each in parts) else None
    if items is None:
        return None
    width = len(parts)
    return [items[start : start + width] for start in range(0, len(items) - width + 1, width)]


@native("builtins.map", "itertools.imap")
def map_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    function, *parts = [settle(m, each) for each in arguments.positional] or [unknown()]
    rows = None if arguments.open_positional else _rows(m, parts, site)
    if rows is None:
        return m.resolve(iterable("map", function, *parts))
    return ListV([m.call(function, Arguments(row, {}), site) for row in rows], kind="iterator")


@native("builtins.filter", "itertools.ifilter")
def filter_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    function, value = first(m, arguments), first(m, arguments, 1)
    items = None if is_long(value) else items_of(m, value, site)
    if items is None:
        return m.resolve(iterable("filter", value))
    kept: list[Value] = []
    for item in items:
        test = item if isinstance(function, Const) else m.call(function, Arguments([item], {}), site)
        if m.truth(test, site.frame):
            kept.append(item)
    result = ListV(kept, kind="iterator")
    if isinstance(site.node, ast.Call) and items_met(m, site.node) is not None:
        note_loop(m, site.node, site.frame, value, items, True, result)
    return result


@native("builtins.reversed")
def reversed_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    if isinstance(value, Const) and isinstance(value.value, range):
        return Const(value.value[::-1], value.assumed)
    items = items_of(m, value, site)
    if items is None:
        m.escape(value)
        return derive(m, "reversed", part(value))
    charge(m, len(items))
    return ListV(items[::-1], kind="iterator")


@native("builtins.iter")
def iter_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    if len(arguments.positional) > 1 or isinstance(value, ListV) and value.kind == "iterator":
        return value if len(arguments.positional) == 1 else unknown("iter")
    special = m.special_method(value, "__iter__")
    if special is not None:
        return m.call(special, Arguments([], {}), site)
    items = None if is_long(value) else items_of(m, value, site)
    if items is not None:
        return ListV(items, kind="iterator")
    return (
        ListV(list(value.items), open=True, kind="iterator") if isinstance(value, ListV) else m.resolve(iterable("iter", value))
    )


@native("builtins.next")
def next_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    default = arguments.get(1, "default")
    if isinstance(value, ListV):
        found = next_item(m, site, value)
        if found is not None:
            return found
        if default is not None:
            return default
        raise raised("StopIteration")
    special = m.special_method(value, "__next__")
    if special is not None:
        return m.call(special, Arguments([], {}), site)
    if dataset_in(value) is not None:
        found = unknown_item(m, value, 0, site)
        if arrays_in(found):
            return found
    if default is not None:
        m.escape(default)
    m.escape(value)
    return unknown("the next item of an unknown iterator")


@native("builtins.sorted")
def sorted_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    items = items_of(m, value, site)
    found = sorted_items(m, site, items, arguments) if items is not None else None
    if found is not None:
        return ListV(found)
    if items is not None and len(items) < 2:
        return ListV(items)
    m.escape(value)
    return derive(m, "sorted", part(value))


@native("builtins.sum")
def sum_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    from bnlint.interpreter.expressions import operate

    value = first(m, arguments)
    total = arguments.get(1, "start") or const(0)
    if isinstance(value, Const) and isinstance(value.value, range) and isinstance(total, Const):
        return _sum_of_range(m, site, value, total)
    items = items_of(m, value, site)
    if items is None:
        m.escape(value)
        items_are = part(value)
        if isinstance(items_are, tuple):
            m.flow(Unknown(items_are), [value])
        return derive(m, "sum", items_are, part(total))
    for item in items:
        m.step()
        total = operate(m, ast.Add, total, item, site)
    return total


def _sum_of_range(m: Machine, site: CallSite, value: Const, start: Const) -> Value:
    numbers_ = value.value
    size = max(0, -((numbers_.start - numbers_.stop) // numbers_.step))
    total = size * numbers_.start + numbers_.step * size * (size - 1) // 2
    return evaluate(m, site, lambda: start.value + total, assumed=value.assumed or start.assumed)


@native("builtins.any")
def any_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return _quantified(m, site, first(m, arguments), True)


@native("builtins.all")
def all_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return _quantified(m, site, first(m, arguments), False)


def _quantified(m: Machine, site: CallSite, value: Value, stop: bool) -> Value:
    """``any`` (stop at what is true) and ``all`` (stop at what is false)."""
    items = None if is_long(value) else items_of(m, value, site)
    seen = items if items is not None else value.items if isinstance(value, ListV) else []
    open_: list[Value] = []
    for item in seen:
        known = m.known_truth(item)
        if known is stop:
            return const(stop)
        if known is None:
            open_.append(item)
    if items is None:
        return derive(m, "any" if stop else "all", part(value))
    if not open_:
        return const(not stop)
    if len(open_) == 1:
        return derive(m, "not", ("not", part(open_[0])))
    return derive(m, "or" if stop else "and", *map(part, open_))


# -- numbers -----------------------------------------------------------------------------------------------------


def _extreme(largest: bool) -> Callable[[Machine, CallSite, Arguments], Value]:
    label = "max" if largest else "min"

    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        key, default = arguments.keywords.get("key"), arguments.keywords.get("default")
        if len(arguments.positional) == 1 and not arguments.open_positional:
            value = settle(m, arguments.positional[0])
            if isinstance(value, Const) and isinstance(value.value, range) and key is None and len(value.value[:1]):
                return evaluate(
                    m, site, lambda: (max if largest else min)(value.value[0], value.value[-1]), assumed=value.assumed
                )
            items = items_of(m, value, site)
        else:
            items = None if arguments.open_positional else list(arguments.positional)
        if items == []:
            if default is not None:
                return default
            raise raised("ValueError", f"{label}() arg is an empty sequence")
        found = extreme(m, site, items, key, largest) if items is not None else None
        if found is not None:
            return found
        m.escape_all(arguments.positional)
        return derive(m, label, *map(part, arguments.positional))

    return run


native("builtins.max")(_extreme(True))
native("builtins.min")(_extreme(False))


def _round(number: Any, ndigits: Any = None) -> bool:
    return ndigits is None or abs(ndigits) <= 400


def _pow(base: Any, exponent: Any, modulus: Any = None) -> bool:
    if modulus is not None:
        return numbers(base, exponent, modulus)
    if not (isinstance(base, int) and isinstance(exponent, int)):
        return True
    return exponent <= 1 or abs(base) <= 1 or exponent <= budget.TEXT and base.bit_length() * exponent <= budget.TEXT


def _format(obj: Any, spec: str = "") -> bool:
    return fitting_format(spec, obj) and text_size(obj) <= budget.TEXT


def _bytes(obj: Any = b"", *rest: Any) -> bool:
    return not isinstance(obj, int) or obj <= budget.TEXT


def _repr(obj: Any) -> bool:
    return text_size(obj) <= budget.TEXT


for _name, _guard in {
    "abs": None, "round": _round, "divmod": None, "pow": _pow, "int": None, "float": None, "complex": None, "bytes": _bytes,
    "ord": None, "chr": None, "bin": None, "hex": None, "oct": None, "ascii": _repr, "format": _format,
}.items():  # fmt: skip
    pure(f"builtins.{_name}", getattr(python_builtins, _name), _guard)

alias("builtins.int", "builtins.long")
alias("builtins.chr", "builtins.unichr")


@native("builtins.bool")
def bool_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = settle(m, arguments.positional[0]) if arguments.positional else const(False)
    if isinstance(value, Const):
        return Const(bool(value.value), True, value.origin) if value.assumed else const(bool(value.value))
    known = m.known_truth(value)
    if known is not None:
        return const(known)
    return derive(m, "not", ("not", part(value)))


@native("builtins.str", "builtins.unicode")
def str_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    if len(arguments.positional) == 1 and not arguments.keywords and not arguments.open_positional:
        value = settle(m, arguments.positional[0])
        return value if isinstance(value, Const) and isinstance(value.value, str) else text_of(m, value, site)
    return apply(m, site, "str", str, arguments)


@native("builtins.repr")
def repr_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return text_of(m, first(m, arguments), site, representation=True)


# -- the rest ----------------------------------------------------------------------------------------------------


@native("builtins.print", "warnings.warn", "warnings.filterwarnings", "warnings.simplefilter", "logging.basicConfig",
        *(f"{module}.{name}" for module in ("logging", "absl.logging", "tensorflow.logging", "tensorflow.compat.v1.logging")
          for name in ("debug", "info", "warning", "warn", "error", "exception", "critical", "log", "set_verbosity")))  # fmt: skip
def talk(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """What only talks: its arguments neither escape nor change."""
    return NONE


@native("builtins.id", "builtins.hash", "builtins.dir", "builtins.input", "builtins.open", "builtins.compile",
        "builtins.raw_input", "builtins.help")  # fmt: skip
def not_told(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """What the source does not tell, and what changes nothing."""
    return unknown(site.path.removeprefix("builtins."))


@native("builtins.exec", "builtins.memoryview", "builtins.bytearray")
def not_followed(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    m.escape_all(arguments.values())
    return unknown(site.path.removeprefix("builtins."))


@native("builtins.object")
def object_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return InstanceV(SymbolV("builtins.object"))


def _exception(path: str) -> None:
    @native(path)
    def make(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        return InstanceV(SymbolV(path), {"args": TupleV(tuple(arguments.positional))})


for _name in dir(python_builtins):
    _found = getattr(python_builtins, _name)
    if isinstance(_found, type) and issubclass(_found, BaseException):
        _exception(f"builtins.{_name}")
