"""The module ``itertools``."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.iteration import is_endless, is_long, items_of, iterable, known_items, rest, unknown_item
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import charge, cut, settle
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.values import NONE, Arguments, Const, ListV, TupleV, Unknown, Value, const, unknown


def _columns(m: Machine, values: list[Value], site: CallSite) -> list[list[Value]] | None:
    """The items of several iterables, None where one is not known."""
    found: list[list[Value]] = []
    for value in values:
        items = None if is_long(value) else items_of(m, settle(m, value), site)
        if items is None:
            return None
        found.append(items)
    return found


def _lost(m: Machine, arguments: Arguments, reason: str) -> Value:
    m.escape_all(arguments.values())
    return unknown(reason)


def _tuples(m: Machine, site: CallSite, rows: Iterable[Iterable[Any]]) -> Value:
    """An iterator of tuples, as long as there are not too many."""
    found: list[Value] = []
    for row in itertools.islice(rows, budget.YIELDS * 4 + 1):
        m.step()
        found.append(TupleV(tuple(row)))
    if len(found) > budget.YIELDS * 4:
        m.escape_all(found)
        return cut(m, site, "too many combinations")
    return ListV(found, kind="iterator")


@native("itertools.chain")
def chain(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``chain(*iterables)``: gaps where one is not known."""
    return _chained(m, site, arguments.positional, arguments.open_positional)


