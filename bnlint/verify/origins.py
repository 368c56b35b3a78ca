"""Where the layers of a place are made, when that is not the place itself: behind a partial, in a subclass's constructor."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bnlint.verify.expressions import Written

if TYPE_CHECKING:
    from bnlint.verify.recorder import Construction


def through_partial(written: Written, constructions: Iterable[Construction]) -> list[Construction]:
    """The layers made by calling the names that a partial at the place is bound to."""
    bound = {
        target.id
        for each in written.nodes(ast.Assign)
        if isinstance(each.value, ast.Call) and _is_partial(each.value.func)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    if not bound:
        return []
    calls = {
        (node.lineno, node.col_offset + 1, node.end_lineno, (node.end_col_offset or 0) + 1)
        for node in ast.walk(written.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in bound
    }
    lines = {call[0] for call in calls}
    return [
        each
        for each in constructions
        if any(
            place.path == written.span.path and (tuple(place[1:]) in calls or (place.column == 1 and place.line in lines))
            for place in each.stack[:3]
        )
    ]


def _is_partial(function: ast.expr) -> bool:
    return getattr(function, "attr", getattr(function, "id", "")) == "partial"


def in_constructor(written: Written, constructions: Iterable[Construction]) -> list[Construction]:
    """The layers of a class whose constructor, or that of a base, is what the place is in."""
    return [each for each in constructions if any(_holds(cls, written) for cls in type(each.instance).__mro__)]


def _holds(cls: type, written: Written) -> bool:
    code = getattr(vars(cls).get("__init__"), "__code__", None)
    if code is None or code.co_filename != written.span.path:
        return False
    lines = [each[2] for each in code.co_lines() if each[2]]
    return min(lines, default=0) <= written.span.line <= max(lines, default=0)
