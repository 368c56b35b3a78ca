"""Decides the questions of a job, in the child process: stages the code until an experiment can say something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic

from bnlint.finding import Verdict
from bnlint.registry import load
from bnlint.verify.bench import Bench, Inconclusive
from bnlint.verify.entries import Entry, entries_for
from bnlint.verify.jobs import Job, Question
from bnlint.verify.known_shapes import shapes_in
from bnlint.verify.stage import Stage
from bnlint.verify.synthetic import shapes_to_try

_MOST_RUNS = 12
_MOST_SECONDS = 40.0
"""No further run is begun after this time, so that a question that cannot be decided does not take the whole limit."""


def perform(job: Job, begin: Callable[[int], None]) -> Iterator[tuple[int, Verdict]]:
    """The verdicts on a job's questions, by their index; ``begin`` hears of each question before it is worked on."""
    for index, question in enumerate(job.questions):
        begin(index)
        yield index, decide(job, index, question)


def decide(job: Job, index: int, question: Question) -> Verdict:
    """The verdict on one question: that of the first run that decides, else the reason of the one that came nearest."""
    experiment = load()[question.code].experiment
    if experiment is None:
        return Verdict("inconclusive", "there is no experiment for this rule")
    reasons: list[str] = []
    for stage in _stages(job, question):
        bench = Bench(stage, index, question)
        try:
            verdict = experiment(bench)
            if verdict.status != "inconclusive":
                return verdict
            reasons.append(verdict.reason)
        except Inconclusive as error:
            stage.used_shape = stage.used_shape or error.shape
            reasons.append(f"{error}{_behind(stage, bench)}")
            if error.final:
                break
        except Exception as error:  # noqa: BLE001 - user code runs inside the experiment, and may raise anything
            reasons.append(f"the experiment failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Verdict("inconclusive", reasons[-1] if reasons else "the code cannot be run")


def _behind(stage: Stage, bench: Bench) -> str:
    """What stopped the run on its way to the place, in brackets."""
    if stage.problem and not bench.reached:
        return f" ({stage.problem})"
    if stage.recording.failures and not bench.reached:
        error = stage.recording.failures[0].error
        return f" ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    return ""


def _stages(job: Job, question: Question) -> Iterator[Stage]:
    """Runs of the job's code: the module alone, then through the functions and classes that lead to the place.

    A run whose success may hang on the shape of its input is made again with others.
    """
    try:
        entries: list[Entry | None] = [None, *entries_for(job.text, question.span, job.arguments)]
    except SyntaxError:
        entries = [None]
    runs, started = 0, monotonic()
    for entry in entries:
        for shape in shapes_to_try(shapes_in(job.text)):
            stage = Stage(job, shape)
            stage.run(entry)
            runs += 1
            yield stage
            if runs >= _MOST_RUNS or monotonic() - started > _MOST_SECONDS:
                return
            if not stage.used_shape:
                break
