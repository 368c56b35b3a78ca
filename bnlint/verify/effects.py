"""What one call of a layer did to its moving statistics, and what has become of its weights since."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnlint.verify.objects import Snapshot, difference, norms_of, statistics


@dataclass(eq=False)
class Effect:
    """``moved`` is how far the call moved each trainable normalization's statistics; ``taped`` whether a gradient tape saw it."""

    moved: dict[int, float]
    after: Snapshot
    taped: bool

    def learnt_since(self) -> float:
        """How far trainable weights of the layer have moved since the call."""
        return max((self.after.weights_moved(each) for each in self.after.layers), default=0.0)


def watched_call(layer: Any, call: Callable[[], Any]) -> tuple[Any, Effect | None]:
    """Make a call, and tell its effect; there is none where nothing is computed, or the layer has no trainable normalization."""
    if not _is_eager():
        return call(), None
    before = {id(each): statistics(each) for each in norms_of(layer)}
    taped = _is_taped()
    output = call()
    norms = [each for each in norms_of(layer) if each.trainable and statistics(each)]
    if not norms:
        return output, None
    moved = {id(each): difference(before.get(id(each)) or initial(each), statistics(each)) for each in norms}
    return output, Effect(moved, Snapshot(layer), taped)


def initial(norm: Any) -> tuple[Any, ...]:
    """The statistics that a normalization starts from, those that it has where it starts from unusual ones."""
    kinds = type(norm.moving_mean_initializer).__name__, type(norm.moving_variance_initializer).__name__
    if kinds != ("Zeros", "Ones"):
        return statistics(norm)
    return tuple(np.full(np.shape(each), value) for each, value in zip(statistics(norm), (0.0, 1.0), strict=True))


def _is_eager() -> bool:
    """Whether values are computed, rather than a graph being traced, in which variables cannot be read."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is None or bool(tensorflow.executing_eagerly())


def _is_taped() -> bool:
    record = sys.modules.get("tensorflow.python.eager.record")
    return bool(record is not None and record.could_possibly_record())
