"""What an experiment works with, in the child process: the live objects that belong to one finding."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bnlint.finding import Span, Status, Verdict
from bnlint.verify.methods import EVALUATION, TRAINING

if TYPE_CHECKING:
    from types import FrameType

    from bnlint.verify.expressions import Written
    from bnlint.verify.jobs import Question
    from bnlint.verify.making import Making
    from bnlint.verify.modes import Modes
    from bnlint.verify.observing import Observer
    from bnlint.verify.recorder import Flags, Happening, LayerCall
    from bnlint.verify.repeats import Repeats
    from bnlint.verify.sharing import Sharing
    from bnlint.verify.single import Single
    from bnlint.verify.sizes import Sizes
    from bnlint.verify.stage import Stage


STILL = 1e-7
"""What has moved by less has not moved: untouched weights are equal bit by bit, and a float32 of the size of 1 moves by 1.2e-7 at least."""


_MOST_LAYERS = 6
"""Layers made at one place are alike: it is enough to look at some."""


class Inconclusive(Exception):
    """An experiment cannot decide; the message says why.

    ``shape`` tells whether another input shape may help, ``final`` that nothing will, so that no other run is tried.
    """

    def __init__(self, message: str, shape: bool = False, final: bool = False) -> None:
        super().__init__(message)
        self.shape, self.final = shape, final


class NeedsCourse(Exception):
    """An experiment asks how the user's code trains, in a run in which it did not."""


class NeedsData(Exception):
    """An experiment asks for the user's data, in a run that left them out."""


