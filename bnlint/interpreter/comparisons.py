"""Comparisons of Python's own values; those of unknown ones are terms that conditions can be remembered by."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from bnlint.interpreter.data import ArrayV, DatasetV, StatisticV
from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import Meter, charge, charge_items, derive, evaluate, part, raised, settle
from bnlint.interpreter.records import LayerV, TensorV
from bnlint.interpreter.values import (
    FALSE,
    TRUE,
    Arguments,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    MethodV,
    ModuleV,
    NotPlain,
    SetV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    const,
    key_of,
)

ORDER: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any], str, str]] = {
    ast.Lt: ("<", operator.lt, "__lt__", "__gt__"),
    ast.LtE: ("<=", operator.le, "__le__", "__ge__"),
    ast.Gt: (">", operator.gt, "__gt__", "__lt__"),
    ast.GtE: (">=", operator.ge, "__ge__", "__le__"),
}

CHOICES = 4
"""``x in (...)`` with up to so many constants is a choice between them."""


def compare(m: Machine, op: type[ast.cmpop], left: Value, right: Value, site: CallSite) -> Value:
    """A comparison; Unknown, equal for equal comparisons, where its answer is not known."""
    left, right = settle(m, left), settle(m, right)
    if op in (ast.Is, ast.IsNot):
        return _negated(m, op is ast.IsNot, identical(m, left, right))
    if op in (ast.Eq, ast.NotEq):
        return _negated(m, op is ast.NotEq, equal(m, left, right, site))
    if op in (ast.In, ast.NotIn):
        return _negated(m, op is ast.NotIn, contains(m, right, left, site))
    return _ordered(m, op, left, right, site)


def _negated(m: Machine, negative: bool, value: Value) -> Value:
    if not negative:
        return value
    if isinstance(value, Const):
        return Const(not value.value, True) if value.assumed else const(not value.value)
    if not isinstance(value, Unknown):
        return derive(m, "not", part(value))
    positive = {"==": "!=", "is": "is not", "is None": "is not None", "in": "not in"}.get(str(value.term[0]))
    return derive(m, positive, *value.term[1:]) if positive is not None else derive(m, "not", value.term)


# -- identity ----------------------------------------------------------------------------------------------------

OBJECTS = (InstanceV, FunctionV, ClassV, TupleV, ListV, DictV, SetV, ModuleV, MethodV)
"""Values that are objects with an identity of their own, never None and never a constant."""


def identical(m: Machine, left: Value, right: Value) -> Value:
    """``left is right``."""
    if left is right:
        return TRUE
    if isinstance(left, Const) and not isinstance(right, Const):
        left, right = right, left
    if isinstance(right, Const) and right.value is None:
        if isinstance(left, Const):
            return Const(left.value is None, True) if left.assumed else const(left.value is None)
        return derive(m, "is None", part(left)) if _may_be_none(left) else FALSE
    if isinstance(left, Const) and isinstance(right, Const):
        same = type(left.value) is type(right.value) and left.value == right.value
        return Const(same, True) if left.assumed or right.assumed else const(same)
    if isinstance(left, SymbolV) and isinstance(right, SymbolV):
        return _symbols(m, "is", left, right)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return _equation(m, "is", left, right)
    if isinstance(left, OBJECTS) and isinstance(right, (*OBJECTS, Const, SymbolV)):
        return FALSE
    if isinstance(right, OBJECTS) and isinstance(left, (Const, SymbolV)):
        return FALSE
    if isinstance(left, TensorV) and isinstance(right, (*OBJECTS, Const, TensorV)):
        return FALSE
    return _equation(m, "is", left, right)


def _may_be_none(value: Value) -> bool:
    if isinstance(value, SymbolV):
        return not _is_class_path(value.path)
    return isinstance(value, Unknown) and not isinstance(value, (ArrayV, StatisticV, DatasetV))


def _symbols(m: Machine, label: str, left: SymbolV, right: SymbolV) -> Value:
    if left.path == right.path:
        return TRUE
    if _is_class_path(left.path) and _is_class_path(right.path):
        return FALSE
    return _equation(m, label, left, right)


def _is_class_path(path: str) -> bool:
    return path.startswith(("builtins.", "keras."))


def _equation(m: Machine, label: str, left: Value, right: Value) -> Value:
    """An unknown equality, its known side on the right."""
    a, b = part(left), part(right)
    if a == b and isinstance(left, Unknown):
        return TRUE
    if isinstance(left, Unknown) is isinstance(right, Unknown):
        a, b = sorted((a, b), key=repr)
    elif isinstance(right, Unknown):
        a, b = b, a
    return derive(m, label, a, b)


# -- equality ----------------------------------------------------------------------------------------------------


def equal(m: Machine, left: Value, right: Value, site: CallSite, depth: int = 0) -> Value:
    """``left == right``."""
    left, right = settle(m, left), settle(m, right)
    if isinstance(left, Const) and isinstance(right, Const):
        if isinstance(left.value, (str, bytes)):
            charge(m, len(left.value))
        return evaluate(m, site, operator.eq, left.value, right.value, assumed=left.assumed or right.assumed)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        other = right if isinstance(left, Unknown) else left
        if isinstance(other, Const) and other.value is None:
            return identical(m, left, right)
        return _equation(m, "==", left, right)
    for value, other in ((left, right), (right, left)):
        special = m.special_method(value, "__eq__")
        if special is not None:
            return m.call(special, Arguments([other], {}), site)
    return _equal_known(m, left, right, site, depth)


def _equal_known(m: Machine, left: Value, right: Value, site: CallSite, depth: int) -> Value:
    if isinstance(left, (TupleV, ListV)) and isinstance(right, (TupleV, ListV)):
        kinds = {each.kind for each in (left, right) if isinstance(each, ListV)}
        if kinds & {"array", "view"}:
            return derive(m, "==", part(left), part(right))
        if "iterator" in kinds:
            return const(left is right)
        return _equal_sequences(m, left, right, site, depth)
    if isinstance(left, (DictV, SetV)) and type(left) is type(right):
        return _equal_unordered(m, left, right, site, depth)
    if isinstance(left, SymbolV) and isinstance(right, SymbolV):
        return _symbols(m, "==", left, right)
    if left is right:
        return TRUE
    if isinstance(left, SymbolV) or isinstance(right, SymbolV):
        symbol, other = (left, right) if isinstance(left, SymbolV) else (right, left)
        if isinstance(other, Const) and isinstance(symbol, SymbolV) and not symbol.path.startswith("builtins."):
            return derive(m, "==", part(symbol), part(other))
        return FALSE
    if isinstance(left, TensorV) or isinstance(right, TensorV) or _has_own_equality(left) or _has_own_equality(right):
        return _equation(m, "==", left, right)
    known = (*OBJECTS, Const)
    return FALSE if isinstance(left, known) and isinstance(right, known) else _equation(m, "==", left, right)


def _has_own_equality(value: Value) -> bool:
    """Whether a class out of sight may say what its instances are equal to."""
    if isinstance(value, LayerV):
        return False
    if isinstance(value, InstanceV):
        return isinstance(value.cls, SymbolV) and value.cls.path != "builtins.object" or value.open
    return isinstance(value, ListV) and value.kind not in ("list", "iterator", "deque")


def _equal_sequences(m: Machine, left: TupleV | ListV, right: TupleV | ListV, site: CallSite, depth: int) -> Value:
    plain = [each for each in (left, right) if not isinstance(each, TupleV) or each.kind == "tuple" or each.fields]
    if len(plain) == 2 and type(left) is not type(right):
        return FALSE
    open_ = any(isinstance(each, ListV) and each.open for each in (left, right))
    if not open_ and len(left.items) != len(right.items):
        return FALSE
    if open_ or depth > 20:
        return TRUE if left is right else derive(m, "==", part(left), part(right))
    m.step(1 + (len(left.items) >> 2))
    return _all(m, [(a, b) for a, b in zip(left.items, right.items)], left, right, site, depth)


def _equal_unordered(m: Machine, left: Value, right: Value, site: CallSite, depth: int) -> Value:
    assert isinstance(left, (DictV, SetV)) and isinstance(right, (DictV, SetV))
    if left is right:
        return TRUE
    if left.open or right.open or depth > 20:
        return derive(m, "==", part(left), part(right))
    if left.items.keys() != right.items.keys():
        return FALSE
    if isinstance(left, SetV) or isinstance(right, SetV):
        return TRUE
    m.step(1 + (len(left.items) >> 2))
    return _all(m, [(item[1], right.items[key][1]) for key, item in left.items.items()], left, right, site, depth)


def _all(m: Machine, pairs: Sequence[tuple[Value, Value]], left: Value, right: Value, site: CallSite, depth: int) -> Value:
    assumed, open_ = False, []
    for a, b in pairs:
        answer = equal(m, a, b, site, depth + 1)
        known = truth_of(m, answer)
        if known is False:
            return answer if isinstance(answer, Const) else FALSE
        if known is None:
            open_.append(part(answer))
        assumed |= isinstance(answer, Const) and answer.assumed
    if len(open_) == 1:
        return derive(m, *open_[0]) if isinstance(open_[0], tuple) else derive(m, "and", open_[0])
    if open_:
        return derive(m, "and", *open_)
    return Const(True, True) if assumed else TRUE


# -- membership --------------------------------------------------------------------------------------------------


def contains(m: Machine, container: Value, item: Value, site: CallSite) -> Value:
    """``item in container``."""
    special = m.special_method(container, "__contains__")
    if special is not None:
        return m.call(special, Arguments([item], {}), site)
    if isinstance(container, Const):
        return _in_constant(m, container, item, site)
    if isinstance(container, (DictV, SetV)):
        return _in_keys(m, container, item, site)
    if isinstance(container, (TupleV, ListV)) and getattr(container, "kind", "") != "array":
        return _in_sequence(m, container, item, site)
    return derive(m, "in", part(item), part(container))


def _in_constant(m: Machine, container: Const, item: Value, site: CallSite) -> Value:
    text = container.value
    if not isinstance(text, (str, bytes, range)):
        raise raised("TypeError", f"argument of type '{type(text).__name__}' is not iterable")
    if not isinstance(item, Const):
        if isinstance(item, Unknown):
            return derive(m, "in", item.term, part(container))
        if isinstance(text, range):
            return FALSE
        raise raised("TypeError", "'in <string>' requires string as left operand")
    if isinstance(text, range) and not isinstance(item.value, int):
        if not isinstance(item.value, (float, complex)) or item.value != item.value:
            return FALSE
        whole = item.value.real
        if isinstance(item.value, complex) and item.value.imag or whole != whole // 1:
            return FALSE
        return evaluate(m, site, operator.contains, text, int(whole), assumed=container.assumed or item.assumed)
    if isinstance(text, (str, bytes)):
        charge(m, len(text))
    return evaluate(m, site, operator.contains, text, item.value, assumed=container.assumed or item.assumed)


def _in_keys(m: Machine, container: DictV | SetV, item: Value, site: CallSite) -> Value:
    key = dictionary_key(item)
    if key is not None and key in container.items:
        return TRUE
    if container.open:
        return derive(m, "in", part(item), part(container))
    if isinstance(item, Unknown):
        keys = (
            [entry[0] for entry in container.items.values()] if isinstance(container, DictV) else list(container.items.values())
        )
        return _one_of(m, item, keys, container)
    return FALSE if key is not None else derive(m, "in", part(item), part(container))


def dictionary_key(value: Value) -> Hashable | None:
    """What a value is as a dictionary key; the same unknown value is the same key."""
    key = key_of(value)
    if key is None and isinstance(value, (Unknown, TupleV)):
        return ("u", part(value))
    return key


def _in_sequence(m: Machine, container: TupleV | ListV, item: Value, site: CallSite) -> Value:
    charge_items(m, len(container.items))
    open_ = isinstance(container, ListV) and container.open
    if isinstance(item, Unknown) and not open_:
        return _one_of(m, item, list(container.items), container)
    uncertain = False
    for each in container.items:
        if each is item:
            return TRUE
        known = truth_of(m, equal(m, each, item, site))
        if known:
            return Const(True, True) if _assumed(each, item) else TRUE
        uncertain |= known is None
    if uncertain or open_:
        return derive(m, "in", part(item), part(container))
    return Const(False, True) if _assumed(item) else FALSE


def truth_of(m: Machine, value: Value) -> bool | None:
    """The truth of a value that may be assumed, without a choice."""
    return bool(value.value) if isinstance(value, Const) else m.known_truth(value)


def _assumed(*values: Value) -> bool:
    return any(isinstance(each, Const) and each.assumed for each in values)


def _one_of(m: Machine, item: Unknown, choices: list[Value], container: Value) -> Value:
    """Whether an unknown value is one of these: a choice between them where they are few."""
    if any(isinstance(each, Unknown) and each.term == item.term for each in choices):
        return TRUE
    if not choices:
        return FALSE
    if len(choices) <= CHOICES and all(isinstance(each, Const) for each in choices):
        tests: list[Hashable] = []
        for each in choices:
            test = ("is None", item.term) if isinstance(each, Const) and each.value is None else ("==", item.term, part(each))
            if test not in tests:
                tests.append(test)
        return derive(m, *tests[0]) if len(tests) == 1 and isinstance(tests[0], tuple) else derive(m, "or", *tests)
    return derive(m, "in", item.term, part(container))


# -- order -------------------------------------------------------------------------------------------------------


def _ordered(m: Machine, op: type[ast.cmpop], left: Value, right: Value, site: CallSite) -> Value:
    label, function, name, reflected = ORDER[op]
    for value, other, method in ((left, right, name), (right, left, reflected)):
        special = m.special_method(value, method)
        if special is not None:
            return m.call(special, Arguments([other], {}), site)
    if isinstance(left, (Const, TupleV, ListV, SetV)) and isinstance(right, (Const, TupleV, ListV, SetV)):
        meter = Meter(m)
        try:
            a, b = meter.plain(left), meter.plain(right)
        except NotPlain:
            return derive(m, label, part(left), part(right))
        if any(isinstance(each, ListV) and each.kind == "array" for each in (left, right)):
            return derive(m, label, part(left), part(right))
        if (a is None or b is None) and not meter.assumed:
            raise raised("TypeError", f"'{label}' not supported between instances")
        return evaluate(m, site, function, a, b, assumed=meter.assumed)
    return derive(m, label, part(left), part(right))
