"""The graph of a functional or sequential model, from its configuration: which layer takes what from which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bnlint.inspect.config import Json, entry_of, is_norm, layers_of, name_of
from bnlint.keras_api.records import LayerInfo
from bnlint.keras_api.shapes import UNKNOWN, Shape, as_shape, output_shape
from bnlint.keras_api.table import table


@dataclass
class Node:
    """A layer of the graph: its class and configuration, the names of the layers it takes tensors from, one a tensor."""

    name: str
    class_name: str
    config: Json
    sources: list[str] = field(default_factory=list)
    calls: int = 1
    shape: Shape = None
    own: bool = False
    """Whether its class is none of Keras's, whatever it is called."""

    @cached_property
    def info(self) -> LayerInfo | None:
        """What is known of its class, for Keras's own layers."""
        return None if self.own else table().layer(f"keras.layers.{self.class_name}")

    @property
    def is_norm(self) -> bool:
        """Whether it is a batch normalization."""
        return is_norm(self.class_name, self.config)


@dataclass
class Graph:
    """Layers by name in their order, and the names of those whose outputs the model returns."""

    nodes: dict[str, Node]
    outputs: frozenset[str]

    def consumers(self, name: str) -> list[Node]:
        """The layers that take a layer's output."""
        return self._consumers.get(name, [])

    @cached_property
    def _consumers(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            for source in dict.fromkeys(node.sources):
                found.setdefault(source, []).append(node)
        return found

    def behind_another(self, name: str) -> bool:
        """Whether all that reaches a layer has been through another batch normalization of this graph."""
        pending, seen = list(self.nodes[name].sources), set[str]()
        if not pending:
            return False
        while pending:
            each = pending.pop()
            if each in seen or each not in self.nodes:
                continue
            seen.add(each)
            node = self.nodes[each]
            if node.is_norm:
                continue
            if not node.sources:
                return False
            pending += node.sources
        return True


def graph_of(model: Json) -> Graph:
    """The graph of a model's configuration; a sequential model is a chain."""
    functional = "output_layers" in model
    nodes: dict[str, Node] = {}
    last = ""
    for layer in layers_of(model):
        entry = entry_of(layer)
        name = str(layer.get("name") or name_of(layer)) if functional else name_of(layer) or f"layer {len(nodes)}"
        if entry is None or name in nodes:
            continue
        node = nodes[name] = Node(name, *entry, own=_is_own(layer))
        if not functional:
            node.sources = [last] if last else []
            last = name
    if not functional:
        _set_shapes(nodes)
        return Graph(nodes, frozenset([last]))
    for layer in layers_of(model):
        node = nodes[str(layer.get("name") or name_of(layer))]
        inbound = layer.get("inbound_nodes")
        node.calls = len(inbound) if isinstance(inbound, list) else 0
        node.sources = list(_references(inbound, nodes))
        _take_shapes(inbound, nodes)
    _set_shapes(nodes)
    return Graph(nodes, frozenset(_references(model.get("output_layers"), nodes)))


def _is_own(layer: Json) -> bool:
    module, registered = layer.get("module"), layer.get("registered_name")
    if ">" in layer["class_name"]:
        return True
    return bool(registered) and not str(module).startswith(("keras", "tf_keras"))


def _references(value: object, nodes: Mapping[str, Node]) -> Iterator[str]:
    """The names of layers whose tensors are meant: ``["conv", 0, 0]``, alone or as the history of a tensor of Keras 3."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            pending += list(each.values())[::-1]
        elif isinstance(each, list):
            if len(each) >= 3 and isinstance(each[0], str) and each[0] in nodes and all(type(part) is int for part in each[1:3]):
                yield each[0]
                pending += each[3:]
            else:
                pending += each[::-1]


def _take_shapes(value: object, nodes: Mapping[str, Node]) -> None:
    """The shapes that Keras 3 writes beside the history of each tensor, of layers with one output."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, list):
            pending += each
        elif isinstance(each, Mapping):
            history, shape = each.get("keras_history"), each.get("shape")
            if isinstance(history, list) and history and isinstance(shape, list) and str(history[0]) in nodes:
                nodes[str(history[0])].shape = as_shape(shape)
            pending += each.values()


def _set_shapes(nodes: Mapping[str, Node]) -> None:
    """Shapes of outputs as far as they can be worked out: Keras 2 writes them for inputs alone."""
    for node in nodes.values():
        given: Any = node.config.get("batch_shape", node.config.get("batch_input_shape"))
        before = [nodes[name].shape for name in node.sources] or [as_shape(given)]
        if node.shape is None and node.calls <= 1:
            node.shape = _shape(node, before)


def _shape(node: Node, before: list[Shape]) -> Shape:
    if node.is_norm or node.class_name == "InputLayer":
        return before[0]
    info = node.info
    if info is None:
        return None
    shape = output_shape(info.family, info.rank, arguments_of(node.config), before)
    if shape is None and info.linear and info.rank:
        return (None, *[UNKNOWN] * (info.rank + 1))  # what came before cannot be told, how many axes there are can
    return None if isinstance(shape, list) else shape


def arguments_of(config: Json) -> dict[str, object]:
    """A layer's configuration as the shape rules take it."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
