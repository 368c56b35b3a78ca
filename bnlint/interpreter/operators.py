"""Operators on Python's own values."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from bnlint.interpreter import budget
from bnlint.interpreter.comparisons import compare, dictionary_key
from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.iteration import rest
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import Meter, charge, charge_items, cut, derive, evaluate, part, raised, settle
from bnlint.interpreter.values import (
    ClassV,
    Const,
    DictV,
    ListV,
    NotPlain,
    SetV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)

__all__ = ["SYMBOLS", "binary", "compare", "fitting_format", "unary"]

SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.MatMult: "@",
}

FUNCTIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.MatMult: operator.matmul,
}

UNARY: dict[type[ast.unaryop], tuple[str, Callable[[Any], Any]]] = {
    ast.USub: ("neg", operator.neg),
    ast.UAdd: ("pos", operator.pos),
    ast.Invert: ("~", lambda value: operator.invert(int(value) if isinstance(value, bool) else value)),
    ast.Not: ("not", operator.not_),
}

PYTHON = (Const, Unknown, TupleV, ListV, DictV, SetV, SymbolV, ClassV)


def binary(m: Machine, op: type[ast.operator], left: Value, right: Value, site: CallSite) -> Value | None:
    """A binary operator; None where an operand is not one of Python's own values."""
    left, right = settle(m, left), settle(m, right)
    if isinstance(left, Const) and isinstance(right, Const):
        return _constants(m, op, left, right, site)
    if not isinstance(left, PYTHON) or not isinstance(right, PYTHON):
        return None
    if _is_array(left) or _is_array(right):
        from bnlint.interpreter.numpy_natives import array_operator

        return array_operator(m, op, left, right, site)
    if op is ast.Mod and isinstance(left, Const) and isinstance(left.value, (str, bytes)):
        return _interpolate(m, left, right, site)
    if isinstance(left, (Unknown, SymbolV, ClassV)) or isinstance(right, (Unknown, SymbolV, ClassV)):
        return _with_unknown(m, op, left, right, site)
    if op in SET_OPERATORS and (_is_view(left) or _is_view(right)):
        left, right = _view_as_set(left), _view_as_set(right)
    if isinstance(left, (DictV, SetV)) and isinstance(right, (DictV, SetV)):
        return _unordered(m, op, left, right)
    if op is ast.Add:
        return _concatenate(m, left, right, site)
    if op is ast.Mult:
        return _repeat(m, left, right, site)
    return _misfit(m, op, left, right)


def _misfit(m: Machine, op: type[ast.operator], left: Value, right: Value) -> Value:
    """Operands that do not go together; an assumed default that does not fit will be replaced."""
    if any(isinstance(each, Const) and each.assumed for each in (left, right)):
        m.escape_all([left, right])
        return unknown("an assumed default does not fit")
    raise raised("TypeError", f"unsupported operand type(s) for {SYMBOLS[op]}")


def _is_array(value: Value) -> bool:
    return isinstance(value, ListV) and value.kind == "array"


def _is_view(value: Value) -> bool:
    return isinstance(value, ListV) and value.kind == "view"


def _view_as_set(value: Value) -> Value:
    """The keys of a dictionary as the set that they are."""
    if not isinstance(value, ListV) or value.kind != "view":
        return value
    keys = {dictionary_key(item): item for item in value.items}
    return SetV({key: item for key, item in keys.items() if key is not None}, value.open or None in keys)


def unary(m: Machine, op: type[ast.unaryop], value: Value, site: CallSite) -> Value:
    """A unary operator other than ``not``, which asks for the truth of a value."""
    value = settle(m, value)
    label, function = UNARY[op]
    if isinstance(value, Const):
        return evaluate(m, site, function, value.value, assumed=value.assumed)
    if _is_array(value) and op is ast.USub:
        return binary(m, ast.Mult, value, Const(-1), site) or derive(m, label, part(value))
    if isinstance(value, (TupleV, ListV, DictV, SetV)):
        raise raised("TypeError", f"bad operand type for unary {label}")
    return derive(m, label, part(value))


