"""Findings as text: a line each, and in full the source with a caret and the related places."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from bnlint.finding import Finding, Span, Status
from bnlint.run import Report

_WIDTH = 160
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_STYLES = {"bold": "1", "error": "1;31", "warning": "1;33", "info": "1;36", "dim": "2", "caret": "1;31"}
_STYLES |= {"confirmed": "1;31", "refuted": "1;32", "inconclusive": "1;33"}
_STATUSES: tuple[Status, ...] = ("confirmed", "refuted", "inconclusive")


class Painter:
    """Puts colour on text where it is wanted."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour else text


def render_concise(report: Report, colour: bool = False) -> str:
    """One line a finding, and a summary."""
    paint = Painter(colour)
    lines = [_headline(report, finding, paint) + _status(finding, paint) for finding in report.findings]
    return "\n".join([*lines, _summary(report)]) + "\n"


def render_full(report: Report, colour: bool = False) -> str:
    """Each finding with its source and its related places, and a summary."""
    paint = Painter(colour)
    blocks = ["\n".join(_block(report, finding, paint)) for finding in report.findings]
    return "\n\n".join([*blocks, _summary(report)]) + "\n"


def _block(report: Report, finding: Finding, paint: Painter) -> Iterator[str]:
    yield _headline(report, finding, paint)
    yield from _snippet(report, finding.span, paint, "caret")
    for related in finding.related:
        yield f"  {paint(_where(report, related.span), 'dim')}: {visible(related.message)}"
        yield from _snippet(report, related.span, paint, "dim")
    if finding.verdict:
        status = paint(finding.verdict.status, finding.verdict.status)
        yield f"  {status}: {visible(finding.verdict.reason)}"
    if finding.fix:
        kind = "" if finding.fix.applicability == "safe" else " (unsafe)"
        yield f"  fix{kind}: {visible(finding.fix.message)}"


def _headline(report: Report, finding: Finding, paint: Painter) -> str:
    code = paint(finding.code, finding.severity)
    return f"{paint(_where(report, finding.span), 'bold')}: {code} [{finding.name}] {visible(finding.message)}"


def _status(finding: Finding, paint: Painter) -> str:
    """What was measured, in a word behind the finding's line."""
    return f" ({paint(finding.verdict.status, finding.verdict.status)})" if finding.verdict else ""


def _where(report: Report, span: Span) -> str:
    source = report.source(span.path)
    cell, row = source.place(span.line) if source else (None, span.line)
    inside = f"cell {cell}:" if cell else ""
    return f"{visible(short_path(span.path))}:{inside}{row}:{span.column}"


def short_path(path: str) -> str:
    """A path as seen from the current folder, if it is below."""
    current = os.getcwd().rstrip(os.sep) + os.sep
    return path.removeprefix(current)


def _snippet(report: Report, span: Span, paint: Painter, style: str) -> Iterator[str]:
    """The first line of a span, with its extent underlined."""
    source = report.source(span.path)
    if source is None or not source.line(span.line).strip():
        return
    line = source.line(span.line)
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    first = max(0, start - _WIDTH // 2) if len(line) > _WIDTH else 0
    shown = line[first : first + _WIDTH]
    end = max(start + 1, min(end, first + len(shown)))
    number = str(source.place(span.line)[1])
    before, under = visible(shown[: start - first]), visible(shown[start - first : end - first])
    yield f"  {paint(f'{number} |', 'dim')} {visible(shown)}".rstrip()
    yield f"  {' ' * len(number)} {paint('|', 'dim')} {' ' * _width(before)}{paint('^' * max(1, _width(under)), style)}"


def visible(text: str) -> str:
    """Text that cannot steer a terminal; a tab becomes four blanks."""
    text = text.replace("\t", "    ")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)


def _summary(report: Report) -> str:
    checked = count(report.file_count, "file")
    if not report.findings:
        return f"No findings in {checked}."
    files = len({finding.span.path for finding in report.findings})
    where = f"in {files} of {checked}" if report.file_count > 1 else f"in {checked}"
    found = f"{count(len(report.findings), 'finding')} {where}"
    measured = [finding.verdict.status for finding in report.findings if finding.verdict]
    counted = ", ".join(f"{measured.count(status)} {status}" for status in _STATUSES if status in measured)
    return f"{found}: {counted}." if counted else f"{found}."


def count(number: int, what: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
