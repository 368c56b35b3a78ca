"""Batch normalization written down in numpy, to check that what Keras does in an experiment is what its page says.

Everything is computed in float64. Where the generations of Keras differ, :attr:`Reference.bessel` says which is meant;
renormalization, virtual batches and several replicas are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, log, log1p, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Axis = int | Sequence[int]

MASKED_COUNT_EPSILON = 1e-7
"""What Keras 3 adds to the number of unmasked elements (``keras.config.epsilon()``)."""


class Moments(NamedTuple):
    """Mean and biased variance per channel, and how many elements a channel has."""

    mean: Array
    variance: Array
    elements: float


def moments(x: ArrayLike, axis: Axis = -1, mask: ArrayLike | None = None, count_epsilon: float = 0.0) -> Moments:
    """The moments of a batch, over all axes but ``axis``.

    ``mask`` has the shape of ``x`` without its last axis; what is false there does not count.
    """
    values = np.asarray(x, np.float64)
    others = _others(values.ndim, axis)
    if mask is None:
        count = float(np.prod([values.shape[each] for each in others]))
        return Moments(values.mean(others), values.var(others), count)
    weights = np.broadcast_to(np.asarray(mask, bool)[..., None], values.shape).astype(np.float64)
    count = weights.sum(others, keepdims=True) + count_epsilon
    mean = (values * weights).sum(others, keepdims=True) / count
    variance = ((values - mean) ** 2 * weights).sum(others, keepdims=True) / count
    return Moments(mean.squeeze(others), variance.squeeze(others), float(count.flat[0]))


def normalized(
    x: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    *,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    axis: Axis = -1,
    epsilon: float = 1e-3,
) -> Array:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, the statistics and weights lying along ``axis``."""
    values = np.asarray(x, np.float64)
    others = _others(values.ndim, axis)

    def along(weight: ArrayLike) -> Array:
        shape = [1 if each in others else size for each, size in enumerate(values.shape)]
        return np.asarray(weight, np.float64).reshape(shape)

    result = (values - along(mean)) / np.sqrt(along(variance) + epsilon)
    if gamma is not None:
        result = result * along(gamma)
    return result if beta is None else result + along(beta)


@dataclass(frozen=True)
class Reference:
    """A layer of batch normalization: what it computes in each mode, and what becomes of its moving statistics.

    ``gamma`` is None with ``scale=False``, ``beta`` with ``center=False``. With ``bessel`` the variance that enters the
    moving variance is multiplied by n / (n - 1), n being the number of elements a channel has in the batch: so does the
    fused kernel that Keras 2 takes for inputs of rank 4 and 5. The output is normalized with the biased variance anyway.
    """

    moving_mean: Array
    moving_variance: Array
    gamma: Array | None = None
    beta: Array | None = None
    axis: Axis = -1
    momentum: float = 0.99
    epsilon: float = 1e-3
    bessel: bool = False
    count_epsilon: float = 0.0

    @classmethod
    def initial(cls, channels: int, **options: Any) -> Reference:
        """A new layer: moving mean and beta 0, moving variance and gamma 1."""
        zeros, ones = np.zeros(channels), np.ones(channels)
        return cls(**{"moving_mean": zeros, "moving_variance": ones, "gamma": ones, "beta": zeros} | options)

    @classmethod
    def of_layer(cls, layer: Any, weights: Mapping[str, ArrayLike] | None = None) -> Reference:
        """What a built ``BatchNormalization`` of Keras 2 or 3 should do; raises ValueError where that is not written here.

        ``weights`` are its weights by the names that Keras gives them, where they are at hand already.
        """
        from bnlint.verify.live import to_array

        if getattr(layer, "renorm", False) or getattr(layer, "virtual_batch_size", None) or getattr(layer, "adjustment", None):
            raise ValueError(f"{layer.name}: the reference knows no renorm, virtual_batch_size or adjustment")
        if getattr(layer, "moving_mean", None) is None:
            raise ValueError(f"{layer.name} is not built; call it or its model once")

        def weight(name: str) -> Array | None:
            variable = getattr(layer, name) if weights is None else weights.get(name)
            return None if variable is None else to_array(variable)

        mean, variance = weight("moving_mean"), weight("moving_variance")
        assert mean is not None and variance is not None
        fused = hasattr(layer, "fused")  # Keras 3 has no such attribute
        return cls(
            mean,
            variance,
            weight("gamma") if layer.scale else None,
            weight("beta") if layer.center else None,
            layer.axis if isinstance(layer.axis, int) else tuple(layer.axis),
            float(layer.momentum),
            float(layer.epsilon),
            bessel=bool(fused and layer.fused),
            count_epsilon=0.0 if fused else MASKED_COUNT_EPSILON,
        )

    def inference(self, x: ArrayLike) -> Array:
        """The output in inference mode: normalized with the moving statistics. A frozen layer has this mode only."""
        return self._normalized(x, self.moving_mean, self.moving_variance)

    def training(self, x: ArrayLike, mask: ArrayLike | None = None) -> tuple[Array, Reference]:
        """The output in training mode, normalized with the batch's own statistics, and the layer after its update.

        The fused kernel of Keras 2 does not look at masks.
        """
        batch = moments(x, self.axis, None if self.bessel else mask, self.count_epsilon)
        output = self._normalized(x, batch.mean, batch.variance)
        seen = batch.variance * (batch.elements / max(batch.elements - 1, 1)) if self.bessel else batch.variance
        return output, replace(
            self,
            moving_mean=self._moved(self.moving_mean, batch.mean),
            moving_variance=self._moved(self.moving_variance, seen),
        )

    def _normalized(self, x: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> Array:
        return normalized(x, mean, variance, gamma=self.gamma, beta=self.beta, axis=self.axis, epsilon=self.epsilon)

    def _moved(self, moving: Array, seen: Array) -> Array:
        return moving * self.momentum + seen.reshape(moving.shape) * (1.0 - self.momentum)


def steps_to_settle(momentum: float, left: float = 0.05) -> float:
    """How many updates it takes until the share ``left`` of the initial moving statistics remains; infinite from 1 on."""
    if momentum <= 0:
        return 1
    if momentum >= 1:
        return inf
    # Just below 1 the logarithm of the momentum is rounded away.
    return ceil(log(left) / (log1p(momentum - 1) if momentum > 0.5 else log(momentum)))


def settled_noise(momentum: float) -> float:
    """The noise of a settled moving mean, as a share of the standard deviation of one batch's mean."""
    return sqrt((1 - momentum) / (1 + momentum)) if -1 < momentum < 1 else (0.0 if momentum == 1 else inf)


def _others(rank: int, axis: Axis) -> tuple[int, ...]:
    """The axes that are reduced."""
    kept = {each % rank for each in ([axis] if isinstance(axis, int) else axis)}
    return tuple(each for each in range(rank) if each not in kept)
