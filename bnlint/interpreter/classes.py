"""Classes of the project: definition, instances, attributes, ``super()``."""

from __future__ import annotations

import ast

from bnlint.interpreter.calls import run_function
from bnlint.interpreter.dispatch import METHODS, NATIVES, CallSite, attributes, calls, native, sets_attributes
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.objects import field_names, is_record, named_fields, new_object, own_maker
from bnlint.interpreter.records import LayerV, ModelV
from bnlint.interpreter.scope import Frame, Scope
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.terms import term_of
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    ClassMethodV,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    MethodV,
    NativeMethodV,
    PropertyV,
    StaticMethodV,
    SuperV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    lift,
    unknown,
)


def define_class(m: Machine, node: ast.ClassDef, frame: Frame) -> Value:
    """The value of a ``class`` statement."""
    outer = frame.scope.names.get("__qualname__") if frame.scope.kind == "class" else None
    qualname = f"{outer.value}.{node.name}" if isinstance(outer, Const) else node.name
    if frame.function is not None:
        qualname = f"{frame.function.qualname}.<locals>.{node.name}"
    public = m.table.resolve(f"{frame.module.name}.{qualname}")
    bases = [m.resolve(m.eval(base, frame)) for base in node.bases if not isinstance(base, ast.Starred)]
    for keyword in node.keywords:
        m.eval(keyword.value, frame)
    scope = Scope({"__qualname__": Const(qualname), "__module__": Const(frame.module.name)}, frame.scope, "class")
    inner = frame.nested(scope)
    inner.function = frame.function
    cls = ClassV(node, frame.module, qualname, tuple(bases), scope.names)
    m.execute(node.body, inner)
    cls.attributes = scope.names
    cls.mro = (cls, *_linearise(bases))
    for value in scope.names.values():
        _own(value, cls)
    m.classes.setdefault(node, cls)
    if public is not None:
        return SymbolV(public.name, public.generation)
    decorated: Value = cls
    values = [(each, m.eval(each, frame)) for each in node.decorator_list]
    cls.decorators = tuple(value for _, value in values)
    for expression, decorator in reversed(values):
        if isinstance(decorator, (FunctionV, MethodV)) or isinstance(decorator, SymbolV) and decorator.path in NATIVES:
            result = m.call(decorator, Arguments([decorated], {}), CallSite(expression, frame))
            decorated = result if isinstance(result, (ClassV, SymbolV)) else decorated
    return decorated


def made_class(m: Machine, site: CallSite, name: Value, bases: Value, attributes: Value) -> ClassV | None:
    """The class that ``type(name, bases, attributes)`` makes; None where a part of it is not known."""
    if not isinstance(name, Const) or not isinstance(bases, TupleV) or not isinstance(attributes, DictV) or attributes.open:
        return None
    found: dict[str, Value] = {}
    for key, value in attributes.items.values():
        if not isinstance(key, Const) or not isinstance(key.value, str):
            return None
        found[key.value] = value
    node = ast.ClassDef(str(name.value), [], [], [], [])
    if hasattr(site.node, "lineno"):
        ast.copy_location(node, site.node)
    cls = ClassV(node, site.frame.module, node.name, bases.items, found)
    cls.mro = (cls, *_linearise(list(bases.items)))
    for value in found.values():
        _own(value, cls)
    return cls


def _own(value: Value, cls: ClassV) -> None:
    if isinstance(value, FunctionV) and value.owner is None:
        value.owner = cls
    elif isinstance(value, (StaticMethodV, ClassMethodV)):
        _own(value.function, cls)
    elif isinstance(value, PropertyV):
        for each in (value.getter, value.setter):
            if each is not None:
                _own(each, cls)


