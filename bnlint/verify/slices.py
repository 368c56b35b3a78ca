"""From findings to jobs: which part of which file has to run, in which Keras."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bnlint.dependences import Dependences, Start
from bnlint.finding import Finding, Span
from bnlint.verify.jobs import Environment, Job, Question, Script

if TYPE_CHECKING:
    from bnlint.index import Project
    from bnlint.run import Check, Report

_MOST_OTHERS = 3


def jobs_for(report: Report, options: Check) -> list[tuple[Job, list[Finding]]]:
    """The jobs that decide a report's findings; the questions of a job belong to the findings beside it, in order.

    The report is one of a check that was ``proving``; findings without dependences (those of bnlint's own codes) have no job.
    """
    groups: dict[tuple[str, Environment], list[Finding]] = defaultdict(list)
    for finding in report.findings:
        known = report.dependences.get((finding.code, finding.span))
        if known is not None and report.source(finding.span.path) is not None:
            groups[finding.span.path, Environment(known.generation, known.backend)].append(finding)
    return [(_job(report, options, path, environment, found), found) for (path, environment), found in groups.items()]


def _job(report: Report, options: Check, path: str, environment: Environment, findings: list[Finding]) -> Job:
    project = next(each for each in report.projects if each.read_source(path) is not None)
    known = [report.dependences[each.code, each.span] for each in findings]
    questions = [Question(each.code, each.span, tuple(related.span for related in each.related)) for each in findings]
    return _made(project, path, environment, questions, known, options.config_of(path).verify.arguments)


def _made(
    project: Project,
    path: str,
    environment: Environment,
    questions: list[Question],
    known: list[Dependences],
    arguments: Mapping[str, Mapping[str, Any]],
) -> Job:
    own = _script(project, known[0].starts[0])
    return Job(
        path=path,
        text=own.text,
        module=own.module,
        lines=own.lines,
        packaged=own.packaged,
        roots=tuple(project.import_roots(path)),
        questions=tuple(questions),
        environment=environment,
        arguments=arguments,
        others=tuple(_script(project, start) for start in _others(known)),
    )


def job_at(span: Span, code: str, keras_version: str, arguments: Mapping[str, Mapping[str, Any]]) -> Job:
    """The job of one question about any place; raises :class:`bnlint.verify.measuring.NoSuchPlace`."""
    from bnlint.dependences import dependences
    from bnlint.index import Project
    from bnlint.interpreter import analyse
    from bnlint.parse import ParseError
    from bnlint.source import SourceError
    from bnlint.verify.measuring import NoSuchPlace

    project = Project.around(span.path)
    try:
        project.parsed(span.path)
    except (OSError, ParseError, SourceError) as error:
        raise NoSuchPlace(f"{span.path}: the file cannot be read: {error}") from error
    text = project.source(span.path).text
    lines = text.count("\n") + (not text.endswith("\n"))
    if not 1 <= span.line <= lines or span.column < 1:
        raise NoSuchPlace(f"{span.path}:{span.line}:{span.column}: name a line from 1 to {lines}, and a column from 1 on")
    known = dependences(analyse(project, project.context([span.path]), keras_version), span)
    return _made(project, span.path, Environment(known.generation, known.backend), [Question(code, span)], [known], arguments)


def _others(known: list[Dependences]) -> list[Start]:
    found = {(start.path, start.name): start for each in known for start in each.starts[1:]}
    return list(found.values())[:_MOST_OTHERS]


def _script(project: Project, start: Start) -> Script:
    packaged = os.path.exists(os.path.join(os.path.dirname(start.path), "__init__.py"))
    return Script(
        path=start.path,
        text=project.source(start.path).text,
        module=project.module_name(start.path),
        lines=tuple(sorted(start.lines)),
        entry=start.name,
        outermost=start.outermost,
        packaged=packaged,
    )
