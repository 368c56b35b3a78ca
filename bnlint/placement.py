"""Where batch normalizations stand: between a linear layer and its activation, or behind both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bnlint.activations import LINEAR, OUTPUTS, activation, fused, inner
from bnlint.interpreter.records import Call, LayerV, ModelV, TensorV
from bnlint.program import Program

Order = Literal["before", "after"]
PASSED = frozenset({"pool", "pad", "crop"})
GATES = OUTPUTS | {"hardsigmoid", "logsigmoid", "logsoftmax"}
"""The activations of outputs and of gates, which are in no order with a normalization."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A batch normalization ``before`` the activation of a linear layer, or ``after`` it."""

    call: Call
    norm: LayerV
    order: Order
    linear: LayerV
    activation: str


def placements(program: Program) -> Iterator[list[Placement]]:
    """The placements in each model, in the order of its graph.

    Layers and blocks of a model are part of it; the networks inside it that are used for themselves, such as the two of
    a GAN, are models of their own. A normalization in front of an activation and behind another (pre-activation), on an
    input, behind a merge, a recurrent layer or a reshape is in no order.
    """
    for model in program.models():
        if program.holders(model) and not _is_apart(program, model):
            continue
        calls = {id(call): call for norm in _norms(program, model) for call in program.calls_of(norm)}
        placed = (placement(program, call) for call in sorted(calls.values(), key=lambda each: each.order))
        yield [each for each in placed if each is not None]


def _norms(program: Program, model: ModelV) -> list[LayerV]:
    """The normalizations of a model's own, in blocks of any depth."""
    found: list[LayerV] = []
    seen: set[int] = set()
    pending: list[LayerV] = [model]
    while pending:
        each = pending.pop()
        if id(each) in seen or (each is not model and isinstance(each, ModelV) and _is_apart(program, each)):
            continue
        seen.add(id(each))
        if program.is_batchnorm(each) and each.site is not None:
            found.append(each)
        pending.extend(program.sublayers(each))
    return found


def _is_apart(program: Program, model: ModelV) -> bool:
    """Whether a model inside another one is a network of its own."""
    if model.kind in ("functional", "application", "loaded") or program.is_used_itself(model):
        return True
    if model.kind == "sequential":
        first = model.inner[0] if model.inner else None
        declared = {"input_shape", "batch_input_shape", "input_dim", "shape"}
        return first is not None and (first.symbol == "keras.layers.InputLayer" or bool(declared & set(first.arguments)))
    return any(call.parent is None and call.setting != "graph" for call in program.calls_of(model))


def placement(program: Program, call: Call) -> Placement | None:
    """The order in which a batch normalization is applied; None where it is in none, or not known."""
    norm = call.layer
    if norm is None or len(call.inputs) != 1:
        return None
    source = _source(program, call.inputs[0])
    if source is None:
        return None
    behind = {_hidden(program, each) for output in call.outputs for each in _following(program, output)}
    if None in behind:
        return None
    next_activation = next((name for name in sorted(map(str, behind)) if name != LINEAR), LINEAR)
    linear, own = _linear(program, source)
    if linear is None:
        return None
    if own == LINEAR and next_activation != LINEAR:
        return Placement(call, norm, "before", linear, next_activation)
    if own != LINEAR and next_activation == LINEAR:
        return Placement(call, norm, "after", linear, own)
    return None


def _linear(program: Program, source: Call) -> tuple[LayerV | None, str]:
    """The linear layer of a block and the activation that stands between it and the normalization."""
    layer = source.layer
    own = fused(program, layer) if layer is not None else None
    if own is not None:
        return (layer, own) if own not in GATES else (None, own)
    name = activation(program, source)
    if name is None or name in GATES or name == LINEAR:
        return None, LINEAR
    before = _source(program, source.inputs[0])
    linear = before.layer if before is not None else None
    return (linear, name) if linear is not None and fused(program, linear) == LINEAR else (None, name)


def _hidden(program: Program, call: Call) -> str | None:
    """The hidden activation that a call applies; ``LINEAR`` where it does something else, None where that is not known."""
    name = activation(program, call)
    if name is None:
        is_activation = call.layer is not None and inner(program, call.layer).symbol == "keras.layers.Activation"
        return None if is_activation else LINEAR
    is_output = name == "tanh" and not any(program.consumers(each) or program.aliases(each) for each in call.outputs)
    return LINEAR if name in GATES or is_output else name


def _source(program: Program, tensor: TensorV) -> Call | None:
    """The application that a tensor comes from, through pooling, padding, cropping and dropout."""
    for _ in range(20):
        call = _activation_around(program, tensor) or program.producer(tensor)
        if call is None or len(call.inputs) != 1 or not _is_passed(program, call):
            return call
        tensor = call.inputs[0]
    return None


def _activation_around(program: Program, tensor: TensorV) -> Call | None:
    """The Activation layer that gave a tensor, whatever the function inside it does."""
    while tensor.alias is not None:
        if tensor.call is not None and activation(program, tensor.call) is not None:
            return tensor.call
        tensor = tensor.alias
    return None


def _following(program: Program, tensor: TensorV) -> list[Call]:
    """The applications that take a tensor, through pooling, padding, cropping and dropout, into and out of blocks."""
    found: list[Call] = []
    seen: set[int] = set()
    pending = [tensor]
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        pending.extend(program.aliases(each))
        pending.extend(
            out for model in program.models_ending_in(each) for call in program.calls_of(model) for out in call.outputs
        )
        for call in program.consumers(each):
            layer = call.layer
            if _is_passed(program, call):
                pending.extend(call.outputs)
            elif isinstance(layer, ModelV) and len(layer.inputs) == len(call.inputs):
                pending.extend(own for own, given in zip(layer.inputs, call.inputs) if given is each)
            else:
                found.append(call)
    return found


def _is_passed(program: Program, call: Call) -> bool:
    layer = inner(program, call.layer) if call.layer is not None else None
    info = program.info(layer) if layer is not None else None
    if layer is None or info is None or (layer.own_class is not None and layer.own_class.find("call") is not None):
        return False
    return info.family in PASSED or info.dropout is not None or activation(program, call) == LINEAR
