"""Ways of doing a job that the worker is given by name in tests of what surrounds it: they run the text, and ask nothing of Keras."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from bnlint.finding import Verdict
from bnlint.verify.jobs import Job

Begin = Callable[[int], None]
Answers = Iterator[tuple[int, Verdict]]


def perform(job: Job, begin: Begin) -> Answers:
    """Run the text, then for each question the function with the name of its code, if there is one; it may return numbers."""
    names = _run(job)
    for index, question in enumerate(job.questions):
        begin(index)
        measure = names.get(question.code, dict)
        yield index, Verdict("confirmed", f"{question.code} was measured", measure() or {})


def forgetful(job: Job, begin: Begin) -> Answers:
    """Begin with the first question, and answer none."""
    begin(0)
    yield from ()


def lying(job: Job, begin: Begin) -> Answers:
    """Answer a question that was not asked."""
    yield 7, Verdict("confirmed", "an answer to nothing")


def teller(job: Job, begin: Begin) -> Answers:
    """Say which process this is."""
    yield 0, Verdict("confirmed", "told", {"process": os.getpid(), "keras": float(sys.modules["keras"].__version__[0])})


def _run(job: Job) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": job.module, "__file__": job.path}
    exec(compile(job.text, job.path, "exec"), names)  # noqa: S102 - as the stage does it
    return names
