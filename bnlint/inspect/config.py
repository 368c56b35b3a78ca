"""Configurations of models, as Keras writes them into its files: JSON, of which nothing is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
LAYERS = "layers"
OLD_LAYERS = "_layer_checkpoint_dependencies"
"""The group of a model's layers in a file of weights: since TensorFlow 2.14 and in Keras 3, and in TensorFlow 2.12 and 2.13."""
_NORMS = frozenset({"BatchNormalization", "SyncBatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2"})
_OWN_KEYS = ("moving_mean_initializer", "moving_variance_initializer")


@dataclass(frozen=True)
class Configured:
    """The configuration of one batch normalization and where it is.

    ``names`` are the names of the layers that hold it, from the outermost, and its own. ``place`` is the group of the file of
    weights that Keras 3 (and the .keras format of Keras 2) keeps it in.
    """

    names: tuple[str, ...]
    place: str
    config: Json

    @property
    def name(self) -> str:
        """Its own name."""
        return self.names[-1]


def entry_of(value: object) -> tuple[str, Json] | None:
    """Class name and configuration of a serialized object; None where it is none."""
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str):
        return None
    config = value.get("config")
    if isinstance(config, list):  # a Sequential of Keras 2.2.2 and older
        config = {"layers": config}
    return (value["class_name"].rpartition(">")[2], config) if isinstance(config, Mapping) else None


def layers_of(config: Json) -> list[Json]:
    """The serialized layers of a functional or sequential model."""
    layers = config.get("layers")
    return [each for each in layers if entry_of(each)] if isinstance(layers, list) else []


def name_of(entry: Json) -> str:
    """The name of a serialized layer; empty where it has none."""
    config = entry_of(entry)
    name = config[1].get("name", entry.get("name")) if config else None
    return name if isinstance(name, str) else ""


def is_norm(class_name: str, config: Json) -> bool:
    """Whether this is a batch normalization: by its class, or by what only it is configured with, for classes derived from it."""
    return class_name in _NORMS or all(key in config for key in _OWN_KEYS)


def norms_of(model: Json, layers: str = LAYERS) -> Iterator[Configured]:
    """The batch normalizations of a model at any depth; ``layers`` is what the file of weights calls the group of its layers."""
    yield from _norms(model, "", (), layers)


def _norms(value: Json, place: str, names: tuple[str, ...], group: str) -> Iterator[Configured]:
    entry = entry_of(value)
    if entry is None:
        return
    class_name, config = entry
    if is_norm(class_name, config):
        yield Configured((*names, name_of(value)), place, config)
        return
    inner = (*names, name_of(value)) if place else names
    used: dict[str, int] = {}
    for layer in layers_of(config):
        place_of_layer = _below(place, f"{group}/{_unique(layer['class_name'], used)}")
        yield from _norms(layer, place_of_layer, inner, group)
        if group == OLD_LAYERS and _has_weights(layer):
            _unique(layer["class_name"], used)  # TensorFlow 2.12 and 2.13 count a layer that has weights twice
    for key, child in config.items():
        if key != "layers" and isinstance(key, str):
            yield from _norms(child, _below(place, key), inner, group)


def _below(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _unique(class_name: str, used: dict[str, int]) -> str:
    """The name that Keras gives a layer in a container's group: by its class, counted (``saving_lib.py``)."""
    name = re.sub(r"\W+", "", class_name.rpartition(">")[2])
    name = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
    used[name] = used.get(name, -1) + 1
    return f"{name}_{used[name]}" if used[name] else name


def _has_weights(layer: Json) -> bool:
    """Whether any layer in it has an initializer to configure."""
    pending: list[object] = [layer]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            if any(isinstance(key, str) and key.endswith("_initializer") for key in each):
                return True
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return False


def models_of(value: object) -> Iterator[Json]:
    """The configurations of the functional and sequential models in a configuration, the outermost first."""
    entry = entry_of(value)
    if entry is None:
        return
    _, config = entry
    layers = layers_of(config)
    if layers:
        yield config
    for each in layers:
        yield from models_of(each)
    for key, child in config.items():
        if key != "layers":
            yield from models_of(child)


def trainable(config: Json) -> bool | None:
    """Whether a layer was trainable when it was saved."""
    value = config.get("trainable")
    return value if isinstance(value, bool) else None


def number(config: Json | None, key: str) -> float | None:
    """A number of a configuration; None where it has none."""
    value = config.get(key) if config is not None else None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def initial_value(config: Json | None, key: str, default: float) -> float | None:
    """What an initializer sets every element to; None for those that draw numbers at random."""
    if config is None or config.get(key) is None:
        return default
    given = config[key]
    entry = entry_of(given)
    name, arguments = entry if entry else (given, {}) if isinstance(given, str) else ("", {})
    if name in ("Constant", "constant"):
        return number(arguments, "value")
    return {"zeros": 0.0, "ones": 1.0}.get(name.lower())


def lambdas_of(value: object) -> list[str]:
    """The names of Lambda layers, whose Python code lies in the file."""
    pending, found = [value], []
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            if each.get("class_name") == "Lambda":
                found.append(name_of(each))
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return found
