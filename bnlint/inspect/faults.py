"""What the statistics of one batch normalization say is wrong.

The thresholds were set by measuring layers of trained models: nine small networks (plain, residual and dense, with Adam and
SGD, with and without weight decay, on inputs scaled to 1/255, 1 and 0 to 255), the Keras 2 model of the package fer and the
SavedModel of the package basic-pitch, 1430 channels in all. Each constant says how far the healthy channels stay from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnlint.finding import Severity
from bnlint.inspect.config import initial_value, number
from bnlint.inspect.results import FEW, FileFinding, count
from bnlint.inspect.saved import Norm, Vector

Mask = NDArray[np.bool_]

EPSILON = 1e-3
MOMENTUM = 0.99
"""Keras's defaults, for files that do not say."""
DEAD_SHARE = 1e-3
"""A channel is dead where the standard deviation of its output is below this share of the layer's median: it adds less than a
millionth of the variance that the others do. The smallest share of a live channel was 3e-3, in a network whose weight decay
was about to end it; without weight decay the smallest was 0.04."""
DEAD_OUTPUT = 1e-6
"""... or below this in any case: about eight roundings of a float32 number of size 1, such as the offset beta."""
CONSTANT = 1e-6
"""A channel is constant where its variance is below this share of its squared mean: the difference of squares that float32
arithmetic takes it from is rounding then. The largest mean of a live channel was 3.3 standard deviations; this is 1000."""
FLOOR = 1e-4
"""How near its lowest possible value counts as there: a moving variance that only ever decayed is off by 1e-5 in float32 after
thousands of steps."""
EXPLODED_BEHIND = 1e6
"""A variance behind another batch normalization has exploded above this. There, the largest that was measured is 1.2e2, and a
layer of 1000 inputs of variance 1 needs weights of 30."""
EXPLODED = 1e12
"""... and on unnormalized inputs, which may be of any size: prices, populations and incomes stay below it."""
GAMMA = 100.0
"""A gamma has exploded above this; the largest that was measured is 2.1."""
UNSETTLED = 0.05
"""The share of the initial statistics from which on a layer has not settled: the number of steps that rule BN509 asks for,
3 / (1 - momentum), leaves this."""


@dataclass(frozen=True)
class Context:
    """What the rest of the file says about a layer.

    ``steps`` are the optimizer's; ``behind_another`` is whether its input has been normalized before; ``from_scratch`` whether
    its statistics can have come from their initial ones in so many steps, rather than from an earlier training.
    """

    steps: int | None = None
    behind_another: bool = False
    from_scratch: bool = False


def faults(norm: Norm, context: Context) -> Iterator[FileFinding]:
    """The faults of one layer, the gravest first."""
    mean, variance = norm.variables["moving_mean"], norm.variables["moving_variance"]
    bad = [(name, ~np.isfinite(values)) for name, values in norm.variables.items()]
    yield from _not_finite(norm, [(name, mask) for name, mask in bad if mask.any()])
    negative = np.isfinite(variance) & (variance < 0)
    if negative.any():
        yield _finding(
            norm, "negative-variance", "error",
            f"moving_variance is negative in {_channels(negative)}, which no training makes it: the file is damaged or its weights "
            "were set in the wrong order; set gamma, beta, moving_mean and moving_variance in this order",
            channels=negative.sum(), minimum=variance[negative].min(),
        )  # fmt: skip
    if is_initial(norm):
        yield _initial(norm, context.steps)
        return
    sound = np.logical_and.reduce([~mask for _, mask in bad]) & ~negative
    dead = _dead(norm, context, sound)
    if dead.any():
        yield _finding(
            norm, "dead-channels", "warning",
            f"the output is constant in {_channels(dead)}: variance or gamma is 0 but for rounding, so that nothing behind the "
            "layer learns from there; look for inputs that never vary, units that never fire, too much weight decay, or prune",
            channels=dead.sum(),
        )  # fmt: skip
    yield from _exploding(norm, context, sound & ~_constant(mean, variance))
    if context.from_scratch and is_unsettled(norm, context.steps):
        yield _unsettled(norm, context.steps or 0)


def is_initial(norm: Norm) -> bool:
    """Whether all moving statistics are what their initializers set them to."""
    for name, key, default in (
        ("moving_mean", "moving_mean_initializer", 0.0),
        ("moving_variance", "moving_variance_initializer", 1.0),
    ):
        expected = initial_value(norm.config, key, default)
        if expected is None or not len(norm.variables[name]) or (norm.variables[name] != np.float64(np.float32(expected))).any():
            return False
    return True


def remaining(norm: Norm, steps: int | None) -> float | None:
    """Which share of its initial statistics a layer still has after so many steps; None where that cannot be told."""
    momentum = number(norm.config, "momentum")
    if steps is None or steps < 1 or momentum is None or not 0 < momentum < 1:
        return None
    return float(momentum**steps)


def floor(norm: Norm, steps: int | None) -> float | None:
    """The lowest moving variance that a layer trained for so many steps from its initial one can have."""
    share, initial = remaining(norm, steps), initial_value(norm.config, "moving_variance_initializer", 1.0)
    return None if share is None or initial is None else share * initial


def holds_its_floor(norm: Norm, steps: int | None) -> bool:
    """Whether no variance is below the floor: else the layer has seen more steps than this optimizer has made."""
    lowest = floor(norm, steps)
    variance = norm.variables["moving_variance"]
    return lowest is not None and bool((variance[np.isfinite(variance)] >= lowest * (1 - FLOOR)).all())


