"""Which definitions can reach something that a rule asks about: those that name it, and those that name them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from bnlint.index import is_relevant, names_keras
from bnlint.interpreter.scope import Module

WORD = re.compile(r"[^\W\d]\w*")
MAKES_LAYER = re.compile(r"(?:Conv|Dense|Linear)\w*\(")


def relevant_names(modules: Iterable[Module]) -> set[str]:
    """The names bound at the top of some modules whose statements can reach a batch normalization or a backbone.

    What uses the same helper of its module for a layer as one of these is among them: it may do without the normalization.
    Names are compared as words, whatever they are bound to: it errs on the side of too many.
    """
    users: dict[str, set[str]] = {}
    helpers: list[dict[str, set[str]]] = []
    found: set[str] = set()
    pending: list[str] = []
    for module in modules:
        around = b"keras " if names_keras(module.source.text.encode("utf-8", "replace")) else b""
        makers: set[str] = set()
        own: dict[str, set[str]] = {}
        for names, text in _statements(module):
            if is_relevant(around + text.encode("utf-8", "replace")):
                pending.extend(names - found)
                found |= names
            if around and MAKES_LAYER.search(text):
                makers |= names
            for word in set(WORD.findall(text)) - names:
                users.setdefault(word, set()).update(names)
                own.setdefault(word, set()).update(names)
        helpers.append({name: own[name] for name in makers & own.keys()})
    while pending:
        for name in users.get(pending.pop(), ()):
            if name not in found:
                found.add(name)
                pending.append(name)
    shared = [by for each in helpers for name, by in each.items() if name not in found and not found.isdisjoint(by)]
    return found.union(*shared)


def _statements(module: Module) -> Iterator[tuple[set[str], str]]:
    """The top-level statements of a module: the names they bind, and their text."""
    lines = module.source.lines
    imported = {alias.asname or alias.name.partition(".")[0] for node in module.tree.body for alias in getattr(node, "names", [])
                if isinstance(node, (ast.Import, ast.ImportFrom))}  # fmt: skip
    for node in module.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            source = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield {alias.asname or alias.name.partition(".")[0]}, source + alias.name
            continue
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        yield _bound(node) | (_changed(node) - imported), "\n".join(lines[first - 1 : node.end_lineno])


def _changed(node: ast.stmt) -> set[str]:
    """The names whose methods a statement calls: ``model.add(...)`` may change the model."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return set()
    functions = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    return {each.value.id for each in functions if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)}


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    names: set[str] = set()
    pending: list[ast.AST] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(each.name)
            continue
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            names.add(each.id)
        pending.extend(ast.iter_child_nodes(each))
    return names
