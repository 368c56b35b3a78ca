"""Functions of tensors: keras.ops, tf, K, activations, and Keras's functional forms of layers."""

from __future__ import annotations

from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.layers import apply_layer, construct
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import LayerV, TensorV
from bnlint.interpreter.tensors import apply_function, as_tensor, shape_from, shape_of, tensors_in
from bnlint.interpreter.values import (
    Arguments,
    Const,
    InstanceV,
    ListV,
    NotPlain,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    plain,
    unknown,
)
from bnlint.keras_api import shapes
from bnlint.keras_api.shapes import Shape

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
            return InstanceV(symbol, dict(arguments.keywords), open=True)
        return unknown(f"result of {symbol.path}")
    shape: Shape | list[Shape] = None
    name = symbol.path
    if operation is not None:
        name = f"keras.ops.{operation.operation}" if operation.operation else symbol.path
        shape = operation_shape(operation.family, arguments, tensors)
    elif symbol.path in SHAPES:
        shape = operation_shape(SHAPES[symbol.path], arguments, tensors)
    named = {str(index): value for index, value in enumerate(arguments.positional)}
    for value in arguments.values():
        if isinstance(value, (LayerV, InstanceV)):
            m.escape(value)
    return apply_function(m, name, tensors, shape, site, {**named, **arguments.keywords})


def _with_unknown(m: Machine, arguments: Arguments, tensors: list[TensorV]) -> list[TensorV]:
    """The tensors of a function that takes tensors: an unknown first argument is one, too."""
    first = arguments.positional[0] if arguments.positional else arguments.keywords.get("x")
    if isinstance(first, Unknown):
        return [as_tensor(m, first), *tensors]
    if isinstance(first, (ListV, TupleV)) and any(isinstance(item, Unknown) for item in first.items):
        found = [as_tensor(m, item) for item in first.items if isinstance(item, (Unknown, TensorV))]
        return [*found, *(each for each in tensors if each not in found)]
    return tensors


SHAPES = {
    "tensorflow.concat": "concatenate", "tensorflow.reshape": "reshape", "tensorflow.transpose": "transpose",
    "tensorflow.reduce_mean": "reduce", "tensorflow.reduce_sum": "reduce", "tensorflow.reduce_max": "reduce",
    "tensorflow.reduce_min": "reduce", "tensorflow.identity": "same", "tensorflow.cast": "same", "tensorflow.abs": "same",
    "tensorflow.sqrt": "same", "tensorflow.square": "same", "tensorflow.exp": "same", "tensorflow.add": "broadcast",
    "tensorflow.multiply": "broadcast", "tensorflow.subtract": "broadcast", "tensorflow.maximum": "broadcast",
    "tensorflow.minimum": "broadcast", "tensorflow.sigmoid": "same", "tensorflow.tanh": "same", "tensorflow.nn.relu": "same",
    "tensorflow.nn.relu6": "same", "tensorflow.nn.swish": "same", "tensorflow.nn.silu": "same", "tensorflow.nn.softmax": "same",
    "tensorflow.nn.sigmoid": "same", "tensorflow.nn.tanh": "same", "tensorflow.nn.leaky_relu": "same",
    "tensorflow.nn.elu": "same", "tensorflow.nn.gelu": "same", "tensorflow.nn.dropout": "same",
    "tensorflow.expand_dims": "expand_dims", "tensorflow.squeeze": "squeeze", "tensorflow.stack": "stack",
    "tensorflow.split": "split", "tensorflow.clip_by_value": "same", "tensorflow.stop_gradient": "same",
    "keras.backend.relu": "same", "keras.backend.sigmoid": "same", "keras.backend.tanh": "same",
    "keras.backend.softmax": "same", "keras.backend.concatenate": "concatenate", "keras.backend.reshape": "reshape",
    "keras.backend.mean": "reduce", "keras.backend.sum": "reduce", "keras.backend.max": "reduce",
    "keras.backend.permute_dimensions": "transpose", "keras.backend.expand_dims": "expand_dims",
    "keras.backend.squeeze": "squeeze", "keras.backend.hard_sigmoid": "same", "keras.backend.square": "same",
}  # fmt: skip


def operation_shape(family: str | None, arguments: Arguments, tensors: list[TensorV]) -> Shape | list[Shape]:
    """The shape that a function of tensors gives."""
    first = tensors[0].shape
    if family in ("elementwise", "same"):
        return first
    if family == "broadcast":
        operands = [shape_of(value) for value in arguments.positional[:2]]
        return shapes.broadcast(operands) if len(operands) == 2 else first
    if family == "reshape":
        target = arguments.get(1, "newshape") or arguments.keywords.get("shape")
        return shapes.reshape(first, shape_from(target)) if target is not None else None
    if family == "transpose":
        axes = _plain(arguments.get(1, "axes") or arguments.keywords.get("perm"))
        return shapes.transpose(first, axes) if axes is not NotPlain else None
    axis = _plain(arguments.get(1, "axis"))
    if axis is NotPlain:
        return None
    if family == "reduce":
        keep = _plain(arguments.get(2, "keepdims"))
        return shapes.reduce(first, axis, bool(keep)) if keep is not NotPlain else None
    if family == "concatenate":
        return shapes.concatenate([each.shape for each in tensors], axis if axis is not None else -1)
    if family == "expand_dims":
        return shapes.expand_dims(first, axis if axis is not None else -1)
    if family == "squeeze":
        return shapes.squeeze(first, axis)
    return None


def _plain(value: Value | None) -> object:
    """A constant argument; None where it is not given, :class:`NotPlain` where it is not known."""
    if value is None:
        return None
    try:
        return plain(value)
    except NotPlain:
        return NotPlain
