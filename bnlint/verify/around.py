"""What stands around a finding's place in the source: its function, its class, and who uses these."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from bnlint.finding import Span
from bnlint.verify.places import Place

_BY_KERAS = ("call", "__call__", "build", "train_step", "test_step", "predict_step")


@dataclass(frozen=True)
class Around:
    """The innermost function around a place (its name and lines; none at module level) and the class that it is in."""

    function: str = ""
    lines: tuple[int, int] = (0, 0)
    owner: str = ""


def around(text: str, span: Span) -> Around:
    """The function and class around a span."""
    found = Around()
    pending: list[tuple[ast.AST, Around]] = [(ast.parse(text), found)]
    while pending:
        node, context = pending.pop()
        for child in ast.iter_child_nodes(node):
            first, last = getattr(child, "lineno", None), getattr(child, "end_lineno", None)
            inner = context
            if first is not None and not first <= span.line <= (last or first):
                continue
            if isinstance(child, ast.ClassDef):
                inner = Around(owner=child.name)
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found = inner = Around(child.name, (child.lineno, child.end_lineno or child.lineno), context.owner)
            pending.append((child, inner))
    return found


def users(text: str, place: Around) -> list[tuple[int, int]]:
    """The lines of the calls, outside their own bodies, of the function around a place and of its class.

    A function that Keras calls has no users of its own.
    """
    names = {place.owner, "" if place.function in _BY_KERAS else place.function} - {""}
    calls = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Call) and _name(each) in names]
    return [
        (each.lineno, each.end_lineno or each.lineno) for each in calls if not place.lines[0] <= each.lineno <= place.lines[1]
    ]


def unvisited(used: Iterable[tuple[int, int]], visited: Iterable[Place]) -> list[int]:
    """Those of the users' lines at which no place was visited."""
    lines = {line for place in visited for line in range(place.line, place.end_line + 1)}
    return [first for first, last in used if not lines & set(range(first, last + 1))]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
