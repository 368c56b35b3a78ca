"""Which normalizations a ``call`` leaves without a mode of their own, and in which mode these then run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bnlint.finding import Verdict
from bnlint.verify.bench import STILL, Inconclusive
from bnlint.verify.modes import ABSENT, Modes, Watched, given
from bnlint.verify.objects import backend_in_use, difference, statistics
from bnlint.verify.replay import tensors
from bnlint.verify.synthetic import numpy_of

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench
    from bnlint.verify.recorder import LayerCall


class Untold:
    """The question of one finding about a ``call`` that does not hand on its mode."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.modes = bench, Modes(bench)
        self.lines, self.path = self.modes.around.lines, bench.span.path

    def verdict(self) -> Verdict:
        """Whether normalizations that are not told run in another mode than the model; raises Inconclusive."""
        ran = False
        for model in self.modes.models():
            fitted = self.modes.fit(model)
            if not any(self._in_function(each) for each in fitted.calls):
                continue
            ran = True
            left = self.norms(fitted)
            if left and (verdict := self._of(fitted, left)) is not None:
                return verdict
        if not ran:
            raise Inconclusive("no model that the code builds runs this call in a fit")
        wanted, found = self.bench.stage.job.environment.backend, backend_in_use()
        if wanted != found:
            raise Inconclusive(f"the code is for {wanted}, whose fit passes no mode on, and runs on {found} here", final=True)
        return self.bench.decided(False, "the call says the mode to every batch normalization that it reaches")

    def _of(self, fitted: Watched, left: list[Any]) -> Verdict | None:
        still = min(fitted.moved[id(each)] for each in left)
        if still <= STILL < fitted.weights:
            reason = f"one fit moves moving statistics that are not told the mode by {still:.2g}, and other weights by {fitted.weights:.2g}"
            return self.bench.decided(True, reason, statistics=still, weights=fitted.weights)
        predicted = self.modes.predict(fitted.model)
        moved = max(predicted.moved[id(each)] for each in left)
        if moved > STILL:
            reason = f"one predict moves moving statistics that are not told the mode by {moved:.2g}"
            return self.bench.decided(True, reason, statistics=moved, dependence=predicted.dependence)
        stateless = min(self.stateless(fitted.model, left))
        if stateless <= STILL:
            reason = (
                f"stateless_call(training=True), which fit on JAX makes, moves moving statistics by {stateless:.2g}, "
                f"and one fit on this backend by {still:.2g}"
            )
            return self.bench.decided(True, reason, statistics=stateless, fit=still)
        raise Inconclusive(
            f"Keras passes the mode on by itself: one fit moves the moving statistics by {still:.2g}, predict by {moved:.2g}, "
            f"stateless_call by {stateless:.2g}",
            final=True,
        )

    def norms(self, watched: Watched) -> list[Any]:
        """The trainable normalizations that the function calls, through whatever, without saying a mode."""
        own = [each for each in watched.calls if id(each.layer) in watched.moved and each.layer.trainable]
        return list({id(each.layer): each.layer for each in own if self._is_untold(each)}.values())

    def _is_untold(self, call: LayerCall) -> bool:
        each: LayerCall | None = call
        while each is not None:
            if each.direct and given(each) is not ABSENT:
                return False
            if self._in_function(each):
                return True
            each = each.parent
        return False

    def _in_function(self, call: LayerCall) -> bool:
        """Whether the function itself, or helpers of it, make a call."""
        outer = len(call.parent.stack) if call.parent is not None else 0
        own = call.stack[: len(call.stack) - outer]
        return any(place.path == self.path and self.lines[0] <= place.line <= self.lines[1] for place in own)

    def stateless(self, model: Any, norms: Iterable[Any]) -> list[float]:
        """How far each normalization's statistics are moved by a ``stateless_call`` of the model in training mode."""
        if not hasattr(model, "stateless_call"):
            raise Inconclusive("Keras 2 passes the mode on by itself", final=True)
        state = [numpy_of(each) for each in model.non_trainable_variables]
        trained = [each.value for each in model.trainable_variables]
        try:
            batch = tensors(model, self.bench.batch(model))
            _, after = model.stateless_call(trained, tensors(model, state), batch, training=True)
        except Exception as error:
            raise Inconclusive(f"stateless_call fails: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        changed = {id(variable): numpy_of(value) for variable, value in zip(model.non_trainable_variables, after, strict=True)}
        return [
            difference(statistics(each), [changed[id(each.moving_mean)], changed[id(each.moving_variance)]]) for each in norms
        ]