@native("itertools.chain.from_iterable")
def chain_from_iterable(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    parts = items_of(m, first(m, arguments), site)
    return _lost(m, arguments, "chain") if parts is None else _chained(m, site, parts, False)


def _chained(m: Machine, site: CallSite, parts: list[Value], open_: bool) -> Value:
    found = ListV([], open_, "iterator")
    for each in parts:
        value = settle(m, each)
        items = None if is_long(value) else items_of(m, value, site)
        if items is None:
            found.open = True
            found.items.extend(value.items if isinstance(value, ListV) else ())
            found.items.append(rest(value))
        else:
            found.items.extend(items)
        if len(found.items) > budget.ITEMS:
            m.escape(found)
            return cut(m, site, "an iterator is too long")
        charge(m, len(items or ()))
    if found.open and not any(not isinstance(item, Unknown) for item in found.items) and len(parts) == 1:
        return m.resolve(iterable("iter", settle(m, parts[0])))
    return found


def _sizes(values: list[Value]) -> int | None:
    """The integer behind the iterables, such as in ``combinations(items, 2)``."""
    last = values[-1] if values else None
    return last.value if isinstance(last, Const) and isinstance(last.value, int) and 0 <= last.value <= 20 else None


@native("itertools.product")
def product(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    columns = None if arguments.open_positional else _columns(m, arguments.positional, site)
    repeat = settle(m, arguments.keywords.get("repeat", const(1)))
    if columns is None or not isinstance(repeat, Const) or not isinstance(repeat.value, int) or not 0 <= repeat.value <= 20:
        return _lost(m, arguments, "product")
    size = 1
    for column in columns * repeat.value:
        size *= len(column)
    if size > budget.YIELDS * 4:
        m.escape_all(arguments.values())
        return cut(m, site, "too many combinations")
    return _tuples(m, site, itertools.product(*columns, repeat=repeat.value))


def _selection(name: str, choose: Callable[[list[Value], int], Iterable[Any]]) -> None:
    @native(f"itertools.{name}")
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        columns = _columns(m, arguments.positional[:1], site)
        values = [settle(m, each) for each in arguments.positional]
        if columns is None or not columns:
            return _lost(m, arguments, name)
        given = arguments.get(1, "r")
        count = (
            len(columns[0]) if given is None and name == "permutations" else _sizes([settle(m, given)] if given else values[1:])
        )
        if count is None or count > 20:
            return _lost(m, arguments, name)
        return _tuples(m, site, choose(columns[0], count))


_selection("combinations", itertools.combinations)
_selection("permutations", itertools.permutations)
_selection("combinations_with_replacement", itertools.combinations_with_replacement)


@native("itertools.pairwise")
def pairwise(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    columns = _columns(m, arguments.positional[:1], site)
    return _tuples(m, site, zip(columns[0], columns[0][1:])) if columns else _lost(m, arguments, "pairwise")


@native("itertools.repeat")
def repeat_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value, times = first(m, arguments, 0, "object"), arguments.get(1, "times")
    if times is None:
        return iterable("repeat", value)
    count = settle(m, times)
    if not isinstance(count, Const) or not isinstance(count.value, int):
        return iterable("repeat", value)
    if count.value > budget.ITEMS:
        m.escape(value)
        return cut(m, site, "an iterator is too long")
    charge(m, count.value)
    return ListV([value] * max(0, count.value), kind="iterator")


@native("itertools.count")
def count_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return iterable("count", settle(m, arguments.get(0, "start") or const(0)), settle(m, arguments.get(1, "step") or const(1)))


@native("itertools.cycle")
def cycle(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return iterable("cycle", first(m, arguments))


@native("itertools.islice")
def islice(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    bounds = [settle(m, each) for each in arguments.positional[1:]]
    if arguments.open_positional or not bounds or not all(isinstance(each, Const) for each in bounds):
        return _lost(m, arguments, "islice")
    limits = [each.value for each in bounds if isinstance(each, Const)]
    if not all(each is None or isinstance(each, int) and each >= 0 for each in limits):
        return _lost(m, arguments, "islice")
    wanted = slice(*limits)
    if is_endless(value) or is_long(value):
        if wanted.stop is None or wanted.stop > budget.ITEMS:
            return _lost(m, arguments, "islice")
        items: list[Value] | None = [unknown_item(m, value, number, site) for number in range(wanted.stop)]
    else:
        items = known_items(m, value, site)
    return ListV(items[wanted], kind="iterator") if items is not None else _lost(m, arguments, "islice")


@native("itertools.zip_longest", "itertools.izip_longest")
def zip_longest(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    columns = None if arguments.open_positional else _columns(m, arguments.positional, site)
    fill = arguments.keywords.get("fillvalue", NONE)
    return (
        _tuples(m, site, itertools.zip_longest(*columns, fillvalue=fill)) if columns is not None else _lost(m, arguments, "zip")
    )


@native("itertools.starmap")
def starmap(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    function, rows = first(m, arguments), items_of(m, first(m, arguments, 1), site)
    columns = _columns(m, rows, site) if rows is not None else None
    if columns is None:
        return _lost(m, arguments, "starmap")
    return ListV([m.call(function, Arguments(row, {}), site) for row in columns], kind="iterator")


@native("itertools.accumulate")
def accumulate(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    from bnlint.interpreter.expressions import operate

    items = items_of(m, first(m, arguments), site)
    function, start = arguments.get(1, "func"), arguments.keywords.get("initial")
    if items is None:
        return _lost(m, arguments, "accumulate")
    pending = [start, *items] if start is not None and settle(m, start) is not NONE else items
    found: list[Value] = []
    for item in pending:
        m.step()
        if not found:
            found.append(item)
        elif function is None or isinstance(function, Const):
            found.append(operate(m, ast.Add, found[-1], item, site))
        else:
            found.append(m.call(function, Arguments([found[-1], item], {}), site))
    return ListV(found, kind="iterator")


def _while(name: str, keep: bool) -> None:
    @native(f"itertools.{name}")
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        function, items = first(m, arguments), items_of(m, first(m, arguments, 1), site)
        if items is None:
            return _lost(m, arguments, name)
        for position, item in enumerate(items):
            if not m.truth(m.call(function, Arguments([item], {}), site), site.frame):
                return ListV(items[:position] if keep else items[position:], kind="iterator")
        return ListV(items if keep else [], kind="iterator")


_while("takewhile", True)
_while("dropwhile", False)


@native("itertools.groupby")
def groupby(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return _lost(m, arguments, "groupby")


@native("itertools.tee")
def tee(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    items, count = items_of(m, first(m, arguments), site), settle(m, arguments.get(1, "n") or const(2))
    if items is None or not isinstance(count, Const) or not isinstance(count.value, int) or not 0 <= count.value <= 20:
        return _lost(m, arguments, "tee")
    return TupleV(tuple(ListV(list(items), kind="iterator") for _ in range(count.value)))
