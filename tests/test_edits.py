"""Edits of calls."""

from __future__ import annotations

import ast

import pytest

from bnlint.edits import with_keyword, without_keywords
from bnlint.finding import Edit
from bnlint.source import Source


def source_of(text: str) -> tuple[Source, ast.Call]:
    call = ast.parse(text).body[0]
    assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
    return Source("example.py", text), call.value


def edited(source: Source, edits: list[Edit]) -> str:
    text = source.text
    for edit in sorted(edits, key=lambda each: each.span, reverse=True):
        start = source.offset(edit.span.line, edit.span.column)
        text = text[:start] + edit.content + text[source.offset(edit.span.end_line, edit.span.end_column) :]
    return text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(a=1, b=2, c=3)", "f(c=3)"),
        ("f(c=3, a=1, b=2)", "f(c=3)"),
        ("f(a=1, c=3, b=2)", "f(c=3)"),
        ("f(a=1)", "f()"),
        ("f((x), b=2)", "f((x))"),
        ("f(\n    a=1,\n    c=3,\n)", "f(\n    c=3,\n)"),
        ("f(c=3, **d)", "f(c=3, **d)"),
        ("f(a=(1, 2), **d)", "f(**d)"),
    ],
)
def test_keywords_leave_with_their_commas(before: str, after: str) -> None:
    source, call = source_of(before)
    edits = without_keywords(source, call, ("a", "b"))
    assert edits is not None and edited(source, edits) == after


def test_a_comment_is_never_taken_out() -> None:
    source, call = source_of("f(\n    a=1,  # why\n    c=3,\n)")
    assert without_keywords(source, call, ("a",)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f()", "f(a=1)"),
        ("f(b)", "f(b, a=1)"),
        ("f(b, c=(2))", "f(b, c=(2), a=1)"),
        ("f(\n    b,\n)", "f(\n    b,\na=1)"),
        ("f(\n    b\n)", "f(\n    b, a=1\n)"),
    ],
)
def test_an_argument_is_put_behind_the_others(before: str, after: str) -> None:
    source, call = source_of(before)
    edit = with_keyword(source, call, "a=1")
    assert edit is not None and edited(source, [edit]) == after