class Bench:
    """The live layers, calls, models and events of one finding.

    Whatever is asked for and is not there raises :class:`Inconclusive`, so that an experiment reads as what it measures.
    Models are shared between the experiments of a stage only within one finding; weights may be changed.
    """

    def __init__(self, stage: Stage, index: int, question: Question) -> None:
        self.stage, self.question, self._index = stage, question, index
        self.recording, self.trainer = stage.recording, stage.trainer

    @cached_property
    def modes(self) -> Modes:
        """Questions about the mode that normalizations run in."""
        from bnlint.verify.modes import Modes

        return Modes(self)

    @cached_property
    def repeats(self) -> Repeats:
        """Questions about single calls at the place."""
        from bnlint.verify.repeats import Repeats

        return Repeats(self)

    def untold(self) -> Verdict:
        """Whether normalizations that the ``call`` at the place does not tell the mode run in another one than the model."""
        from bnlint.verify.untold import Untold

        return Untold(self).verdict()

    def copied(self) -> Verdict:
        """Whether what copies, averages or saves a model's weights at the place leaves its moving statistics out."""
        from bnlint.verify.copied import Copied

        return Copied(self).verdict()

    def learning_phase(self) -> Verdict:
        """Whether the use of a global learning phase at the place raises, or has no effect."""
        from bnlint.verify.phase import Phase

        return Phase(self).verdict()

    # Verdicts

    def decided(self, confirmed: bool, reason: str, **measured: float) -> Verdict:
        """Confirmed or refuted, with what was measured in words and numbers."""
        return self._verdict("confirmed" if confirmed else "refuted", reason, measured)

    def _verdict(self, status: Status, reason: str, measured: Mapping[str, float]) -> Verdict:
        notes = f" ({'; '.join(self.recording.notes)})" if self.recording.notes else ""
        return Verdict(status, reason + notes, {name: float(value) for name, value in measured.items()})

    # The place

    @property
    def span(self) -> Span:
        """The finding's place."""
        return self.question.span

    @property
    def reached(self) -> list[int]:
        """The times at which the code came to the place."""
        return self.recording.reached.get(self._index, [])

    def since(self) -> int:
        """The first time the code came to the place."""
        if not self.reached:
            raise Inconclusive("the code does not come to this place")
        return self.reached[0]

    def written(self, span: Span | None = None) -> Written:
        """What is written at the place, and what it is worth there."""
        from bnlint.verify.expressions import Written

        scopes = self.recording.scopes.get(self._index, []) if span is None else []
        return Written(self.stage.job.text, span or self.span, scopes or [self.stage.namespace])

    def value(self, node: ast.expr) -> Any:
        """What an expression at the place is worth; raises Inconclusive where it cannot be evaluated."""
        from bnlint.verify.expressions import Unknowable

        try:
            return self.written().value(node)
        except Unknowable as error:
            raise Inconclusive(str(error)) from error

    def happened(self, *kinds: str) -> list[Happening]:
        """What happened of the kinds at the place, in order; nothing where nothing did."""
        return self._at([each for each in self.recording.happenings if each.kind in kinds], self.span)

    @property
    def making(self) -> Making:
        """How what stands at the place is constructed or imported."""
        from bnlint.verify.making import Making

        return Making(self)

    @property
    def sizes(self) -> Sizes:
        """On how much data the code at the place trains."""
        from bnlint.verify.sizes import Sizes

        return Sizes(self)

    @property
    def observer(self) -> Observer:
        """What is measured on whole models."""
        from bnlint.verify.observing import Observer

        return Observer(self)

    @staticmethod
    def single(norm: Any) -> Single:
        """What is measured on one fresh normalization with a layer's numbers."""
        from bnlint.verify.single import Single

        return Single(norm)

    @staticmethod
    def is_norm(layer: Any) -> bool:
        """Whether a layer is a batch normalization of Keras or a subclass."""
        from bnlint.verify.objects import is_norm

        return is_norm(layer)

    def failure(self, span: Span | None = None) -> BaseException | None:
        """What was raised by the expression at the place, or below it."""
        from bnlint.verify.places import overlaps

        where = span or self.span
        for failure in self.recording.failures:
            if any(overlaps(place, where) for place in failure.places):
                return failure.error
        return None

    def raised(self, test: Callable[[FrameType], bool], behind: bool = False) -> BaseException | None:
        """What was raised in the lines of the place or a related one, having passed a frame of a library of which something is true.

        ``behind``: also what was raised elsewhere after the code had come to the place.
        """
        from bnlint.verify.places import overlaps
        from bnlint.verify.raised import passed

        lines = [Span(each.path, each.line, 1, each.end_line + 1, 1) for each in (self.span, *self.question.related)]
        for failure in self.recording.failures:
            near = any(overlaps(place, span) for place in failure.places for span in lines)
            later = behind and self.reached and failure.time > self.reached[0]
            if (near or later) and passed(failure.error, test):
                return failure.error
        return None

    @staticmethod
    def said(error: BaseException) -> str:
        """An exception in one line; of one that Keras tells about in another, the inner one."""
        text = " ".join(str(error).rpartition("Error encountered:")[2].split())
        return f"{type(error).__name__}: {text[:160]}"

    # Layers

    def made_in_runs(self) -> int:
        """How many layers are made at the place while two batches run; raises Inconclusive where not all that may make some was run."""
        from bnlint.verify.reruns import made_in_runs

        return made_in_runs(self)

    def tracked(self, layer: Any) -> tuple[int, int, int] | None:
        """How many of a layer's weights are in the model that calls it, of how many, and how many that has; None if none does."""
        from bnlint.verify.reruns import tracked

        return tracked(self, layer)

    def own_normalization(self) -> Verdict:
        """Whether a batch normalization written by hand has the fault of the place; raises Inconclusive."""
        from bnlint.verify.own_norms import verdict_on

        confirmed, reason, measured = verdict_on(self)
        return self.decided(confirmed, reason, **measured)

    def updates_when_recomputed(self) -> float | None:
        """How far a step moves the statistics in a function recomputed at the place, in forward passes; None where it has none."""
        from bnlint.verify.recomputed import recomputed_at, updates

        known = recomputed_at(self)
        if not known:
            raise Inconclusive("no function that is recomputed because of this place is called")
        found = [each for again in known if (each := updates(self, again)) is not None]
        return max(found, default=None)

    def fit_error(self, words: str) -> str:
        """What a compiled ``fit`` of a model with a layer made at the place raises, which has some words in it; else Inconclusive."""
        layers = [each for span in (self.span, *self.question.related) for each in self._made_in_lines(span)]
        if not layers:
            self.since()
            raise Inconclusive("no layer is made at this place")
        try:
            with self.trainer.traced():
                self.fit(self.model_of(layers[0]))
        except Inconclusive as error:
            if words in str(error):
                return str(error)
            raise
        raise Inconclusive("a fit works")

    def _made_in_lines(self, span: Span) -> list[Any]:
        from bnlint.verify.places import overlaps

        lines = Span(span.path, span.line, 1, span.end_line + 1, 1)
        made = self.recording.constructions
        return [
            each.instance for each in made if any(overlaps(place, lines) for place in each.stack) and self.is_norm(each.instance)
        ]

    def sharing(self, layer: Any, stirred: bool = False) -> Sharing | None:
        """What forward passes in training mode do to a normalization; None where no model applies it."""
        from bnlint.verify.sharing import sharing_of

        return sharing_of(self, layer, stirred)

    @staticmethod
    def build_errors(layer: Any) -> list[Exception]:
        """What building a layer raises on inputs of each rank from 2 to 5; empty where it can be built on one."""
        from bnlint.verify.reruns import build_errors

        return build_errors(layer)

    def used(self, layers: list[Any]) -> Verdict:
        """Whether what the models give depends on layers: confirmed where it does for none, refuted where it does for one."""
        from bnlint.verify.usage import Undecided, use_of

        try:
            uses = [use_of(self.stage, each) for each in layers[:_MOST_LAYERS]]
        except Undecided as error:
            raise Inconclusive(str(error), error.shape) from error
        used = next((each for each in uses if each.used), None)
        change = max(each.change for each in uses)
        return self.decided(used is None, (used or uses[0]).reason, change=change, layers=len(uses))

    def made(self, accept: Callable[[Any], bool] = lambda instance: True, span: Span | None = None) -> list[Any]:
        """The accepted layers constructed at the place; raises Inconclusive if there are none."""
        from bnlint.verify.origins import in_constructor, through_partial

        unfinished = self.recording.unfinished()
        made = [each for each in self.recording.constructions if id(each.instance) not in unfinished]
        accepted = [each for each in made if accept(each.instance)]
        found = self._at(accepted, span or self.span)
        if not found and accepted:
            written = self.written(span)
            found = through_partial(written, accepted) or in_constructor(written, accepted)
        if not found:
            self.since()
            raise Inconclusive(f"no such layer was made at this place{self._because(span)}")
        return [each.instance for each in found]

    def called(self, accept: Callable[[Any], bool] = lambda layer: True, span: Span | None = None) -> list[LayerCall]:
        """The calls of accepted layers at the place; raises Inconclusive if there are none."""
        found = self._at([each for each in self.recording.calls if accept(each.layer)], span or self.span)
        if not found:
            self.since()
            raise Inconclusive(f"no such layer was called at this place{self._because(span)}")
        return found

    def called_at_related(self, accept: Callable[[Any], bool]) -> list[LayerCall]:
        """The calls of accepted layers at the related places; none where there are none."""
        known = [each for each in self.recording.calls if accept(each.layer)]
        return [each for span in self.question.related for each in self._at(known, span)]

    def _because(self, span: Span | None) -> str:
        from bnlint.verify.words import raised

        error = self.failure(span)
        return "" if error is None else f": {raised(error)}"

    def _at(self, records: Iterable[Any], span: Span) -> list[Any]:
        """The records whose innermost places come nearest to a span; records deeper below the place where none does.

        Where the place itself raised, what was made on the way to that is not what the place stands for.
        """
        from bnlint.verify.places import nearest

        known = list(records)
        for depth in range(8 if self.failure(span) is None else 1):
            places = nearest((each.stack[depth] for each in known if len(each.stack) > depth), span)
            found = [each for each in known if len(each.stack) > depth and each.stack[depth] in places]
            if found:
                return found
        return []

    # Models

    def model_of(self, layer: Any) -> Any:
        """The outermost model that holds a layer, built; raises Inconclusive if there is none."""
        model = self.stage.model_of(layer)
        if model is None:
            raise Inconclusive("the layer is in no model that the code builds")
        return self.built(model)

    def models(self) -> list[Any]:
        """All models the code made, outermost and latest first; raises Inconclusive if there are none."""
        found = self.stage.models()
        if not found:
            raise Inconclusive("the code builds no model")
        return found

    def built(self, model: Any) -> Any:
        """The model, called once on a batch where it was not built."""
        from bnlint.verify.training import Untrainable

        try:
            return self.trainer.built(model)
        except Untrainable as error:
            raise Inconclusive(str(error), error.shape) from error

    def batch(self, model: Any, count: int | None = None, seed: int = 7) -> Any:
        """A batch that the model takes."""
        return self.trainer.inputs(model, count, seed)

    def outputs(self, model: Any, batch: Any, training: bool | None = None) -> list[Any]:
        """The model's outputs as arrays in float64; ``training`` is left out where it is None."""
        import numpy as np

        from bnlint.verify.objects import keras_of
        from bnlint.verify.synthetic import leaves, numpy_of

        keras_of(model).utils.set_random_seed(11)
        try:
            result = model(batch) if training is None else model(batch, training=training)
        except TypeError:
            raise Inconclusive("the model's call does not take the mode") from None
        return [np.asarray(each, "float64") for each in leaves(numpy_of(result)) if np.asarray(each).dtype.kind in "fiub"]

    # Training

    def fit(self, model: Any, **keywords: Any) -> list[Flags]:
        """One real, short ``fit``, and what it moved in each layer; raises Inconclusive where the model cannot be trained."""
        from bnlint.verify.training import Untrainable

        try:
            return self.trainer.fit(model, **keywords)
        except Untrainable as error:
            raise Inconclusive(str(error), error.shape) from error

    def events(self, *kinds: str, after: int = 0) -> list[Happening]:
        """What happened of the kinds (``compile``, ``fit``, ``trainable``, ...) after a time, in order.

        The user's trainings and evaluations are run only where they are asked for.
        """
        if not self.stage.trains and not {*TRAINING, *EVALUATION}.isdisjoint(kinds):
            raise NeedsCourse
        return [each for each in self.recording.happenings if each.kind in kinds and each.time >= after]

    def layers_with_call(self) -> list[Any]:
        """The layers and models made whose class has, or inherits, the function at the place."""
        return [each.instance for each in self.recording.constructions if self._defines(type(each.instance))]

    def model_with_call(self) -> Any:
        """The model, outermost and latest first, whose class has or inherits the function at the place; raises Inconclusive."""
        for model in self.models():
            if self._defines(type(model)):
                return self.built(model)
        raise Inconclusive("no model of this class is built by the code")

    def _defines(self, cls: type) -> bool:
        for owner in cls.__mro__:
            for name in ("call", "train_step", "test_step", "__call__"):
                code = _code_of(vars(owner).get(name))
                if code is not None and code.co_filename == self.span.path and _covers(code, self.span.line):
                    return True
        return False

    def moved(self, norms: list[Flags], flags: list[Flags], still: bool) -> Verdict:
        """Whether statistics stood still (or moved) in a training that moved other weights."""
        if not norms:
            raise Inconclusive("there is no trainable batch normalization in the model")
        statistics = max(each.statistics_moved or 0.0 for each in norms)
        least = min(each.statistics_moved or 0.0 for each in norms)
        if least <= STILL < statistics:
            raise Inconclusive(f"one fit moves some moving statistics by {statistics:.2g}, and others by {least:.2g}")
        weights = max((each.weights_moved or 0.0 for each in flags), default=0.0)
        if weights <= STILL and statistics <= STILL:
            raise Inconclusive("the training moves no weight at all")
        reason = f"one fit moves the moving statistics by {statistics:.2g} and the weights by {weights:.2g}"
        return self.decided((statistics <= STILL) == still, reason, statistics=statistics, weights=weights)

    # Weights and outputs

    @contextmanager
    def restored(self, model: Any) -> Iterator[None]:
        """Put the model's weights back behind the block."""
        from bnlint.verify.objects import Snapshot

        snapshot = Snapshot(model)
        try:
            yield
        finally:
            snapshot.restore()

    @staticmethod
    def bias_of(layer: Any) -> Any | None:
        """A layer's bias variable, also that of the layer in a wrapper."""
        inner = getattr(layer, "layer", layer)
        bias = getattr(inner, "bias", None)
        return bias if hasattr(bias, "assign") else None

    @staticmethod
    def shift(variable: Any, by: float) -> None:
        """Add to a variable a constant and, different for each element, up to half of it."""
        import numpy as np

        from bnlint.verify.synthetic import numpy_of

        value = numpy_of(variable)
        variable.assign(value + by * (1 + np.random.default_rng(5).uniform(-0.5, 0.5, value.shape)))

    @staticmethod
    def relative_change(before: list[Any], after: list[Any]) -> float:
        """The largest change of any output, as a share of the outputs' scale."""
        import numpy as np

        scale = max((float(np.max(np.abs(each))) for each in before if each.size), default=0.0)
        change = max((float(np.max(np.abs(b - a))) for b, a in zip(before, after, strict=True) if b.size), default=0.0)
        if not np.isfinite(change):
            raise Inconclusive("the outputs are not finite")
        return change / (scale + 1e-12)


def _code_of(function: Any) -> Any | None:
    """The code of a function, also of one that is decorated."""
    for name in ("python_function", "__wrapped__"):
        function = getattr(function, name, function)
    return getattr(function, "__code__", None)


def _covers(code: Any, line: int) -> bool:
    lines = [each[2] for each in code.co_lines() if each[2]]
    return bool(min(code.co_firstlineno, *lines) <= line <= max(lines))
