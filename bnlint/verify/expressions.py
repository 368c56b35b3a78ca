"""What is written at a place of the source, and what it is worth there."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from bnlint.finding import Span
from bnlint.verify.places import Place, difference, overlaps

Node = TypeVar("Node", bound=ast.AST)


class Unknowable(Exception):
    """An expression cannot be evaluated here; the message says why."""


class Written:
    """The source around a span; ``scopes`` are the names known there, one mapping for each time the code came to it."""

    def __init__(self, text: str, span: Span, scopes: Sequence[Mapping[str, Any]]) -> None:
        self.tree, self.span, self.scopes = ast.parse(text), span, scopes

    def nodes(self, *kinds: type[Node]) -> list[Node]:
        """The nodes of some kinds that overlap the span, those closest to it first."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, kinds) and hasattr(node, "lineno")]
        places = [(self._place(node), node) for node in found]
        return [
            node
            for _, node in sorted(
                ((difference(place, self.span), node) for place, node in places if overlaps(place, self.span)),
                key=lambda each: each[0],
            )
        ]

    def _place(self, node: Any) -> Place:
        return Place(self.span.path, node.lineno, node.col_offset + 1, node.end_lineno, node.end_col_offset + 1)

    def value(self, node: ast.expr) -> Any:
        """What an expression is worth the first time the code comes to it; raises Unknowable."""
        if not self.scopes:
            raise Unknowable("the code does not come to this place")
        code = compile(ast.fix_missing_locations(ast.Expression(node)), self.span.path, "eval")
        try:
            return eval(code, dict(self.scopes[0]))
        except Exception as error:
            raise Unknowable(f"{ast.unparse(node)[:60]} cannot be evaluated: {type(error).__name__}: {error}") from error

    def loops(self, node: ast.AST) -> Iterator[ast.For]:
        """The ``for`` loops around a node in the same function, innermost first."""
        parents = {id(child): parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)}
        inner = node
        while (parent := parents.get(id(inner))) is not None:
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                return
            if isinstance(parent, ast.For) and any(inner is each for each in parent.body):
                yield parent
            inner = parent

    def imports_of(self, name: str) -> list[ast.stmt]:
        """The imports that bind a name."""
        return [
            each
            for each in ast.walk(self.tree)
            if isinstance(each, (ast.Import, ast.ImportFrom))
            and any((alias.asname or alias.name.partition(".")[0]) == name for alias in each.names)
        ]
