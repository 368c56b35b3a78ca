"""Really train and ask a model for a few steps, so that nothing of it stays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from bnlint.verify.live import Live, to_array
from bnlint.verify.norm_calls import NormCall, Recorder, tensors_of
from bnlint.verify.reference import Array
from bnlint.verify.samples import Samples
from bnlint.verify.synthetic import leaves, mapped
from bnlint.verify.unchanged import Undo, state_variables, twin_of, unchanged

LEARNING_RATE = 1e-3
"""Of the plain gradient descent in the trial: the weights that learn show it, and nothing runs away in four steps."""


class AuditWarning(UserWarning):
    """A part of an audit could not be done."""


@dataclass(frozen=True)
class Course:
    """What a trial training did: the largest change of each variable by its id, the calls of normalizations, the steps."""

    moved: dict[int, float]
    calls: list[NormCall]
    steps: int

    def change(self, *variables: Any) -> float:
        """The largest change of any of these."""
        return max((self.moved.get(id(variable), 0.0) for variable in variables if variable is not None), default=0.0)


@dataclass
class Trial:
    """The experiments on one model. Each is made at most once, and leaves the model as it was.

    ``own_step`` says that the model's class has a training step or a loss of its own.
    """

    live: Live
    samples: Samples
    strays: list[Undo] = field(default_factory=list)

    @cached_property
    def own_step(self) -> bool:
        base, kind = self.live.keras.Model, type(self.live.model)
        return any(getattr(kind, name) is not getattr(base, name) for name in ("train_step", "compute_loss"))

    @cached_property
    def inference(self) -> tuple[Recorder, float]:
        """``predict`` on two batches that share their first sample, watched; how far the prediction for that sample moves
        when its batch mates change, relative to the largest prediction.
        """
        with Recorder(self.live) as recorder, unchanged(self.live):
            difference = _difference(*self._predict())
        return recorder, difference

    @cached_property
    def bare(self) -> tuple[Recorder, float]:
        """The same for ``model(x)``, called without any mode."""
        with Recorder(self.live) as recorder, unchanged(self.live):
            difference = _difference(*(tensors_of(self.live(x)) for x in self._mates()))
        return recorder, difference

    @cached_property
    def training(self) -> tuple[Recorder, dict[int, float]]:
        """A call ``model(x, training=True)``, watched and measured, and how far it moved each variable."""
        with Recorder(self.live, measured=True) as recorder, unchanged(self.live):
            variables = self._variables()
            before = [to_array(each) for each in variables]
            self.live(self.samples.x, training=True)
            moved = _moved(variables, before)
        return recorder, moved

    @cached_property
    def structure(self) -> Recorder:
        """A call on two samples in which the axes of channels are followed."""
        with Recorder(self.live, axes=True) as recorder, unchanged(self.live):
            self.live(self.samples.first(2).x, training=False)
        return recorder

    @cached_property
    def course(self) -> Course | None:
        """A real ``fit`` of a few steps, or None, with a warning, where the model cannot be trained on these samples."""
        try:
            return self._fit()
        except Exception as error:  # noqa: BLE001 - the model's own code runs here
            message = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            warnings.warn(
                "bnlint could not train the model for a moment, so that BN202, BN203, BN205, BN207, BN210, BN301 and unused "
                f"outputs (BN102) were not looked for; give data=(x, y) that it can be fitted on ({message})",
                AuditWarning,
                stacklevel=2,
            )
            return None

    def outputs(self, training: bool) -> list[Array]:
        """The model's outputs for the samples, always with the same random numbers."""
        with unchanged(self.live, state_variables(self.live, trainable=False)):
            if training and self.live.generation == "2":
                # Random operations of Keras 2 have a state that only a new function begins anew.
                function = import_module("tensorflow").function(lambda x: self.live(x, training=True), autograph=False)
                return tensors_of(function(self.live.tensors(self.samples.x)))
            return tensors_of(self.live(self.samples.x, training=training))

    def _mates(self) -> list[Any]:
        """Two batches of the same size with the same first sample."""
        half = max(2, min(self.samples.batch, self.samples.count - 1))

        def others(array: Any) -> Any:
            return np.concatenate([array[:1], array[-(half - 1) :]])

        return [mapped(self.samples.x, lambda array: array[:half]), mapped(self.samples.x, others)]

    def _predict(self) -> list[list[Array]]:
        twin = self._twin(compiled=self._default("predict_step"))
        return [tensors_of(twin.predict_on_batch(x)) for x in self._mates()]

    def _default(self, name: str) -> bool:
        return getattr(type(self.live.model), name) is getattr(self.live.keras.Model, name)

    def _fit(self) -> Course:
        samples, live = self.samples, self.live
        with Recorder(live) as recorder, unchanged(live), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "gradients do not exist": that is what we look for
            variables = self._variables()
            before = [to_array(each) for each in variables]
            twin = self._twin(compiled=not self.own_step)
            targets = samples.y if self.own_step else None
            twin.fit(samples.x, targets, batch_size=samples.batch, epochs=1, verbose=0, shuffle=False)
            moved = _moved(variables, before)
        return Course(moved, recorder.calls, max(1, samples.count // samples.batch))

    def _variables(self) -> list[Any]:
        return [variable for layer in self.live.layers() for variable in layer.weights]

    def _twin(self, compiled: bool) -> Any:
        """The model under another identity, run eagerly; ``compiled`` by us with a loss on all outputs, or as it was."""
        model = self.live.model
        twin = twin_of(model)
        if compiled or not getattr(model, "optimizer", None):
            vars(twin).update(_compile_loss=None, _compile_metrics=None, compiled_loss=None, compiled_metrics=None)
            optimizer = self.live.keras.optimizers.SGD(LEARNING_RATE)
            self.live.keras.Model.compile(twin, optimizer=optimizer, run_eagerly=True, jit_compile=False)
            vars(twin)["compute_loss"] = self._loss
        else:
            twin.run_eagerly = True
        for function in ("train_function", "test_function", "predict_function"):
            vars(twin)[function] = None
        return twin

    def _loss(self, *args: Any, **kwargs: Any) -> Any:
        """The mean square distance of all outputs from 1: it has a gradient wherever there is one."""
        outputs = kwargs["y_pred"] if "y_pred" in kwargs else args[2]
        if self.live.generation == "2":
            ops = import_module("tensorflow")
            mean, cast = ops.reduce_mean, ops.cast
        else:
            ops = self.live.keras.ops
            mean, cast = ops.mean, ops.cast
        floats = [each for each in leaves(outputs) if "float" in str(each.dtype)]
        return sum(mean(ops.square(cast(each, "float32") - 1.0)) for each in floats)


def _moved(variables: list[Any], before: list[Array]) -> dict[int, float]:
    return {id(each): _largest(to_array(each) - old) for each, old in zip(variables, before, strict=True)}


def _difference(one: list[Array], other: list[Array]) -> float:
    """The largest difference of the first sample's outputs, relative to the largest output."""
    pairs = zip(one, other, strict=True)
    return max((_largest(a[0] - b[0]) / (_largest(a) + 1e-12) for a, b in pairs if a.ndim and b.ndim), default=0.0)


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))
