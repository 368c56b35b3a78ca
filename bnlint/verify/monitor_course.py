"""The course of moving statistics during a training, and what it says. Numbers only: no Keras here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp, log, sqrt

import numpy as np

from bnlint.verify.codes import number
from bnlint.verify.reference import Array, Moments, steps_to_settle

UNMOVED = 1e-7
"""Statistics that moved by less in a whole epoch have not been updated."""

LEFT = 0.05
"""The statistics have settled when no more than this share of their initial values is left: after 3 / (1 - momentum) steps."""

GAP = 0.5
"""Inference differs from training when the moving mean is this many standard deviations off (root mean square of channels)."""

RATIO = log(2)
"""Or when the moving variance is off by a factor of two."""

DRIFT, DRIFT_RATIO = GAP, RATIO
"""A pretrained layer has left its statistics when the model that came would not be the same any more in inference. On its own
data, statistics that follow weights still in training move by up to half as much."""

DEAD_SHARE = 0.05
"""The share of dead channels from which on a layer is reported."""

_NO_SPREAD = 1e-6
_MOST_SPREAD = 1e-2


@dataclass(frozen=True)
class State:
    """One layer at the end of an epoch. ``batch`` are the moments of its input for the samples, where there are any."""

    epoch: int
    updates: int
    mean: Array
    variance: Array
    batch: Moments | None = None


@dataclass
class LayerCourse:
    """One layer through a training; ``states[0]`` is where it began, before the first update."""

    name: str
    momentum: float
    epsilon: float
    samples: int
    trainable: bool
    states: list[State] = field(default_factory=list)

    @property
    def last(self) -> State:
        return self.states[-1]

    @property
    def began_initial(self) -> bool:
        """Were the statistics those of a new layer?"""
        return not self.states[0].mean.any() and bool((self.states[0].variance == 1).all())

    @property
    def moved(self) -> float:
        """The largest change of a statistic since the beginning."""
        return self._change(self.states[0])

    def _change(self, since: State) -> float:
        pairs = ((self.last.mean, since.mean), (self.last.variance, since.variance))
        return max(float(np.abs(now - then).max(initial=0)) for now, then in pairs)

    @property
    def left(self) -> float:
        """The share of the initial values that is still in the statistics."""
        momentum = min(max(self.momentum, 0.0), 1.0)
        return float(momentum ** (self.last.updates - self.states[0].updates))

    def gap(self, state: State) -> tuple[float, float] | None:
        """How far the moving mean is from the batch mean, in standard deviations, and the logarithm of the ratio of the
        variances: root mean squares over the channels, without what chance makes of so few samples.
        """
        if state.batch is None:
            return None
        mean, variance = state.batch.mean.ravel(), state.batch.variance.ravel()
        means = (state.mean - mean) / np.sqrt(variance + self.epsilon)
        variances = np.log((np.maximum(state.variance, 0) + self.epsilon) / (variance + self.epsilon))
        free = max(1, self.samples - 3)  # of normal samples: the mean square of mean / deviation is 1 / (n - 3)
        return _beyond(means, 1 / free), _beyond(variances, 2 / free)

    def drift(self, state: State) -> tuple[float, float]:
        """How far the statistics are from where they began, in the same units."""
        start = self.states[0]
        means = (state.mean - start.mean) / np.sqrt(np.maximum(start.variance, 0) + self.epsilon)
        variances = np.log((np.maximum(state.variance, 0) + self.epsilon) / (np.maximum(start.variance, 0) + self.epsilon))
        return _beyond(means, 0), _beyond(variances, 0)

    def dead(self) -> int:
        """Channels whose input has not varied since the beginning: their moving variance has only decayed."""
        start, left = self.states[0], self.left
        if left > 0.9:
            return 0
        rounding = (self.last.updates - start.updates) * 2.0**-24 * start.variance * left / (1 - left)
        entered = (self.last.variance - start.variance * left) / (1 - left)
        still = (entered <= np.maximum(rounding, _NO_SPREAD * self.epsilon)) & (rounding <= _MOST_SPREAD * self.epsilon)
        if self.last.batch is not None:
            batch = self.last.batch
            still &= batch.variance.ravel() <= 1e-12 * batch.mean.ravel() ** 2 + _NO_SPREAD * self.epsilon
        return int(still.sum())

    def non_finite(self) -> int:
        """Statistics that are NaN or infinite."""
        return int(sum((~np.isfinite(each)).sum() for each in (self.last.mean, self.last.variance)))


def _beyond(values: Array, noise: float) -> float:
    return sqrt(max(0.0, float(np.mean(values**2)) - noise)) if values.size else 0.0


@dataclass(frozen=True)
class Remark:
    """Something to say about some layers: the rule's code, the layers, the sentence behind their names, and the numbers."""

    code: str
    layers: tuple[str, ...]
    text: str
    measured: dict[str, float]