# -- constants ---------------------------------------------------------------------------------------------------


def _constants(m: Machine, op: type[ast.operator], left: Const, right: Const, site: CallSite) -> Value:
    a, b = left.value, right.value
    if op is ast.Mod and isinstance(a, (str, bytes)):
        return _interpolate(m, left, right, site)
    if not _affordable(op, a, b):
        return cut(m, site, f"the result of {SYMBOLS[op]} is too big")
    if isinstance(a, (str, bytes)) or isinstance(b, (str, bytes)):
        charge(m, sum(len(each) for each in (a, b) if isinstance(each, (str, bytes))))
    return evaluate(m, site, FUNCTIONS[op], a, b, assumed=left.assumed or right.assumed)


def _affordable(op: type[ast.operator], a: Any, b: Any) -> bool:
    """Whether the result of an operator on two constants is small."""
    if op is ast.Mult:
        for text, count in ((a, b), (b, a)):
            if isinstance(text, (str, bytes)) and isinstance(count, int):
                return len(text) * max(count, 0) <= budget.TEXT
    if not (isinstance(a, int) and isinstance(b, int)):
        return True
    if op is ast.Pow:
        return b <= 1 or abs(a) <= 1 or (b <= budget.TEXT and abs(a).bit_length() * b <= budget.TEXT)
    if op is ast.LShift:
        return b < 0 or (b <= budget.TEXT and a.bit_length() + b <= budget.TEXT)
    return True


NUMBER = re.compile(r"\d+")
STARRED = re.compile(r"%[^%a-zA-Z]*\*")


def fitting_format(pattern: str, *operands: Any) -> bool:
    """Whether the numbers in a format ask for no more than a moderate width."""
    return all(len(each) <= 6 and int(each) <= budget.TEXT for each in NUMBER.findall(pattern)) and all(
        not isinstance(each, int) or each.bit_length() <= 2_000 for each in operands
    )


def _interpolate(m: Machine, left: Const, right: Value, site: CallSite) -> Value:
    """``text % values``."""
    meter = Meter(m)
    try:
        value = meter.plain(right)
    except NotPlain:
        return derive(m, "%", part(left), part(right))
    pattern = left.value if isinstance(left.value, str) else left.value.decode("latin-1")
    operands = value if isinstance(value, tuple) else tuple(value.values()) if isinstance(value, dict) else (value,)
    longest = max((text_size(each) for each in operands), default=0)
    starred = STARRED.search(pattern) is not None
    if starred and any(isinstance(each, int) and abs(each) > budget.TEXT for each in operands):
        return cut(m, site, "a formatted text is too long")
    if not fitting_format(pattern, *operands) or len(pattern) + pattern.count("%") * longest > 50 * budget.TEXT:
        return cut(m, site, "a formatted text is too long")
    charge(m, len(pattern) + pattern.count("%") * longest)
    return evaluate(m, site, operator.mod, left.value, value, assumed=left.assumed or meter.assumed)


def text_size(obj: Any) -> int:
    """About how many characters the text of an object has."""
    if isinstance(obj, (str, bytes)):
        return len(obj)
    if isinstance(obj, int):
        return obj.bit_length() // 3 + 2
    if isinstance(obj, dict):
        return sum(text_size(key) + text_size(item) + 4 for key, item in obj.items())
    if isinstance(obj, (tuple, list, set, frozenset)):
        return sum(text_size(item) + 2 for item in obj)
    return 40


# -- containers --------------------------------------------------------------------------------------------------


