"""Which axis of a normalization's input holds the channels, by the layer that made it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bnlint.verify.passes import axes_of
from bnlint.verify.synthetic import leaves

_MOST = 100


@dataclass(frozen=True)
class Layout:
    """The axes that a normalization keeps apart and how many statistics it has; the layer before, its channels and their axis."""

    axes: tuple[int, ...]
    length: int
    source: str
    channels: int
    channel_axis: int


def layouts(norm: Any, applications: Iterable[tuple[Any, Any, Any]]) -> Iterator[Layout]:
    """The layouts of a normalization's inputs; ``applications`` are layers with what they were given and gave, tensors both.

    Layers without a data format of their own, such as activations, are passed on the way back.
    """
    known = [(layer, given, gave) for layer, given, gave in applications if given is not None and gave is not None]
    makers = {id(gave): (layer, given) for layer, given, gave in known}
    for layer, tensor, _ in known:
        if layer is norm:
            found = _source(tensor, makers)
            if found is not None:
                yield _layout(norm, tensor, found)


def _source(tensor: Any, makers: dict[int, tuple[Any, Any]]) -> Any | None:
    rank = len(tensor.shape)
    for _ in range(_MOST):
        layer, given = makers.get(id(tensor), (None, None))
        if layer is None or len(given.shape) != rank or hasattr(layer, "layer"):
            return None
        if isinstance(getattr(layer, "data_format", None), str):
            return layer
        if list(layer._flatten_layers(include_self=False)):
            return None
        tensor = given
    return None


def _layout(norm: Any, tensor: Any, source: Any) -> Layout:
    rank = len(tensor.shape)
    axis = 1 if source.data_format == "channels_first" else rank - 1
    variable = norm.moving_mean
    return Layout(axes_of(norm, rank), int(variable.shape[0]), source.name, int(tensor.shape[axis] or 0), axis)


def recorded(calls: Iterable[Any]) -> list[tuple[Any, Any, Any]]:
    """Recorded calls as applications."""
    return [(each.layer, _first(each.arguments), _first(each.output)) for each in calls]


def _first(value: Any) -> Any | None:
    return next(iter(leaves(value)), None)
