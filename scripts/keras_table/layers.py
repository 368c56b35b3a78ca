"""Constructor and call parameters of every layer class. Runs where Keras can be imported."""

from __future__ import annotations

import inspect
from typing import Any

from keras_table.signatures import members, parameters

METHODS: dict[str, list[str]] = {
    "Model": [],
    "Sequential": ["add", "pop"],
    "layers.Layer": [],
    "layers.BatchNormalization": ["call", "build"],
    "preprocessing.image.ImageDataGenerator": [],
    "optimizers.Optimizer": ["apply_gradients", "minimize", "apply"],
    "layers.Normalization": ["adapt"],
}
"""The classes whose methods' parameters the table has: all public methods where none are named."""

SIGNED: tuple[str, ...] = (
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "initializers",
    "layers",
    "losses",
    "metrics",
)
SIGNED += ("mixed_precision", "models", "ops", "optimizers", "preprocessing", "random", "regularizers", "saving", "utils")
"""The namespaces whose functions' and classes' parameters the table has, besides those of the top level."""


def layers(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of every layer and model class by path, one path for each class."""
    base = found["layers.Layer"]
    described: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for path, value in found.items():
        if _is_layer(value, base) and id(value) not in seen and not path.startswith("metrics"):
            seen.add(id(value))
            described[path] = {
                "constructor": parameters(value.__init__, bound=True),
                "call": parameters(value.call, bound=True),
            }
    return described


def signatures(found: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of functions, of other classes' constructors and of some classes' methods, by path."""
    base = found["layers.Layer"]
    signed: dict[str, Any] = {}
    for path, value in found.items():
        area, _, rest = path.partition(".")
        if (rest and area not in SIGNED) or (_is_layer(value, base) and area != "metrics"):
            continue
        encoded = parameters(value.__init__, bound=True) if inspect.isclass(value) else parameters(value)
        if encoded is not None:
            signed[path] = encoded
    for path, wanted in METHODS.items():
        if path in found:
            for name, encoded in members(found[path], wanted).items():
                signed[f"{path}:{name}"] = encoded
    return signed


def _is_layer(value: Any, base: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, base)