def is_unsettled(norm: Norm, steps: int | None) -> bool:
    """Whether the initial statistics still make up more than :data:`UNSETTLED` of what a layer normalizes with."""
    share, lowest = remaining(norm, steps), floor(norm, steps)
    if share is None or lowest is None or norm.frozen or is_initial(norm):
        return False
    variance = norm.variables["moving_variance"]
    usual = float(np.median(variance)) + (number(norm.config, "epsilon") or EPSILON)
    return share > UNSETTLED or lowest / max(usual, 1e-30) > UNSETTLED


def _not_finite(norm: Norm, bad: list[tuple[str, Mask]]) -> Iterator[FileFinding]:
    if not bad:
        return
    names = " and ".join(name for name, _ in bad)
    touched = np.logical_or.reduce([mask for _, mask in bad])
    yield _finding(
        norm, "not-finite", "error",
        f"{names} {'holds' if len(bad) == 1 else 'hold'} NaN or infinity in {_channels(touched)}: every prediction that passes them is NaN; go back to a checkpoint "
        "from before, and look for NaN in the data or a learning rate that is too high",
        channels=touched.sum(),
    )  # fmt: skip


def _initial(norm: Norm, steps: int | None) -> FileFinding:
    values = f"moving_mean and moving_variance are as they were initialized in all {norm.channels} channels"
    if norm.frozen:
        text = f"{values}, and the layer is frozen: it does not normalize; let it train, or load weights before you freeze it"
        return _finding(norm, "frozen-initial-statistics", "error", text, channels=norm.channels)
    frozen = " or is frozen" if norm.frozen is None else ""
    if steps:
        why = f", though the optimizer has made {count(steps, 'step')}: the layer never ran in training mode{frozen}"
    else:
        why = f": the model was not trained, or the layer never ran in training mode{frozen}"
    advice = "see that training=True reaches it in training, and train again"
    return _finding(norm, "initial-statistics", "error", f"{values}{why}; {advice}", channels=norm.channels)


def _constant(mean: Vector, variance: Vector) -> Mask:
    result: Mask = variance <= CONSTANT * np.square(mean)
    return result


def _dead(norm: Norm, context: Context, sound: Mask) -> Mask:
    mean, variance = norm.variables["moving_mean"], norm.variables["moving_variance"]
    gamma = np.abs(norm.variables.get("gamma", np.ones_like(variance)))
    epsilon = number(norm.config, "epsilon")
    with np.errstate(all="ignore"):
        output = gamma * np.sqrt(variance / (variance + (EPSILON if epsilon is None else epsilon)))
        usual = float(np.median(output[sound])) if sound.any() else 0.0
        dead = (output < DEAD_SHARE * usual) | (output < DEAD_OUTPUT) | _constant(mean, variance)
        lowest = floor(norm, context.steps)
        if lowest is not None and not norm.frozen and context.from_scratch:
            dead |= variance <= lowest * (1 + FLOOR)
    result: Mask = dead & sound
    return result


def _exploding(norm: Norm, context: Context, sound: Mask) -> Iterator[FileFinding]:
    variance = norm.variables["moving_variance"]
    bound = EXPLODED_BEHIND if context.behind_another else EXPLODED
    high = sound & (variance > bound)
    if high.any():
        yield _finding(
            norm, "exploding-channels", "warning",
            f"moving_variance is up to {variance[high].max():.1e} in {_channels(high)}: what comes in has exploded; lower the "
            "learning rate or clip gradients, scale the inputs, and start again from a checkpoint before it",
            channels=high.sum(), maximum=variance[high].max(),
        )  # fmt: skip
    gamma = np.abs(norm.variables.get("gamma", np.zeros_like(variance)))
    large = sound & (gamma > GAMMA)
    if large.any():
        yield _finding(
            norm, "exploding-channels", "warning",
            f"gamma is up to {gamma[large].max():.1e} in {_channels(large)}: the layer's output has exploded; lower the learning "
            "rate or regularize gamma, and start again from a checkpoint before it",
            channels=large.sum(), maximum=gamma[large].max(),
        )  # fmt: skip


def _unsettled(norm: Norm, steps: int) -> FileFinding:
    share = remaining(norm, steps) or 0.0
    momentum = number(norm.config, "momentum") or MOMENTUM
    part = min(1.0, (floor(norm, steps) or 0.0) / max(float(np.median(norm.variables["moving_variance"])), 1e-30))
    if share > UNSETTLED:
        what = f"{min(share, 0.99):.0%} of the moving statistics are still their initial values"
    else:
        what = f"{min(part, 0.99):.0%} of moving_variance (median) is still its initial value, so small is the true one"
    return _finding(
        norm, "unsettled-statistics", "warning",
        f"after {count(steps, 'step')} of the optimizer at momentum {momentum:g}, {what}, unless it was trained before by another "
        "optimizer: predictions are not what training saw; train longer, lower the momentum, or scale up inputs that hardly vary",
        steps=steps, momentum=momentum, remaining=share, share_of_variance=part,
    )  # fmt: skip


def _channels(mask: Mask) -> str:
    """``channels 3, 5 and 9 of 64``."""
    found = [str(each) for each in np.flatnonzero(mask)[:FEW]]
    total = int(mask.sum())
    if total == len(mask):
        return "the only channel" if total == 1 else f"all {total} channels"
    if total > FEW:
        return f"channels {', '.join(found)} and {total - FEW} more of {len(mask)}"
    listed = " and ".join(filter(None, (", ".join(found[:-1]), found[-1])))
    return f"channel{'s' if total > 1 else ''} {listed} of {len(mask)}"


def _finding(norm: Norm, name: str, severity: Severity, message: str, **measured: float) -> FileFinding:
    return FileFinding(name, severity, norm.name, message, {key: float(value) for key, value in measured.items()})
