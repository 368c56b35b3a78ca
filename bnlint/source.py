"""Source files and notebooks as text, and places in them."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bnlint.finding import Span

if TYPE_CHECKING:
    import ast

_LINE_END = re.compile(r"\r\n|\r|\n")
_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"[ \t\f]*(?:#.*)?$")
_NAME_OF_DEFINITION = re.compile(r"(?:async(?:\s|\\\r?\n?)+)?(?:def|class)(?:\s|\\\r?\n?)+(\w+)")
_TOKEN = re.compile(
    r"""(?P<string>\"{3}|'{3}|\"|')|(?P<comment>\#[^\r\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])"""
    r"""|(?P<joined>\\(?:\r\n|\r|\n))|(?P<newline>\r\n|\r|\n)"""
)
_STRING_ENDS = {
    quote: re.compile(rf"\\(?:\r\n|.)|{quote}" + ("" if len(quote) == 3 else r"|(?=[\r\n])"), re.DOTALL)
    for quote in ('"""', "'''", '"', "'")
}


class SourceError(Exception):
    """The text of a file cannot be had: its encoding or its notebook format is broken."""

    def __init__(self, path: str, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path, self.line, self.message = path, line, message


class Cell(NamedTuple):
    """A code cell: its 1-based number among all cells, and the lines of the joined text that it fills."""

    number: int
    first_line: int
    line_count: int


class Comment(NamedTuple):
    """A comment with its hash sign; line and column are 1-based."""

    line: int
    column: int
    text: str


@dataclass(frozen=True)
class Source:
    """One module's text.

    Of a notebook, ``text`` is all its Python code cells joined in file order, with magics and shell lines blanked in
    place; ``warnings`` names the cells that are no Python and were left out. Line ends are kept as they are in the file.
    """

    path: str
    text: str
    cells: tuple[Cell, ...] = ()
    warnings: tuple[str, ...] = ()
    encoding: str = "utf-8"
    bom: bool = False

    @cached_property
    def _bounds(self) -> list[tuple[int, int]]:
        bounds, start = [], 0
        for end in _LINE_END.finditer(self.text):
            bounds.append((start, end.start()))
            start = end.end()
        bounds.append((start, len(self.text)))
        return bounds

    @cached_property
    def _is_ascii(self) -> bool:
        return self.text.isascii()

    @cached_property
    def lines(self) -> list[str]:
        """Python's lines (split at line feeds and carriage returns only), without their ends."""
        text = self.text
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.split("\n")

    def line(self, number: int) -> str:
        """The text of a 1-based line; empty behind the last one."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def place(self, line: int) -> tuple[int | None, int]:
        """The cell (none in a plain file) and the row within it of a line."""
        if not self.cells:
            return None, line
        inside = self.cells[0]
        for cell in self.cells:
            if cell.first_line > line:
                break
            inside = cell
        return inside.number, line - inside.first_line + 1

    def column(self, line: int, offset: int) -> int:
        """ast's 0-based UTF-8 byte offset in a line as a 1-based column."""
        text = self.line(line)
        if text.isascii():
            return offset + 1
        return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore")) + 1

    @cached_property
    def _spans(self) -> dict[ast.AST, Span]:
        return {}

    def span(self, node: ast.AST) -> Span:
        """Where a node that has a position (expression, statement, argument, keyword) stands."""
        found = self._spans.get(node)
        if found is None:
            found = self._spans[node] = self._span(node)
        return found

    def _span(self, node: ast.AST) -> Span:
        line: int = node.lineno  # type: ignore[attr-defined]
        end_line: int = node.end_lineno  # type: ignore[attr-defined]
        offset: int = node.col_offset  # type: ignore[attr-defined]
        end_offset: int = node.end_col_offset  # type: ignore[attr-defined]
        if self._is_ascii:
            return Span(self.path, line, offset + 1, end_line, end_offset + 1)
        return Span(self.path, line, self.column(line, offset), end_line, self.column(end_line, end_offset))

    def name_span(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Span:
        """Where the name behind ``def`` or ``class`` stands."""
        span = self.span(node)
        match = _NAME_OF_DEFINITION.match(self.text, self.offset(span.line, span.column))
        return self.span_between(*match.span(1)) if match else span

    def offset(self, line: int, column: int) -> int:
        """A place as an index into ``text``."""
        if line > len(self._bounds):
            return len(self.text)
        start, end = self._bounds[line - 1]
        return min(start + column - 1, end)

    def span_between(self, start: int, end: int) -> Span:
        """The span of ``text[start:end]``."""
        return Span(self.path, *self._position(start), *self._position(end))

    def _position(self, offset: int) -> tuple[int, int]:
        from bisect import bisect_right

        index = bisect_right(self._bounds, (offset, len(self.text) + 1)) - 1
        return index + 1, offset - self._bounds[index][0] + 1

    def segment(self, span: Span) -> str:
        """The text that a span covers."""
        return self.text[self.offset(span.line, span.column) : self.offset(span.end_line, span.end_column)]

    @cached_property
    def comments(self) -> tuple[Comment, ...]:
        """All comments, also of a file that does not parse."""
        found = []
        for kind, start, end in _tokens(self.text, 0):
            if kind == "comment":
                found.append(Comment(*self._position(start), self.text[start:end]))
        return tuple(found)


def _tokens(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """What matters for where comments and logical lines are: strings, comments, brackets, line ends."""
    while token := _TOKEN.search(text, start):
        kind, first, start = token.lastgroup or "", token.start(), token.end()
        if kind == "string":
            start = _end_of_string(text, start, token[0])
        yield kind, first, start


def _end_of_string(text: str, start: int, quote: str) -> int:
    for part in _STRING_ENDS[quote].finditer(text, start):
        if not part[0].startswith("\\"):
            return part.end()
    return len(text)


def logical_line_end(text: str, start: int) -> int:
    """Where the logical line that starts at ``start`` ends: no string, no bracket and no backslash is open there."""
    depth = 0
    for kind, first, _ in _tokens(text, start):
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif kind == "newline" and depth == 0:
            return first
    return len(text)


def load(path: str | Path) -> Source:
    """Read a file; raises OSError when it cannot be read and SourceError when its bytes are no text."""
    with open(path, "rb") as file:
        return from_bytes(path, file.read())


def from_bytes(path: str | Path, data: bytes) -> Source:
    """Decode a file's bytes as Python would (PEP 263), or take a notebook apart."""
    name = str(path)
    if name.endswith(".ipynb"):
        from bnlint.notebook import read_notebook

        return read_notebook(name, data)
    text, encoding, bom = _decode(name, data)
    return Source(name, text, encoding=encoding, bom=bom)


def from_text(path: str | Path, text: str) -> Source:
    """Text that is already at hand; of a notebook, its JSON."""
    if str(path).endswith(".ipynb"):
        return from_bytes(path, text.encode("utf-8", "surrogatepass"))
    bom = text.startswith("\ufeff")
    return Source(str(path), text[bom:], bom=bom)


def _decode(path: str, data: bytes) -> tuple[str, str, bool]:
    bom = data.startswith(codecs.BOM_UTF8)
    if bom:
        data = data[len(codecs.BOM_UTF8) :]
    declared, line = _declared_encoding(data)
    try:
        encoding = codecs.lookup(declared).name
    except (LookupError, ValueError):
        raise SourceError(path, line, f"unknown encoding {declared!r}") from None
    if bom and encoding != "utf-8":
        raise SourceError(path, line, f"a file with a UTF-8 byte order mark cannot be {declared!r}")
    try:
        with io.TextIOWrapper(io.BytesIO(data), encoding, newline="") as stream:
            return stream.read(), encoding, bom
    except UnicodeDecodeError as error:
        before = data[: error.start] if encoding == "utf-8" else b""
        row = before.count(b"\n") + 1
        raise SourceError(path, row, f"the text is not {declared}: {error.reason}; declare its encoding (PEP 263)") from None
    except (LookupError, ValueError):
        raise SourceError(path, line, f"{declared!r} is not a text encoding") from None


def _declared_encoding(data: bytes) -> tuple[str, int]:
    """The encoding that a comment in the first two lines declares, and its line."""
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", data[:2000])[:2], 1):
        if cookie := _COOKIE.match(line):
            return cookie[1].decode("ascii", "replace"), number
        if not _BLANK.match(line):
            break
    return "utf-8", 1
