"""Tensors: what operators, functions and subscripts make of them, and their shapes as values."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from bnlint.interpreter.containers import subscript
from bnlint.interpreter.data import ArrayV
from bnlint.interpreter.dispatch import ITERATORS, CallSite, attributes, method, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Call, Setting, TensorV, Training
from bnlint.interpreter.terms import term_of
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    DictV,
    ListV,
    NativeMethodV,
    NotPlain,
    SliceV,
    TupleV,
    Unknown,
    Value,
    plain,
    unknown,
)
from bnlint.keras_api import shapes
from bnlint.keras_api.shapes import UNKNOWN, Dim, Shape

OPERATIONS: dict[type, str] = {
    ast.Add: "Add", ast.Sub: "Subtract", ast.Mult: "Multiply", ast.Div: "TrueDivide", ast.FloorDiv: "FloorDivide",
    ast.Pow: "Power", ast.Mod: "Mod", ast.MatMult: "Matmul", ast.Eq: "Equal", ast.NotEq: "NotEqual", ast.Lt: "Less",
    ast.LtE: "LessEqual", ast.Gt: "Greater", ast.GtE: "GreaterEqual", ast.BitAnd: "LogicalAnd", ast.BitOr: "LogicalOr",
}  # fmt: skip


NO_TRAINING = Training("absent")
"""What a function of tensors says about the mode."""


def tensors_in(value: Value, depth: int = 6) -> Iterator[TensorV]:
    """The tensors in a value, through lists, tuples and dictionaries, in order."""
    if isinstance(value, TensorV):
        yield value
    elif depth and isinstance(value, (TupleV, ListV)):
        for item in value.items:
            yield from tensors_in(item, depth - 1)
    elif depth and isinstance(value, DictV):
        for _, item in value.items.values():
            yield from tensors_in(item, depth - 1)


def as_tensor(m: Machine, value: Value) -> TensorV:
    """The tensor that an unknown value is taken for where a layer is called on it; always the same one."""
    if isinstance(value, TensorV):
        return value
    key = term_of(value)
    found = m.unknown_tensors.get(key)
    if found is None:
        shape = value.shape if isinstance(value, ArrayV) else None
        found = m.unknown_tensors[key] = TensorV(shape, origin=value)
    return found


def setting_of(site: CallSite, inputs: Sequence[TensorV]) -> Setting:
    """Whether a call happens while a graph is built, in a layer's ``call``, or on data."""
    if site.frame.layer_call is not None:
        return "call"
    return "graph" if any(tensor.symbolic for tensor in inputs) else "eager"


def apply_function(
    m: Machine,
    function: str,
    inputs: list[TensorV],
    shape: Shape | list[Shape],
    site: CallSite,
    arguments: dict[str, Value] | None = None,
) -> Value:
    """Record a function of tensors and give its output."""
    setting = setting_of(site, inputs)
    call = Call(None, function, inputs, [], NO_TRAINING, m.context(site), site.frame.layer_call, setting, arguments or {})
    symbolic = any(tensor.symbolic for tensor in inputs)
    many = shape if isinstance(shape, list) else [shape]
    call.outputs = [TensorV(each, call, index, symbolic) for index, each in enumerate(many)]
    m.record(call)
    call.result = ListV(list(call.outputs)) if isinstance(shape, list) else call.outputs[0]
    return call.result


def shape_of(value: Value) -> Shape:
    """The shape of a tensor; a constant is a scalar."""
    if isinstance(value, TensorV):
        return value.shape
    if isinstance(value, Const) and isinstance(value.value, (int, float, bool)):
        return ()
    return None


# -- operators ---------------------------------------------------------------------------------------------------


def tensor_operator(
    m: Machine, operator: type[ast.operator], left: Value, right: Value, site: CallSite, name: str | None = None
) -> Value | None:
    """An arithmetic operator where an operand is a tensor, else None. A constant operand is no input."""
    if not isinstance(left, TensorV) and not isinstance(right, TensorV):
        return None
    if name == "negative":
        return apply_function(m, "keras.ops.Negative", [t for t in (right,) if isinstance(t, TensorV)], shape_of(right), site)
    inputs = _operands(m, left, right)
    shape = shapes.broadcast([shape_of(left), shape_of(right)])
    function = OPERATIONS.get(operator)
    named = f"keras.ops.{function}" if function else f"operator.{operator.__name__.lower()}"
    return apply_function(m, named, inputs, shape, site, {"x1": left, "x2": right})


