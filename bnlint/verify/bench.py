"""What an experiment works with, in the child process: the live objects that belong to one finding."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bnlint.finding import Span, Verdict
from bnlint.verify.on_models import STILL, OnModels
from bnlint.verify.undecided import Inconclusive, NeedsCourse, NeedsData

if TYPE_CHECKING:
    from bnlint.verify.making import Making
    from bnlint.verify.modes import Modes
    from bnlint.verify.observing import Observer
    from bnlint.verify.recorder import LayerCall
    from bnlint.verify.repeats import Repeats
    from bnlint.verify.sharing import Sharing
    from bnlint.verify.single import Single
    from bnlint.verify.sizes import Sizes

__all__ = ["STILL", "Bench", "Inconclusive", "NeedsCourse", "NeedsData"]

_MOST_LAYERS = 6
"""Layers made at one place are alike: it is enough to look at some."""


class Bench(OnModels):
    """The live layers, calls, models and events of one finding.

    Whatever is asked for and is not there raises :class:`Inconclusive`, so that an experiment reads as what it measures.
    Models are shared between the experiments of a stage only within one finding; weights may be changed.
    """

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
        found = self.at(accepted, span or self.span)
        if not found and accepted:
            written = self.written(span)
            found = through_partial(written, accepted) or in_constructor(written, accepted)
        if not found:
            self.since()
            raise Inconclusive(f"no such layer was made at this place{self.because(span)}")
        return [each.instance for each in found]

    def called(self, accept: Callable[[Any], bool] = lambda layer: True, span: Span | None = None) -> list[LayerCall]:
        """The calls of accepted layers at the place; raises Inconclusive if there are none."""
        found = self.at([each for each in self.recording.calls if accept(each.layer)], span or self.span)
        if not found:
            self.since()
            raise Inconclusive(f"no such layer was called at this place{self.because(span)}")
        return found

    def called_at_related(self, accept: Callable[[Any], bool]) -> list[LayerCall]:
        """The calls of accepted layers at the related places; none where there are none."""
        known = [each for each in self.recording.calls if accept(each.layer)]
        return [each for span in self.question.related for each in self.at(known, span)]

    def layers_with_call(self) -> list[Any]:
        """The layers and models made whose class has, or inherits, the function at the place."""
        return [each.instance for each in self.recording.constructions if self.defines(type(each.instance))]
