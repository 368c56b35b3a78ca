"""Edits of calls: arguments taken out, and put behind the others."""

from __future__ import annotations

import ast
from collections.abc import Collection

from bnlint.finding import Edit
from bnlint.source import Source


def without_keywords(source: Source, call: ast.Call, names: Collection[str]) -> list[Edit] | None:
    """The edits that take some keywords out of a call, with their commas; None where a comment stands between arguments."""
    arguments: list[ast.expr | ast.keyword] = sorted(
        [*call.args, *call.keywords], key=lambda each: (each.lineno, each.col_offset)
    )
    gone = [isinstance(each, ast.keyword) and each.arg in names for each in arguments]
    edits: list[Edit] = []
    index = 0
    while index < len(arguments):
        if not gone[index]:
            index += 1
            continue
        behind = next((place for place in range(index, len(arguments)) if not gone[place]), len(arguments))
        start = _start(source, arguments[index])
        end = _start(source, arguments[behind]) if behind < len(arguments) else _end(source, arguments[behind - 1])
        if behind == len(arguments) and index:
            comma = source.text.rfind(",", _end(source, arguments[index - 1]), start)
            start = comma if comma >= 0 else start
        if "#" in source.text[start:end]:
            return None
        edits.append(Edit(source.span_between(start, end), ""))
        index = behind
    return edits


def with_keyword(source: Source, call: ast.Call, text: str) -> Edit | None:
    """The edit that puts an argument behind the others of a call; None where they end in a comment."""
    end = _end(source, call) - 1
    given: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    last = max((_end(source, each) for each in given), default=_end(source, call.func) + 1)
    between = source.text[last:end]
    if "#" in between or source.text[end : end + 1] != ")":
        return None
    separator = ", " if (call.args or call.keywords) and "," not in between else ""
    place = end if not separator else last + len(between.rstrip()) if between.strip(") \n\t") == "" else end
    return Edit(source.span_between(place, place), f"{separator}{text}")


def with_parameter(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef, text: str) -> Edit | None:
    """The edit that gives a function one more parameter with a default, by position where that is possible."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    if given.vararg is None and not positional:
        return None
    nodes: list[ast.expr | ast.arg] = [given.vararg] if given.vararg is not None else [positional[-1], *given.defaults]
    place = max(_end(source, each) for each in nodes)
    return Edit(source.span_between(place, place), f", {text}")


def _start(source: Source, node: ast.expr | ast.keyword) -> int:
    span = source.span(node)
    return source.offset(span.line, span.column)


def _end(source: Source, node: ast.expr | ast.keyword | ast.arg) -> int:
    span = source.span(node)
    return source.offset(span.end_line, span.end_column)
