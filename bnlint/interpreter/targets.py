"""Assignment to names, attributes, subscripts and patterns of them."""

from __future__ import annotations

import ast

from bnlint.interpreter.containers import delete_subscript, store_subscript
from bnlint.interpreter.dispatch import ITEMS, CallSite
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.scope import Frame, Scope
from bnlint.interpreter.terms import term_of
from bnlint.interpreter.values import Arguments, DictV, ListV, Unknown, Value


def assign(m: Machine, target: ast.expr, value: Value, frame: Frame) -> None:
    """Bind ``value`` to a target expression."""
    if isinstance(target, ast.Name):
        bind(m, target.id, value, frame)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(m, target.elts, value, frame)
    elif isinstance(target, ast.Attribute):
        m.setattr(m.eval(target.value, frame), target.attr, value, CallSite(target, frame))
    elif isinstance(target, ast.Subscript):
        container = m.eval(target.value, frame)
        index = m.eval(target.slice, frame)
        setter = m.special_method(container, "__setitem__")
        if setter is not None:
            m.call(setter, Arguments([index, value], {}), CallSite(target, frame))
        else:
            store_subscript(m, container, index, value, CallSite(target, frame))
            if m.weights_read and isinstance(container, (ListV, DictV)):
                from bnlint.interpreter.weights import note_gathering

                note_gathering(m, value, CallSite(target, frame))
    elif isinstance(target, ast.Starred):
        assign(m, target.value, value, frame)


def bind(m: Machine, name: str, value: Value, frame: Frame) -> None:
    """Bind a name in the scope that owns it."""
    scope = owner(name, frame)
    m.touch(scope)
    scope.names[name] = value


def owner(name: str, frame: Frame) -> Scope:
    """The scope in which an assignment to ``name`` takes effect."""
    scope = frame.scope
    if name in scope.globals:
        return frame.module.scope
    if name in scope.nonlocals:
        outer = scope.parent
        while outer is not None:
            if name in outer.names and outer.kind == "function":
                return outer
            outer = outer.parent
    return scope


def _unpack(m: Machine, targets: list[ast.expr], value: Value, frame: Frame) -> None:
    site = CallSite(targets[0], frame) if targets else None
    items = m.items(value, site) if site is not None else None
    star = next((index for index, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if items is not None and star is not None and len(items) >= len(targets) - 1:
        behind = len(targets) - star - 1
        end = len(items) - behind
        items = [*items[:star], ListV(items[star:end]), *items[end:]]
    if items is None or len(items) != len(targets):
        known = items or []
        items = [known[i] if i < len(known) and star is None else _item(m, value, i, site) for i in range(len(targets))]
    for target, item in zip(targets, items):
        assign(m, target, item, frame)


def _item(m: Machine, value: Value, index: int, site: CallSite | None) -> Value:
    """One of the items of a value that is not wholly known."""
    if type(value) in ITEMS and site is not None:
        return ITEMS[type(value)](m, value, index, site)
    return Unknown(("item", term_of(value), ("c", index)))


def delete(m: Machine, target: ast.expr, frame: Frame) -> None:
    """``del target``."""
    if isinstance(target, ast.Name):
        m.touch(frame.scope)
        frame.scope.names.pop(target.id, None)
    elif isinstance(target, ast.Subscript):
        container = m.eval(target.value, frame)
        delete_subscript(m, container, m.eval(target.slice, frame), CallSite(target, frame))
    elif isinstance(target, (ast.Tuple, ast.List)):
        for each in target.elts:
            delete(m, each, frame)
