"""From findings to jobs: which part of which file has to run, in which Keras."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

from bnlint.finding import Finding
from bnlint.verify.jobs import Environment, Job, Question

if TYPE_CHECKING:
    from bnlint.run import Check, Report


def jobs_for(report: Report, options: Check) -> list[tuple[Job, list[Finding]]]:
    """The jobs that decide a report's findings; the questions of a job belong to the findings beside it, in order."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        groups[finding.span.path].append(finding)
    return [(job, findings) for path, findings in groups.items() if (job := job_for(report, options, path, findings)) is not None]


def job_for(report: Report, options: Check, path: str, findings: list[Finding]) -> Job | None:
    """The job that decides the findings of one file."""
    source = report.source(path)
    if source is None:
        return None
    project = next(each for each in report.projects if each.read_source(path) is source)
    questions = tuple(Question(each.code, each.span, tuple(related.span for related in each.related)) for each in findings)
    return Job(
        path=path,
        text=source.text,
        module=os.path.splitext(os.path.basename(path))[0],
        roots=(str(project.root),),
        questions=questions,
        environment=Environment(generation="2" if options.config_of(path).keras_version.startswith("2") else "3"),
    )
