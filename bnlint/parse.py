"""Source text to syntax tree, guarded against text that would kill or stall Python's parser."""

from __future__ import annotations

import ast
import sys
import warnings
from dataclasses import dataclass, field

from bnlint.parse_text import CUT_NAME, Cut, TextCuts, cut_text
from bnlint.parse_tree import cut_tree, join_elifs
from bnlint.source import Source

__all__ = ["CUT_NAME", "Cut", "ParseError", "Parsed", "parse"]

MAX_CHARACTERS = 20_000_000
"""Above this not even the cheap look at the text is worth its time."""
MAX_TOKENS = 500_000
"""A syntax tree takes about 600 bytes a token: this many need 300 MB."""
SURE_CHARACTERS, SURE_TOKENS = 200_000, 200_000
"""Text of up to so many characters or tokens is not too big, nor is any literal in it."""
SURE_LINKS = 10_000 if sys.version_info < (3, 11) else sys.maxsize
"""Python 3.10 overflows its stack, instead of raising, from some 40,000 links in one expression (a quarter of that where
stacks are small); a text with fewer links in all is safe."""
_LINKS = ".([{+-*/%@&|^<>~"
_WORD_BYTES = b" \t\r\n\f_" + bytes(byte for byte in range(256) if byte > 127 or chr(byte).isalnum())
_TOO_DEEP = "an expression or a statement is nested too deeply for Python's parser"
_DEPTH_MESSAGES = (
    "too many nested parentheses",
    "too many levels of indentation",
    "too many nested f-strings",
    "f-string: expressions nested too deeply",
)


class ParseError(Exception):
    """A file is not Python that bnlint can read (BN000); line and column are 1-based."""

    def __init__(self, path: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{path}:{line}:{column}: {message}")
        self.path, self.line, self.column, self.message = path, line, column, message


@dataclass(frozen=True)
class Parsed:
    """A module's tree, and what was cut off it by a size limit.

    Every place that was cut is a read of the unbound name ``__bnlint_cut__``, or a call of it with the names that the cut
    text reads: its value is unknown, and what it is called with has been used in an unknown way. All other nodes stand
    where they stand in the source. Expressions nest at most :data:`bnlint.parse_tree.MAX_DEPTH` levels and indented blocks
    at most 100 (Python's own limit); only the ``elif`` branches of one ``if``, each the sole statement of the ``orelse``
    before it, may go thousands of levels deep.
    """

    tree: ast.Module
    cuts: list[Cut] = field(default_factory=list)


def parse(source: Source) -> Parsed:
    """The tree of a source; raises ParseError, and nothing else, for whatever text it is given."""
    text = source.text
    if "\0" in text:
        raise _error_at(source, text.index("\0"), "the file holds a NUL byte; it is not Python source")
    if len(text) > MAX_CHARACTERS:
        raise ParseError(source.path, 1, 1, f"the file is too large to analyse ({len(text):,} of {MAX_CHARACTERS:,} characters)")
    edited = None
    if _may_be_too_big(text) or _may_overflow(text):
        edited = _cut(source)
    try:
        tree = _tree(edited.text if edited else text)
    except (RecursionError, MemoryError):
        tree, edited = _second_try(source, edited)
    except SyntaxError as error:
        if edited or not str(error.msg).startswith(_DEPTH_MESSAGES):
            raise _syntax_error(source, error, edited) from None
        tree, edited = _second_try(source, edited)
    except (ValueError, SystemError, OverflowError) as error:
        raise ParseError(source.path, 1, 1, f"Python cannot parse the file: {error}") from None
    if edited and edited.split_elifs:
        join_elifs(tree, edited.split_elifs)
    cuts = [*edited.cuts, *cut_tree(tree, source.lines)] if edited else cut_tree(tree, source.lines)
    return Parsed(tree, cuts)


def _may_be_too_big(text: str) -> bool:
    if len(text) <= SURE_CHARACTERS:
        return False
    data = text.encode("utf-8", "surrogatepass")
    marks = len(data.translate(None, _WORD_BYTES))
    return len(data.split()) + 2 * marks > SURE_TOKENS  # a word ends at white space or at a mark


def _may_overflow(text: str) -> bool:
    return len(text) > SURE_LINKS and sum(map(text.count, _LINKS)) > SURE_LINKS


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid escape sequence" is for the author's Python to say
        return ast.parse(text)


def _cut(source: Source) -> TextCuts:
    edited = cut_text(source.text)
    if edited.tokens > MAX_TOKENS:
        message = f"the file is too large to analyse ({edited.tokens:,} of {MAX_TOKENS:,} tokens)"
        raise ParseError(source.path, 1, 1, message)
    return edited


def _second_try(source: Source, edited: TextCuts | None) -> tuple[ast.Module, TextCuts]:
    """Parse what is left when everything too deep is cut off."""
    if edited is None:
        edited = _cut(source)
        try:
            return _tree(edited.text), edited
        except SyntaxError as error:
            raise _syntax_error(source, error, edited) from None
        except (RecursionError, MemoryError, ValueError, SystemError, OverflowError):
            pass
    raise ParseError(source.path, edited.cuts[0].line if edited.cuts else 1, 1, _TOO_DEEP)


def _syntax_error(source: Source, error: SyntaxError, edited: TextCuts | None) -> ParseError:
    from bnlint.parse_hint import hint

    line = min(max(error.lineno or 1, 1), len(source.lines))
    column = min(max(error.offset or 1, 1), len(source.line(line)) + 1)
    message = str(error.msg)
    if message.startswith(_DEPTH_MESSAGES) or (edited and any(cut.line == line for cut in edited.cuts)):
        return ParseError(source.path, line, column, _TOO_DEEP)
    advice = hint(source.lines, line, message)
    return ParseError(source.path, line, column, f"{message}; {advice}" if advice else message)


def _error_at(source: Source, offset: int, message: str) -> ParseError:
    span = source.span_between(offset, offset)
    return ParseError(source.path, span.line, span.column, message)
