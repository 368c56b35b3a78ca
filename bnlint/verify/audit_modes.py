"""Do the model's batch normalizations train when it is fitted, and only then?"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from bnlint.finding import Finding
from bnlint.verify.codes import finding, number
from bnlint.verify.live import to_array
from bnlint.verify.live_places import Places
from bnlint.verify.norm_calls import NormCall, Recorder
from bnlint.verify.trial import Course, Trial

UNMOVED = 1e-7
"""Statistics that move by less have not been updated: one update of a float32 statistic is larger, unless batch and moving
statistics agree, and then nothing is concluded (:data:`VISIBLE`)."""

VISIBLE = 1e-5
"""An update must be expected to move the statistics by this much before their standing still says anything."""

DEPENDS = 1e-4
"""A prediction depends on its batch mates if it moves by this share of the largest prediction; rounding moves it by 1e-6."""


def modes(trial: Trial, places: Places) -> Iterator[Finding]:
    """BN204 and BN206 from the predictions, then BN202, BN203, BN205, BN207 and BN210 from a training."""
    yield from _batch_dependent(trial, places)
    if trial.course is not None:
        yield from _never_updated(trial, trial.course, places)


def is_initial(norm: Any) -> bool:
    """Are the moving statistics 0 and 1, as in a layer that has seen nothing?"""
    return not to_array(norm.moving_mean).any() and bool((to_array(norm.moving_variance) == 1).all())


def _batch_dependent(trial: Trial, places: Places) -> Iterator[Finding]:
    recorder, difference = trial.inference
    running, where = _training(recorder), "predict"
    if not (running and difference > DEPENDS):
        recorder, difference = trial.bare
        running, where = _training(recorder), "a call without training"
        if not (running and difference > DEPENDS):
            return
    norms = list({id(call.layer): call.layer for call in running}.values())
    culprit = _with_default_true(trial, norms)
    measured = {"difference": difference, "layers": len(norms)}
    reason = f"with other samples in its batch the output for one sample of {where} changes by {number(difference)} of its size"
    if culprit is None:
        then = (
            "predict and fit of Keras 3 ignore this constant; leave it out"
            if where != "predict"
            else "pass the training that call gets, or leave it out"
        )
        message = f"{places.names(norms)} always in training mode: {reason}; {then}"
        yield finding("BN204", "error" if where == "predict" else "warning", places.of_layer(norms[0]), message, measured, reason)
        return
    message = f"call of {places.name(culprit)} has training=True as default: {reason}; make the default None"
    yield finding("BN206", "error", places.of_call(culprit), message, measured, reason)


def _training(recorder: Recorder) -> list[NormCall]:
    return [call for call in recorder.calls if call.training]


def _with_default_true(trial: Trial, norms: list[Any]) -> Any:
    """The layer or model that holds one of these and trains unless it is told otherwise."""
    wanted = {id(norm) for norm in norms}
    for layer in trial.live.layers():
        if trial.live.is_norm(layer) or not wanted & {id(each) for each in layer._flatten_layers()}:
            continue
        try:
            parameter = inspect.signature(layer.call).parameters.get("training")
        except (TypeError, ValueError):
            continue
        if parameter is not None and parameter.default is True:
            return layer
    return None


def _never_updated(trial: Trial, course: Course, places: Places) -> Iterator[Finding]:
    recorder, moved = trial.training
    fitted = {id(call.layer) for call in course.calls}
    groups: dict[str, list[Any]] = defaultdict(list)
    expected: dict[int, float] = {}
    for norm in trial.live.norms():
        if not norm.trainable or id(norm) not in fitted:
            continue
        expected[id(norm)] = _expected(norm, [call for call in recorder.calls if call.layer is norm])
        if expected[id(norm)] < VISIBLE or course.change(norm.moving_mean, norm.moving_variance) >= UNMOVED:
            continue
        direct = max(moved.get(id(each), 0.0) for each in (norm.moving_mean, norm.moving_variance))
        code = _cause(trial, norm, course, direct >= UNMOVED)
        if code is not None:
            groups[code].append(norm)
    for code, norms in sorted(groups.items()):
        yield _standing_still(code, norms, trial, course, places, max(expected[id(norm)] for norm in norms))


def _cause(trial: Trial, norm: Any, course: Course, moves_when_told: bool) -> str | None:
    if moves_when_told:
        if trial.own_step:
            return "BN207"
        return "BN203" if trial.live.has_training(trial.live.model) else "BN202"
    if any(call.given is None for call in course.calls if call.layer is norm):
        return "BN210"
    # A pretrained backbone that is run in inference mode on purpose does not have the statistics of a new layer.
    return "BN205" if is_initial(norm) else None


def _expected(norm: Any, calls: list[NormCall]) -> float:
    """How far one update should move the statistics."""
    seen = [call.moments for call in calls if call.moments is not None]
    if not seen or "float16" in str(norm.moving_mean.dtype):
        return 0.0
    pairs = ((seen[0].mean, norm.moving_mean), (seen[0].variance, norm.moving_variance))
    apart = max(float(np.abs(batch.ravel() - to_array(moving).ravel()).max(initial=0.0)) for batch, moving in pairs)
    return apart * (1 - float(norm.momentum))


_WHAT_TO_DO = {
    "BN202": "call of the model has no parameter training, so that Keras 3 trains it in inference mode; add training=None to call "
    "and pass it on",
    "BN203": "call of the model does not pass its training on, which this backend needs; pass training=training",
    "BN205": "the layer always runs in inference mode; leave out training=False, or set trainable = False if that is meant",
    "BN207": "the training step calls the model without training=True; pass it",
    "BN210": "the call passes training=None, which hides the mode of the fit; leave it out, or pass call's own training",
}


def _standing_still(code: str, norms: list[Any], trial: Trial, course: Course, places: Places, expected: float) -> Finding:
    change = max(course.change(norm.moving_mean, norm.moving_variance) for norm in norms)
    learnt = course.change(*(weight for layer in trial.live.layers() for weight in layer.trainable_weights))
    measured = {"moved": change, "expected": expected, "weights_moved": learnt, "steps": course.steps, "layers": len(norms)}
    reason = (
        f"in {course.steps} steps of fit the moving statistics moved by {number(change)}, where the first should move them by "
        f"{number(expected)}"
    )
    at_call = code in ("BN202", "BN203", "BN207")
    span = places.of_call(trial.live.model) if at_call else places.of_layer(norms[0])
    message = f"moving statistics of {places.names(norms)} are never updated: {reason}; {_WHAT_TO_DO[code]}"
    return finding(code, "error", span, message, measured, reason)
