"""Why a file does not parse: written for Python 2, or for a newer Python than the one that runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

_NEWER = (
    ((3, 11), "except*", re.compile(r"^\s*except\s*\*")),
    ((3, 12), "the `type` statement", re.compile(r"^\s*type\s+[^\W\d]\w*\s*(?:\[.*\]\s*)?=(?!=)")),
    ((3, 13), "a type parameter with a default", re.compile(r"^\s*(?:(?:async\s+)?def|class|type)\s+\w+\s*\[[^\]()]*=")),
    ((3, 12), "a type parameter list", re.compile(r"^\s*(?:(?:async\s+)?def|class)\s+\w+\s*\[")),
    ((3, 14), "a template string", re.compile(r"(?<!\w)(?:[tT][rR]?|[rR][tT])[\"']")),
    ((3, 14), "except with several types but no parentheses", re.compile(r"^\s*except\s+[\w.]+\s*,\s*(?:\w+\.)?[A-Z]\w*[^()]*:")),
    ((3, 11), "a starred subscript", re.compile(r"\w\s*\[[^\]]*(?<![\w)\]])\*\s*[A-Za-z_]")),
)
_FSTRING_NESTED_QUOTE = re.compile(r"""(?<!\w)(?:[fF][rR]?|[rR][fF])(["'])(?!\1\1)[^"'{]*(?:\{\{[^"'{]*)*\{[^{}]*\1[^{}]*\1""")
_FSTRING_MESSAGES = ("f-string expression part cannot include a backslash", "f-string expression part cannot include '#'")

_PYTHON_2 = (
    ("print statement", re.compile(r"(?:^|[;:])\s*print(?:\s+(?![=.,)\]:]|in\b|is\b|and\b|or\b|if\b)|\s*[\"'])|^\s*print\s*>>")),
    ("exec statement", re.compile(r"(?:^|[;:])\s*exec(?:\s+[\w\"'(]|[\"'])")),
    ("except X, e", re.compile(r"^\s*except\s*[\w.(][\w.,\s()]*,\s*[a-z_]\w*\s*:")),
    ("raise X, message", re.compile(r"^\s*raise\s+[\w.]+\s*,\s*\S")),
    ("backticks", re.compile(r"`[^`]+`")),
    ("<> operator", re.compile(r"<>")),
    ("octal or long number", re.compile(r"(?<![\w.])(?:0[0-7]+|\d+[lL]|0[xX][\da-fA-F]+[lL])(?![\w.])")),
    ("ur string", re.compile(r"(?<!\w)[uU][rR][\"']")),
    ("tuple parameter", re.compile(r"(?:\bdef\s+\w+\s*\([^)]*\(|\blambda\s*\()")),
)


def hint(lines: Sequence[str], line: int, message: str) -> str | None:
    """What to say about a syntax error besides Python's own message, when the text on its line tells."""
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    if len(text) > 1_000:
        return None
    code = _without_strings(text)
    running = sys.version_info[:2]
    if running < (3, 12) and (message.startswith(_FSTRING_MESSAGES) or _FSTRING_NESTED_QUOTE.search(text)):
        return _newer((3, 12), "this f-string")
    for name, pattern in _PYTHON_2:
        if pattern.search(code):
            return f"this looks like Python 2 ({name}), bnlint reads Python 3"
    for needed, name, pattern in _NEWER:
        if running < needed and pattern.search(code):
            return _newer(needed, name)
    return None


def _newer(needed: tuple[int, int], what: str) -> str:
    version, running = (".".join(map(str, numbers)) for numbers in (needed, sys.version_info[:2]))
    return f"{what} needs Python {version} or newer and bnlint runs on {running}; run it with a newer Python"


def _without_strings(text: str) -> str:
    """The line with its strings emptied and without its comment."""
    text = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", '""', text)
    return text.partition("#")[0]
