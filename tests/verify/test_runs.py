"""Which runs are made for a question, and what decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from bnlint.finding import Span, Verdict
from bnlint.verify import perform, runs
from bnlint.verify.bench import Inconclusive, NeedsCourse, NeedsData
from bnlint.verify.jobs import Job, Question, Script
from bnlint.verify.places import Place
from bnlint.verify.recorder import Construction, Failure, Recording

PATH = "/project/net.py"
NET = "def block(x, shape):\n    return x\ndef net(x):\n    return block(x, (4,))\nnet(1)\n"
Experiment = Callable[[Any], Verdict]


class Stage:
    """Stands in for a stage: it runs nothing, and notes what it was made for."""

    made: ClassVar[list[Stage]] = []

    def __init__(self, job: Job, script: Script, shape: tuple[int, ...], trains: bool = False, whole: bool = False) -> None:
        self.job, self.script, self.shape, self.trains, self.whole = job, script, shape, trains, whole
        self.recording, self.trainer = Recording(), None
        self.namespace: dict[str, Any] = {}
        self.problem, self.used_shape, self.again, self.touched = "", False, False, False
        self.entry: Any = None
        Stage.made.append(self)

    def run(self, entry: Any) -> None:
        self.entry = entry

    def is_untouched(self) -> bool:
        return not self.touched

    @property
    def way(self) -> str:
        return f"{self.script.path.rpartition('/')[2]}:{self.entry.name if self.entry else ''}"


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    Stage.made = []
    monkeypatch.setattr(runs, "Stage", Stage)


def job(*others: Script, text: str = NET, line: int = 2, lines: tuple[int, ...] = (1, 3), codes: str = "BN301") -> Job:
    asked = tuple(Question(code, Span(PATH, line, 1, line + 1, 1)) for code in codes.split())
    return Job(PATH, text, "net", (), asked, lines, others=others)


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Verdict]]:
    """The verdicts of an experiment on a job's questions."""

    def verdicts(experiment: Experiment | None, asked: Job) -> list[Verdict]:
        rule = SimpleNamespace(experiment=experiment)
        monkeypatch.setattr(perform, "load", lambda: {"BN301": rule, "BN202": rule})
        return [verdict for _, verdict in perform.perform(asked, lambda index: None)]

    return verdicts


Decided = Callable[..., list[Verdict]]


def ways() -> list[str]:
    return [each.way for each in Stage.made]


def says(status: Any, when: Callable[[Any], bool] = lambda stage: True) -> Experiment:
    """An experiment that comes to a verdict in runs of which something is true, and to none in others."""

    def experiment(bench: Any) -> Verdict:
        if when(bench.stage):
            return Verdict(status, f"measured in {bench.stage.way}")
        raise Inconclusive("not here")

    return experiment


def through(*names: str) -> Callable[[Any], bool]:
    return lambda stage: stage.entry is not None and stage.entry.name in names


# Which runs are made


def test_a_module_is_run_alone_then_through_the_functions_that_lead_to_the_place(decided: Decided) -> None:
    decided(says("confirmed", lambda stage: False), job())
    assert ways() == ["net.py:", "net.py:block", "net.py:block", "net.py:net", "net.py:net"]
    assert [each.entry.arguments for each in Stage.made[1:]] == [{"shape": (4,)}, {}, {"x": 1}, {}]


def test_no_run_is_made_behind_the_one_that_confirms(decided: Decided) -> None:
    assert decided(says("confirmed"), job())[0].status == "confirmed"
    assert ways() == ["net.py:"]


def test_files_that_lead_to_the_place_follow_with_their_entries(decided: Decided) -> None:
    train = Script("/project/train.py", "def main():\n    return 1\n", "train", entry="main")
    decided(says("confirmed", lambda stage: False), job(train))
    assert ways()[-2:] == ["train.py:", "train.py:main"]


def test_related_places_are_led_to_as_well_or_what_trains_where_there_are_none(decided: Decided) -> None:
    text = "def a():\n    return 1\ndef b():\n    return 2\ndef main():\n    model.fit(1)\n"
    asked = job(text=text)
    related = replace(asked.questions[0], related=(Span(PATH, 4, 1, 5, 1), Span(PATH, 2, 1, 3, 1), Span("/other.py", 6, 1, 7, 1)))
    nothing = says("confirmed", lambda stage: False)
    decided(nothing, asked)
    assert ways() == ["net.py:", "net.py:a", "net.py:main"]
    Stage.made.clear()
    decided(nothing, replace(asked, questions=(related,)))
    assert ways() == ["net.py:", "net.py:a", "net.py:b"]


