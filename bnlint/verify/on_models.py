"""What experiments do with the models of a run: call them, train them, and compare what they give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bnlint.finding import Verdict
from bnlint.verify.at_place import AtPlace
from bnlint.verify.methods import EVALUATION, TRAINING
from bnlint.verify.undecided import Inconclusive, NeedsCourse

if TYPE_CHECKING:
    from bnlint.verify.recorder import Flags, Happening

STILL = 1e-7
"""What has moved by less has not moved: untouched weights are equal bit by bit, and a float32 of the size of 1 moves by 1.2e-7 at least."""


class OnModels(AtPlace):
    """The models of a run, outermost first, and what is done with them for one question."""

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

    def model_with_call(self) -> Any:
        """The model, outermost and latest first, whose class has or inherits the function at the place; raises Inconclusive."""
        for model in self.models():
            if self.defines(type(model)):
                return self.built(model)
        raise Inconclusive("no model of this class is built by the code")

    def defines(self, cls: type) -> bool:
        """Whether a class has, or inherits, the function at the place as one that Keras calls."""
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
