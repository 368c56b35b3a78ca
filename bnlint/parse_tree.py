"""The limits that need a syntax tree: how deep an expression nests."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from bnlint.parse_text import CUT_NAME, Cut

MAX_DEPTH = 250
"""Levels that an expression may nest. Among 17,000 files of real packages the deepest outside computer algebra has 95
(a chain of additions); the deepest in a package that uses Keras has 28. A chain ``x.a().b()`` has two levels a link."""

_LINKS = b".([{+-*/%@&|^<>~:"
_WORDS = ("not", "else")  # a lambda has its colon, and await cannot be repeated without brackets
_PROTECTED = (ast.FormattedValue, ast.Starred, ast.Slice, ast.Name, ast.Constant)
_NO_EXPRESSION = (ast.stmt, ast.expr_context, ast.operator)
_BLOCKS = ("body", "orelse", "finalbody")
_LOOPS = ("For", "AsyncFor", "While")
_COMPOUND = frozenset(
    kind
    for name in (*_LOOPS, "If", "With", "AsyncWith", "FunctionDef", "AsyncFunctionDef", "ClassDef", "Try", "TryStar", "Match")
    if (kind := getattr(ast, name, None))
)


def cut_tree(tree: ast.Module, lines: Sequence[str]) -> list[Cut]:
    """Replace what nests deeper than :data:`MAX_DEPTH` in the tree, and say what that was.

    Only expressions in statements whose text holds enough to nest so deep are looked at: the rest of the tree, nearly
    always all of it, is passed over.
    """
    cuts: list[Cut] = []
    text = "\n".join(lines)
    words = sum(map(text.count, _WORDS))
    long_lines = max(map(len, lines), default=0) >= MAX_DEPTH
    blocks = [tree.body]
    while blocks:
        for statement in blocks.pop():
            first = _first(statement)
            if first is statement and statement.end_lineno == statement.lineno and not long_lines:
                continue
            extent = (first.lineno, first.col_offset, statement.end_lineno, statement.end_col_offset)
            if type(statement) is not ast.ClassDef and not _may_be_deep(lines, words, *extent):
                continue
            for branch in _branches(statement):
                if type(branch) not in _COMPOUND or any(_may_be_deep(lines, words, *header) for header in _headers(branch)):
                    cuts += _cut_expressions(branch)
                blocks += _blocks(branch)
    cuts.sort(key=lambda cut: cut.line)
    return cuts


def _branches(statement: ast.stmt) -> Iterator[ast.stmt]:
    """A statement; of an ``if``, it and every ``elif``, which are not among :func:`_blocks` then."""
    yield statement
    while isinstance(statement, ast.If) and _is_elif(statement.orelse):
        statement = statement.orelse[0]
        yield statement


def _is_elif(block: list[ast.stmt]) -> bool:
    return len(block) == 1 and isinstance(block[0], ast.If)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    fields = statement.__dict__
    for part in (statement, *fields.get("handlers", ()), *fields.get("cases", ())):
        for name in _BLOCKS:
            block = part.__dict__.get(name)
            if block and isinstance(block, list) and not (name == "orelse" and type(part) is ast.If and _is_elif(block)):
                yield block


def _first(statement: ast.stmt) -> Any:
    """The node with which the text of a statement starts: its first decorator comes before it."""
    decorators = statement.__dict__.get("decorator_list")
    return decorators[0] if decorators else statement


def _headers(statement: ast.stmt) -> Iterator[tuple[int, int, int, int]]:
    """From where to where the own expressions of a compound statement stand."""
    fields = statement.__dict__
    parts = [(_first(statement), fields["body"][0] if "body" in fields else fields["cases"][0].pattern)]
    parts += [(handler, handler.body[0]) for handler in fields.get("handlers", ())]
    parts += [(case.pattern, case.body[0]) for case in fields.get("cases", ())]
    for start, end in parts:
        yield start.lineno, start.col_offset, end.lineno, end.col_offset


def _may_be_deep(lines: Sequence[str], words: int, row: int, start: int, end_row: int | None, end: int | None) -> bool:
    """Whether the text from a place to another can nest too deeply; ``words`` bounds how many operators in it are words."""
    assert end_row is not None and end is not None
    if row == end_row:
        if end - start < MAX_DEPTH:
            return False
        line = lines[row - 1]
        text: str = line[start:end] if line.isascii() else line
    else:
        text = "\n".join(lines[row - 1 : end_row])
    if len(text) < MAX_DEPTH:
        return False
    data: bytes = text.encode("utf-8", "surrogatepass")
    links = len(data) - len(data.translate(None, _LINKS))
    return links + words >= MAX_DEPTH and links + sum(map(text.count, _WORDS)) >= MAX_DEPTH


def _cut_expressions(statement: ast.stmt) -> Iterator[Cut]:
    stack: list[tuple[ast.AST, int]] = [(statement, 0)]
    while stack:
        node, depth = stack.pop()
        for name, value in list(node.__dict__.items()):
            children = value if isinstance(value, list) else (value,)
            for index, child in enumerate(children):
                if not isinstance(child, ast.AST) or isinstance(child, _NO_EXPRESSION):
                    continue
                level = depth + isinstance(child, (ast.expr, ast.pattern))
                if level > MAX_DEPTH and isinstance(child, ast.expr) and _replaceable(child, name):
                    names = _names(child)
                    replacement = _cut_node(child, names)
                    if isinstance(value, list):
                        value[index] = replacement
                    else:
                        setattr(node, name, replacement)
                    yield Cut(child.lineno, f"an expression nests more than {MAX_DEPTH} levels deep", names)
                else:
                    stack.append((child, level))


def _replaceable(node: ast.expr, role: str) -> bool:
    if isinstance(node, _PROTECTED) or role == "format_spec":
        return False
    return isinstance(getattr(node, "ctx", None), (ast.Load, type(None)))


def _names(node: ast.AST) -> tuple[str, ...]:
    """The names that an expression reads, without those that it binds itself."""
    read: dict[str, None] = {}
    bound: set[str] = set()
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name):
            if isinstance(inner.ctx, ast.Load):
                read[inner.id] = None
            else:
                bound.add(inner.id)
        elif isinstance(inner, ast.arg):
            bound.add(inner.arg)
        stack.extend(ast.iter_child_nodes(inner))
    return tuple(name for name in read if name not in bound)


def _cut_node(node: ast.expr, names: Sequence[str]) -> ast.expr:
    def name(identifier: str) -> ast.expr:
        return ast.copy_location(ast.Name(identifier, ast.Load()), node)

    if not names:
        return name(CUT_NAME)
    return ast.copy_location(ast.Call(name(CUT_NAME), [name(identifier) for identifier in names], []), node)


def join_elifs(tree: ast.Module, lines: frozenset[int]) -> None:
    """Undo the splitting of long ``elif`` chains: an ``if`` on one of the lines belongs to the ``if`` before it."""
    blocks = [tree.body]
    while blocks:
        block = blocks.pop()
        kept: list[ast.stmt] = []
        last: ast.stmt | None = None
        joined = False
        for statement in block:
            if isinstance(last, ast.If) and statement.lineno in lines:
                last.orelse = [statement]
                joined = True
            else:
                kept.append(statement)
            for last in _branches(statement):
                blocks += _blocks(last)
        if joined:
            block[:] = kept
            _stretch(kept)


def _stretch(block: list[ast.stmt]) -> None:
    """Let every branch of a chain end where the chain ends, as Python has it."""
    for statement in block:
        branches = [*_branches(statement)]
        for branch in branches:
            branch.end_lineno, branch.end_col_offset = branches[-1].end_lineno, branches[-1].end_col_offset
