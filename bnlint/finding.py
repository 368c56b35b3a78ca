"""What a rule says: a finding at a span of the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]
Applicability = Literal["safe", "unsafe"]


class Span(NamedTuple):
    """A stretch of a source file.

    Lines and columns are 1-based and count as in :class:`bnlint.source.Source`: lines are Python's, columns are code
    points, the end is just behind the last character. In a notebook the lines are those of the joined code cells.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that explains a finding."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of a span, which lies in the finding's file, by ``content``."""

    span: Span
    content: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits, not overlapping, that remove the fault."""

    message: str
    applicability: Applicability
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault at one place; ``message`` is one line that says what goes wrong, then what to do."""

    code: str
    name: str
    severity: Severity
    span: Span
    message: str
    related: tuple[Related, ...] = ()
    fix: Fix | None = None
