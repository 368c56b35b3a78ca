"""Attributes and methods of layers."""

from __future__ import annotations

from pathlib import Path

from bnlint.backend import backend_around
from bnlint.interpreter.backbones import inner_tensor
from bnlint.interpreter.calls import run_function
from bnlint.interpreter.classes import class_attribute_of
from bnlint.interpreter.dispatch import METHODS, CallSite, attributes, method, sets_attributes
from bnlint.interpreter.layers import all_sublayers, apply_layer, plain_arguments
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import LayerV, ModelV, TensorV
from bnlint.interpreter.tensors import shape_from, shape_value
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    FunctionV,
    ListV,
    NativeMethodV,
    TupleV,
    Unknown,
    Value,
    lift,
    unknown,
)
from bnlint.keras_api import shapes
from bnlint.keras_api.records import Opaque


@attributes(LayerV)
def layer_attribute(m: Machine, layer: LayerV, name: str, site: CallSite) -> Value | None:
    """An attribute of a layer: the project's class first, then what Keras gives."""
    found = class_attribute_of(m, layer, name, site)
    if found is not None:
        return found
    if name == "trainable":
        return layer.trainable
    if name == "name" or name == "_name":
        return layer.name or Unknown(("layer name", ("?", id(layer))))
    if name in ("output", "input"):
        return _node_tensor(m, layer, name) or unknown("a layer that is not connected in sight")
    if name in ("output_shape", "input_shape"):
        tensor = _node_tensor(m, layer, name.removesuffix("_shape"))
        if isinstance(tensor, TensorV):
            return shape_value(m, tensor)
        return Unknown(("shape", ("?", id(layer)), name))
    if name == "submodules" and (layer.generation or m.generation) == "2":
        return flattened(m, layer, itself=False)
    if name == "__class__":
        return layer.cls
    if name == "built":
        return Const(layer.built)
    if name in layer.arguments and layer.own_class is None:
        return layer.arguments[name]
    if name == "layer" and layer.inner:
        return layer.inner[0]
    weights = m.hooks.weights_of(m, layer, name, site)
    if weights is not None:
        return weights
    if layer.own_class is None:
        info = m.table.layer(layer.symbol)
        for parameter in info.parameters(layer.generation or "3") if info is not None else ():
            if parameter.name == name and parameter.has_default and not isinstance(parameter.default, Opaque):
                return lift(parameter.default)
    if layer.own_class is not None and (LayerV, name) not in METHODS:
        fallback = layer.own_class.find("__getattr__")
        if isinstance(fallback, FunctionV):
            return run_function(m, fallback, Arguments([layer, Const(name)], {}), site, layer)
    return NativeMethodV(layer, name)


def _node_tensor(m: Machine, layer: LayerV, name: str) -> Value | None:
    call = layer.last_call
    if call is None:
        return inner_tensor(m, layer, name) if layer.backbone is not None else None
    if name == "output":
        return call.result
    return call.inputs[0] if len(call.inputs) == 1 else ListV(list(call.inputs)) if call.inputs else None


@sets_attributes(LayerV, ModelV)
def set_layer_attribute(m: Machine, layer: LayerV, name: str, value: Value, site: CallSite) -> None:
    """Write an attribute of a layer; ``trainable`` reaches all that it holds."""
    if name == "trainable":
        set_trainable(m, layer, value, site)
        return
    cls = layer.own_class
    found = cls.find(name) if cls is not None else None
    setter = getattr(found, "setter", None)
    if isinstance(setter, FunctionV):
        m.call(setter, Arguments([layer, value], {}), site)
        return
    m.touch(layer)
    if layer.attributes.get(name) is not value:
        m.changed()
    if name in ("_name", "name"):
        layer.name = value
    layer.attributes[name] = value


def set_trainable(m: Machine, layer: LayerV, value: Value, site: CallSite) -> None:
    """``layer.trainable = value``, recursively, as Keras does it.

    Keras 3 on TensorFlow does nothing where the new value is the one that the layer has already.
    """
    known = isinstance(value, Const) and isinstance(layer.trainable, Const)
    if known and value.value is layer.trainable.value and _ignores_same_value(m, layer, site):  # type: ignore[attr-defined]
        m.event("trainable", layer, site, value=value)
        return
    affected = [layer, *all_sublayers(m, layer)]
    before = {id(each): (each, each.trainable) for each in affected}
    for each in affected:
        m.touch(each)
        if not (isinstance(each.trainable, Const) and isinstance(value, Const) and each.trainable.value == value.value):
            m.changed()
        each.trainable = value
    m.event("trainable", layer, site, value=value, affected=affected, snapshot=before)


