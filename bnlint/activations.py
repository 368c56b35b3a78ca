"""Which nonlinearity an application stands for, however it is written: a layer, a function, an argument of a linear layer."""

from __future__ import annotations

from bnlint.interpreter.records import Call, LayerV
from bnlint.interpreter.values import FunctionV, MethodV, PartialV
from bnlint.program import Program

LINEAR = ""
OUTPUTS = frozenset({"softmax", "sigmoid"})
"""Activations of outputs and gates."""

FUNCTIONS = frozenset(
    ("relu", "relu6", "leakyrelu", "elu", "selu", "celu", "gelu", "swish", "silu", "hardswish", "hardsilu", "mish", "tanh", "hardtanh",
     "softplus", "softsign", "crelu", "exponential", "squareplus", "glu", "sigmoid", "hardsigmoid", "logsigmoid", "logsoftmax",
     "softmax")
)  # fmt: skip
"""The last words of the names of functions of tensors that are activations."""


def activation(program: Program, call: Call) -> str | None:
    """The activation that a call applies by itself, by its short name; ``LINEAR`` for none, None where it is something else."""
    layer = call.layer
    if layer is None:
        name = _short(call.function)
        return name if name in FUNCTIONS and len(call.inputs) == 1 else None
    layer = inner(program, layer)
    info = program.info(layer)
    if info is None or not info.activation or _has_own_call(layer):
        return None
    if layer.symbol == "keras.layers.Activation":
        return argument(program, layer)
    return _short(layer.symbol)


def fused(program: Program, layer: LayerV) -> str | None:
    """The activation inside a linear layer; ``LINEAR`` for none; None where it is not known, or the layer is not linear."""
    layer = inner(program, layer)
    info = program.info(layer)
    if info is None or not info.linear or _has_own_call(layer):
        return None
    return argument(program, layer)


def argument(program: Program, layer: LayerV) -> str | None:
    """The ``activation`` argument of a layer."""
    value = program.argument(layer, "activation")
    if value is None:
        return LINEAR
    if isinstance(value, str):
        name = _short(value)
        return LINEAR if name == "linear" else name
    given = layer.arguments.get("activation")
    if isinstance(given, LayerV):
        info = program.info(given)
        return _short(given.symbol) if info is not None and info.activation else None
    return "a function" if isinstance(given, (FunctionV, MethodV, PartialV)) else None


def inner(program: Program, layer: LayerV) -> LayerV:
    """The layer that a TimeDistributed runs on each step; any other layer itself."""
    wraps = program.is_a(layer, "keras.layers.TimeDistributed") and len(layer.inner) == 1
    return layer.inner[0] if wraps else layer


def _short(name: str) -> str:
    return name.rpartition(".")[2].replace("_", "").lower()


def _has_own_call(layer: LayerV) -> bool:
    return layer.own_class is not None and layer.own_class.find("call") is not None
