"""Biases that a batch normalization cancels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bnlint.finding import Finding
from bnlint.verify.codes import finding, number
from bnlint.verify.live import to_array
from bnlint.verify.live_places import Places
from bnlint.verify.trial import Trial
from bnlint.verify.unchanged import unchanged

CANCELLED = 1e-3
"""A bias that is shifted by its own scale is cancelled if the training outputs change by a smaller share of their size: in
float32 rounding changes them by 1e-7 to 1e-4, a bias that counts by more than 0.01."""

NOISE = 1e-5
"""Two equal runs in training mode that differ by more (a layer draws random numbers of its own) say nothing about a bias."""

MOST_SAMPLES = 8


def redundant_biases(trial: Trial, places: Places) -> Iterator[Finding]:
    """BN301: the biases that hardly learnt in a training are shifted, together, then in halves where that changes anything."""
    candidates = _candidates(trial)
    if not candidates:
        return
    experiment = _Shift(trial)
    if experiment.noise > NOISE:
        return
    for layers, change in experiment.cancelled(candidates):
        count = sum(int(np.prod(layer.bias.shape)) for layer in layers)
        reason = f"shifting {'them together' if len(layers) > 1 else 'it'} by 1 changes the training outputs by {number(change)}"
        reason += " of their size"
        what = "biases" if len(layers) > 1 else "bias"
        message = (
            f"{what} of {places.names(layers)} ({count} parameters) cancelled by the batch normalization that follows: {reason}; "
            "pass use_bias=False (weights saved with the bias will not load then)"
        )
        measured = {"change": change, "layers": len(layers), "parameters": count}
        yield finding("BN301", "warning", places.of_layer(layers[0]), message, measured, reason)


def _candidates(trial: Trial) -> list[Any]:
    """Linear layers whose bias got a gradient that is nothing beside that of their other weights."""
    course = trial.course
    if course is None:
        return []
    linear = trial.live.keras.activations.linear
    found = []
    for layer in trial.live.layers():
        bias = getattr(layer, "bias", None)
        if trial.live.is_norm(layer) or not hasattr(bias, "assign") or getattr(layer, "activation", None) not in (linear, None):
            continue
        others = [weight for weight in layer.trainable_weights if weight is not bias]
        learnt = course.change(*others)
        if layer.trainable and learnt > 0 and course.change(bias) < CANCELLED * learnt:
            found.append(layer)
    return found


class _Shift:
    """Runs the model with some biases shifted, everything else being equal."""

    def __init__(self, trial: Trial) -> None:
        # Inference is asked for each layer alone, and needs no batch.
        self._trials = {mode: Trial(trial.live, trial.samples.first(MOST_SAMPLES if mode else 2)) for mode in (True, False)}
        self._base = {mode: each.outputs(mode) for mode, each in self._trials.items()}
        self.noise = self._change(self._trials[True].outputs(True), True)

    def cancelled(self, layers: Sequence[Any]) -> Iterator[tuple[list[Any], float]]:
        """The layers whose biases make no difference in training mode but do in inference, with the change in training.

        The second half leaves out what softmax or an unused output cancels.
        """
        change = self._shifted(layers, True)
        if change < CANCELLED:
            kept = [layer for layer in layers if self._shifted([layer], False) > max(10 * change, NOISE)]
            if kept:
                yield kept, change
            return
        if len(layers) > 1:
            for half in (layers[: len(layers) // 2], layers[len(layers) // 2 :]):
                yield from self.cancelled(half)

    def _shifted(self, layers: Sequence[Any], training: bool) -> float:
        biases = [layer.bias for layer in layers]
        trial = self._trials[training]
        with unchanged(trial.live, biases):
            random = np.random.default_rng(2)
            for bias in biases:
                bias.assign(to_array(bias) + random.choice([-1.0, 1.0], tuple(bias.shape)))
            return self._change(trial.outputs(training), training)

    def _change(self, outputs: list[Any], training: bool) -> float:
        pairs = zip(outputs, self._base[training], strict=True)
        return max(float(np.abs(a - b).max(initial=0) / (np.abs(b).max(initial=0) + 1e-12)) for a, b in pairs)
