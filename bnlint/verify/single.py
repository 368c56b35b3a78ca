"""Experiments on one fresh batch normalization with the numbers of one of the code's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnlint.verify.live import to_array
from bnlint.verify.objects import keras_of
from bnlint.verify.passes import tensors_like
from bnlint.verify.reference import Array, Reference, moments

MEAN, SD = 5.0, 3.0
"""The data's: away from the initial 0 and 1."""
CHANNELS = 32


class Single:
    """Experiments on a fresh batch normalization of the same Keras with a layer's momentum, epsilon and dtype."""

    def __init__(self, norm: Any) -> None:
        self.norm = norm

    def fresh(self, **changes: Any) -> Any:
        """The fresh layer; ``changes`` are other arguments."""
        norm = self.norm
        given = {"momentum": norm.momentum, "epsilon": norm.epsilon, "dtype": getattr(norm, "dtype_policy", None) or norm.dtype}
        return keras_of(norm).layers.BatchNormalization(**{**given, **changes})

    def momentum_course(self, steps: int = 150) -> dict[str, float]:
        """What the moving statistics of a layer with this momentum do on batches of 32.

        ``moved``: how far the mean is on its way from its start to the data's after the last step (1: there; below 0: farther away).
        ``noise``: its standard deviation from step to step in the second half, as a share of that of the batches' own means,
        in channels that start at the data's mean. ``variance``: the lowest moving variance.
        """
        layer = self.fresh(dtype="float32")
        rng = np.random.default_rng(0)
        _train(layer, np.zeros((2, 2 * CHANNELS)))
        start = np.repeat([0.0, MEAN], CHANNELS)
        layer.moving_mean.assign(start.astype("float32"))
        layer.moving_variance.assign(np.repeat([1.0, SD**2], CHANNELS).astype("float32"))
        course, own, lowest = [], [], np.inf
        for _ in range(steps):
            batch = rng.normal(MEAN, SD, (32, 2 * CHANNELS))
            _train(layer, batch)
            course.append(to_array(layer.moving_mean))
            own.append(batch.mean(axis=0))
            lowest = min(lowest, float(to_array(layer.moving_variance).min()))
            if not np.all(np.abs(course[-1]) < 1e6):
                break
        half = len(course) // 2
        spread, other = (np.std(each[half:], axis=0)[CHANNELS:] for each in (course, own))
        return {
            "moved": float(np.mean(course[-1][:CHANNELS])) / MEAN,
            "noise": float(np.mean(spread) / np.mean(other)),
            "variance": lowest,
        }

    def epsilon_outputs(self) -> dict[str, float]:
        """What a layer with this epsilon makes of channels without and with little variance, in training mode and float64.

        ``rounding``: the largest output for a channel of 100 in which half of the values are the next number of float32 (not a number,
        where one comes out). ``narrow``: the standard deviation of the output for a channel whose own is 0.1.
        """
        layer = self.fresh(dtype="float64")

        def call(values: Array) -> Array:
            return to_array(layer(tensors_like(layer, values), training=True))

        next_one = float(np.nextafter(np.float32(100.0), np.float32(200.0)))
        flat = np.tile(np.array([[100.0], [next_one]]), (16, 2))
        narrow = np.tile(np.array([[0.1], [-0.1]]), (16, 2))
        return {"rounding": float(np.max(np.abs(call(flat)))), "narrow": float(np.std(call(narrow)))}

    def stalled(self) -> dict[str, float]:
        """Where the moving statistics of a layer of this dtype and momentum stop, on the same batch over and over.

        ``error``: the largest distance from what the same course gives in float64, as a share of the batch's own statistic.
        """
        layer = self.fresh()
        momentum = float(self.norm.momentum)
        steps = int(min(2000, max(100, 5 / (1 - momentum)))) if momentum < 1 else 100
        # Multiples of an eighth are exact in every dtype, so that all courses are on the same numbers.
        batch = np.round(np.random.default_rng(0).normal(MEAN, SD, (64, CHANNELS)) * 8) / 8
        for _ in range(steps):
            _train(layer, batch)
        expected = Reference.initial(CHANNELS, momentum=momentum)
        for _ in range(steps):
            expected = expected.training(batch)[1]
        own = moments(batch)
        pairs = (
            (to_array(layer.moving_mean), expected.moving_mean, own.mean),
            (to_array(layer.moving_variance), expected.moving_variance, own.variance),
        )
        error = max(float(np.max(np.abs(a - b) / np.abs(c))) for a, b, c in pairs)
        return {
            "steps": float(steps),
            "error": error,
            "variance": float(to_array(layer.moving_variance).mean()),
            "expected": float(expected.moving_variance.mean()),
        }


def _train(norm: Any, batch: Array) -> Array:
    return to_array(norm(tensors_like(norm, batch.astype("float32")), training=True))
