"""Decides the questions of a job, in the child process: runs the code until an experiment can say something."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bnlint.finding import Verdict
from bnlint.registry import load
from bnlint.verify.bench import Bench, Inconclusive, NeedsCourse, NeedsData
from bnlint.verify.course import came_by
from bnlint.verify.jobs import Job, Question
from bnlint.verify.runs import Needs, Runs
from bnlint.verify.stage import Stage
from bnlint.verify.words import raised


def perform(job: Job, begin: Callable[[int], None]) -> Iterator[tuple[int, Verdict]]:
    """The verdicts on a job's questions, by their index; ``begin`` hears of each question before it is worked on."""
    runs = Runs(job)
    for index, question in enumerate(job.questions):
        begin(index)
        yield index, decide(runs, index, question)


def decide(runs: Runs, index: int, question: Question) -> Verdict:
    """The verdict on one question: that of the first run that decides, else the reason of the one that came nearest."""
    experiment = load()[question.code].experiment
    if experiment is None:
        return Verdict("inconclusive", "there is no experiment for this rule")
    reasons: list[tuple[int, str]] = []
    needs = Needs()
    for stage, whole in runs.towards(question, needs):
        bench = Bench(stage, index, question)
        try:
            verdict = experiment(bench)
            doubt = _doubt(bench, whole) if verdict.status == "refuted" else ""
            if verdict.status != "inconclusive" and not doubt:
                return verdict
            stage.used_shape = False
            reasons.append((2, f"{verdict.reason}, but {doubt}" if doubt else verdict.reason))
        except NeedsCourse:
            stage.again = needs.course = True
        except NeedsData:
            stage.again = needs.data = True
        except Inconclusive as error:
            stage.used_shape = error.shape or (stage.used_shape and bool(stage.problem))
            behind = _behind(stage, bench)
            reasons.append((2 * bool(bench.reached) + bool(behind), f"{error}{behind}"))
            if error.final:
                break
            if not needs.data and any(isinstance(each.error, NameError) for each in stage.recording.failures):
                stage.again = needs.data = True  # a statement was left out that is needed after all
        except Exception as error:  # noqa: BLE001 - user code runs inside the experiment, and may raise anything
            reasons.append((2, f"the experiment failed: {raised(error)}"))
    return Verdict("inconclusive", max(reasons, key=lambda each: each[0], default=(0, "the code cannot be run"))[1])


def _doubt(bench: Bench, whole: bool) -> str:
    """Why a run is not enough to refute a finding; empty where it is.

    Where code of the file raised, models may be left half-made, half-frozen or untrained.
    """
    failures = bench.recording.failures
    broken = next((each for each in failures if any(place.path == bench.span.path for place in each.places)), None)
    if broken is not None:
        return f"the code broke off: {raised(broken.error)}"
    if not whole:
        return "only a part of the code could be run"
    return "" if came_by(bench) else "the run does not come by what the finding names"


def _behind(stage: Stage, bench: Bench) -> str:
    """What stopped the run on its way to the place, in brackets."""
    if stage.problem and not bench.reached:
        return f" ({stage.problem})"
    if stage.recording.failures and not bench.reached:
        return f" ({raised(stage.recording.failures[0].error)})"
    return ""
