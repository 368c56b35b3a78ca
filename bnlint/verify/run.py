"""Verdicts on the findings of a report: jobs are made of them, done by worker processes, and their answers attached."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

from bnlint.finding import Finding, Verdict
from bnlint.registry import load
from bnlint.run import Check, Report
from bnlint.verify.jobs import Environment, Job
from bnlint.verify.limits import GIGABYTE, MEMORY, missing
from bnlint.verify.pool import PERFORM, TIMEOUT, run_jobs
from bnlint.verify.slices import jobs_for

INSTALL = 'pip install "bnlint[verify]"'
NOTICE = (
    "bnlint verify runs the code that it judges, in processes that may not reach the network, start others or write outside a "
    "temporary folder; that is a fence against accidents, not a sandbox: verify only code that you would run"
)
_BACKENDS = ("tensorflow", "jax", "torch")

Progress = Callable[[int, int], None]


class NotInstalled(Exception):
    """What models are built with is not installed; the message says what to install."""


@dataclass(frozen=True)
class Settings:
    """How to measure: what is given here beats each file's configuration. ``timeout`` is in seconds, ``perform`` for tests."""

    timeout: float | None = None
    gpu: bool = False
    workers: int | None = None
    perform: str = PERFORM


def backend() -> str:
    """The backend of Keras 3 to measure with: that of KERAS_BACKEND, else the first that is installed; raises NotInstalled."""
    if find_spec("keras") is None and find_spec("tf_keras") is None:
        raise NotInstalled(f"verify builds models, and Keras is not installed: {INSTALL}")
    asked = os.environ.get("KERAS_BACKEND", "")
    for name in (asked, *_BACKENDS) if asked in _BACKENDS else _BACKENDS:
        if find_spec(name) is not None:
            return name
    raise NotInstalled(f"verify builds models, and neither TensorFlow nor another backend of Keras is installed: {INSTALL}")


def verify(
    report: Report, check: Check, settings: Settings, say: Callable[[str], None], progress: Progress | None = None
) -> None:
    """Attach a verdict to each finding of a check that was ``proving``; ``say`` hears what the user has to know before code runs.

    Raises NotInstalled.
    """
    chosen = backend()
    verdicts = {id(each): Verdict("inconclusive", "there is no experiment for this rule") for each in report.findings}
    askable = [each for each in report.findings if load()[each.code].experiment is not None]
    verdicts |= {id(each): Verdict("inconclusive", "its source cannot be read") for each in askable}
    groups = _grouped(jobs_for(replace(report, findings=askable), check), check, settings, chosen)
    if groups:
        for line in (NOTICE, missing()):
            if line:
                say(line)
    total, done = sum(len(job.questions) for jobs in groups.values() for job, _ in jobs), 0
    for (timeout, memory), jobs in groups.items():
        findings = {id(job): asked for job, asked in jobs}
        run = run_jobs(
            [job for job, _ in jobs],
            timeout=timeout,
            memory=memory,
            workers=settings.workers,
            gpu=settings.gpu,
            perform=settings.perform,
        )
        for job, index, verdict in run:
            verdicts[id(findings[id(job)][index])] = verdict
            done += 1
            if progress:
                progress(done, total)
    report.findings = [replace(each, verdict=verdicts[id(each)]) for each in report.findings]


Group = tuple[float, int]


def _grouped(
    jobs: list[tuple[Job, list[Finding]]], check: Check, settings: Settings, chosen: str
) -> dict[Group, list[tuple[Job, list[Finding]]]]:
    """The jobs by their limits of time and memory, with the arguments that their files' configurations give."""
    groups: dict[Group, list[tuple[Job, list[Finding]]]] = {}
    for job, findings in jobs:
        config = check.config_of(job.path).verify
        limits = settings.timeout or config.timeout or TIMEOUT, int(config.memory * GIGABYTE) if config.memory else MEMORY
        made = replace(job, environment=Environment("3", chosen)) if job.environment == Environment() else job
        groups.setdefault(limits, []).append((made, findings))
    return groups