def _with_unknown(m: Machine, op: type[ast.operator], left: Value, right: Value, site: CallSite) -> Value:
    """An operator with an operand that is not known. What the known one holds stays in sight where it can."""
    if op is ast.Add:
        if isinstance(left, ListV) and left.kind in GROWING and isinstance(right, Unknown):
            return ListV([*left.items, rest(right)] if left.items else [], open=True)
        constant = isinstance(right, ListV) and all(isinstance(item, Const) for item in right.items)
        if isinstance(right, ListV) and right.kind in GROWING and isinstance(left, Unknown) and not constant:
            return ListV([rest(left), *right.items], open=True)
    elif op is ast.Mult:
        for sequence, count in ((left, right), (right, left)):
            if isinstance(sequence, ListV) and isinstance(count, Unknown):
                return ListV([*sequence.items, rest()] if sequence.items else [], open=True)
    elif op is ast.BitOr and isinstance(left, DictV):
        return DictV(dict(left.items), open=True, default=left.default)
    elif op is ast.BitOr and isinstance(right, DictV):
        return DictV(dict(right.items), open=True)
    m.escape_all([left, right])
    return derive(m, SYMBOLS[op], part(left), part(right))


GROWING = frozenset({"list", "deque"})


def _concatenate(m: Machine, left: Value, right: Value, site: CallSite) -> Value | None:
    if isinstance(left, TupleV) and isinstance(right, TupleV):
        if not _fits(m, len(left.items) + len(right.items)):
            return cut(m, site, "a tuple is too big")
        return TupleV((*left.items, *right.items), "tuple" if left.fields else left.kind)
    if isinstance(left, ListV) and isinstance(right, ListV):
        if left.kind not in GROWING or right.kind not in GROWING:
            return None
        if not _fits(m, len(left.items) + len(right.items)):
            m.escape_all([left, right])
            return cut(m, site, "a list is too big")
        between = [rest(left)] if left.open and not any(is_rest(item) for item in left.items) else []
        return ListV([*left.items, *between, *right.items], left.open or right.open, left.kind)
    if isinstance(left, TupleV) and left.kind != "tuple" and isinstance(right, ListV):
        return TupleV((*left.items, *right.items), left.kind) if not right.open else derive(m, "+", part(left), part(right))
    if isinstance(left, ListV) and isinstance(right, TupleV) and right.kind != "tuple":
        return TupleV((*left.items, *right.items), right.kind) if not left.open else derive(m, "+", part(left), part(right))
    return _misfit(m, ast.Add, left, right)


def is_rest(value: Value) -> bool:
    """Whether an item stands for items that are not known."""
    from bnlint.interpreter.iteration import RestV

    return isinstance(value, RestV)


def _fits(m: Machine, size: int) -> bool:
    if size > budget.ITEMS:
        return False
    charge(m, size)
    return True


def _repeat(m: Machine, left: Value, right: Value, site: CallSite) -> Value | None:
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, (TupleV, ListV)) and isinstance(count, Const) and isinstance(count.value, int):
            times = max(count.value, 0)
            if not _fits(m, len(sequence.items) * times):
                m.escape(sequence)
                return cut(m, site, "a repeated sequence is too big")
            items = list(sequence.items) * times
            if isinstance(sequence, TupleV):
                return TupleV(tuple(items), "tuple" if sequence.fields else sequence.kind)
            return ListV(items, sequence.open and times > 0, sequence.kind)
    return _misfit(m, ast.Mult, left, right)


def _unordered(m: Machine, op: type[ast.operator], left: DictV | SetV, right: DictV | SetV) -> Value | None:
    """``|`` of dictionaries, ``|``, ``&``, ``-`` and ``^`` of sets."""
    charge_items(m, len(left.items) + len(right.items))
    if isinstance(left, DictV) and isinstance(right, DictV) and op is ast.BitOr:
        return DictV({**left.items, **right.items}, left.open or right.open, left.default)
    if isinstance(left, SetV) and isinstance(right, SetV) and op in SET_OPERATORS:
        keys = SET_OPERATORS[op](left.items.keys(), right.items.keys())
        both = {**right.items, **left.items}
        return SetV({key: both[key] for key in both if key in keys}, left.open or right.open)
    raise raised("TypeError", f"unsupported operand type(s) for {SYMBOLS[op]}")


SET_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.Sub: operator.sub,
    ast.BitXor: operator.xor,
}
