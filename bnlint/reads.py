"""What the sources read, by name: classes used as values, attributes, imported names, strings."""

from __future__ import annotations

import ast
from collections.abc import Iterable


def names_as_values(tree: ast.Module) -> set[str]:
    """The names that are read other than to call them, to derive from them, to test for them or to annotate with them."""
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.add(node.attr)
        pending.extend(child for child in _read_by(node) if child is not None)
    return found


def _read_by(node: ast.AST) -> Iterable[ast.AST | None]:
    """The children of a node, without the places where a class is only named."""
    if isinstance(node, ast.Call):
        named = isinstance(node.func, (ast.Name, ast.Attribute))
        inner = [node.func.value] if isinstance(node.func, ast.Attribute) else [] if named else [node.func]
        if isinstance(node.func, ast.Name) and node.func.id in ("super", "isinstance", "issubclass"):
            return inner
        return [*inner, *node.args, *node.keywords]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.body]
    if isinstance(node, ast.arg):
        return []
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [*node.decorator_list, node.args, *node.body]
    if isinstance(node, ast.AnnAssign):
        return [node.value]
    if isinstance(node, ast.Attribute):
        return [node.value]
    return ast.iter_child_nodes(node)


def names_read(tree: ast.Module) -> set[str]:
    """The attributes that are read, the names that are imported, and all strings."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found
