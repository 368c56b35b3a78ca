"""On how much data the code at a place trains: in batches of which size, in how many steps."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bnlint.finding import Span
from bnlint.purpose import BATCH_SIZES
from bnlint.verify.bench import Bench, Inconclusive, NeedsData
from bnlint.verify.expressions import Unknowable, Written
from bnlint.verify.methods import TRAINING
from bnlint.verify.objects import is_norm
from bnlint.verify.plans import Plan

if TYPE_CHECKING:
    from bnlint.verify.recorder import Happening

_POSITIONS = {
    "batch": 0,
    "padded_batch": 0,
    "flow": 2,
    "flow_from_directory": 5,
    "flow_from_dataframe": 8,
    "image_dataset_from_directory": 5,
}
"""Where the size of a batch stands among the positional arguments of what makes batches."""


class Sizes:
    """The data of the trainings at one place."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def model(self) -> Any:
        """The model trained at the place, else that of the layer related to it; raises Inconclusive."""
        events = self.bench.happened(*TRAINING)
        if events:
            return self.bench.built(events[-1].model)
        for span in self.bench.question.related:
            return self.bench.model_of(self.bench.made(is_norm, span)[0])
        self.bench.since()
        raise Inconclusive("no model is trained here")

    def batch(self) -> Plan:
        """The sizes of the batches that the place asks for; raises Inconclusive, or asks for the user's data.

        Data that were made up for the code tell nothing about the size, unless it makes single samples of them.
        """
        events = self.bench.happened(*TRAINING)
        plan = events[-1].plan if events else None
        if plan is not None and plan.batch is not None and (plan.told or plan.batch == 1 or not self._uncertain):
            return replace(plan, last=None) if self._uncertain and plan.batch > 1 else plan
        for size in self._written():
            return Plan(size)
        raise self._missing("the size of the batches is not known")

    @property
    def _uncertain(self) -> bool:
        """Whether data were made up for the code, or a statement failed that may have had to do with them."""
        return self.bench.recording.invented or bool(self.bench.recording.failures)

    def _written(self) -> Iterator[int]:
        """The batch sizes given to the calls at the place, closest first."""
        written = self.bench.written()
        for call in written.nodes(ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            position = _POSITIONS.get(name, len(call.args))
            given = [each.value for each in call.keywords if each.arg == "batch_size"] + call.args[position : position + 1]
            for value in (*(_value(written, each) for each in given), *_of_callee(written, call)):
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    yield int(value)

    def _missing(self, text: str) -> Exception:
        return Inconclusive(text) if self.bench.stage.whole else NeedsData()

    def need_last(self, plan: Plan) -> None:
        """Ask for the user's data where the size of the last batch is not known."""
        if plan.last is None and not self.bench.stage.whole and self.bench.happened(*TRAINING):
            raise NeedsData

    def need_data(self) -> None:
        """Ask for a run with the user's data where this is none."""
        if not self.bench.stage.whole:
            raise NeedsData

    def steps(self) -> int:
        """The updates of the model up to and with the training at the place; raises Inconclusive, or asks for the user's data."""
        events = self.bench.happened(*TRAINING)
        if not events:
            self.bench.since()
            raise Inconclusive("no model is trained here")
        self.need_data()
        last = events[-1]
        before = [
            each
            for each in self.bench.recording.happenings
            if each.kind in TRAINING and each.model is last.model and each.time <= last.time
        ]
        places: dict[Any, list[Happening]] = defaultdict(list)
        for each in before:
            places[each.stack[:1]].append(each)
        return sum(self._steps_at(found) for found in places.values())

    def _steps_at(self, events: list[Happening]) -> int:
        """The updates by one call, which stands in a loop where it has come more than once: loops are cut short here."""
        each = events[0].plan.steps if events[0].plan is not None else None
        if events[0].kind != "train_on_batch" and self._uncertain:
            raise Inconclusive("not all of the data are here, so that their number is not known")
        if each is None:
            raise self._missing("the number of training steps is not known")
        return each * self._rounds(events) if len(events) > 1 else each

    def _rounds(self, events: list[Happening]) -> int:
        place = events[0].stack[0]
        own = place.line <= self.bench.span.line <= place.end_line
        written = self.bench.written(None if own else Span(*place))
        made = {
            line for each in self.bench.recording.constructions if each.instance is events[0].model for line in self._lines(each)
        }
        rounds, known = 1, False
        for loop in written.loops(next(iter(written.nodes(ast.Call)))):
            if any(loop.lineno <= line <= (loop.end_lineno or 0) for line in made):
                break
            try:
                rounds, known = rounds * len(written.value(loop.iter)), True
            except (Unknowable, TypeError) as error:
                raise Inconclusive("how often the loop around it runs is not known") from error
        if not known:
            raise Inconclusive("it is called more than once, from where is not known")
        return rounds

    def _lines(self, construction: Any) -> list[int]:
        """The lines of the file that led to a construction."""
        return [place.line for place in construction.stack if place.path == self.bench.span.path]


def _value(written: Written, node: ast.expr) -> Any:
    try:
        return written.value(node)
    except Unknowable:
        return None


def _of_callee(written: Written, call: ast.Call) -> Iterator[Any]:
    """What a function or class of the project's own is given for its batch size, or the object has whose method it is."""
    function = _value(written, call.func)
    owner = getattr(function, "__self__", None)
    yield from (getattr(owner, name, None) for name in BATCH_SIZES)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    given = dict(zip(parameters, call.args, strict=False)) | {each.arg: each.value for each in call.keywords if each.arg}
    for name, parameter in parameters.items():
        if name in BATCH_SIZES:
            yield _value(written, given[name]) if name in given else parameter.default
