"""Is every batch normalization of the model used, saved, its own, and on the right axis?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from bnlint.finding import Finding
from bnlint.verify.codes import finding, number
from bnlint.verify.live import to_array
from bnlint.verify.live_places import Places
from bnlint.verify.norm_calls import NormCall, tensors_of
from bnlint.verify.trial import Trial
from bnlint.verify.unchanged import unchanged

APART = 0.5
"""Two tensors that share one layer are of different origin if their means are this many standard deviations apart, or the
logarithm of their standard deviations differs by more. What one of them gets in inference is off by a quarter of that or more."""

NO_CHANGE = 1e-6
"""A shift of beta and gamma by several units that changes the outputs by a smaller share of their size does not reach them."""


def structure(trial: Trial, places: Places) -> Iterator[Finding]:
    """BN102, BN104, BN105, BN107, BN305 and BN307."""
    yield from _untracked(trial, places)
    yield from _unused(trial, places)
    yield from _per_step(trial, places)
    yield from _shared(trial, places)
    yield from _axis(trial, places)


def _untracked(trial: Trial, places: Places) -> Iterator[Finding]:
    tracked = {id(layer) for layer in trial.live.layers()}
    runs = [trial.training[0].calls, trial.structure.calls]
    stray = [{id(call.layer): call.layer for call in calls if id(call.layer) not in tracked} for calls in runs]
    again = {key: layer for key, layer in stray[0].items() if key in stray[1]}
    if again:
        norms = list(again.values())
        variables = {id(weight) for weight in trial.live.model.weights}
        lost = sum(id(weight) not in variables for norm in norms for weight in norm.weights)
        if lost:
            reason = f"{lost} weights that a call of the model uses are not in model.weights"
            message = (
                f"{places.names(norms)} called by the model but not owned by it: {reason}, so that they neither train nor are "
                "saved; assign the layer to an attribute of the model, or make the object that holds it a Layer"
            )
            yield finding("BN107", "error", places.of_layer(norms[0]), message, {"weights": lost, "layers": len(norms)}, reason)
    if any(not set(each) <= set(again) for each in stray) and all(stray):
        made = len(stray[0]) - len(again)
        reason = f"each call of the model uses {made} new {'layer' if made == 1 else 'layers'}"
        message = f"batch normalization made while the model runs: {reason}, untrained and unsaved; make it in __init__ or build"
        yield finding("BN105", "error", places.of_call(trial.live.model), message, {"layers_per_call": made}, reason)


def _unused(trial: Trial, places: Places) -> Iterator[Finding]:
    course = trial.course
    if course is None and trial.own_step:
        return
    runs = [trial.training[0].calls, trial.inference[0].calls, course.calls if course else []]
    called = {id(call.layer) for calls in runs for call in calls}
    never = [norm for norm in trial.live.norms() if id(norm) not in called]
    if never:
        reason = "no call reaches it in predict or fit"
        message = f"{places.names(never)} never used: {reason}; apply the layer in call, or delete it"
        yield finding("BN102", "error", places.of_layer(never[0]), message, {"layers": len(never), "calls": 0}, reason)
    if course is None:
        return
    for norm in trial.live.norms():
        own = trial.live.affine(norm)
        if id(norm) not in called or not norm.trainable or not own or course.change(*own) > 0:
            continue
        change = _reach(trial, own)
        if change < NO_CHANGE:
            reason = f"moving its gamma and beta by several units changes the outputs by {number(change)} of their size"
            message = f"the output of {places.name(norm)} is not used: {reason}; use it, or delete the layer"
            yield finding("BN102", "error", places.of_layer(norm), message, {"change": change}, reason)


def _reach(trial: Trial, weights: list[Any]) -> float:
    """How far the outputs in inference mode follow these weights, relative to their size."""
    with unchanged(trial.live):
        before = tensors_of(trial.live(trial.samples.x, training=False))
        random = np.random.default_rng(1)
        for weight in weights:
            weight.assign(to_array(weight) + 3 * random.standard_normal(weight.shape))
        after = tensors_of(trial.live(trial.samples.x, training=False))
    return max(
        float(np.abs(a - b).max(initial=0) / (np.abs(b).max(initial=0) + 1e-12)) for a, b in zip(after, before, strict=True)
    )


def _wrapped(trial: Trial) -> dict[int, Any]:
    """The normalizations inside TimeDistributed, with their wrapper."""
    found: dict[int, Any] = {}
    for layer in trial.live.layers():
        if isinstance(layer, trial.live.keras.layers.TimeDistributed):
            for inner in layer.layer._flatten_layers():
                if trial.live.is_norm(inner):
                    found[id(inner)] = layer
    return found


def _per_step(trial: Trial, places: Places) -> Iterator[Finding]:
    if trial.live.generation == "2":
        return
    wrapped, steps, wrappers = _wrapped(trial), defaultdict[int, int](int), dict[int, Any]()
    for call in trial.training[0].calls:
        if id(call.layer) in wrapped and call.training:
            steps[id(call.layer)] += 1
            wrappers[id(wrapped[id(call.layer)])] = wrapped[id(call.layer)]
    for wrapper in wrappers.values():
        most = max(steps[key] for key, each in wrapped.items() if each is wrapper)
        if most < 2:
            continue
        reason = f"one call normalizes {most} steps, each with its own batch statistics, into one set of moving statistics"
        message = (
            f"{places.name(wrapper)} runs a batch normalization step by step: {reason}, so that inference differs from training; "
            "apply BatchNormalization(axis=-1) to the whole sequence"
        )
        yield finding("BN307", "warning", places.of_layer(wrapper), message, {"steps": most}, reason)


def _shared(trial: Trial, places: Places) -> Iterator[Finding]:
    wrapped = _wrapped(trial)
    by_layer: dict[int, list[NormCall]] = defaultdict(list)
    for call in trial.training[0].calls:
        if call.training and call.moments is not None and id(call.layer) not in wrapped:
            by_layer[id(call.layer)].append(call)
    for calls in by_layer.values():
        apart = _apart(calls)
        if apart > APART:
            layer = calls[0].layer
            reason = f"its {len(calls)} inputs in one call of the model are up to {number(apart)} standard deviations apart"
            message = (
                f"{places.name(layer)} normalizes different tensors: {reason}, and its moving statistics are a mixture; "
                "make one layer for each tensor"
            )
            yield finding("BN104", "warning", places.of_layer(layer), message, {"apart": apart, "calls": len(calls)}, reason)


def _apart(calls: list[NormCall]) -> float:
    """The largest root mean square, over channels, of the distance between two inputs in standard deviations."""
    seen = [(call.moments.mean.ravel(), np.sqrt(call.moments.variance.ravel() + 1e-12)) for call in calls if call.moments]
    largest = 0.0
    for index, (mean, deviation) in enumerate(seen):
        for other_mean, other_deviation in seen[:index]:
            if np.array_equal(mean, other_mean) and np.array_equal(deviation, other_deviation):
                continue
            means = (mean - other_mean) / np.sqrt((deviation**2 + other_deviation**2) / 2)
            deviations = np.log(deviation / other_deviation)
            largest = max(largest, *(float(np.sqrt(np.mean(each**2))) for each in (means, deviations)))
    return largest


def _axis(trial: Trial, places: Places) -> Iterator[Finding]:
    reported: set[int] = set()
    for call in trial.structure.calls:
        axes = call.layer.axis if not isinstance(call.layer.axis, int) else [call.layer.axis]
        rank = len(call.shape)
        if call.channels is None or id(call.layer) in reported or len(axes) != 1 or axes[0] % rank == call.channels:
            continue
        reported.add(id(call.layer))
        statistics, channels = call.shape[axes[0] % rank], call.shape[call.channels]
        reason = (
            f"it keeps statistics for {statistics} positions on axis {axes[0] % rank}; the {channels} channels of its input are "
        )
        reason += f"on axis {call.channels}"
        measured = {"axis": axes[0] % rank, "channel_axis": call.channels, "statistics": statistics, "channels": channels}
        message = f"{places.name(call.layer)} normalizes the wrong axis: {reason}; pass axis={_spelt(call.channels, rank)}"
        yield finding("BN305", "error", places.of_layer(call.layer), message, measured, reason)


def _spelt(axis: int, rank: int) -> int:
    return -1 if axis == rank - 1 else axis
