"""Notebooks are run out of order: a statement that needs a name which only a later one binds comes after that one."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from bnlint.interpreter.modules import BUILTIN_NAMES

DEEPEST = 50
"""Statements that wait for one another."""


def in_running_order(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements, each behind those that first bind what it needs and nothing before it binds."""
    bound = [frozenset(_bound(each)) for each in statements]
    first: dict[str, int] = {}
    for index, names in enumerate(bound):
        for name in names:
            first.setdefault(name, index)
    order: list[int] = []
    placed: set[int] = set()

    def place(index: int) -> None:
        placed.add(index)
        for name in sorted(_needed(statements, index, first) - bound[index]):
            binder = first[name]
            if binder > index and binder not in placed and len(placed) - len(order) < DEEPEST:
                place(binder)
        order.append(index)

    for index in range(len(statements)):
        if index not in placed:
            place(index)
    return [statements[index] for index in order]


def _needed(statements: Sequence[ast.stmt], index: int, first: dict[str, int]) -> set[str]:
    """The notebook's names that a statement reads, and those that the functions it names read when they are called."""
    found: set[str] = set()
    pending = list(_read(_outside_definitions(statements[index])))
    while pending:
        name = pending.pop()
        if name in found or name in BUILTIN_NAMES or name not in first:
            continue
        found.add(name)
        definition = statements[first[name]]
        if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            pending.extend(_read(ast.walk(definition)))
    return found


def _bound(statement: ast.stmt) -> Iterator[str]:
    for node in _outside_definitions(statement):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]


def _read(nodes: Iterator[ast.AST]) -> Iterator[str]:
    return (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))


def _outside_definitions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes that are evaluated where a statement stands: of a definition its decorators, defaults and bases."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending.extend([*node.decorator_list, *node.args.defaults])
        elif isinstance(node, ast.ClassDef):
            pending.extend([*node.decorator_list, *node.bases])
        elif not isinstance(node, ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))
