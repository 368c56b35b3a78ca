"""Does anything that a model gives depend on a layer? Measured on the live model, whatever its class looks like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnlint.verify.objects import keras_of, layers_of
from bnlint.verify.raised import raised_in_keras
from bnlint.verify.synthetic import leaves, numpy_of
from bnlint.verify.training import Untrainable

if TYPE_CHECKING:
    from bnlint.verify.stage import Stage

_MODELS_AT_MOST = 12
_STIRRED = 0.05


class Use(NamedTuple):
    """Whether a layer counts, in words, and the largest change of an output (0 where it is in no forward pass)."""

    used: bool
    reason: str
    change: float = 0.0


class Undecided(Exception):
    """It cannot be told whether the layer is used; ``shape`` tells whether another input shape may help."""

    def __init__(self, message: str, shape: bool = False) -> None:
        super().__init__(message)
        self.shape = shape


def use_of(stage: Stage, layer: Any) -> Use:
    """Whether the outputs of the models that hold a layer, or of any where none does, change with its weights.

    All other weights are shaken a little first, so that a gamma or a kernel of zeros behind the layer does not hide it. A layer is
    unused where every output stays the same bit for bit in both modes and no gradient leads to it; raises Undecided.
    """
    holders = [each for each in stage.own_models() if any(inner is layer for inner in layers_of(each))]
    models = holders or stage.own_models()
    if not models or len(models) > _MODELS_AT_MOST:
        raise Undecided("the code builds no model" if not models else f"the code builds {len(models)} models")
    for model in models:
        _built(stage, model)
    if not holders:
        _check_complete(stage, layer)
    where = "the model" if len(models) == 1 else f"each of {len(models)} models"
    if not layer.built or not layer.weights:
        return Use(False, f"it is not built and has no weights after a forward pass of {where}")
    effects = [_effect(stage, model, layer) for model in models]
    change = max(each for each, _ in effects)
    if change > 0:
        return Use(True, f"changing its weights changes the outputs of the model by {change:.2g} of their scale", change)
    if any(connected for _, connected in effects):
        raise Undecided("changing its weights does not change the outputs, though a gradient leads to them")
    out = "" if holders else "it is in no model: "
    return Use(False, f"{out}changing its weights changes the outputs of {where} by 0, and no gradient leads to them")


def _built(stage: Stage, model: Any) -> None:
    try:
        stage.trainer.built(model)
    except Untrainable as error:
        raise Undecided(str(error), error.shape) from error


def _check_complete(stage: Stage, layer: Any) -> None:
    """A layer that is in no model may belong to one that could not be built: raises Undecided."""
    made = next(each.time for each in stage.recording.constructions if each.instance is layer)
    if any(each.time > made and raised_in_keras(each.error) for each in stage.recording.failures):
        raise Undecided("Keras raises behind this place, before the model is complete")
    calls = [each for each in stage.recording.calls if each.layer is layer]
    for call in calls:
        producers = {id(each) for each in map(_producer, leaves(list(call.arguments))) if each is not None}
        later = [each.instance for each in stage.recording.constructions if each.time > call.time] + stage.extra
        grown = [model for model in later if any(id(inner) in producers for inner in _operations(model))]
        if producers and not grown:
            raise Undecided("no model is made of the tensors at this place")


def _producer(tensor: Any) -> Any:
    """The layer or operation that a symbolic tensor comes from."""
    history = getattr(tensor, "_keras_history", None)
    return getattr(history, "operation", None) or getattr(history, "layer", None)


def _operations(model: Any) -> Iterable[Any]:
    return getattr(model, "_operations", None) or getattr(model, "_self_tracked_trackables", None) or ()


def _effect(stage: Stage, model: Any, layer: Any) -> tuple[float, bool]:
    """The largest relative change of an output when the layer's weights change, and whether a gradient leads to them."""
    from bnlint.verify.objects import Snapshot

    batch = stage.trainer.inputs(model)
    snapshot = Snapshot(model)
    own = [(each, numpy_of(each).copy()) for each in layer.weights]
    try:
        _shake(each for each in model.trainable_weights)
        stirred = [(each, numpy_of(each).copy()) for each in model.variables]
        change = 0.0
        for training in (False, True):
            _put(stirred)
            before = _outputs(model, batch, training)
            _put(stirred)
            for variable, value in own:
                variable.assign(_other(value))
            change = max(change, _change(before, _outputs(model, batch, training)))
        return change, _connected(model, layer, batch)
    finally:
        snapshot.restore()
        _put(own)


def _shake(variables: Iterable[Any]) -> None:
    rng = np.random.default_rng(17)
    for each in variables:
        value = numpy_of(each)
        each.assign((value + _STIRRED * rng.normal(size=value.shape)).astype(value.dtype))


def _other(value: Any) -> Any:
    """Another value for a weight; positive where it was, as a variance has to be."""
    return (value * 1.5 + 0.5 * np.random.default_rng(23).uniform(0.5, 1.5, value.shape)).astype(value.dtype)


def _put(values: list[tuple[Any, Any]]) -> None:
    for variable, value in values:
        variable.assign(value)


def _outputs(model: Any, batch: Any, training: bool) -> list[Any]:
    keras_of(model).utils.set_random_seed(11)
    try:
        result = model(batch, training=training)
    except TypeError:
        result = model(batch)
    return [np.asarray(each, "float64") for each in leaves(numpy_of(result)) if np.asarray(each).dtype.kind in "fiub"]


def _change(before: list[Any], after: list[Any]) -> float:
    scale = max((float(np.nanmax(np.abs(each))) for each in before if each.size), default=0.0)
    if not np.isfinite(scale):
        raise Undecided("the outputs are not finite", True)
    moved = [float(np.max(np.abs(b - a))) for b, a in zip(before, after, strict=True) if b.size]
    return max((1.0 if not np.isfinite(each) else each for each in moved), default=0.0) / (scale + 1e-12)


def _connected(model: Any, layer: Any, batch: Any) -> bool:
    """Whether a gradient leads from the outputs to the layer's weights; only TensorFlow tells."""
    import sys

    tensorflow = sys.modules.get("tensorflow")
    variables = [getattr(each, "_value", each) for each in layer.weights]
    if tensorflow is None or not all(isinstance(each, tensorflow.Variable) for each in variables):
        return False
    with tensorflow.GradientTape() as tape:
        for each in variables:
            tape.watch(each)
        outputs = leaves(model(batch))
        floats = [each for each in outputs if each.dtype.is_floating]
        total = sum(tensorflow.reduce_sum(tensorflow.cast(each, "float32")) for each in floats)
    return bool(floats) and any(each is not None for each in tape.gradient(total, variables))