def _ignores_same_value(m: Machine, layer: LayerV, site: CallSite) -> bool:
    if (layer.generation or m.generation) == "2":
        return False
    return backend_around(m.modules, Path(site.frame.module.path)) in (None, "tensorflow")


@method(LayerV, "call", "__call__")
def explicit_call(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    return apply_layer(m, layer, arguments, site)


@method(LayerV, "_flatten_layers")
def flatten_layers(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    """``model._flatten_layers()``: itself, and all layers below it."""
    itself, recursive = arguments.get(1, "include_self"), arguments.get(0, "recursive")
    if isinstance(recursive, Const) and not recursive.value:
        return unknown("some of a model's layers")
    return flattened(m, layer, itself=not (isinstance(itself, Const) and not itself.value))


def flattened(m: Machine, layer: LayerV, itself: bool) -> ListV:
    """All layers below a layer, and itself."""
    below = all_sublayers(m, layer)
    partial = any(isinstance(each, ModelV) and each.kind != "application" and not each.complete for each in (layer, *below))
    return ListV([layer, *below] if itself else list(below), open=partial)


@method(LayerV, "stateless_call")
def stateless_call(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    """``layer.stateless_call(trainable, non_trainable, *inputs)``: the output, and the variables that were updated."""
    nodes = {key - 2 if isinstance(key, int) else key: node for key, node in arguments.nodes.items()}
    given = Arguments(arguments.positional[2:], arguments.keywords, arguments.open_positional, arguments.open_keywords, nodes)
    output = apply_layer(m, layer, given, site)
    if layer.last_call is not None and arguments.positional:
        layer.last_call.arguments["trainable_variables"] = arguments.positional[0]
    return TupleV((output, unknown("updated variables")))


@method(LayerV, "build")
def explicit_build(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    m.touch(layer)
    layer.built = True
    return NONE


@method(LayerV, "add_weight", "add_variable")
def add_weight(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    given = dict(arguments.keywords)
    first = "shape" if not arguments.positional or isinstance(arguments.positional[0], (TupleV, ListV)) else "name"
    names = ("shape", "initializer", "dtype", "trainable") if first == "shape" else WEIGHT_PARAMETERS
    given.update(zip(names, arguments.positional))
    if arguments.open_keywords or arguments.open_positional:
        given["**"] = NONE
    tensor = TensorV(shape_from(given["shape"]) if "shape" in given else None)
    m.event("construct", layer, site, name="weight", arguments=given, value=tensor)
    return tensor


WEIGHT_PARAMETERS = ("name", "shape", "dtype", "initializer", "regularizer", "trainable")
"""Those of ``add_weight`` before Keras 3."""


@method(LayerV, "add_update")
def add_update(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    """``layer.add_update([(variable, value)])`` of Keras 1 and 2: pairs are assignments."""
    given = arguments.positional[0] if arguments.positional else NONE
    for each in given.items if isinstance(given, ListV) else [given]:
        if isinstance(each, TupleV) and len(each.items) == 2:
            m.event("assign", each.items[0], site, name="add_update", value=each.items[1])
    return NONE


@method(LayerV, "__init__", "add_loss", "add_metric", "compute_mask", "get_config", "summary")
def harmless_method(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    return Unknown(("method", ("?", id(layer))))


@method(LayerV, "set_weights", "load_own_variables")
def set_weights(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    for each in [layer, *all_sublayers(m, layer)]:
        m.touch(each)
        each.weights = "copied"
    m.event("load", layer, site, name="set_weights", arguments=dict(arguments.keywords), value=arguments.get(0, "weights"))
    return NONE


@method(LayerV, "compute_output_shape")
def compute_output_shape(m: Machine, site: CallSite, layer: LayerV, arguments: Arguments) -> Value:
    info = m.table.layer(layer.symbol)
    if info is None or not arguments.positional or not info.family:
        return Unknown(("shape", ("?", id(layer)), "computed"))
    shape = shapes.output_shape(info.family, info.rank, plain_arguments(m, layer), [shape_from(arguments.positional[0])])
    tensor = TensorV(shape if not isinstance(shape, list) else None)
    return shape_value(m, tensor)
