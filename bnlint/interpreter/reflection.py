"""Python about Python: ``eval`` of a constant text, ``locals``, ``globals``, ``vars``, imports by name."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.modules import module_value
from bnlint.interpreter.pure import derive, part, raised
from bnlint.interpreter.records import LayerV
from bnlint.interpreter.scope import Frame, Scope
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.values import Arguments, Const, DictV, InstanceV, Value, unknown

MAX_EVALUATED = 400
"""Characters of a text that ``eval`` may be given: longer ones are data."""


@native("builtins.eval")
def eval_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``eval(text)`` of a text that is known; what it makes stands where the ``eval`` stands."""
    text = first(m, arguments)
    alone = len(arguments.positional) == 1 and not arguments.keywords and not arguments.open_positional
    if not alone or not isinstance(text, Const) or not isinstance(text.value, str) or len(text.value) > MAX_EVALUATED:
        m.escape_all(arguments.values())
        return unknown("eval")
    m.step(len(text.value) >> 2)
    tree = _expression(text.value.strip(), site.node)
    if tree is None:
        raise raised("SyntaxError", "invalid syntax")
    return m.resolve(m.eval(tree, site.frame))


@lru_cache(maxsize=1_000)
def _expression(text: str, place: ast.AST) -> ast.expr | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    for node in ast.walk(tree):
        ast.copy_location(node, place)
    return tree


def _variables(scope: Scope, open_: bool) -> DictV:
    return DictV({("c", name): (Const(name), value) for name, value in scope.names.items()}, open_)


def _own_scope(frame: Frame) -> Scope:
    scope = frame.scope
    while scope.kind == "comprehension" and scope.parent is not None:
        scope = scope.parent
    return scope


@native("builtins.locals")
def locals_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``locals()``: the names that are bound so far."""
    scope = _own_scope(site.frame)
    return _variables(scope, open_=scope.kind == "module")


@native("builtins.globals")
def globals_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``globals()``: the module's names; there may be more than are in sight."""
    return _variables(site.frame.module.scope, open_=True)


@native("builtins.vars")
def vars_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``vars(value)``: a copy of its attributes; ``vars()`` is ``locals()``."""
    if not arguments.positional:
        return locals_(m, site, arguments)
    value = first(m, arguments)
    if isinstance(value, InstanceV) and not isinstance(value, LayerV):
        return DictV({("c", key): (Const(key), item) for key, item in value.attributes.items()}, value.open)
    return derive(m, "vars", part(value))


@native("importlib.import_module", "builtins.__import__")
def import_module(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``importlib.import_module("a.b")``; relative names are taken from the package of the module at hand."""
    name = first(m, arguments, 0, "name")
    if not isinstance(name, Const) or not isinstance(name.value, str):
        m.escape_all(arguments.values())
        return unknown("a module imported by a name that is not known")
    dotted: str = name.value
    if dotted.startswith("."):
        module = site.frame.module
        level = len(dotted) - len(dotted.lstrip("."))
        package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
        dotted = ".".join([*package[: len(package) - level + 1], dotted.lstrip(".")])
    if site.path == "builtins.__import__" and "fromlist" not in arguments.keywords and len(arguments.positional) < 4:
        dotted = dotted.partition(".")[0]
    return module_value(m, dotted, site.frame)
