"""Calls a layer again as the user's code has called it: with the same arguments, and with other samples beside the first."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bnlint.verify.effects import initial
from bnlint.verify.objects import Snapshot, difference, keras_of, norms_of, statistics
from bnlint.verify.synthetic import Tree, batch_size_for, inputs_like, leaves, mapped, numpy_of

if TYPE_CHECKING:
    from bnlint.verify.recorder import LayerCall

_RATE = 0.1
_FEWEST = 8
"""Samples of a batch that was recorded with fewer: a single one would leave nothing to depend on."""


@dataclass(frozen=True)
class Replay:
    """How far the trainable normalizations' statistics moved, and by how much of its scale one sample's output changed with its mates."""

    moved: float
    dependence: float


def replay(call: LayerCall, keywords: dict[str, Any]) -> Replay:
    """Repeat a call with these keywords, and once more with other batch mates; weights are put back behind it."""
    layer = call.layer
    first, other = ([batch_like(each, seed) for each in call.arguments] for seed in (1, 2))
    named = {name: batch_like(value, 1) for name, value in keywords.items()}
    repeat(layer, first, named)
    before = {id(each): statistics(each) for each in norms_of(layer)}
    snapshot = Snapshot(layer)
    try:
        one = _first_samples(repeat(layer, first, named))
        norms = [each for each in norms_of(layer) if each.trainable]
        moved = max((difference(before.get(id(each)) or initial(each), statistics(each)) for each in norms), default=0.0)
        snapshot.restore()
        two = _first_samples(repeat(layer, other, named))
    finally:
        snapshot.restore()
    scale = max((float(np.max(np.abs(each))) for each in one if each.size), default=0.0)
    return Replay(moved, difference(one, two) / (scale + 1e-12))


def step(call: LayerCall) -> tuple[float, float]:
    """Repeat a call in a step of gradient descent: how far it moves statistics, and other weights; they are put back behind it.

    Raises NotImplementedError where the backend has no gradient tape.
    """
    layer = call.layer
    arguments = [batch_like(each, 1) for each in call.arguments]
    named = {name: batch_like(value, 1) for name, value in call.keywords.items()}
    tensorflow = sys.modules.get("tensorflow")
    variables = [getattr(each, "value", each) for each in layer.trainable_variables]
    if tensorflow is None or not all(isinstance(each, tensorflow.Variable) for each in variables):
        variables = [each for each in layer.trainable_variables if isinstance(each, getattr(tensorflow, "Variable", ()))]
    if tensorflow is None or not variables:
        raise NotImplementedError("there is no gradient tape on this backend")
    snapshot = Snapshot(layer)
    try:
        with tensorflow.GradientTape() as tape:
            outputs = leaves(mapped(repeat(layer, arguments, named), lambda each: each))
            loss = sum(tensorflow.reduce_mean(tensorflow.square(tensorflow.cast(each, "float32"))) for each in outputs)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            if gradient is not None:
                variable.assign_sub(_RATE * tensorflow.convert_to_tensor(gradient))
        moved = max((snapshot.statistics_moved(each) for each in norms_of(layer) if each.trainable), default=0.0)
        return moved, max((snapshot.weights_moved(each) for each in snapshot.layers), default=0.0)
    finally:
        snapshot.restore()


def repeat(layer: Any, arguments: list[Tree], keywords: dict[str, Tree]) -> Any:
    """Call a layer on arrays."""
    keras_of(layer).utils.set_random_seed(11)
    named = {name: tensors(layer, value) for name, value in keywords.items()}
    return layer(*(tensors(layer, each) for each in arguments), **named)


def tensors(layer: Any, value: Tree) -> Tree:
    """Arrays as the tensors of a layer's Keras; all else as it is."""
    keras = keras_of(layer)
    if hasattr(keras, "ops"):
        convert = keras.ops.convert_to_tensor
    else:
        import tensorflow

        convert = tensorflow.convert_to_tensor
    return mapped(value, lambda each: convert(each) if isinstance(each, np.ndarray) else each)


def batch_like(value: Tree, seed: int) -> Tree:
    """A batch of the kind of an argument, its first sample the same for every seed; what is no tensor stays as it is."""
    return mapped(value, lambda each: _batch(each, seed))


def _batch(value: Any, seed: int) -> Any:
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return value
    seen = _array(value)
    if seen is None:
        fixed, seen = inputs_like(value, None, 0), inputs_like(value, None, seed)
        return np.concatenate([fixed[:1], seen[1:]]) if np.ndim(seen) else seen
    if seen.ndim == 0 or not len(seen):
        return seen
    rng, count = np.random.default_rng(seed), max(len(seen), min(_FEWEST, batch_size_for(seen.shape[1:])))
    rows = seen[rng.integers(0, len(seen), count)]
    if rows.dtype.kind == "f":
        rows = (rows + rng.normal(0.0, float(seen.std()) or 1.0, rows.shape)).astype(rows.dtype)
    return np.concatenate([seen[:1], rows[1:]])


def _array(value: Any) -> Any | None:
    """A tensor's value, if it has one."""
    try:
        found = numpy_of(value)
    except Exception:  # noqa: BLE001 - each backend has its own error for a tensor of a graph
        return None
    return None if found.dtype == object else found


def _first_samples(output: Any) -> list[Any]:
    arrays = [np.asarray(each) for each in leaves(numpy_of(output))]
    return [each[0].astype("float64") for each in arrays if each.ndim and len(each) and each.dtype.kind in "fiub"]
