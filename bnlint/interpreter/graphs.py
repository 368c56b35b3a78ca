"""The graph of a functional model: from its outputs back to its inputs, in Keras's order of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bnlint.interpreter.records import Call, LayerV, ModelV, TensorV

INPUT = "keras.layers.InputLayer"


@dataclass(slots=True)
class Graph:
    """What lies between inputs and outputs. ``calls`` are in topological order, ``layers`` in Keras's."""

    calls: list[Call] = field(default_factory=list)
    layers: list[LayerV] = field(default_factory=list)
    backbones: list[ModelV] = field(default_factory=list)
    depths: dict[int, int] = field(default_factory=dict)
    """How many of the layers of each backbone, by its id, come before the tensors that are taken from it."""
    complete: bool = True


def producer(tensor: TensorV, level: Call | None) -> Call | None:
    """The call that makes a tensor, as seen from ``level``: a composite layer, or none for the outermost graph."""
    call = tensor.call
    while call is not None and call.parent is not level:
        call = call.parent
    return call


def trace(inputs: Sequence[TensorV], outputs: Sequence[TensorV], level: Call | None = None) -> Graph:
    """All calls on a path from the outputs back to the inputs, and the input layers that no path leads to."""
    graph = Graph()
    ends = {id(tensor) for tensor in inputs}
    done: dict[int, Call] = {}
    stack: list[tuple[TensorV | Call, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        each, finished = stack.pop()
        if isinstance(each, Call):
            if finished and id(each) not in done:
                done[id(each)] = each
                graph.calls.append(each)
            continue
        if each.model is not None and each.call is None:
            if each.model not in graph.backbones:
                graph.backbones.append(each.model)
            depth = each.model.inner.index(each.layer) + 1 if each.layer in each.model.inner else len(each.model.inner)
            graph.depths[id(each.model)] = max(depth, graph.depths.get(id(each.model), 0))
            continue
        call = producer(each, level)
        if call is None:
            graph.complete = graph.complete and id(each) in ends
            continue
        if id(call) in done:
            continue
        stack.append((call, True))
        if id(each) in ends and level is None and call.function != INPUT:
            continue
        if call.unknown_inputs or (call.layer is None and not call.known_function):
            graph.complete = False
        stack.extend((tensor, False) for tensor in reversed(call.inputs) if producer(tensor, level) is not call)
    if level is None:
        apart = {id(each.call): each.call for each in inputs if each.call is not None and id(each.call) not in done}
        graph.calls[:0] = [call for call in apart.values() if call.function == INPUT]
    graph.layers = ordered_layers(graph.calls)
    return graph


def ordered_layers(calls: Sequence[Call]) -> list[LayerV]:
    """The layers in the order of ``model.layers``: by depth from the outputs, then by first visit."""
    depths: dict[int, int] = {}
    consumers: dict[int, list[Call]] = {}
    for call in calls:
        for tensor in call.inputs:
            maker = producer(tensor, call.parent)
            if maker is not None:
                consumers.setdefault(id(maker), []).append(call)
    layer_depth: dict[int, int] = {}
    for call in reversed(calls):
        depth = max((depths[id(each)] + 1 for each in consumers.get(id(call), []) if id(each) in depths), default=0)
        if call.layer is not None:
            depth = max(depth, layer_depth.get(id(call.layer), 0))
            layer_depth[id(call.layer)] = depth
        depths[id(call)] = depth
    order: dict[int, tuple[int, int, LayerV]] = {}
    for index, call in enumerate(calls):
        if call.layer is not None and id(call.layer) not in order:
            order[id(call.layer)] = (-layer_depth[id(call.layer)], index, call.layer)
    return [layer for _, _, layer in sorted(order.values(), key=lambda each: each[:2])]
