"""Batch statistics against moving statistics, for each application of a normalization in one forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnlint.verify.bench import Inconclusive
from bnlint.verify.objects import Snapshot, layers_of, statistics
from bnlint.verify.synthetic import numpy_of

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench

_PASSES = 8
_MOMENTUM = 0.9
_MODELS = 4


class Sharing(NamedTuple):
    """How often a normalization is applied in a forward pass, to how many different tensors, and how far the moving statistics are off.

    ``gap`` is that of the application they fit worst, in standard deviations; ``noise`` what it would be were all one tensor.
    """

    applications: int
    tensors: int
    gap: float
    noise: float


def sharing_of(bench: Bench, layer: Any, stirred: bool) -> Sharing | None:
    """What one model's forward passes in training mode do to a normalization; None where no model applies it.

    The moving statistics are Keras's own, after passes over other batches each; ``stirred``: with the trainable weights
    as a training may leave them, no longer equal for all channels.
    """
    models = bench.stage.own_models()
    holders = [each for each in models if any(inner is layer for inner in layers_of(each))]
    for model in (holders or models)[:_MODELS]:
        bench.built(model)
        snapshot = Snapshot(model)
        momentum, layer.momentum = layer.momentum, _MOMENTUM
        try:
            if stirred:
                _stir(model)
            first = _inputs(bench, model, layer, 0)
            if not first:
                continue
            _begin(layer, first)
            return _compared([_inputs(bench, model, layer, seed) for seed in range(1, _PASSES + 1)], layer)
        finally:
            layer.momentum = momentum
            snapshot.restore()
    return None


def _stir(model: Any) -> None:
    rng = np.random.default_rng(29)
    for each in model.trainable_weights:
        value = numpy_of(each)
        spread = 0.3 if value.ndim < 2 else 0.0
        each.assign((value + spread * rng.normal(size=value.shape)).astype(value.dtype))


def _begin(layer: Any, first: list[tuple[int, Any, Any]]) -> None:
    """Moving statistics that are already near to where they settle, so that a few passes are enough."""
    layer.moving_mean.assign(np.mean([each[1] for each in first], 0).astype("float32"))
    layer.moving_variance.assign(np.mean([each[2] for each in first], 0).astype("float32"))


def _inputs(bench: Bench, model: Any, layer: Any, seed: int) -> list[tuple[int, Any, Any]]:
    """For each application in one pass: which tensor it was, its batch mean and variance by channel."""
    with bench.stage.watched() as recording:
        try:
            bench.outputs(model, bench.batch(model, seed=seed), training=True)
        except Inconclusive:
            bench.outputs(model, bench.batch(model, seed=seed))
    calls = [each for each in recording.calls if each.layer is layer]
    return [(id(each.arguments[0]), *_moments(numpy_of(each.arguments[0]), layer.axis)) for each in calls if each.arguments]


def _moments(value: Any, axis: Any) -> tuple[Any, Any]:
    channels = axis[0] if isinstance(axis, (list, tuple)) else axis
    others = tuple(each for each in range(value.ndim) if each != channels % value.ndim)
    value = value.astype("float64")
    return value.mean(others), value.var(others)


def _compared(passes: list[list[tuple[int, Any, Any]]], layer: Any) -> Sharing:
    count = min(len(each) for each in passes)
    tensors = len({each[0] for each in passes[0]})
    moving_mean, moving_variance = (each.astype("float64") for each in statistics(layer))
    scale = np.sqrt(moving_variance + layer.epsilon)
    gaps, noises = [], []
    for index in range(count):
        means = np.stack([each[index][1] for each in passes])
        variances = np.stack([each[index][2] for each in passes])
        gaps.append(_rms((means.mean(0) - moving_mean) / scale, np.sqrt(variances.mean(0) + layer.epsilon) / scale - 1))
        noises.append(_rms((means - means.mean(0)) / scale))
    return Sharing(count, tensors, max(gaps), max(noises))


def _rms(*parts: Any) -> float:
    return float(np.sqrt(sum(np.mean(np.square(each)) for each in parts)))
