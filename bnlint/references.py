"""Names of libraries as a module writes them: in imports, and behind the names that its imports bind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bnlint.finding import Span
from bnlint.interpreter.scope import Module
from bnlint.source import Source

Kind = Literal["import", "attribute", "name"]

VERSION = re.compile(r"version|hasattr|getattr|keras_?[23]\b|is_keras|multi_backend|legacy_keras|\btf_?[12]\b", re.IGNORECASE)
"""What a test of versions or of what there is looks like."""


@dataclass(frozen=True)
class Reference:
    """A dotted name; ``names`` has several where imports that exclude each other bind its first word."""

    names: tuple[str, ...]
    span: Span
    kind: Kind
    node: ast.AST
    source: Source
    tree: ast.Module
    call: ast.Call | None = None
    """The call of what is named."""


def references(module: Module) -> Iterator[Reference]:
    """Every name of a library in a module, imports included."""
    aliases = bound_by_imports(module.tree)
    called = {each.func: each for each in ast.walk(module.tree) if isinstance(each, ast.Call)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                yield Reference(
                    (f"{node.module}.{alias.name}",), module.source.span(alias), "import", node, module.source, module.tree
                )
        elif isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Load):
            names = tuple(dotted_names(node, aliases))
            if names:
                kind: Kind = "attribute" if isinstance(node, ast.Attribute) else "name"
                call = called.get(node)
                yield Reference(names, module.source.span(call or node), kind, node, module.source, module.tree, call)


def dotted_names(node: ast.expr, aliases: dict[str, set[str]]) -> list[str]:
    """What a name or a chain of attributes may stand for."""
    rest: list[str] = []
    while isinstance(node, ast.Attribute):
        rest.insert(0, node.attr)
        node = node.value
    found = aliases.get(node.id, set()) if isinstance(node, ast.Name) else set()
    return [".".join([each, *rest]) for each in sorted(found)]


def bound_by_imports(tree: ast.Module) -> dict[str, set[str]]:
    """The names that imports bind, and those that stand for them as in ``K = keras.backend``; none that is bound otherwise, too."""
    found: dict[str, set[str]] = {}
    other: set[str] = set()
    assigned: list[tuple[ast.Name, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                root = each.name.partition(".")[0]
                found.setdefault(each.asname or root, set()).add(each.name if each.asname else root)
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                name = f"{node.module}.{each.name}"
                if node.level:
                    other.add(each.asname or each.name)
                else:
                    found.setdefault(each.asname or each.name, set()).add(name)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned.append((node.targets[0], node.value))
        elif isinstance(node, ast.arg):
            other.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            other.add(node.name)
    for target, value in assigned:
        names = dotted_names(value, found) if isinstance(value, ast.Attribute) else []
        if names:
            found.setdefault(target.id, set()).update(names)
    aliased = {target for target, value in assigned if isinstance(value, ast.Attribute) and dotted_names(value, found)}
    stores = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    other.update(node.id for node in stores if node not in aliased)
    return {name: names for name, names in found.items() if name not in other}


# -- guards ------------------------------------------------------------------------------------------------------


def guarded_nodes(tree: ast.Module) -> set[ast.AST]:
    """The nodes that run only where something was found to be there: in a ``try``, behind a test of versions."""
    flags = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and VERSION.search(ast.unparse(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        for part in _guarded_parts(node, flags):
            found.update(ast.walk(part))
    return found


def _guarded_parts(node: ast.AST, flags: set[str]) -> list[ast.AST]:
    if isinstance(node, ast.Try) and node.handlers:
        return [*node.body, *node.handlers, *node.orelse]
    if isinstance(node, (ast.If, ast.IfExp)) and _tests_versions(node.test, flags):
        return [node]
    if isinstance(node, ast.BoolOp) and any(_tests_versions(each, flags) for each in node.values):
        return [node]
    if isinstance(node, ast.With) and any("suppress" in ast.unparse(item.context_expr) for item in node.items):
        return [*node.body]
    for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
        if isinstance(body, list):
            for number, each in enumerate(body):
                if isinstance(each, ast.If) and _tests_versions(each.test, flags) and _leaves(each.body):
                    return list(body[number:])
    return []


def _tests_versions(test: ast.expr, flags: set[str]) -> bool:
    names = {each.id for each in ast.walk(test) if isinstance(each, ast.Name)}
    return bool(names & flags) or VERSION.search(ast.unparse(test)) is not None


def _leaves(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], (ast.Return, ast.Raise, ast.Continue))