def _operands(m: Machine, left: Value, right: Value) -> list[TensorV]:
    """The operands that are tensors; an unknown one may be."""
    return [as_tensor(m, each) for each in (left, right) if isinstance(each, (TensorV, Unknown))]


def tensor_comparison(m: Machine, operator: type[ast.cmpop], left: Value, right: Value, site: CallSite) -> Value | None:
    """A comparison of tensors is a tensor; ``is`` and ``in`` are Python's."""
    if operator in (ast.Is, ast.IsNot, ast.In, ast.NotIn):
        return None
    if not isinstance(left, TensorV) and not isinstance(right, TensorV):
        return None
    inputs = [each for each in (left, right) if isinstance(each, TensorV)]
    named = f"keras.ops.{OPERATIONS[operator]}"
    return apply_function(m, named, inputs, shapes.broadcast([shape_of(left), shape_of(right)]), site)


def tensor_subscript(m: Machine, container: Value, index: Value, site: CallSite) -> Value | None:
    """``tensor[...]``; None where the container is no tensor."""
    if not isinstance(container, TensorV):
        return None
    parts = index.items if isinstance(index, TupleV) else (index,)
    picks = tuple(_pick(part) for part in parts)
    shape = shapes.slice_shape(container.shape, picks)
    found = apply_function(m, "keras.ops.GetItem", [container], shape, site, {"key": index})
    if container.sizes is not None and isinstance(found, TensorV):
        found.sizes = subscript(m, container.sizes, index, site)
    return found


def iterate_tensor(m: Machine, tensor: TensorV, site: CallSite) -> Iterator[Value] | None:
    """The parts of a tensor whose first size is known."""
    count = tensor.shape[0] if tensor.shape else None
    if not isinstance(count, int) or count > MAX_PARTS:
        return None
    parts = [tensor_subscript(m, tensor, Const(index), site) for index in range(count)]
    return iter([part for part in parts if part is not None])


ITERATORS[TensorV] = iterate_tensor
MAX_PARTS = 64
"""Parts that a tensor is taken apart into by iteration."""


def _pick(value: Value) -> shapes.Index:
    if isinstance(value, Const) and (value.value is None or value.value is Ellipsis or isinstance(value.value, int)):
        found: shapes.Index = value.value
        return found
    if isinstance(value, SliceV):
        try:
            return slice(plain(value.lower), plain(value.upper), plain(value.step))
        except NotPlain:
            return UNKNOWN
    return UNKNOWN


# -- shapes as values --------------------------------------------------------------------------------------------


def shape_value(m: Machine, tensor: TensorV, dynamic: bool = False) -> Value:
    """``tensor.shape`` as a value. ``dynamic``: as ``tf.shape`` gives it, where a free size is some integer."""
    if tensor.shape is None:
        return Unknown(("shape", ("?", id(tensor))), "a shape that is not known")
    items = tuple(size_value(tensor, index, size, dynamic) for index, size in enumerate(tensor.shape))
    return TupleV(items, "TensorShape")


def size_value(tensor: TensorV, index: int, size: Dim, dynamic: bool) -> Value:
    if size is UNKNOWN or (size is None and dynamic):
        return Unknown(("size", ("?", id(tensor)), index), "a size that is not known")
    return NONE if size is None else Const(size)


def shape_from(value: Value) -> Shape:
    """The shape that a value (a tuple or list of sizes, or a tensor that holds them) stands for."""
    if isinstance(value, TensorV) and value.sizes is not None:
        value = value.sizes
    if not isinstance(value, (TupleV, ListV)) or getattr(value, "open", False):
        return None
    items = [item.sizes if isinstance(item, TensorV) else item for item in value.items]
    return tuple(
        item.value if isinstance(item, Const) and (item.value is None or isinstance(item.value, int)) else UNKNOWN
        for item in items
    )


