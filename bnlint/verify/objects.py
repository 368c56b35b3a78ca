"""Questions about live layers and models that hold for every generation of Keras."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from bnlint.verify.synthetic import numpy_of


def kerases() -> list[Any]:
    """The Kerases that are loaded: ``keras``, and ``tf_keras`` where it is another."""
    found = [sys.modules.get("keras"), sys.modules.get("tf_keras")]
    return [
        each for index, each in enumerate(found) if each is not None and each not in found[:index] and hasattr(each, "layers")
    ]


def keras_of(instance: Any) -> Any:
    """The Keras that a layer or model belongs to."""
    for cls in type(instance).__mro__:
        if cls.__module__.startswith("tf_keras"):
            return sys.modules["tf_keras"]
    return sys.modules["keras"]


def backend_in_use() -> str:
    """The backend that Keras 3 runs on in this process; Keras 2 has TensorFlow alone."""
    config: Any = getattr(sys.modules.get("keras"), "config", None)
    return str(config.backend()) if hasattr(config, "backend") else "tensorflow"


def is_layer(value: Any) -> bool:
    """Whether a value is a layer or model of a loaded Keras."""
    return any(isinstance(value, each.layers.Layer) for each in kerases())


def is_model(value: Any) -> bool:
    """Whether a value is a model of a loaded Keras."""
    return any(isinstance(value, each.Model) for each in kerases())


def has_call(model: Any) -> bool:
    """Whether a model or layer can be called: whether its class, or one of the user's or Keras's it derives from, has a ``call``."""
    owner = next((each for each in type(model).__mro__ if "call" in vars(each)), None)
    return owner is not None and not any(owner in (each.layers.Layer, each.Model) for each in kerases())


def is_graph(model: Any) -> bool:
    """Whether a model is made of a graph's inputs and outputs."""
    names = {each.__name__ for each in type(model).__mro__}
    return "Functional" in names and "Sequential" not in names


@lru_cache(maxsize=4)
def norm_class(keras: Any) -> type:
    """The class in which ``call`` of a Keras's own batch normalization stands: in Keras 2, also that of the synchronized one."""
    own: type = keras.layers.BatchNormalization
    return next(kind for kind in own.__mro__ if "call" in vars(kind))


def is_norm(value: Any) -> bool:
    """Whether a layer is a batch normalization of Keras or a subclass of one."""
    return any(isinstance(value, norm_class(each)) for each in kerases())


def is_symbolic(value: Any) -> bool:
    """Whether a value is a symbolic tensor of a graph."""
    return type(value).__name__ == "KerasTensor"


def layers_of(model: Any) -> list[Any]:
    """A model and all layers in it at any depth, each once."""
    try:
        return list(model._flatten_layers())
    except (AttributeError, ValueError):
        return [model]


def norms_of(model: Any) -> list[Any]:
    """The batch normalizations in a model at any depth."""
    return [each for each in layers_of(model) if is_norm(each)]


def statistics(norm: Any) -> tuple[Any, ...]:
    """Moving mean and moving variance as arrays; nothing where the layer is not built."""
    if getattr(norm, "moving_mean", None) is None:
        return ()
    return numpy_of(norm.moving_mean).copy(), numpy_of(norm.moving_variance).copy()


def learnt(layer: Any) -> dict[int, Any]:
    """The layer's own weights other than moving statistics, as arrays."""
    moving = {id(getattr(layer, name, None)) for name in ("moving_mean", "moving_variance")}
    return {id(weight): numpy_of(weight).copy() for weight in layer.weights if id(weight) not in moving}


def difference(first: Iterable[Any], second: Iterable[Any]) -> float:
    """The largest absolute difference between two series of arrays; infinite where one is not finite."""
    largest = 0.0
    for before, after in zip(first, second, strict=False):
        if np.size(before):
            change = np.abs(np.asarray(after, "float64") - np.asarray(before, "float64"))
            largest = max(largest, float(np.max(change)) if np.all(np.isfinite(change)) else float("inf"))
    return largest


class Snapshot:
    """The variables of a model, to be compared with or put back."""

    def __init__(self, model: Any) -> None:
        self.layers = [each for each in layers_of(model) if getattr(each, "weights", None)]
        self.statistics = {id(each): statistics(each) for each in self.layers if is_norm(each)}
        self.learnt = {id(each): learnt(each) for each in self.layers}
        # Keras 3 keeps the state of random layers among the variables, not the weights.
        self._variables = [(each, numpy_of(each).copy()) for each in getattr(model, "variables", model.weights)]

    def statistics_moved(self, norm: Any) -> float:
        """How far a normalization's moving statistics have moved since."""
        return difference(self.statistics.get(id(norm), ()), statistics(norm))

    def weights_moved(self, layer: Any) -> float:
        """How far a layer's other weights have moved since."""
        return _moved(self.learnt.get(id(layer), {}), learnt(layer))

    def restore(self) -> None:
        """Put the variables back."""
        for variable, value in self._variables:
            variable.assign(value)


def _moved(before: Mapping[int, Any], after: Mapping[int, Any]) -> float:
    shared = [key for key in before if key in after]
    return difference([before[key] for key in shared], [after[key] for key in shared])
