"""Calls of what lies outside the project: Keras by its table, known libraries by their stand-ins, the rest unknown."""

from __future__ import annotations

import bnlint.interpreter.gradients  # noqa: F401  registers what it knows
from bnlint.interpreter.backbones import make_application, make_preset
from bnlint.interpreter.dispatch import METHODS, NATIVES, CallSite, attributes, calls
from bnlint.interpreter.layers import apply_layer, construct, is_layer_class, made_by, new_own_layer
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.models import initialise_model, model_layers, model_output
from bnlint.interpreter.operations import call_operation
from bnlint.interpreter.records import Call, LayerV, ModelV
from bnlint.interpreter.training import weights_of
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    ClassV,
    Const,
    DictV,
    InstanceV,
    NativeMethodV,
    PropertyV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)

NAMESPACES = ("argparse.Namespace", "types.SimpleNamespace")
PLAIN_BASES = frozenset({"builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol", *NAMESPACES})
"""Bases outside the project that give their instances no attributes that matter."""


class KerasHooks:
    """What the interpreter's core asks of the part that knows Keras."""

    def new_instance(self, m: Machine, cls: ClassV, arguments: Arguments, site: CallSite) -> Value:
        base = next((each for each in cls.symbols() if m.table.layer(each.path) is not None), None)
        if base is not None:
            return new_own_layer(m, cls, base, arguments, site)
        outside = any(isinstance(each, Unknown) for each in cls.mro)
        library = any(each.path not in PLAIN_BASES for each in cls.symbols())
        return InstanceV(cls, {}, open=outside or library)

    def initialise(self, m: Machine, instance: Value, arguments: Arguments, site: CallSite) -> None:
        if isinstance(instance, ModelV):
            initialise_model(m, instance, arguments, site)
        elif isinstance(instance, LayerV):
            bind_base_arguments(m, instance, arguments)
        elif isinstance(instance, InstanceV):
            if isinstance(instance.cls, ClassV) and any(each.path in NAMESPACES for each in instance.cls.symbols()):
                instance.attributes.update(arguments.keywords)
            instance.attributes.setdefault("args", TupleV(tuple(arguments.positional)))

    def model_layers(self, m: Machine, model: ModelV) -> list[LayerV]:
        return model_layers(m, model)

    def model_output(self, m: Machine, model: ModelV, call: Call, arguments: Arguments, site: CallSite) -> Value | None:
        return model_output(m, model, call, arguments, site)

    def weights_of(self, m: Machine, owner: InstanceV, name: str, site: CallSite) -> Value | None:
        return weights_of(m, owner, name, site)


def bind_base_arguments(m: Machine, layer: LayerV, arguments: Arguments) -> None:
    """``super().__init__(...)`` of a project's layer: what it hands to Keras's own constructor."""
    info = m.table.layer(layer.symbol)
    names = [each.name for each in info.parameters(layer.generation or "3") if each.kind == "positional"] if info else []
    m.touch(layer)
    if layer.symbol != "keras.layers.Layer":
        layer.arguments = {**dict(zip(names, arguments.positional)), **arguments.keywords}
        layer.open_arguments = arguments.open_keywords or arguments.open_positional
    bound = {**dict(zip(names, arguments.positional)), **arguments.keywords}
    layer.name = bound.get("name", layer.name)
    layer.trainable = bound.get("trainable", layer.trainable)
    for value in (*arguments.positional, *arguments.keywords.values()):
        if isinstance(value, LayerV):
            layer.inner.append(value)


@calls(SymbolV)
def call_symbol(m: Machine, symbol: SymbolV, arguments: Arguments, site: CallSite) -> Value:
    """Call a name outside the project."""
    site = CallSite(site.node, site.frame, symbol, site.fixed)
    native = NATIVES.get(symbol.path)
    if native is not None:
        return native(m, site, arguments)
    if m.table.layer(symbol.path) is not None:
        return construct(m, symbol, arguments, site)
    application = make_application(m, symbol, arguments, site) or make_preset(m, symbol, arguments, site)
    if application is not None:
        return application
    return call_operation(m, symbol, arguments, site)


@attributes(PropertyV)
def property_attribute(m: Machine, value: PropertyV, name: str, site: CallSite) -> Value | None:
    """``prop.setter`` and its kin."""
    return NativeMethodV(value, name)


@calls(NativeMethodV)
def call_native_method(m: Machine, bound: NativeMethodV, arguments: Arguments, site: CallSite) -> Value:
    """Call a method of a value whose class is not the project's."""
    instance, name = bound.instance, bound.name
    if name.startswith("super."):
        return _call_super(m, instance, name.removeprefix("super."), arguments, site)
    if isinstance(instance, InstanceV) and isinstance(instance.cls, SymbolV):
        native = NATIVES.get(f"{instance.cls.path}.{name}")
        if native is not None:
            full = Arguments([instance, *arguments.positional], arguments.keywords, arguments.open_positional,
                             arguments.open_keywords)  # fmt: skip
            return native(m, CallSite(site.node, site.frame, instance.cls, site.fixed), full)
    for kind in type(instance).__mro__:
        method = METHODS.get((kind, name))
        if method is not None:
            return method(m, site, instance, arguments)
    m.escape_all(arguments.values())
    return unknown("a method that cannot be followed")


def _call_super(m: Machine, instance: Value, path: str, arguments: Arguments, site: CallSite) -> Value:
    """A method of a base class outside the project, called through ``super()``."""
    base, _, name = path.rpartition(".")
    if name == "__init__":
        if isinstance(instance, LayerV) and is_layer_class(m, SymbolV(base)):
            instance.made = made_by(m, base, instance.generation or m.generation, arguments, site)
        if isinstance(instance, InstanceV):
            KerasHooks().initialise(m, instance, arguments, site)
        return NONE
    if isinstance(instance, LayerV):
        if name == "__setattr__" and len(arguments.positional) == 2:
            key, value = arguments.positional
            if isinstance(key, Const):
                m.setattr(instance, str(key.value), value, site)
            return NONE
        if name in ("call", "__call__"):
            return _call_base(m, instance, base, arguments, site, name)
        for kind in type(instance).__mro__:
            method = METHODS.get((kind, name))
            if method is not None:
                return method(m, site, instance, arguments)
    m.escape_all(arguments.values())
    return DictV({}, open=True) if name == "get_config" else unknown("a base class's method")


def _call_base(m: Machine, layer: LayerV, base: str, arguments: Arguments, site: CallSite, name: str) -> Value:
    """``super().call(x)``: the base class's computation, inside the layer's own call."""
    if name == "__call__" and layer.own_class is not None:
        return apply_layer(m, layer, arguments, site)
    if isinstance(layer, ModelV) or not is_layer_class(m, SymbolV(base)):
        m.escape_all(arguments.values())
        return unknown("a base class's call")
    plain = LayerV(SymbolV(base), symbol=base, generation=layer.generation)
    plain.arguments, plain.open_arguments = layer.arguments, layer.open_arguments
    plain.site, plain.context, plain.world, plain.trainable = layer.site, layer.context, layer.world, layer.trainable
    plain.stands_for = layer
    return apply_layer(m, plain, arguments, site)
