"""Findings as JSON in the shape that ruff's readers know."""

from __future__ import annotations

import json
from typing import Any

from bnlint.finding import Edit, Finding, Fix, Related, Span, Verdict
from bnlint.run import Report


def render_json(report: Report) -> str:
    """A list with one object a finding; every key is always there."""
    return json.dumps([_finding(report, finding) for finding in report.findings], indent=2) + "\n"


def _finding(report: Report, finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "message": finding.message,
        **_place(report, finding.span, "filename"),
        "fix": _fix(report, finding.fix) if finding.fix else None,
        "related": [_related(report, related) for related in finding.related],
        "verdict": _verdict(finding.verdict) if finding.verdict else None,
        "url": None,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"status": verdict.status, "measured": dict(verdict.measured), "reason": verdict.reason}


def _place(report: Report, span: Span, *filename: str) -> dict[str, Any]:
    source = report.source(span.path)
    cell, row = source.place(span.line) if source else (None, span.line)
    end_cell, end_row = source.place(span.end_line) if source else (None, span.end_line)
    if source and cell != end_cell:  # an edit may end at the start of the next cell; it ends behind its own then
        end_row = row + span.end_line - span.line
    return {
        **dict.fromkeys(filename, span.path),
        "cell": cell,
        "location": {"row": row, "column": span.column},
        "end_location": {"row": end_row, "column": span.end_column},
    }


def _fix(report: Report, fix: Fix) -> dict[str, Any]:
    return {
        "applicability": fix.applicability,
        "message": fix.message,
        "edits": [_edit(report, edit) for edit in fix.edits],
    }


def _edit(report: Report, edit: Edit) -> dict[str, Any]:
    return {"content": edit.content, **_place(report, edit.span)}


def _related(report: Report, related: Related) -> dict[str, Any]:
    return {"message": related.message, **_place(report, related.span, "filename")}
