"""Suppression comments: which findings they hold back, and which of them hold back nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from bnlint.finding import Edit, Finding, Fix, Span
from bnlint.own import UNUSED_SUPPRESSION
from bnlint.registry import UnknownRule, codes_named
from bnlint.source import Comment, Source

_WORTH_READING = re.compile(r"bnlint:|noqa", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*bnlint:\s*(?P<kind>ignore-file|ignore)\b(?:\s*\[(?P<rules>[^\]#]*)\])?")
_UNKNOWN_DIRECTIVE = re.compile(r"#\s*bnlint:\s*(?P<word>[\w-]*)")
_NOQA = re.compile(r"#\s*noqa(?::\s*(?P<rules>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)|(?!\s*:))", re.IGNORECASE)
_OUR_CODE = re.compile(r"BN\d{3}")


@dataclass
class Item:
    """One rule, prefix or name in a suppression, with the codes it stands for; none where no rule has it."""

    text: str
    codes: frozenset[str]
    used: bool = False


@dataclass
class Suppression:
    """One suppression comment; without items it holds back every rule."""

    span: Span
    items: list[Item] = field(default_factory=list)
    whole_file: bool = False
    noqa: bool = False
    foreign: bool = False  # it also names codes of other tools
    alone: bool = False
    used: bool = False

    def holds_back(self, code: str) -> bool:
        """Whether a finding is suppressed; marks what suppressed it as used."""
        if not self.items:
            self.used = True
            return True
        matching = [item for item in self.items if code in item.codes]
        for item in matching:
            item.used = True
        return bool(matching)


@dataclass
class Suppressed:
    """What a file's suppressions leave of its findings, and the findings about suppressions that are not needed."""

    findings: list[Finding]
    unused: list[Finding]


def suppress(source: Source, tree: ast.Module | None, findings: Iterable[Finding], selected: Collection[str]) -> Suppressed:
    """Apply a file's suppression comments to its findings; ``selected`` are the codes that this run would report."""
    findings = list(findings)
    suppressions = read_suppressions(source)
    if not suppressions:
        return Suppressed(findings, [])
    reach = _Reach(source, tree)
    kept = [finding for finding in findings if not _is_suppressed(finding, suppressions, reach)]
    if UNUSED_SUPPRESSION.code not in selected:
        return Suppressed(kept, [])
    unused = [found for each in suppressions for found in _unused(source, each, frozenset(selected))]
    return Suppressed(kept, [found for found in unused if not _is_suppressed(found, suppressions, reach)])


def _is_suppressed(finding: Finding, suppressions: list[Suppression], reach: _Reach) -> bool:
    of_unused = finding.code == UNUSED_SUPPRESSION.code
    matching = [
        each
        for each in suppressions
        if (each.whole_file or reach.covers(each, finding.span))
        and (not of_unused or any(item.text in ("BN001", UNUSED_SUPPRESSION.name) for item in each.items))
    ]
    holding = [each for each in matching if each.holds_back(finding.code)]  # all of them count as used
    return bool(holding)


def read_suppressions(source: Source) -> list[Suppression]:
    """The suppression comments of a file, in order."""
    if not _WORTH_READING.search(source.text):
        return []
    return [found for comment in source.comments for found in _suppressions_in(source, comment)]


def _suppressions_in(source: Source, comment: Comment) -> Iterator[Suppression]:
    alone = not source.line(comment.line)[: comment.column - 1].strip()

    def span(match: re.Match[str]) -> Span:
        start = comment.column + match.start()
        return Span(source.path, comment.line, start, comment.line, comment.column + match.end())

    for match in _DIRECTIVE.finditer(comment.text):
        items = [_item(text) for text in re.split(r"[,\s]+", match["rules"] or "") if text]
        yield Suppression(span(match), items, match["kind"] == "ignore-file", alone=alone)
    for match in _UNKNOWN_DIRECTIVE.finditer(comment.text):
        if match["word"] not in ("ignore", "ignore-file"):
            yield Suppression(span(match), [Item(f"bnlint: {match['word']}", frozenset())], alone=alone)
    for match in _NOQA.finditer(comment.text):
        codes = [code.upper() for code in re.findall(r"\w+", match["rules"] or "")]
        ours = [_item(code) for code in codes if _OUR_CODE.fullmatch(code)]
        if ours or not codes:
            yield Suppression(span(match), ours, noqa=True, foreign=len(ours) < len(codes), alone=alone)