def _linearise(bases: list[Value]) -> list[Value]:
    """The method resolution order behind the class itself: C3, or depth first where C3 has no answer."""
    if len(bases) == 1:
        return list(bases[0].mro) if isinstance(bases[0], ClassV) else list(bases)
    orders = [list(base.mro) if isinstance(base, ClassV) else [base] for base in bases]
    pending = [*orders, list(bases)]
    merged: list[Value] = []
    while any(pending):
        pending = [order for order in pending if order]
        for order in pending:
            head = order[0]
            if not any(_same(head, each) for other in pending for each in other[1:]):
                break
        else:
            head = pending[0][0]
        merged.append(head)
        pending = [[each for each in order if not _same(each, head)] for order in pending]
    return merged


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, SymbolV) and isinstance(right, SymbolV):
        return left.path == right.path
    return left is right


# -- instances ---------------------------------------------------------------------------------------------------


ENUMERATIONS = ("enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag")
RECORDS = ("typing.NamedTuple", "typing_extensions.NamedTuple", "pydantic.BaseModel", "pydantic_settings.BaseSettings")
"""The classes whose subclasses get an ``__init__`` from their annotations."""


@calls(ClassV)
def instantiate(m: Machine, cls: ClassV, arguments: Arguments, site: CallSite) -> Value:
    """Make an instance and run ``__init__``; a member of an enumeration is its value."""
    if len(arguments.positional) == 1 and any(base.path in ENUMERATIONS for base in cls.symbols()):
        return arguments.positional[0]
    m.instantiated.setdefault(cls.node, []).append((cls, arguments))
    maker = own_maker(cls)
    if maker is None:
        instance = new_object(m, cls, arguments, site)
    else:
        instance = m.resolve(m.call(maker, _with_self(cls, arguments), site))
        if not isinstance(instance, InstanceV) or not isinstance(instance.cls, ClassV) or cls not in instance.cls.mro:
            return instance
    init = cls.find("__init__")
    if isinstance(init, FunctionV):
        run_function(m, init, _with_self(instance, arguments), site, instance)
    elif cls.dataclass or any(base.path in RECORDS for base in cls.symbols()):
        _fill_fields(m, cls, instance, arguments, site)
    elif named_fields(cls) is None and maker is None:
        m.hooks.initialise(m, instance, arguments, site)
    return instance


def _with_self(instance: Value, arguments: Arguments) -> Arguments:
    return Arguments(
        [instance, *arguments.positional],
        arguments.keywords,
        arguments.open_positional,
        arguments.open_keywords,
        {key + 1 if isinstance(key, int) else key: node for key, node in arguments.nodes.items()},
    )


