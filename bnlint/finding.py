"""What a rule says: a finding at a span of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]
Status = Literal["confirmed", "refuted", "inconclusive"]
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
class Verdict:
    """What an experiment on the live model says about a finding.

    ``measured`` names the numbers it rests on; ``reason`` says in words what was measured, or why nothing could be.
    """

    status: Status
    reason: str
    measured: Mapping[str, float] = field(default_factory=dict)


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
    verdict: Verdict | None = None