def _item(text: str) -> Item:
    try:
        return Item(text, codes_named(text)[0])
    except UnknownRule:
        return Item(text, frozenset())


class _Reach:
    """Which lines a suppression speaks for."""

    def __init__(self, source: Source, tree: ast.Module | None) -> None:
        self._source = source
        self._statements = _statements(tree) if tree else []

    def covers(self, suppression: Suppression, span: Span) -> bool:
        line = suppression.span.line
        if span.line <= line <= span.end_line:
            return True
        first, header, last = self._around(span)
        return line in (first, header, last) or (suppression.alone and self._stands_above(line, (first, header)))

    def _around(self, span: Span) -> tuple[int, int, int]:
        """First line (with decorators), line of the keyword, last line (without a body) of the statement that holds a span."""
        holding = [each for each in self._statements if each[0] <= span.line and span.end_line <= each[2]]
        return max(holding, key=lambda each: (each[0], -each[2]), default=(span.line, span.line, span.end_line))

    def _stands_above(self, line: int, starts: tuple[int, int]) -> bool:
        """Whether only comment lines are between a comment line and the start of a statement."""
        for start in starts:
            between = range(line + 1, start)
            if line < start and all(self._source.line(each).lstrip().startswith("#") for each in between):
                return True
        return False


def _statements(tree: ast.Module) -> list[tuple[int, int, int]]:
    found = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.expr, ast.expr_context)):
            continue
        if isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
            found.append(_lines_of(node))
        pending.extend(ast.iter_child_nodes(node))
    return sorted(found)


def _lines_of(node: ast.stmt | ast.excepthandler | ast.match_case) -> tuple[int, int, int]:
    body: list[ast.stmt] = getattr(node, "body", [])
    line = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([line, *(each.lineno for each in decorators)])
    end = line if isinstance(node, ast.match_case) else node.end_lineno or line
    return first, line, max(line, min(body[0].lineno - 1, end)) if body else end


def _unused(source: Source, suppression: Suppression, selected: frozenset[str]) -> Iterator[Finding]:
    if not suppression.items:
        if not suppression.used and not suppression.noqa:
            yield _finding(source, suppression, [], "this suppression holds nothing back; remove it")
        return
    idle = [item for item in suppression.items if not item.used and _is_idle(item, selected)]
    if not idle:
        return
    unknown = [item.text for item in idle if not item.codes]
    if unknown:
        what = f"{' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} no rule of bnlint"
    else:
        what = f"{' and '.join(item.text for item in idle)} {'is' if len(idle) == 1 else 'are'} not reported here"
    yield _finding(source, suppression, idle, f"{what}; remove the suppression")


def _is_idle(item: Item, selected: frozenset[str]) -> bool:
    if UNUSED_SUPPRESSION.code in item.codes and len(item.codes) == 1:
        return False
    return not item.codes or bool(item.codes & selected)


def _finding(source: Source, suppression: Suppression, idle: list[Item], message: str) -> Finding:
    rule = UNUSED_SUPPRESSION
    fix = Fix("remove the suppression", "safe", (_removal(source, suppression, idle),))
    return Finding(rule.code, rule.name, rule.severity, suppression.span, message, fix=fix)


def _removal(source: Source, suppression: Suppression, idle: list[Item]) -> Edit:
    span = suppression.span
    text = source.segment(span)
    if suppression.foreign or len(idle) < len(suppression.items):
        for item in idle:
            text = re.sub(rf"(?<=[\[,:\s]){re.escape(item.text)}(?:\s*,\s*|\s+(?=\w)|(?=\s*\]|$))", "", text, count=1)
        return Edit(span, re.sub(r"[,\s]+(?=\]|$)", "", text))
    line = source.line(span.line)
    before, behind = line[: span.column - 1], line[span.end_column - 1 :]
    other = behind.find("#")
    reason = behind if other < 0 else behind[:other]
    end = span.end_column + len(reason)
    if other >= 0:  # another comment follows and stays
        return Edit(span._replace(end_column=end), "")
    if before.strip():
        return Edit(span._replace(column=len(before.rstrip()) + 1, end_column=end), "")
    if span.line < len(source.lines) and source.place(span.line + 1)[0] == source.place(span.line)[0]:
        return Edit(Span(span.path, span.line, 1, span.line + 1, 1), "")
    return Edit(span._replace(column=1, end_column=end), "")
