"""Functions of tensors: keras.ops, tf, K, activations, and Keras's functional forms of layers."""

from __future__ import annotations

from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.function_shapes import function_shape
from bnlint.interpreter.layers import apply_layer, construct
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import LayerV, TensorV
from bnlint.interpreter.tensors import apply_function, as_tensor, tensors_in
from bnlint.interpreter.values import (
    Arguments,
    Const,
    InstanceV,
    ListV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)

TENSOR_LIBRARIES = ("keras.ops.", "keras.activations.", "tensorflow.nn.", "tensorflow.math.", "keras.backend.", "jax.nn.",
                    "tensorflow.image.", "tensorflow.linalg.")  # fmt: skip
OBJECTS = ("keras.optimizers.", "keras.losses.", "keras.metrics.", "keras.callbacks.", "keras.initializers.",
           "keras.regularizers.", "keras.constraints.", "keras.utils.", "keras.preprocessing.")  # fmt: skip


def call_merge(m: Machine, layer_name: str, arguments: Arguments, site: CallSite) -> Value:
    """``keras.layers.add(...)`` and its kin: the layer made and called at once."""
    inputs = arguments.get(0, "inputs")
    rest = Arguments(
        arguments.positional[1:],
        {key: value for key, value in arguments.keywords.items() if key != "inputs"},
        arguments.open_positional,
        arguments.open_keywords,
    )
    layer = construct(m, SymbolV(layer_name, site.generation), rest, site)
    return apply_layer(m, layer, Arguments([inputs] if inputs is not None else [], {}), site)


@native("keras.activations.get")
def get_activation(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``activations.get("relu")`` is the function of that name."""
    value = arguments.get(0, "identifier")
    if isinstance(value, Const) and isinstance(value.value, str):
        return SymbolV(f"keras.activations.{value.value}")
    if isinstance(value, Const):
        return SymbolV("keras.activations.linear")
    return value if value is not None else unknown()


@native("keras.activations.linear", "tensorflow.identity_n")
def linear(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The linear activation gives its argument."""
    return arguments.positional[0] if arguments.positional else unknown()


def call_operation(m: Machine, symbol: SymbolV, arguments: Arguments, site: CallSite) -> Value:
    """A function of a library: of tensors, or one that cannot be followed."""
    operation = m.table.operation(symbol.path)
    if operation is not None and operation.layer is not None:
        return call_merge(m, operation.layer, arguments, site)
    tensors = [each for value in arguments.values() for each in tensors_in(value)]
    if operation is not None or symbol.path.startswith(TENSOR_LIBRARIES):
        tensors = _with_unknown(m, arguments, tensors)
    if not tensors:
        m.escape_all(arguments.values())
        if symbol.path.startswith(OBJECTS) and symbol.path.rpartition(".")[2][:1].isupper():
            made = InstanceV(symbol, {**_positional(symbol, arguments), **arguments.keywords}, open=True)
            if symbol.path.startswith("keras.optimizers."):
                m.event("construct", made, site, name="optimizer", arguments=dict(arguments.keywords))
            return made
        return unknown(f"result of {symbol.path}")
    name = symbol.path.removesuffix(".__call__")
    if operation is not None:
        name = f"keras.ops.{operation.operation}" if operation.operation else symbol.path
    shape = function_shape(m, symbol.path, operation.family if operation is not None else None, arguments, tensors)
    named = {str(index): value for index, value in enumerate(arguments.positional)}
    for value in arguments.values():
        if isinstance(value, (LayerV, InstanceV)):
            m.escape(value)
    return apply_function(m, name, tensors, shape, site, {**named, **arguments.keywords})


def _positional(symbol: SymbolV, arguments: Arguments) -> dict[str, Value]:
    """The first argument of a cross-entropy, by its name."""
    is_entropy = symbol.path.startswith("keras.losses.") and symbol.path.endswith("Crossentropy")
    return {"from_logits": arguments.positional[0]} if is_entropy and arguments.positional else {}


def _with_unknown(m: Machine, arguments: Arguments, tensors: list[TensorV]) -> list[TensorV]:
    """The tensors of a function that takes tensors: an unknown first argument is one, too."""
    first = arguments.positional[0] if arguments.positional else arguments.keywords.get("x")
    if isinstance(first, Unknown):
        return [as_tensor(m, first), *tensors]
    if isinstance(first, (ListV, TupleV)) and any(isinstance(item, Unknown) for item in first.items):
        found = [as_tensor(m, item) for item in first.items if isinstance(item, (Unknown, TensorV))]
        return [*found, *(each for each in tensors if each not in found)]
    return tensors
