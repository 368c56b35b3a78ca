"""Each rule's experiment confirms the findings of its Bad examples, and refutes the rule on its Good ones."""

from __future__ import annotations

import difflib
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnlint.finding import Span, Verdict
from bnlint.page import marks, without_marks
from bnlint.registry import load
from bnlint.verify.child import Child, Message, make_folder
from bnlint.verify.jobs import Environment, Job, Question, verdict_from_json
from bnlint.verify.pool import PERFORM
from bnlint.verify.worker import Orders

Measure = Callable[[str, str, int, str], Verdict]
RULES = [each for each in load().values() if each.experiment]

CPU_SECONDS = 600.0

KERAS_2_TOO: frozenset[str] = frozenset(
    {
        "BN101",
        "BN102",
        "BN103",
        "BN104",
        "BN105",
        "BN107",
        "BN201",
        "BN204",
        "BN205",
        "BN206",
        "BN207",
        "BN208",
        "BN301",
        "BN303",
        "BN304",
        "BN305",
        "BN308",
        "BN502",
        "BN503",
        "BN504",
        "BN601",
        "BN604",
    }
)
"""Rules whose examples mean the same in both generations; the others are decided in the one that the rule is about."""
ONLY_KERAS_2: frozenset[str] = frozenset()

GOOD_PLACES: dict[str, tuple[str, ...]] = {}
"""For a rule's Good examples, in order, a part of the line that its experiment is to be forced on, where that is not the line
most like a marked one of Bad. None is forced where the text is empty."""


class Worker:
    """The process that ``bnlint verify`` measures in, kept for one job after the other."""

    def __init__(self, generation: str) -> None:
        self.environment = Environment(generation)
        self.events: queue.Queue[tuple[Child, Message]]
        self.child: Child | None = None
        self.number = 0

    def ask(self, job: Job) -> Verdict:
        """The verdict on a job's only question; one that is lost with its process is inconclusive, as in a pool."""
        if self.child is None:
            self.events = queue.Queue()
            self.child = Child(Orders(make_folder(), self.environment, PERFORM), 1, self.events)
            assert self.events.get()[1] == {"event": "ready"}
        self.number += 1
        self.child.give(self.number, job, CPU_SECONDS)
        verdict = Verdict("inconclusive", "there was no answer")
        while True:
            message = self.events.get()[1]
            if message["event"] == "verdict":
                verdict = verdict_from_json(message["verdict"])
            elif message["event"] != "begin":
                if message["event"] == "end" or message["fault"] or message["retire"]:
                    self.close()
                return verdict

    def close(self) -> None:
        if self.child is not None:
            self.child.end()
            self.child = None


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measure]:
    """The verdict of a rule's experiment at a line of a source: ``measured(code, text, line, generation)``."""
    workers: dict[str, Worker] = {}
    path = str(tmp_path_factory.mktemp("experiments") / "example.py")

    def measure(code: str, text: str, line: int, generation: str = "3") -> Verdict:
        Path(path).write_text(text)
        span = Span(path, line, 1, line + 1, 1)
        job = Job(path, text, "example", (), (Question(code, span),), environment=Environment(generation))
        return workers.setdefault(generation, Worker(generation)).ask(job)

    yield measure
    for worker in workers.values():
        worker.close()


def generations(code: str) -> list[str]:
    return ["2"] if code in ONLY_KERAS_2 else ["3", "2"] if code in KERAS_2_TOO else ["3"]


BAD = [
    pytest.param(rule.rule.code, text, line, generation, id=f"{rule.rule.code}-{number}-{line}-keras{generation}")
    for rule in RULES
    for number, text in enumerate(rule.page.examples("Bad"), 1)
    for line, code in sorted(marks(text))
    if code == rule.rule.code
    for generation in generations(code)
]
GOOD = [
    pytest.param(rule.rule.code, text, number, generation, id=f"{rule.rule.code}-{number + 1}-keras{generation}")
    for rule in RULES
    for number, text in enumerate(rule.page.examples("Good"))
    for generation in generations(rule.rule.code)
]


@pytest.mark.parametrize(("code", "text", "line", "generation"), BAD)
def test_a_bad_example_is_confirmed(code: str, text: str, line: int, generation: str, measured: Measure) -> None:
    verdict = measured(code, without_marks(text), line, generation)
    assert verdict.status == "confirmed", verdict.reason


@pytest.mark.parametrize(("code", "text", "number", "generation"), GOOD)
def test_a_good_example_is_refuted(code: str, text: str, number: int, generation: str, measured: Measure) -> None:
    for line in places_in_good(code, text, number):
        verdict = measured(code, text, line, generation)
        assert verdict.status == "refuted", (line, verdict.reason)


def places_in_good(code: str, text: str, number: int) -> list[int]:
    """The lines of a Good example that the experiment is forced on: those most like the marked ones of Bad."""
    lines = text.splitlines()
    if number < len(GOOD_PLACES.get(code, ())):
        fragment = GOOD_PLACES[code][number]
        return [next(index for index, line in enumerate(lines, 1) if fragment in line)] if fragment else []
    examples = load()[code].page.examples("Bad")
    example = examples[min(number, len(examples) - 1)]
    marked = [without_marks(example).splitlines()[line - 1] for line, found in sorted(marks(example)) if found == code]
    close = [difflib.get_close_matches(each, lines, 1, 0.0)[0] for each in marked]
    return sorted({lines.index(each) + 1 for each in close})


@pytest.mark.parametrize("code", ["BN202", "BN211", "BN307", "BN406"])
def test_what_only_keras_3_does_is_refuted_in_keras_2(code: str, measured: Measure) -> None:
    text = load()[code].page.examples("Bad")[0]
    line = min(line for line, found in marks(text) if found == code)
    assert measured(code, without_marks(text), line, "2").status == "refuted"
