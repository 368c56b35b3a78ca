"""Forward passes that are watched from inside: what layers are given and give, and what moving statistics settle at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnlint.verify.live import to_array
from bnlint.verify.objects import Snapshot, difference, is_norm, keras_of, norms_of, statistics
from bnlint.verify.reference import Array, moments
from bnlint.verify.synthetic import leaves, mapped

STILL = 1e-7
SEED = 11


@dataclass(eq=False)
class Seen:
    """One application of a layer, with the tensors themselves."""

    layer: Any
    input: Any
    output: Any

    @property
    def given(self) -> Array:
        """The first input as an array in float64."""
        return to_array(self.input)

    @property
    def gave(self) -> Array:
        """The first output as an array in float64."""
        return to_array(self.output)


Accept = Callable[[Any], bool]
Change = Callable[[Any, Any], Any]


def forward(
    model: Any, batch: Any, training: bool, accept: Accept = is_norm, change: Change | None = None, seed: int = SEED
) -> tuple[list[Array], list[Seen]]:
    """The outputs of one pass, and the accepted layers' applications in it, in the order of their ends.

    ``change(layer, output)`` may put another output in the place of a layer's own. The pass is a real one: in training mode
    moving statistics move. Raises TypeError where the model's call takes no mode.
    """
    seen: list[Seen] = []

    def note(layer: Any, given: Any, output: Any) -> Any:
        if not accept(layer):
            return output
        output = change(layer, output) if change is not None else output
        first, gave = leaves(given), leaves(output)
        if first and gave and has_value(gave[0]):
            seen.append(Seen(layer, first[0], gave[0]))
        return output

    keras = keras_of(model)
    keras.utils.set_random_seed(seed)
    with _watched(keras.layers.Layer, note):
        result = model(_tensors(keras, batch), training=training)
    return [to_array(each) for each in leaves(result)], seen


def _tensors(keras: Any, batch: Any) -> Any:
    if hasattr(keras, "ops"):
        return mapped(batch, keras.ops.convert_to_tensor)
    import tensorflow as tf

    return mapped(batch, tf.convert_to_tensor)


def tensors_like(layer: Any, values: Any) -> Any:
    """Arrays as tensors of the Keras that a layer belongs to."""
    return _tensors(keras_of(layer), values)


def call(model: Any, batch: Any, keywords: dict[str, Any]) -> Array:
    """The first output of a call with these keywords, with the seed of every pass."""
    keras = keras_of(model)
    keras.utils.set_random_seed(SEED)
    return to_array(leaves(model(_tensors(keras, batch), **keywords))[0])


def has_value(tensor: Any) -> bool:
    """Whether a tensor is not one of a graph."""
    try:
        to_array(tensor)
    except Exception:  # noqa: BLE001 - each backend has its own error for a tensor of a graph
        return False
    return True


@contextmanager
def _watched(layer_class: Any, note: Callable[[Any, Any, Any], Any]) -> Iterator[None]:
    original = layer_class.__call__

    def __call__(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = original(layer, *args, **kwargs)
        given = args[0] if args else next(iter(kwargs.values()), None)
        return note(layer, given, output)

    layer_class.__call__ = __call__
    try:
        yield
    finally:
        layer_class.__call__ = original


def settle(model: Any, batches: Iterable[Any], note: Callable[[Seen], None] = lambda seen: None) -> list[Any]:
    """Gives the normalizations that learn the moving statistics at which they would settle on these batches.

    These are the averages of the batches' own, with the weights as they are: what a moving average with a momentum close to 1
    ends at. Returns the normalizations that learn: those whose statistics move in training mode. ``note`` hears of every
    normalization's applications in training mode, which do not depend on moving statistics.
    """
    before = Snapshot(model)
    sums: dict[int, list[Any]] = {}
    for number, batch in enumerate(batches):
        for each in forward(model, batch, True, seed=number)[1]:
            found = moments(each.given, _axis(each.layer))
            sums.setdefault(id(each.layer), []).append((found.mean, found.variance))
            note(each)
    learning = [each for each in norms_of(model) if id(each) in sums and _moved(before, each)]
    before.restore()
    for norm in learning:
        means, variances = zip(*sums[id(norm)], strict=True)
        for variable, values in ((norm.moving_mean, means), (norm.moving_variance, variances)):
            average = np.mean(values, axis=0)
            variable.assign(average.reshape(tuple(variable.shape)).astype(str(_dtype(variable))))
    return learning


def _moved(before: Snapshot, norm: Any) -> bool:
    return difference(before.statistics.get(id(norm), ()), statistics(norm)) > STILL


def _dtype(variable: Any) -> Any:
    name = getattr(variable.dtype, "name", variable.dtype)
    return "float32" if name == "bfloat16" else name


def _axis(norm: Any) -> Any:
    axis = norm.axis
    return axis if isinstance(axis, int) else tuple(axis)


def axes_of(norm: Any, rank: int) -> tuple[int, ...]:
    """The axes that a normalization keeps apart, counted from 0."""
    axis = _axis(norm)
    return tuple(each % rank for each in ([axis] if isinstance(axis, int) else axis))


def spread(values: Array, norm: Any) -> Array:
    """The variance of each channel."""
    return moments(values, _axis(norm)).variance


def channel_means(values: Array, norm: Any) -> Array:
    """The mean of each channel."""
    return moments(values, _axis(norm)).mean