def never_updated(courses: list[LayerCourse], in_fit_only: bool) -> Iterator[Remark]:
    """Trainable layers that are still new after an epoch. ``in_fit_only``: the model's call takes no ``training`` in Keras 3.

    Layers that came with statistics of their own may be run in inference mode on purpose.
    """
    standing = [
        course for course in courses if course.trainable and course.began_initial and course.moved < UNMOVED and course.left < 1
    ]
    if not standing:
        return
    steps = standing[0].last.updates - standing[0].states[0].updates
    why = (
        "call of the model has no parameter training, so that Keras 3 trains it in inference mode; add training=None and pass it on"
        if in_fit_only
        else "something runs them in inference mode (training=False or None in call, or a training step without training=True)"
    )
    code = "BN202" if in_fit_only else "BN205"
    text = f"never updated: after {steps} steps the moving mean is still 0 and the moving variance 1; {why}"
    yield Remark(code, _names(standing), text, {"moved": max(each.moved for each in standing), "steps": steps})


def broken(courses: list[LayerCourse]) -> Iterator[Remark]:
    """Statistics that are NaN or infinite."""
    found = [course for course in courses if course.non_finite()]
    if found:
        count = sum(course.non_finite() for course in found)
        text = f"broken: {count} moving statistics are NaN or infinite since epoch {found[0].last.epoch + 1}; lower the learning "
        yield Remark("BN701", _names(found), text + "rate, clip gradients, and look for NaN in the data", {"values": count})


def unsettled(courses: list[LayerCourse]) -> Iterator[Remark]:
    """Layers that have been updated and whose moving statistics are not those of the data."""
    early, off = [], []
    for course in courses:
        if not course.trainable or course.moved < UNMOVED or course.non_finite():
            continue
        gap = course.gap(course.last)
        is_off = gap is not None and (gap[0] > GAP or gap[1] > RATIO)
        if course.left > LEFT and course.began_initial and (gap is None or is_off):
            early.append(course)
        elif is_off:
            off.append(course)
    if early:
        yield _too_few_steps(early)
    if off:
        gap = max((each.gap(each.last) or (0.0, 0.0) for each in off), key=max)
        text = (
            f"not settled: {_gap_in_words(gap)}; in evaluation the model is another one than in training: weights that still move "
            "fast, samples unlike those of the training, small batches (BN501), Dropout before the layer (BN304), or one layer "
            "for several tensors (BN104)"
        )
        yield Remark("BN509", _names(off), text, {"mean_gap": gap[0], "variance_ratio": exp(gap[1])})


def _too_few_steps(courses: list[LayerCourse]) -> Remark:
    worst = max(courses, key=lambda each: each.left)
    steps = worst.last.updates - worst.states[0].updates
    gap = worst.gap(worst.last)
    measured = {"left": worst.left, "steps": steps, "needed": steps_to_settle(worst.momentum)}
    if gap:
        measured |= {"mean_gap": gap[0], "variance_ratio": exp(gap[1])}
    fitting = max(0.5, 1 - 3 / steps)
    text = (
        f"not settled: after {steps} steps at momentum {worst.momentum:g} {number(100 * worst.left)} % of the moving statistics are "
        f"still their initial values{', ' + _gap_in_words(gap) if gap else ''}; train for {measured['needed']:.0f} steps, or set "
        f"momentum to {fitting:.2g} or less"
    )
    return Remark("BN509", _names(courses), text, measured)


def _gap_in_words(gap: tuple[float, float]) -> str:
    return (
        f"the moving mean is {number(gap[0])} standard deviations off that of a batch, the variance off by a factor of "
        f"{number(exp(gap[1]))}"
    )


def dead_channels(courses: list[LayerCourse]) -> Iterator[Remark]:
    """Layers with channels whose input never varied."""
    found = [each for each in courses if each.trainable and each.dead() and each.dead() >= DEAD_SHARE * each.last.mean.size]
    if found:
        dead, total = sum(each.dead() for each in found), sum(each.last.mean.size for each in found)
        text = f"with dead channels: the input of {dead} of {total} never varied; look at what feeds them (dead units, constant features)"
        yield Remark("BN702", _names(found), text, {"dead": dead, "channels": total})


def drifted(courses: list[LayerCourse]) -> Iterator[Remark]:
    """Layers that came with statistics of their own and have left them."""
    found = [each for each in courses if each.moved >= UNMOVED and not each.began_initial and not each.non_finite()]
    found = [each for each in found if each.drift(each.last)[0] > DRIFT or each.drift(each.last)[1] > DRIFT_RATIO]
    if found:
        worst = max((each.drift(each.last) for each in found), key=max)
        text = (
            f"drifted: the moving mean is {number(worst[0])} standard deviations from where this training began, the variance off by "
            f"a factor of {number(exp(worst[1]))}; to keep what was learnt, set trainable = False on the batch normalizations of the "
            "pretrained part, then compile"
        )
        yield Remark("BN401", _names(found), text, {"mean_drift": worst[0], "variance_ratio": exp(worst[1])})


def _names(courses: list[LayerCourse]) -> tuple[str, ...]:
    return tuple(course.name for course in courses)