@attributes(TensorV)
def tensor_attribute(m: Machine, tensor: TensorV, name: str, site: CallSite) -> Value | None:
    if name in ("shape", "_keras_shape", "_shape", "output_shape"):
        return shape_value(m, tensor)
    if name in ("ndim", "rank"):
        return Const(len(tensor.shape)) if tensor.shape is not None else unknown("a rank that is not known")
    if name == "T":
        return apply_function(m, "keras.ops.Transpose", [tensor], shapes.transpose(tensor.shape, None), site)
    if name in ("_keras_history", "node", "op", "dtype", "name", "device", "graph"):
        return Unknown(("attribute", ("?", id(tensor)), name))
    return NativeMethodV(tensor, name)


@method(TensorV, "get_shape")
def get_shape(m: Machine, site: CallSite, tensor: TensorV, arguments: Arguments) -> Value:
    return shape_value(m, tensor)


@method(TensorV, "set_shape")
def set_shape(m: Machine, site: CallSite, tensor: TensorV, arguments: Arguments) -> Value:
    return NONE


@method(TensorV, "numpy", "item", "tolist", "eval")
def to_numpy(m: Machine, site: CallSite, tensor: TensorV, arguments: Arguments) -> Value:
    return TensorV(tensor.shape, origin=tensor)


@method(TupleV, "as_list")
def shape_as_list(m: Machine, site: CallSite, value: TupleV, arguments: Arguments) -> Value:
    return ListV(list(value.items))


@method(TupleV, "with_rank", "merge_with")
def shape_with_rank(m: Machine, site: CallSite, value: TupleV, arguments: Arguments) -> Value:
    return value


@native(
    "keras.backend.int_shape",
    "keras.backend.shape",
    "keras.ops.shape",
    "tensorflow.shape",
    "tensorflow.TensorShape",
    "keras.int_shape",
    "keras.backend.get_variable_shape",
)
def int_shape(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The shape of a tensor as a tuple."""
    value = arguments.positional[0] if arguments.positional else arguments.keywords.get("x", NONE)
    if isinstance(value, TensorV):
        if _is_node(m, site, value):
            rank = (len(value.shape),) if value.shape is not None else (UNKNOWN,)
            found = apply_function(m, site.path, [value], rank, site)
            assert isinstance(found, TensorV)
            found.sizes = shape_value(m, value, True)
            return found
        symbol_is_dynamic = isinstance(site.node, ast.Call) and "int_shape" not in ast.unparse(site.node.func)
        return shape_value(m, value, symbol_is_dynamic)
    if isinstance(value, (TupleV, ListV)) and not any(tensors_in(value)):
        return TupleV(tuple(value.items), "TensorShape") if not getattr(value, "open", False) else value
    return Unknown(("shape", term_of(value)))


def _is_node(m: Machine, site: CallSite, tensor: TensorV) -> bool:
    """Whether asking for a shape is a node of the graph: TensorFlow's function, in a functional model of Keras 2."""
    in_graph = tensor.symbolic and site.frame.layer_call is None and (site.generation or m.generation) == "2"
    return in_graph and site.path in ("tensorflow.shape", "keras.backend.shape")


@native("keras.backend.ndim", "keras.ops.ndim", "tensorflow.rank")
def ndim(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The rank of a tensor."""
    value = arguments.positional[0] if arguments.positional else NONE
    if isinstance(value, TensorV) and value.shape is not None:
        return Const(len(value.shape))
    return Unknown(("ndim", term_of(value)))


@native("keras.backend.is_keras_tensor", "keras.utils.is_keras_tensor")
def is_keras_tensor(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Whether a value is a symbolic tensor."""
    value = arguments.positional[0] if arguments.positional else NONE
    if isinstance(value, TensorV):
        return Const(value.symbolic) if value.symbolic else Unknown(("symbolic", ("?", id(value))))
    if isinstance(value, Unknown):
        return Unknown(("symbolic", value.term))
    return Const(False)