def test_a_file_that_cannot_be_parsed_does_not_hinder_the_others(decided: Decided) -> None:
    train = Script("/project/train.py", "def main():\n    return 1\n", "train", entry="main")
    decided(says("confirmed", lambda stage: False), job(train, text="def f(:\n"))
    assert ways() == ["net.py:", "train.py:", "train.py:main"]


def test_an_experiment_that_needs_a_training_gets_one_in_the_same_way(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        if not bench.stage.trains:
            raise NeedsCourse
        return Verdict("confirmed", "measured")

    assert decided(experiment, job())[0].status == "confirmed"
    assert [(each.way, each.trains) for each in Stage.made] == [("net.py:", False), ("net.py:", True)]


def test_an_experiment_that_needs_the_data_gets_a_run_of_all_statements(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        if not bench.stage.whole:
            raise NeedsData
        return Verdict("confirmed", "measured")

    assert decided(experiment, job())[0].status == "confirmed"
    assert [(each.way, each.whole, each.script.lines, each.job.lines) for each in Stage.made] == [
        ("net.py:", False, (1, 3), (1, 3)),
        ("net.py:", True, (), ()),
    ]


def test_a_name_that_is_missing_brings_all_statements_in(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        if bench.stage.whole:
            return Verdict("confirmed", "measured")
        bench.recording.failures.append(Failure(NameError("width"), (), 1))
        raise Inconclusive("not built")

    assert decided(experiment, job())[0].status == "confirmed"
    assert [each.whole for each in Stage.made] == [False, True]


def test_other_shapes_are_tried_once_all_ways_had_the_likeliest(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        if bench.stage.shape == (7,):
            return Verdict("confirmed", "measured")
        raise Inconclusive("the shape does not fit", shape=True)

    text = "import keras\nkeras.Input((5,))\nkeras.Input((7,))\ndef net():\n    return 1\n"
    assert decided(experiment, job(text=text, line=5))[0].status == "confirmed"
    assert [(each.way, each.shape) for each in Stage.made] == [("net.py:", (5,)), ("net.py:net", (5,)), ("net.py:", (7,))]


def test_the_number_of_runs_has_a_bound(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        raise Inconclusive("the shape does not fit", shape=True)

    decided(experiment, job())
    assert len(Stage.made) == 12


def test_nothing_is_tried_further_where_no_run_can_help(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        raise Inconclusive("it is written so", final=True)

    assert decided(experiment, job()) == [Verdict("inconclusive", "it is written so")]
    assert len(Stage.made) == 1


# What decides


def test_a_refutation_from_a_function_that_others_call_is_not_accepted(decided: Decided) -> None:
    verdict = decided(says("refuted", through("block")), job())[0]
    assert verdict.status == "inconclusive"
    assert verdict.reason == "measured in net.py:block, but only a part of the code could be run"


def test_a_confirmation_from_a_function_that_others_call_is(decided: Decided) -> None:
    assert decided(says("confirmed", through("block")), job())[0].status == "confirmed"


def test_a_refutation_from_the_outermost_function_is_accepted(decided: Decided) -> None:
    text = "def block(x):\n    return x\ndef net(x):\n    return block(x)\n"
    assert decided(says("refuted", through("net")), job(text=text))[0].status == "refuted"


def test_a_refutation_from_the_outermost_function_is_not_where_other_files_lead_there(decided: Decided) -> None:
    text = "def block(x):\n    return x\n"
    train = Script("/project/train.py", "def main():\n    return 1\n", "train", entry="main", outermost=True)
    assert decided(says("refuted", through("block")), job(train, text=text))[0].status == "inconclusive"
    assert decided(says("refuted", through("main")), job(train, text=text))[0].status == "refuted"


def test_a_refutation_from_another_file_whose_function_is_called_itself_is_not_accepted(decided: Decided) -> None:
    helper = Script("/project/helper.py", "def make():\n    return 1\n", "helper", entry="make", outermost=False)
    assert decided(says("refuted", through("make")), job(helper))[0].status == "inconclusive"


def test_a_refutation_is_not_accepted_where_the_run_did_not_come_by_the_place_that_the_finding_names(decided: Decided) -> None:
    named = Span(PATH, 4, 5, 4, 20)
    asked = Job(PATH, NET, "net", (), (Question("BN301", Span(PATH, 2, 1, 3, 1), (named,)),), (1, 3))
    assert decided(says("refuted"), asked)[0].status == "inconclusive"

    def come_by(bench: Any) -> Verdict:
        bench.recording.constructions.append(Construction(object(), (Place(*named),), 1))
        return Verdict("refuted", "measured")

    assert decided(come_by, asked)[0].status == "refuted"


def test_a_refutation_is_not_accepted_where_code_of_the_file_raised(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        bench.recording.failures.append(Failure(OSError("no such file"), (Place(PATH, 4, 1, 4, 9),), 1))
        return Verdict("refuted", "measured")

    assert decided(experiment, job())[0].status == "inconclusive"


def test_a_refutation_of_what_the_module_itself_builds_is_accepted(decided: Decided) -> None:
    assert decided(says("refuted"), job())[0].status == "refuted"


def test_the_reason_told_is_that_of_the_run_that_came_to_the_place(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        if bench.stage.way == "net.py:block":
            bench.recording.reached[0] = [1]
        raise Inconclusive(f"nothing in {bench.stage.way}")

    assert decided(experiment, job())[0] == Verdict("inconclusive", "nothing in net.py:block")


def test_what_stopped_a_run_on_its_way_is_told(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        bench.recording.failures.append(Failure(OSError("no such file"), (), 1))
        raise Inconclusive("not built")

    assert decided(experiment, job())[0].reason == "not built (OSError: no such file)"


def test_an_experiment_that_raises_is_inconclusive_and_another_run_may_decide(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        if bench.stage.entry is None:
            raise ValueError("a layer of the user")
        return Verdict("confirmed", "measured")

    assert decided(experiment, job())[0].status == "confirmed"
    text = "x = 1\n"
    assert decided(experiment, job(text=text, line=1))[0] == Verdict(
        "inconclusive", "the experiment failed: ValueError: a layer of the user"
    )


def test_a_rule_without_an_experiment_runs_nothing(decided: Decided) -> None:
    assert decided(None, job()) == [Verdict("inconclusive", "there is no experiment for this rule")]
    assert not Stage.made


def test_questions_are_begun_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    monkeypatch.setattr(
        perform, "load", lambda: {code: SimpleNamespace(experiment=says("confirmed")) for code in ("BN301", "BN202")}
    )
    for index, verdict in perform.perform(job(codes="BN301 BN202"), lambda index: heard.append(f"begin {index}")):
        heard.append((index, verdict.status))
    assert heard == ["begin 0", (0, "confirmed"), "begin 1", (1, "confirmed")]


# Runs that are kept


def test_a_run_is_taken_for_the_next_question_while_it_is_untouched(decided: Decided) -> None:
    decided(says("confirmed"), job(codes="BN301 BN202 BN301"))
    assert ways() == ["net.py:"]


def test_a_run_that_an_experiment_has_changed_is_made_again(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        bench.stage.touched = bench.question.code == "BN301"
        return Verdict("confirmed", "measured")

    decided(experiment, job(codes="BN202 BN301 BN202 BN202"))
    assert ways() == ["net.py:", "net.py:"]


def test_a_run_that_trains_is_another_than_one_that_does_not(decided: Decided) -> None:
    def experiment(bench: Any) -> Verdict:
        if bench.question.code == "BN301" and not bench.stage.trains:
            raise NeedsCourse
        return Verdict("confirmed", "measured")

    decided(experiment, job(codes="BN202 BN301 BN202 BN301"))
    assert [each.trains for each in Stage.made] == [False, True]


def test_few_runs_are_kept_alive(decided: Decided) -> None:
    decided(says("confirmed", lambda stage: False), job(text="def f():\n    return 1\n", codes="BN301 BN301"))
    assert ways() == ["net.py:", "net.py:f"]
    Stage.made.clear()
    decided(says("confirmed", lambda stage: False), job(codes="BN301 BN301"))
    assert len(Stage.made) == 2 * 5


def test_configured_arguments_are_those_of_the_module_that_they_name(decided: Decided) -> None:
    asked = replace(job(), arguments={"net:block": {"shape": (7,)}, "other:net": {"x": 8}})
    decided(says("confirmed", lambda stage: False), asked)
    given = [each.entry.arguments for each in Stage.made if each.entry]
    assert {"shape": (7,)} in given
    assert {"x": 8} not in given


def test_a_refutation_that_is_not_accepted_says_why(decided: Decided) -> None:
    def broken(bench: Any) -> Verdict:
        bench.recording.failures.append(Failure(OSError("no such file"), (Place(PATH, 4, 1, 4, 9),), 1))
        return Verdict("refuted", "measured")

    assert decided(broken, job())[0].reason == "measured, but the code broke off: OSError: no such file"
