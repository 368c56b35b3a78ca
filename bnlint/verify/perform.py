"""Decides the questions of a job, in the child process: stages the code until an experiment can say something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import monotonic

from bnlint.finding import Verdict
from bnlint.registry import load
from bnlint.verify.bench import Bench, Inconclusive, NeedsCourse, NeedsData
from bnlint.verify.entries import Entry, entries_for, entries_named, training_entries
from bnlint.verify.jobs import Job, Question, Script
from bnlint.verify.known_shapes import shapes_in
from bnlint.verify.stage import Stage
from bnlint.verify.synthetic import shapes_to_try
from bnlint.verify.words import raised

_MOST_RUNS = 12
_MOST_SECONDS = 40.0
"""No further run is begun after this time, so that a question that cannot be decided does not take the whole limit."""


@dataclass
class _Needs:
    """What an experiment has asked for: that the user's code trains, that all of its statements run."""

    course: bool = False
    whole: bool = False


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
    needs = _Needs()
    for stage, whole in _stages(job, question, needs):
        bench = Bench(stage, index, question)
        try:
            verdict = experiment(bench)
            if verdict.status == "confirmed" or (verdict.status == "refuted" and whole):
                return verdict
            stage.used_shape = False
            reasons.append(f"{verdict.reason}, but only a part of the code could be run")
        except NeedsCourse:
            stage.again = needs.course = True
        except NeedsData:
            stage.again = needs.whole = True
        except Inconclusive as error:
            stage.used_shape = error.shape or (stage.used_shape and bool(stage.problem))
            reasons.append(f"{error}{_behind(stage, bench)}")
            if error.final:
                break
        except Exception as error:  # noqa: BLE001 - user code runs inside the experiment, and may raise anything
            reasons.append(f"the experiment failed: {raised(error)}")
    return Verdict("inconclusive", reasons[-1] if reasons else "the code cannot be run")


def _behind(stage: Stage, bench: Bench) -> str:
    """What stopped the run on its way to the place, in brackets."""
    if stage.problem and not bench.reached:
        return f" ({stage.problem})"
    if stage.recording.failures and not bench.reached:
        return f" ({raised(stage.recording.failures[0].error)})"
    return ""


def _ways(job: Job, question: Question) -> Iterator[tuple[Script, Entry | None, bool]]:
    """The ways to the place: the file's body, its functions and classes, then the files that lead to it, in the same manner.

    Each with whether it is the whole way. What is seen from a function that others call is not all that becomes of a layer.
    """
    for script in job.scripts():
        yield script, None, True
        try:
            if script.path == question.span.path:
                alone = not job.others
                yield from ((script, entry, entry.outermost and alone) for entry in _entries(job, question))
            elif script.entry:
                found = entries_named(script.text, script.entry, job.arguments)
                yield from ((script, entry, script.outermost) for entry in found)
        except SyntaxError:
            continue


def _stages(job: Job, question: Question, needs: _Needs) -> Iterator[tuple[Stage, bool]]:
    """Runs of the job's code: the module alone, then through the functions and classes that lead to the place.

    Each with whether it is the whole of the code that concerns the place. A run whose success may hang on the shape of its
    input is made again with others; so is one that needs more after all, as ``needs`` tells from then on.
    """
    runs, started = 0, monotonic()
    for script, entry, whole in _ways(job, question):
        for shape in shapes_to_try([*shapes_in(job.text), *shapes_in(script.text)]):
            stage = _run(job, script, shape, needs, entry)
            yield stage, whole
            while stage.again:
                stage = _run(job, script, shape, needs, entry)
                yield stage, whole
            runs += 1
            if runs >= _MOST_RUNS or monotonic() - started > _MOST_SECONDS:
                return
            if not stage.used_shape:
                break


def _run(job: Job, script: Script, shape: tuple[int, ...], needs: _Needs, entry: Entry | None) -> Stage:
    if needs.whole:
        job, script = replace(job, lines=()), replace(script, lines=())
    stage = Stage(job, script, shape, needs.course, whole=needs.whole)
    stage.run(entry)
    return stage


def _entries(job: Job, question: Question) -> Iterator[Entry]:
    """The entries that lead to the place, then those that lead to the places related to it in the same file, each once.

    Where no place is related, what trains may belong to it.
    """
    seen: list[Entry] = []
    for span in (question.span, *question.related):
        if span.path == job.path:
            for entry in entries_for(job.text, span, job.arguments):
                if entry not in seen:
                    seen.append(entry)
                    yield entry
    if not question.related:
        yield from (entry for entry in training_entries(job.text) if entry not in seen)
