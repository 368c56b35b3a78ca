"""Single calls of the user's, seen while they happened or made again: what they do to moving statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnlint.finding import Verdict
from bnlint.verify.bench import STILL, Inconclusive
from bnlint.verify.methods import EVALUATION, TRAINING
from bnlint.verify.modes import Modes, given
from bnlint.verify.objects import norms_of
from bnlint.verify.replay import Replay, batch_like, repeat, replay, step

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench
    from bnlint.verify.recorder import LayerCall

_MOST_CALLS = 6


class Repeats:
    """Questions of one finding about single calls; each raises Inconclusive where it cannot be answered."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.modes = bench, Modes(bench)

    def evaluation(self) -> Verdict:
        """Whether a call at the place, made again in its own mode, moves statistics and is in training mode."""
        calls = self._calls()
        told = [each for each in calls if given(each) is True]
        repeats = [_again(each, each.keywords) for each in (told or calls)[:_MOST_CALLS]]
        worst = max(repeats, key=lambda each: each.moved)
        if worst.moved > STILL and not told:
            raise Inconclusive("the call moves the statistics, but not for the mode that it is given here")
        if worst.moved <= STILL:
            self.modes.covered()
        return self._decided(worst.moved > STILL, "this call", worst)

    def bare(self) -> Verdict:
        """Whether layers that run the ``call`` at the place move statistics when they are called without a mode."""
        self.modes.models()
        layers = [each for each in self.bench.layers_with_call() if any(norm.trainable for norm in norms_of(each))]
        calls = [call for layer in layers if (call := self._call_of(layer)) is not None]
        if not calls:
            raise Inconclusive("no layer of this class with a trainable batch normalization is called")
        repeats = []
        for each in calls[:_MOST_CALLS]:
            each.arguments = tuple(value for value in each.arguments if not isinstance(value, bool))
            repeats.append(_again(each, {name: value for name, value in each.keywords.items() if name != "training"}))
        worst = max(repeats, key=lambda each: each.moved)
        if worst.moved <= STILL:
            self.modes.covered()
        return self._decided(worst.moved > STILL, "one bare call", worst)

    def in_step(self) -> Verdict:
        """Whether a call under a tape leaves statistics alone while the layer's other weights are moved behind it."""
        seen = [each for each in self._calls() if each.effect is not None]
        taped = [each for each in seen if each.effect is not None and each.effect.taped]
        if not taped:
            raise Inconclusive("no gradient is taken of a call at this place")
        moved, learnt, idle = 0.0, 0.0, None
        for call in taped:
            assert call.effect is not None
            moves = call.effect.moved.values()
            moved, learnt = max(moves), call.effect.learnt_since()
            if moved <= STILL < learnt:
                return self._step(True, moved, learnt)
            if min(moves) <= STILL and given(call) is not True:
                idle = idle or call
        if idle is not None:
            return self._made_up_step(idle)
        self.modes.covered()
        return self._step(False, moved, learnt)

    def _made_up_step(self, call: LayerCall) -> Verdict:
        """A step through a call whose own step did not get as far as the update that the finding names."""
        if not self.bench.question.related:
            raise Inconclusive("the call moves no statistics, but no weight of the layer is moved behind it either")
        try:
            moved, learnt = step(call)
        except Exception as error:
            raise Inconclusive(
                f"the step cannot be made: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            ) from error
        if not moved <= STILL < learnt:
            raise Inconclusive("the step leaves only some of the statistics alone")
        self.bench.recording.note("the step is made up, for the code's own could not be run to its end")
        return self._step(True, moved, learnt)

    def refused_by_position(self) -> Verdict:
        """Whether Keras refuses a bool in place of the flag that stands by position in a call at the place."""
        calls = self._calls()
        flagged = [each for each in calls if any(_is_flag(value) for value in each.arguments[1:])]
        for call in flagged[:_MOST_CALLS]:
            for flag in (True, False):
                arguments = [batch_like(value, 1) for value in call.arguments[:1]]
                arguments += [flag if _is_flag(value) else batch_like(value, 1) for value in call.arguments[1:]]
                try:
                    repeat(call.layer, arguments, call.keywords)
                except ValueError as error:
                    if "positional" in str(error):
                        return self.bench.decided(True, f"the call with {flag} raises ValueError: {_first_sentence(error)}")
                    raise
        what = "the call goes through with True and with False" if flagged else "the call is given no flag by position"
        return self.bench.decided(False, what)

    def _calls(self) -> list[LayerCall]:
        calls = self.modes.calls()
        if not calls:
            if any(each.kind in (*TRAINING, *EVALUATION) for each in self.bench.recording.happenings):
                self.bench.events(*TRAINING)  # steps and callbacks of the user's own run where these do
            self.bench.since()
            raise Inconclusive("no layer with batch normalization is called at this place")
        return calls

    def _call_of(self, layer: Any) -> LayerCall | None:
        return next((each for each in reversed(self.modes.stage.recording.calls) if each.layer is layer), None)

    def _decided(self, confirmed: bool, what: str, seen: Replay) -> Verdict:
        return self.bench.decided(
            confirmed,
            f"{what} moves the moving statistics by {seen.moved:.2g}, and the output of one sample changes by "
            f"{seen.dependence:.2g} of its scale with its batch mates",
            statistics=seen.moved,
            dependence=seen.dependence,
        )

    def _step(self, confirmed: bool, statistics: float, weights: float) -> Verdict:
        reason = (
            f"the call moves the moving statistics by {statistics:.2g}, and the step behind it other weights by {weights:.2g}"
        )
        return self.bench.decided(confirmed, reason, statistics=statistics, weights=weights)


def _again(call: LayerCall, keywords: dict[str, Any]) -> Replay:
    try:
        return replay(call, keywords)
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise Inconclusive(f"the call cannot be made again: {type(error).__name__}: {said}") from error


def _is_flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split()).partition(". ")[0]
