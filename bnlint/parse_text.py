"""What Python's parser cannot digest, cut out of the text before it gets there.

One flat look at the tokens finds expressions that nest too deeply or chain too long, literals too big to be worth their
memory, and long ``elif`` chains. Nothing here recurses, and nothing outside a cut moves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

CUT_NAME = "__bnlint_cut__"
"""The unbound name that stands for what was cut off."""

MAX_DEPTH = 1_000
"""Links and brackets that an expression may nest, a bracket counted as ten: well inside what every parser takes
(3,000 levels of the tree, 200 brackets, 6,000 calls within the parser)."""
BRACKET_DEPTH = 10
MAX_LITERAL_TOKENS = 50_000
MAX_BRACKET_TOKENS = 200_000
MAX_STEPS = 1_500_000
"""Tokens (a run of constants is one) after which the look at the text is given up; ``tokens`` is above it then."""
MAX_ELIFS = 500
"""Branches after which an ``elif`` is parsed as an ``if`` of its own, to be joined again in the tree."""
LONG_STRING = 1_000

_NUMBER = r"\d[\w.]*(?:(?<=[eE])[-+]\d+)?"
_STRING = r"""[bBrRuU]?(?:"[^"\\\r\n]*"(?!")|'[^'\\\r\n]*'(?!'))"""
_VALUE = rf"(?:[-+]?{_NUMBER}|{_STRING}(?:\s*{_STRING}){{0,99}}|(?:True|False|None)\b)"
_ROW = rf"[\[({{]\s*{_VALUE}(?:\s*[,:]\s*{_VALUE}){{0,99}}(?:\s*,)?\s*[\])}}]"
_TABLE = rf"[\[({{]\s*{_ROW}(?:\s*[,:]\s*(?:{_ROW}|{_VALUE})){{0,99}}(?:\s*,)?\s*[\])}}]"
_ITEM = rf"(?:{_VALUE}|{_ROW}|{_TABLE})"
_TOKEN = re.compile(
    rf"""(?P<blank>[ \t\f]+|\#[^\r\n]*|\\(?:\r\n|\r|\n))
    |(?P<newline>\r\n|\r|\n)
    |(?P<data>(?P<first>{_ITEM})(?:\s*[,:]\s*(?P<last>{_ITEM})){{3,199}})
    |(?P<atom>{_STRING}(?:\s*{_STRING}){{3,199}}|{_STRING}|\.?{_NUMBER}|\.\.\.)
    |(?P<string>[bBfFrRtTuU]{{0,2}}(?:\"\"\"|'''|"|'))
    |(?P<word>[^\W\d]\w*)
    |(?P<opening>[(\[{{])
    |(?P<closing>[)\]}}])
    |(?P<comma>,)
    |(?P<divider>(?:\*\*|//|>>|<<|[-+*/%@&|^:])=(?!=)|=(?!=)|;|->)
    |(?P<colon>:)
    |(?P<operator>[<>=!]=|\*\*|//|<<|>>|.)""",
    re.VERBOSE,
)
_STRING_ENDS = {
    quote: re.compile(rf"\\(?:\r\n|.)|{quote}" + ("" if len(quote) == 3 else r"|(?=[\r\n])"), re.DOTALL)
    for quote in ('"""', "'''", '"', "'")
}
_LINE_END = re.compile(r"\r\n|\r|\n")
_DIVIDERS = re.compile(r"[,:\[({]")
_LINKS = re.compile(r"[-+*/%@&|^<>~.(\[{]")
_HEADS = frozenset(
    ("return", "yield", "if", "elif", "while", "assert", "raise", "del", "with", "import", "from", "async", "else", "try")
    + ("finally", "except", "class", "def", "print")
)
_NAMING = frozenset(("def", "class", "import", "from"))
_OPERATOR_WORDS = frozenset(("and", "or", "not", "in", "is", "if", "else", "await", "for", "from", "yield", "async"))
_KEYWORD_ARGUMENT = re.compile(r"\s*=(?!=)")
_LITERAL = "a literal"
_CONSTANTS = frozenset(("True", "False", "None"))


@dataclass(frozen=True)
class Cut:
    """What stood on a line and was cut off, why, and the names that it read."""

    line: int
    reason: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextCuts:
    """The text as the parser may have it, and what was done to it.

    ``split_elifs`` are the lines on which an ``elif`` was turned into an ``if``; ``tokens`` counts what is left.
    """

    text: str
    cuts: list[Cut]
    split_elifs: frozenset[int]
    tokens: int


def cut_text(text: str) -> TextCuts:
    """Cut out of a text what is too deep, too long or too big, keeping lines and columns of everything else."""
    scan = _Scan(text)
    scan.run()
    parts: list[str] = []
    cuts: list[Cut] = []
    split: set[int] = set()
    place, line = 0, 1
    for region in sorted([*scan.regions, *(_Region(start, start + 4, "") for start in scan.elifs)]):
        if region.start < place:
            continue
        before = text[place : region.start]
        line += len(_LINE_END.findall(before))
        parts.append(before)
        inside = text[region.start : region.end]
        if region.reason:
            names = () if region.reason.startswith(_LITERAL) else _names_read(inside)
            parts.append(_replacement(inside, names))
            cuts.append(Cut(line, region.reason, names))
        else:
            parts.append("if  ")
            split.add(line)
        line += len(_LINE_END.findall(inside))
        place = region.end
    parts.append(text[place:])
    return TextCuts("".join(parts), cuts, frozenset(split), scan.tokens)


class _Region(NamedTuple):
    start: int
    end: int
    reason: str


@dataclass(slots=True)
class _Piece:
    """An expression between two dividers (comma, colon, assignment, line end) of one bracket."""

    start: int = -1
    end: int = -1
    links: int = 0
    inner: int = 0
    tokens: int = 0
    operand: bool = False
    """The last token ends an operand, so that a bracket behind it calls or subscripts."""


@dataclass(slots=True)
class _Bracket:
    """An open bracket, or the module around all of them."""

    start: int
    trailer: bool
    piece: _Piece = field(default_factory=_Piece)
    first: int = -1
    last: int = -1
    depth: int = 0
    tokens: int = 0
    literal: bool = True
    expression: bool = True
    """Not the name and parameters behind ``def``, nor the like: no expression can stand there."""
    held: int = 0
    """Lambdas whose colon, and ``for`` targets whose ``in``, are still to come: commas there divide no expressions."""


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.regions: list[_Region] = []
        self.elifs: list[int] = []
        self.tokens = 0
        self.line_start = 0
        self.branches: dict[str, int] = {}
        self.open = [_Bracket(0, False)]

    def run(self) -> None:
        text, match, place = self.text, _TOKEN.match, 0
        handlers = {kind: getattr(self, f"_{kind}") for kind in _TOKEN.groupindex if hasattr(self, f"_{kind}")}
        steps = 0
        while token := match(text, place):
            steps += 1
            if steps > MAX_STEPS:
                break
            place = token.end()
            kind = token.lastgroup or ""
            if kind == "string":
                place = self._string(token)
            elif kind != "blank":
                handlers[kind](token)
        while len(self.open) > 1:
            self._close(len(text))
        self._divide()
        self.tokens = steps if steps > MAX_STEPS else self.open[0].tokens

    # What each kind of token does.

    def _newline(self, token: re.Match[str]) -> None:
        if len(self.open) == 1:
            self._divide()
            self.open[0].held, self.open[0].expression = 0, True
            self.line_start = token.end()

    def _data(self, token: re.Match[str]) -> None:
        """A run of constants and flat rows of them: one step for hundreds of elements."""
        bracket = self.open[-1]
        bracket.piece.links += bracket.piece.operand and token["first"][0] in "[({"
        self._operand(*token.span("first"))
        if not bracket.held:
            self._divide()
        self._operand(*token.span("last"))
        bracket.piece.inner = max(bracket.piece.inner, 2 * BRACKET_DEPTH)
        bracket.piece.tokens += 2 * len(_DIVIDERS.findall(token[0]))

    def _atom(self, token: re.Match[str]) -> None:
        self._operand(token.start(), token.end())

    def _string(self, token: re.Match[str]) -> int:
        opening = token[0]
        quote = opening[-3:] if opening.endswith(('"""', "'''")) else opening[-1]
        end = len(self.text)
        for part in _STRING_ENDS[quote].finditer(self.text, token.end()):
            if not part[0].startswith("\\"):
                end = part.end()
                break
        self._operand(token.start(), end)
        prefix = opening[: -len(quote)].lower()
        if "f" in prefix or "t" in prefix:
            bracket = self.open[-1]
            bracket.literal = False
            if end - token.start() > LONG_STRING:
                bracket.piece.links += len(_LINKS.findall(self.text, token.start(), end))
        return end

    def _word(self, token: re.Match[str]) -> None:
        word, bracket = token[0], self.open[-1]
        piece = bracket.piece
        if word in _CONSTANTS:
            self._operand(token.start(), token.end())
            return
        bracket.literal = False
        module = len(self.open) == 1
        if piece.start < 0 and (word in _HEADS or (word == "for" and module)):
            bracket.held += word == "for"
            if module:
                bracket.expression &= word not in _NAMING
                if word in ("if", "elif"):
                    self._branch(token)
        elif word == "in" and bracket.held:
            bracket.held -= 1
            self._divide() if module else self._link(token)
        elif word == "as" and module:
            self._divide()
        elif word == "lambda" or word in _OPERATOR_WORDS:
            self._link(token)
            bracket.held += word == "lambda" or (word == "for" and not module)
        else:
            self._operand(token.start(), token.end())

    def _branch(self, token: re.Match[str]) -> None:
        indent = self.text[self.line_start : token.start()]
        if indent.strip():
            return
        if token[0] == "if":
            self.branches[indent] = 0
            return
        count = self.branches.get(indent, 0) + 1
        if count == MAX_ELIFS:
            self.elifs.append(token.start())
            count = 0
        self.branches[indent] = count

    def _opening(self, token: re.Match[str]) -> None:
        self.open.append(_Bracket(token.start(), self.open[-1].piece.operand))

    def _closing(self, token: re.Match[str]) -> None:
        if len(self.open) > 1:
            self._close(token.end())

    def _comma(self, token: re.Match[str]) -> None:
        bracket = self.open[-1]
        if bracket.held:
            bracket.piece.operand = False
        else:
            self._divide()
        bracket.tokens += 1

    def _divider(self, token: re.Match[str]) -> None:
        bracket = self.open[-1]
        before, bracket.expression = bracket.expression, bracket.expression and token[0] in (";", "->")  # no target is cut
        self._comma(token)
        bracket.expression = before or token[0] in (";", "->")

    def _colon(self, token: re.Match[str]) -> None:
        bracket = self.open[-1]
        if bracket.held:
            bracket.held -= 1
            bracket.piece.operand = False
        else:
            self._divide()
            bracket.expression = True
        bracket.tokens += 1

    def _operator(self, token: re.Match[str]) -> None:
        if self.open[-1].piece.start >= 0 or token[0] not in ("*", "**", "@"):
            self._link(token)

    # What pieces and brackets come to.

    def _operand(self, start: int, end: int) -> None:
        piece = self.open[-1].piece
        if piece.start < 0:
            piece.start = start
        piece.end = end
        piece.operand = True
        piece.tokens += 1

    def _link(self, token: re.Match[str]) -> None:
        self._operand(token.start(), token.end())
        piece = self.open[-1].piece
        piece.links += 1
        piece.operand = False

    def _divide(self) -> None:
        """End the piece of the innermost bracket."""
        bracket = self.open[-1]
        piece = bracket.piece
        if piece.start < 0:
            return
        if bracket.first < 0:
            bracket.first = piece.start
        bracket.last = piece.end
        depth = piece.links + piece.inner
        if depth > MAX_DEPTH and bracket.expression:
            self._cut(piece.start, piece.end, "an expression is too long or nests too deeply")
            bracket.literal = False
            depth, piece.tokens = 1, 1
        bracket.depth = max(bracket.depth, depth)
        bracket.tokens += piece.tokens
        bracket.piece = _Piece()

    def _close(self, end: int) -> None:
        self._divide()
        bracket = self.open.pop()
        outer = self.open[-1]
        literal = bracket.literal and bracket.tokens > MAX_LITERAL_TOKENS
        if bracket.first >= 0 and (literal or bracket.tokens > MAX_BRACKET_TOKENS):
            what = _LITERAL if literal else "a bracket"
            span = (bracket.first, bracket.last) if bracket.trailer else (bracket.start, end)
            self._cut(*span, f"{what} of about {bracket.tokens:,} tokens is too big")
            bracket.depth = bracket.tokens = 1
        outer.literal &= bracket.literal and not bracket.trailer
        self._operand(bracket.start, end)
        piece = outer.piece
        piece.links += bracket.trailer
        piece.tokens += bracket.tokens + 1
        piece.inner = max(piece.inner, bracket.depth + BRACKET_DEPTH)

    def _cut(self, start: int, end: int, reason: str) -> None:
        while self.regions and self.regions[-1].start >= start:
            self.regions.pop()
        self.regions.append(_Region(start, end, reason))


def _names_read(text: str) -> tuple[str, ...]:
    """The names in a text, without attributes, keywords and the names of keyword arguments."""
    from keyword import iskeyword

    found: dict[str, None] = {}
    place, attribute, end = 0, False, len(text)
    while place < end and (token := _TOKEN.match(text, place)):
        place = token.end()
        kind = token.lastgroup
        if kind == "string":
            quote = token[0][-3:] if token[0].endswith(('"""', "'''")) else token[0][-1]
            ends = (part.end() for part in _STRING_ENDS[quote].finditer(text, place) if not part[0].startswith("\\"))
            place = next(ends, end)
            if "f" in token[0].lower():
                found.update(dict.fromkeys(re.findall(r"[^\W\d]\w*", text[token.end() : place])))
        elif kind == "word" and not attribute and not _KEYWORD_ARGUMENT.match(text, place):
            found[token[0]] = None
        if kind != "blank" and kind != "newline":
            attribute = token[0] == "."
    return tuple(name for name in found if not iskeyword(name))


def _replacement(text: str, names: tuple[str, ...]) -> str:
    """An expression with the line ends of the text it stands for, and as many bytes on its last line."""
    lines = _LINE_END.split(text)
    ends = _LINE_END.findall(text)
    width = len(lines[-1].encode("utf-8", "surrogatepass"))
    call = f"{CUT_NAME}({','.join(names)})" if names else CUT_NAME
    if ends:
        return f"({call}{''.join(ends)}{')':>{width}}"
    if len(call) > width:
        call = CUT_NAME
    return call.ljust(width)