@native("dataclasses.dataclass", "attr.s", "attr.dataclass", "attrs.define", "flax.struct.dataclass")
def dataclass(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``@dataclass``, with or without arguments."""
    if arguments.positional and isinstance(arguments.positional[0], ClassV):
        cls = arguments.positional[0]
        m.touch(cls)
        cls.dataclass = True
        return cls
    return SymbolV("dataclasses.dataclass")


@native("dataclasses.field", "attr.ib", "attrs.field")
def dataclass_field(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The default of a field; a factory is called for each instance."""
    default = arguments.keywords.get("default")
    if default is not None:
        return default
    factory = arguments.keywords.get("default_factory") or arguments.keywords.get("factory")
    return FactoryField(factory) if factory is not None else unknown("a field without default")


class FactoryField(Value):
    """A dataclass field made anew for each instance."""

    def __init__(self, factory: Value) -> None:
        self.factory = factory


def _fill_fields(m: Machine, cls: ClassV, instance: Value, arguments: Arguments, site: CallSite) -> None:
    if not isinstance(instance, InstanceV):
        return
    m.touch(instance)
    for index, name in enumerate(field_names(cls)):
        value = arguments.get(index, name)
        if value is None:
            value = cls.find(name)
        if isinstance(value, FactoryField):
            value = m.call(value.factory, Arguments([], {}), site)
        if value is None or (arguments.open_keywords and name not in arguments.keywords):
            value = Unknown(("parameter", cls.module.name, cls.qualname, name))
        instance.attributes[name] = value
    post = cls.find("__post_init__")
    if isinstance(post, FunctionV):
        run_function(m, post, Arguments([instance], {}), site, instance)


# -- attributes --------------------------------------------------------------------------------------------------


@attributes(InstanceV)
def instance_attribute(m: Machine, instance: InstanceV, name: str, site: CallSite) -> Value | None:
    """An attribute of an instance: its own, its class's, or what ``__getattr__`` gives."""
    cls = instance.cls
    found = cls.find(name) if isinstance(cls, ClassV) else None
    if isinstance(found, PropertyV) and not found.cached:
        return _property(m, found, instance, site)
    own = instance.attributes.get(name)
    if own is not None:
        return own
    if found is not None:
        if isinstance(found, PropertyV):
            value = _property(m, found, instance, site)
            m.touch(instance)
            instance.attributes[name] = value
            return value
        return _bind(found, instance)
    if name == "__class__":
        return cls
    if name == "__dict__":
        return DictV({("c", key): (Const(key), value) for key, value in instance.attributes.items()}, instance.open)
    if isinstance(cls, ClassV):
        if name in ("_replace", "_asdict") and is_record(cls):
            return NativeMethodV(instance, name)
        fallback = cls.find("__getattr__")
        if isinstance(fallback, FunctionV):
            return run_function(m, fallback, Arguments([instance, Const(name)], {}), site, instance)
        if any(base.path == "tensorflow.Module" for base in cls.symbols()):
            weights = m.hooks.weights_of(m, instance, name, site)
            if weights is not None:
                return weights
        return Unknown(("attribute", ("instance", cls.module.name, cls.qualname), name), f"attribute {name}")
    if (InstanceV, name) in METHODS or f"{cls.path}.{name}" in NATIVES:
        return NativeMethodV(instance, name)
    return None


def _property(m: Machine, found: PropertyV, instance: Value, site: CallSite) -> Value:
    if found.getter is None:
        return unknown("a property without getter")
    return m.call(found.getter, Arguments([instance], {}), site)


def _bind(found: Value, instance: Value) -> Value:
    if isinstance(found, FunctionV):
        return MethodV(found, instance)
    if isinstance(found, StaticMethodV):
        return found.function
    if isinstance(found, ClassMethodV):
        return MethodV(found.function, instance.cls if isinstance(instance, InstanceV) else instance)
    return found


def class_attribute_of(m: Machine, instance: InstanceV, name: str, site: CallSite) -> Value | None:
    """What the class of a layer or model says about an attribute, before Keras is asked."""
    cls = instance.cls
    if not isinstance(cls, ClassV):
        return instance.attributes.get(name)
    found = cls.find(name)
    if isinstance(found, PropertyV):
        return _property(m, found, instance, site)
    own = instance.attributes.get(name)
    if own is not None:
        return own
    return _bind(found, instance) if found is not None else None


@sets_attributes(InstanceV)
def set_instance_attribute(m: Machine, instance: InstanceV, name: str, value: Value, site: CallSite) -> None:
    """Write an attribute, through a property's setter where there is one."""
    found = instance.cls.find(name) if isinstance(instance.cls, ClassV) else None
    if isinstance(found, PropertyV) and found.setter is not None:
        m.call(found.setter, Arguments([instance, value], {}), site)
        return
    m.touch(instance)
    if instance.attributes.get(name) is not value:
        m.changed()
    instance.attributes[name] = value


@attributes(ClassV)
def class_attribute(m: Machine, cls: ClassV, name: str, site: CallSite) -> Value | None:
    found = cls.find(name)
    if isinstance(found, ClassMethodV):
        return MethodV(found.function, cls)
    if isinstance(found, StaticMethodV):
        return found.function
    if found is not None:
        return found
    if name in ("__name__", "__qualname__"):
        return Const(cls.name)
    if name == "__bases__":
        return TupleV(cls.bases)
    if name == "__mro__":
        return TupleV(cls.mro)
    if name == "__members__":
        return lift({key: None for key in cls.attributes if not key.startswith("_")})
    for base in cls.symbols():
        return NativeMethodV(cls, f"{base.path}.{name}")
    return Unknown(("attribute", ("class", cls.module.name, cls.qualname), name))


@sets_attributes(ClassV)
def set_class_attribute(m: Machine, cls: ClassV, name: str, value: Value, site: CallSite) -> None:
    m.touch(cls)
    cls.attributes[name] = value


@attributes(FunctionV)
def function_attribute(m: Machine, function: FunctionV, name: str, site: CallSite) -> Value | None:
    if name in function.attributes:
        return function.attributes[name]
    if name in ("__name__", "__qualname__"):
        return Const(function.name)
    if name == "__doc__":
        return unknown()
    return None


@sets_attributes(FunctionV)
def set_function_attribute(m: Machine, function: FunctionV, name: str, value: Value, site: CallSite) -> None:
    m.touch(function)
    function.attributes[name] = value


@attributes(MethodV)
def method_attribute(m: Machine, bound: MethodV, name: str, site: CallSite) -> Value | None:
    if name == "__self__":
        return bound.instance
    return m.getattr(bound.function, name, site)


# -- super -------------------------------------------------------------------------------------------------------


@native("builtins.super")
def super_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``super()`` and ``super(Class, self)``."""
    frame = site.frame
    if len(arguments.positional) >= 2:
        cls, instance = arguments.positional[:2]
        if isinstance(cls, SymbolV) and frame.function is not None and frame.function.owner is not None:
            cls = frame.function.owner
        return SuperV(cls, instance) if isinstance(cls, ClassV) else unknown("super of an unknown class")
    function = frame.function
    if function is None or function.owner is None or frame.instance is None:
        return unknown("super outside a method")
    return SuperV(function.owner, frame.instance)


@attributes(SuperV)
def super_attribute(m: Machine, parent: SuperV, name: str, site: CallSite) -> Value | None:
    instance = parent.instance
    cls = instance.cls if isinstance(instance, InstanceV) else instance
    order = cls.mro if isinstance(cls, ClassV) else parent.cls.mro
    behind = order[order.index(parent.cls) + 1 :] if parent.cls in order else parent.cls.mro[1:]
    if name == "__new__" and not any(isinstance(each, ClassV) and name in each.attributes for each in behind):
        return NativeMethodV(parent, name)
    for each in behind:
        if isinstance(each, ClassV):
            found = each.attributes.get(name)
            if name == "__new__" and isinstance(found, FunctionV):
                return found
            if isinstance(found, PropertyV):
                return _property(m, found, instance, site)
            if found is not None:
                return _bind(found, instance)
        elif isinstance(each, SymbolV):
            return NativeMethodV(instance, f"super.{each.path}.{name}")
        else:
            return Unknown(("attribute", term_of(each), name), "a base class out of sight")
    if name == "__init__":
        return NativeMethodV(instance, "super.builtins.object.__init__")
    return None


@sets_attributes(SuperV)
def set_super_attribute(m: Machine, parent: SuperV, name: str, value: Value, site: CallSite) -> None:
    m.setattr(parent.instance, name, value, site)


@calls(InstanceV)
def call_instance(m: Machine, instance: InstanceV, arguments: Arguments, site: CallSite) -> Value:
    """``instance(...)``: its ``__call__``."""
    special = m.special_method(instance, "__call__")
    if special is not None:
        return m.call(special, arguments, site)
    if isinstance(instance.cls, SymbolV) and instance.cls.path.startswith("keras.losses."):
        given = {name: value for name, value in instance.attributes.items() if name == "from_logits"}
        applied = Arguments(arguments.positional, {**given, **arguments.keywords})
        return m.call(SymbolV(f"{instance.cls.path}.__call__"), applied, site)
    m.escape_all(arguments.values())
    return unknown("an instance called")


def missing(name: str) -> Raised:
    """The exception for an attribute that is known not to exist."""
    return Raised(InstanceV(SymbolV("builtins.AttributeError"), {"args": TupleV((Const(name),))}))


__all__ = ["NONE", "LayerV", "ModelV", "class_attribute_of", "define_class", "instantiate"]
