"""Biases that the batch normalization behind them could take over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.inspect.config import Json, entry_of, number
from bnlint.inspect.graph import Graph, Node, arguments_of
from bnlint.keras_api.shapes import channel_axis, follow_channels
from bnlint.keras_api.table import table

_KEEP = frozenset({"pool", "global_pool", "crop", "upsample", "flatten", "reshape", "permute", "repeat_vector"})
"""Families of layers out of which a constant comes as it went in, on one axis or another."""
_BYTES = {"float16": 2, "bfloat16": 2, "float64": 8}


@dataclass(frozen=True)
class FoldableBias:
    """A bias that only batch normalizations get to see: subtracted from their moving means, it can go.

    ``count`` is how many numbers it has, None where the configuration does not tell.
    """

    layer: Node
    norms: tuple[Node, ...]
    count: int | None
    itemsize: int


@dataclass(frozen=True)
class _Linear:
    """A linear layer, or one that is applied to each time step: what its shape rules need."""

    family: str
    arguments: dict[str, object]
    config: Json


def foldable_biases(graph: Graph) -> Iterator[FoldableBias]:
    """The biases of linear layers whose outputs reach batch normalizations over their channels and nothing else."""
    for node in graph.nodes.values():
        linear = _linear(node)
        if linear is None or node.shape is None:
            continue
        axis = channel_axis(linear.family, linear.arguments)
        norms = _ends(graph, node, axis % len(node.shape)) if axis is not None and abs(axis) < len(node.shape) else None
        if norms:
            count = number(linear.config, "units") or number(linear.config, "filters")
            itemsize = _BYTES.get(_variable_type(linear.config), 4)
            yield FoldableBias(node, tuple(norms), None if count is None else int(count), itemsize)


def _linear(node: Node) -> _Linear | None:
    info, config = node.info, node.config
    if info is not None and info.name == "keras.layers.TimeDistributed":
        entry = entry_of(config.get("layer"))
        inner = table().layer(f"keras.layers.{entry[0]}") if entry else None
        if entry is None or inner is None or not _has_bias(inner.linear, entry[1]):
            return None
        arguments: dict[str, object] = {"inner_family": inner.family, "inner_arguments": arguments_of(entry[1])}
        return _Linear(info.family, arguments, entry[1])
    if info is None or not _has_bias(info.linear, config) or info.bias is None or info.bias.axis == "special":
        return None
    return _Linear(info.family, arguments_of(config), config)


def _has_bias(linear: bool, config: Json) -> bool:
    return linear and config.get("use_bias", True) is True and config.get("activation") in (None, "linear")


def _variable_type(config: Json) -> str:
    given = config.get("dtype")
    entry = entry_of(given)
    name = entry[1].get("name") if entry else given
    return name if isinstance(name, str) else "float32"


def _ends(graph: Graph, start: Node, axis: int) -> list[Node] | None:
    """The batch normalizations that a constant on an axis of a layer's output ends in; None where it ends elsewhere too."""
    pending, norms = [(start, axis)], dict[str, Node]()
    for _ in range(len(graph.nodes)):
        if not pending:
            return list(norms.values())
        node, axis = pending.pop()
        consumers = graph.consumers(node.name)
        if node.name in graph.outputs or not consumers:
            return None
        for each in consumers:
            if each.calls > 1 or len(each.sources) != 1:
                return None  # shared: what it takes elsewhere has no bias to make up for
            if each.is_norm:
                if node.shape is None or not _normalizes(each, axis, len(node.shape)):
                    return None
                norms[each.name] = each
                continue
            moved = _through(each, node, axis)
            if moved is None:
                return None
            pending.append((each, moved))
    return None


def _normalizes(norm: Node, axis: int, rank: int) -> bool:
    given = norm.config.get("axis", -1)
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    renorm = norm.config.get("renorm", False)
    return type(given) is int and -rank <= given < rank and given % rank == axis and renorm in (False, None)


def _through(node: Node, before: Node, axis: int) -> int | None:
    """The axis on which a constant comes out of a layer as it went in."""
    info = node.info
    if info is None or info.shift == "breaks" or not (info.family in _KEEP or info.name == "keras.layers.Identity"):
        is_identity = info is not None and info.name == "keras.layers.Activation" and node.config.get("activation") == "linear"
        return axis if is_identity else None
    return follow_channels(info.family, info.rank, arguments_of(node.config), before.shape, node.shape, axis)
