"""The module ``operator``."""

from __future__ import annotations

import ast

from bnlint.interpreter.comparisons import compare
from bnlint.interpreter.containers import delete_subscript, inplace, store_subscript, subscript
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.operators import unary
from bnlint.interpreter.pure import derive, part, settle
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.values import NONE, Arguments, Const, PartialV, SymbolV, TupleV, Value, const, unknown

BINARY: dict[str, type[ast.operator]] = {
    "add": ast.Add, "concat": ast.Add, "sub": ast.Sub, "mul": ast.Mult, "truediv": ast.Div, "floordiv": ast.FloorDiv,
    "mod": ast.Mod, "pow": ast.Pow, "lshift": ast.LShift, "rshift": ast.RShift, "and_": ast.BitAnd, "or_": ast.BitOr,
    "xor": ast.BitXor, "matmul": ast.MatMult,
}  # fmt: skip
COMPARISONS: dict[str, type[ast.cmpop]] = {
    "eq": ast.Eq, "ne": ast.NotEq, "lt": ast.Lt, "le": ast.LtE, "gt": ast.Gt, "ge": ast.GtE, "is_": ast.Is, "is_not": ast.IsNot,
}  # fmt: skip
UNARY: dict[str, type[ast.unaryop]] = {"neg": ast.USub, "pos": ast.UAdd, "inv": ast.Invert, "invert": ast.Invert}


def _binary(name: str, operator: type[ast.operator]) -> None:
    @native(f"operator.{name}")
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        from bnlint.interpreter.expressions import operate

        return operate(m, operator, first(m, arguments), first(m, arguments, 1), site)

    @native(f"operator.i{name.rstrip('_')}")
    def run_in_place(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        changed = inplace(m, operator, first(m, arguments), first(m, arguments, 1), site)
        return changed if changed is not None else run(m, site, arguments)


def _comparison(name: str, operator: type[ast.cmpop]) -> None:
    @native(f"operator.{name}")
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        return compare(m, operator, first(m, arguments), first(m, arguments, 1), site)


def _unary(name: str, operator: type[ast.unaryop]) -> None:
    @native(f"operator.{name}")
    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        return unary(m, operator, first(m, arguments), site)


for _name, _operator in BINARY.items():
    _binary(_name, _operator)
for _name, _compared in COMPARISONS.items():
    _comparison(_name, _compared)
for _name, _single in UNARY.items():
    _unary(_name, _single)


@native("operator.contains")
def contains(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return compare(m, ast.In, first(m, arguments, 1), first(m, arguments), site)


@native("operator.not_")
def not_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    known = m.known_truth(value)
    return const(not known) if known is not None else derive(m, "not", part(value))


@native("operator.truth")
def truth(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = first(m, arguments)
    known = m.known_truth(value)
    return const(known) if known is not None else derive(m, "not", ("not", part(value)))


@native("operator.getitem")
def getitem(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    container, index = first(m, arguments), first(m, arguments, 1)
    found = subscript(m, container, index, site)
    return found if found is not None else derive(m, "item", part(container), part(index))


@native("operator.setitem")
def setitem(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    store_subscript(m, first(m, arguments), first(m, arguments, 1), first(m, arguments, 2), site)
    return NONE


@native("operator.delitem")
def delitem(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    delete_subscript(m, first(m, arguments), first(m, arguments, 1), site)
    return NONE


@native("operator.itemgetter", "operator.attrgetter", "operator.methodcaller")
def getter(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A function that is called with the object to look into."""
    return PartialV(SymbolV(f"{site.path}.call"), tuple(arguments.positional), dict(arguments.keywords))


@native("operator.itemgetter.call")
def get_items(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    if len(arguments.positional) < 2:
        return unknown("an item")
    *keys, value = arguments.positional
    found = [getitem(m, site, Arguments([value, key], {})) for key in keys]
    return found[0] if len(found) == 1 else TupleV(tuple(found))


@native("operator.attrgetter.call")
def get_attributes(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    if len(arguments.positional) < 2:
        return unknown("an attribute")
    *names, value = arguments.positional
    found: list[Value] = []
    for name in names:
        key = settle(m, name)
        if not isinstance(key, Const) or not isinstance(key.value, str):
            return unknown("an attribute")
        result = value
        for each in key.value.split("."):
            result = m.getattr(result, each, site)
        found.append(result)
    return found[0] if len(found) == 1 else TupleV(tuple(found))


@native("operator.methodcaller.call")
def call_method(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    if len(arguments.positional) < 2:
        return unknown("a method")
    name, *rest, value = arguments.positional
    key = settle(m, name)
    if not isinstance(key, Const) or not isinstance(key.value, str):
        m.escape_all(arguments.values())
        return unknown("a method")
    return m.call(m.getattr(value, key.value, site), Arguments(rest, arguments.keywords), site)
