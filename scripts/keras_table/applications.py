"""The models of ``keras.applications``, built without weights. Runs where Keras can be imported."""

from __future__ import annotations

import gc
import inspect
import re
from typing import Any

import numpy as np

from keras_table.names import home
from keras_table.signatures import parameters

POOLING = "GlobalAveragePooling2D"


def constructors(keras: Any) -> list[str]:
    """Return the names of the constructors that ``keras.applications`` exports."""
    return sorted(name for name, value in vars(keras.applications).items() if name[:1].isupper() and inspect.isfunction(value))


def describe_all(generation: str, keras: Any, only: list[str]) -> dict[str, Any]:
    """Return the layers of every constructor, or of those named."""
    quick_weights(keras)
    return {name: describe(keras, name) for name in constructors(keras) if not only or name in only}


def quick_weights(keras: Any) -> None:
    """Make every kernel zero: what the weights are does not matter here, and drawing them takes most of the time."""

    def zeros(self: Any, shape: Any, dtype: Any = None, **keywords: Any) -> Any:
        return np.zeros(tuple(shape), "float32" if dtype is None else str(getattr(dtype, "name", dtype)))

    for name in ("GlorotUniform", "VarianceScaling", "TruncatedNormal", "RandomNormal"):
        getattr(keras.initializers, name).__call__ = zeros


def describe(keras: Any, name: str) -> dict[str, Any]:
    """Return one constructor's layers for each way to end the model, and what else the table has of it.

    Built are the model with its top and the one with average pooling; maximum pooling and none differ from that in one layer.
    """
    constructor = getattr(keras.applications, name)
    model = _build(keras, constructor)
    variants = {"top": [_layer(each) for each in model.layers]}
    entry: dict[str, Any] = {
        "parameters": parameters(constructor),
        "input_shape": list(model.input_shape),
        "batchnorms": sum(isinstance(each, keras.layers.BatchNormalization) for each in model._flatten_layers()),
    }
    model = _build(keras, constructor, include_top=False, pooling="avg")
    layers = variants["avg"] = [_layer(each) for each in model.layers]
    place = max(index for index, (cls, _) in enumerate(layers) if cls.endswith(POOLING))
    maximum = [each.replace("Average", "Max").replace("average", "max").replace("avg_pool", "max_pool") for each in layers[place]]
    variants["max"] = layers[:place] + [maximum] + layers[place + 1 :]
    variants["none"] = layers[:place] + layers[place + 1 :]
    return {**entry, "variants": variants}


def _build(keras: Any, constructor: Any, **arguments: Any) -> Any:
    keras.backend.clear_session()
    gc.collect()
    return constructor(weights=None, **arguments)


def _layer(layer: Any) -> list[str]:
    """A layer's class and name; the name is ``#`` and the number where Keras chose it."""
    cls = type(layer)
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", cls.__name__)).lower()
    if re.fullmatch(r"input_layer|input_1", layer.name):
        return [home(cls), "#0"]
    if cls.__name__.endswith("OpLambda"):
        # These carry the name of TensorFlow's function, and a number that goes on from model to model.
        return [home(cls), "@" + re.sub(r"_\d+$", "", layer.name)]
    automatic = re.fullmatch(rf"(?:{words})(?:_(\d+))?", layer.name)
    return [home(cls), f"#{automatic[1] or 0}" if automatic else str(layer.name)]
