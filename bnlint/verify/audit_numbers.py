"""Are the numbers of the batch normalizations sound: momentum, epsilon, precision, moving statistics?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import isinf
from typing import Any

import numpy as np

from bnlint.finding import Finding
from bnlint.verify.audit_modes import is_initial
from bnlint.verify.codes import DEAD, NON_FINITE, finding, number
from bnlint.verify.live import Live, to_array
from bnlint.verify.live_places import Places
from bnlint.verify.reference import Reference, settled_noise, steps_to_settle

LOW_MOMENTUM = 0.5
SMALL_EPSILON, LARGE_EPSILON = 1e-6, 1e-2
"""The limits of the rules BN503 and BN504."""

DEAD_VARIANCE = 1e-6
"""A moving variance is dead if it is this small a share of epsilon: what the channel has of spread leaves as a thousandth."""

DEAD_SHARE = 0.05
"""The share of dead channels from which on a layer is reported: single ones are common in large trained networks."""


def numbers(live: Live, places: Places) -> Iterator[Finding]:
    """BN404, BN503, BN504, BN507, BN701 and BN702, each for all layers with the same fault at once."""
    norms = live.norms()
    for momentum, layers in _by_value((norm for norm in norms if norm.trainable), "momentum"):
        yield from _momentum(momentum, layers, places)
    for epsilon, layers in _by_value(norms, "epsilon"):
        yield from _epsilon(epsilon, layers, places)
    built = [norm for norm in norms if live.is_built(norm)]
    yield from _non_finite(live, built, places)
    yield from _dead(built, places)
    yield from _precision(built, places)
    yield from _frozen(built, places)


def _by_value(norms: Iterable[Any], attribute: str) -> Iterator[tuple[float, list[Any]]]:
    found: dict[float, list[Any]] = defaultdict(list)
    for norm in norms:
        found[float(getattr(norm, attribute))].append(norm)
    yield from found.items()


def _momentum(momentum: float, norms: list[Any], places: Places) -> Iterator[Finding]:
    if LOW_MOMENTUM < momentum < 1:
        return
    measured = {"momentum": momentum, "layers": len(norms)}
    if not 0 <= momentum < 1:
        reason = _after(momentum)
        message = f"momentum {momentum:g} of {places.names(norms)} is not in [0, 1): {reason}; use 0.9 to 0.999"
        yield finding("BN503", "error", places.of_layer(norms[0]), message, measured, reason)
        return
    noise = settled_noise(momentum)
    measured |= {"noise": noise, "steps": steps_to_settle(momentum)}
    reason = f"the moving mean keeps {number(100 * noise)} % of the noise of a single batch's mean"
    message = (
        f"momentum {momentum:g} of {places.names(norms)} is low: {reason}; Keras weighs the old value with it, so that the 0.1 "
        "of other frameworks is 0.9 here"
    )
    yield finding("BN503", "warning", places.of_layer(norms[0]), message, measured, reason)


def _after(momentum: float) -> str:
    if momentum == 1:
        return "no update ever moves the moving statistics"
    reference = Reference.initial(1, momentum=momentum)
    random = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        for _ in range(50):
            reference = reference.training(random.normal(5, 3, (32, 1)))[1]
    mean, variance = reference.moving_mean[0], reference.moving_variance[0]
    return f"after 50 batches of mean 5 and variance 9 the moving mean is {number(mean)}, the moving variance {number(variance)}"


def _epsilon(epsilon: float, norms: list[Any], places: Places) -> Iterator[Finding]:
    if SMALL_EPSILON <= epsilon < LARGE_EPSILON:
        return
    measured = {"epsilon": epsilon, "layers": len(norms)}
    if epsilon <= 0:
        reason = "a channel that is constant in a batch is divided by zero or by the root of a negative number"
        message = f"epsilon {epsilon:g} of {places.names(norms)} is not positive: {reason}; use 1e-3 or 1e-5"
        yield finding("BN504", "error", places.of_layer(norms[0]), message, measured, reason)
        return
    if epsilon < SMALL_EPSILON:
        measured["amplification"] = epsilon**-0.5
        reason = f"the rounding noise of a constant channel is multiplied by up to {number(epsilon**-0.5)}"
    else:
        measured["output_deviation"] = (1 + epsilon) ** -0.5
        reason = (
            f"an input of standard deviation 0.1 leaves with {number((1 + 100 * epsilon) ** -0.5)}, one of 1 with "
            f"{number((1 + epsilon) ** -0.5)}, instead of 1"
        )
    size = "small" if epsilon < SMALL_EPSILON else "large"
    message = f"epsilon {epsilon:g} of {places.names(norms)} is {size}: {reason}; use 1e-3 or 1e-5"
    yield finding("BN504", "warning", places.of_layer(norms[0]), message, measured, reason)


def _precision(norms: list[Any], places: Places) -> Iterator[Finding]:
    low = [norm for norm in norms if norm.trainable and "float16" in str(norm.moving_mean.dtype)]
    if not low:
        return
    bits = 7 if "bfloat" in str(low[0].moving_mean.dtype) else 10
    share = 2.0 ** -(bits + 1) / (1 - low[0].momentum) if low[0].momentum < 1 else float("inf")
    reason = (
        f"a statistic stands still once it is within {number(100 * share)} % of the batches'" if not isinf(share) else "no update"
    )
    kind = getattr(low[0].moving_mean.dtype, "name", low[0].moving_mean.dtype)
    message = (
        f'moving statistics of {places.names(low)} are {kind}: {reason}; use the policy mixed_{kind}, or dtype="float32" for them'
    )
    yield finding(
        "BN507", "warning", places.of_layer(low[0]), message, {"bits": bits, "stall": share, "layers": len(low)}, reason
    )


def _frozen(norms: list[Any], places: Places) -> Iterator[Finding]:
    frozen = [norm for norm in norms if not norm.trainable and is_initial(norm)]
    if frozen:
        reason = "moving mean 0 and moving variance 1 pass the input on as it is"
        message = f"{places.names(frozen)} frozen at initial values: {reason}; train first, load weights, or leave the layer out"
        yield finding("BN404", "error", places.of_layer(frozen[0]), message, {"layers": len(frozen)}, reason)


def _non_finite(live: Live, norms: list[Any], places: Places) -> Iterator[Finding]:
    broken: list[Any] = []
    bad = total = 0
    for norm in norms:
        variance = to_array(norm.moving_variance)
        values = [to_array(norm.moving_mean), variance, *(to_array(weight) for weight in live.affine(norm))]
        wrong = int(sum((~np.isfinite(each)).sum() for each in values) + (variance < 0).sum())
        if wrong:
            broken.append(norm)
            bad, total = bad + wrong, total + sum(each.size for each in values)
    if broken:
        reason = f"{bad} of {total} statistics and weights are NaN, infinite, or a negative variance"
        message = f"{places.names(broken)} broken: {reason}; the training has diverged, go back to a checkpoint before that"
        yield finding(NON_FINITE, "error", places.of_layer(broken[0]), message, {"values": bad, "layers": len(broken)}, reason)


def _dead(norms: list[Any], places: Places) -> Iterator[Finding]:
    found: list[Any] = []
    dead = total = 0
    for norm in norms:
        variance = to_array(norm.moving_variance)
        still = int(((variance >= 0) & (variance < DEAD_VARIANCE * max(float(norm.epsilon), 1e-12))).sum())
        if still and still >= DEAD_SHARE * variance.size:
            found.append(norm)
            dead, total = dead + still, total + variance.size
    if found:
        reason = f"the moving variance of {dead} of {total} channels is practically 0"
        message = (
            f"{places.names(found)} with dead channels: {reason}, so that their input never varies; look at what feeds them "
            "(dead units, constant features)"
        )
        yield finding(DEAD, "warning", places.of_layer(found[0]), message, {"dead": dead, "channels": total}, reason)
