"""What kind of thing a value is: ``type``, ``isinstance``, ``issubclass``, ``callable``, ``hasattr`` and the like."""

from __future__ import annotations

import builtins as python_builtins
import collections.abc
import numbers
import types
from collections.abc import Hashable

from bnlint.interpreter.classes import made_class
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.modules import member
from bnlint.interpreter.pure import derive, part, settle, words
from bnlint.interpreter.records import LayerV, ModelV, TensorV
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.values import (
    FALSE,
    NONE,
    TRUE,
    Arguments,
    ClassMethodV,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    MethodV,
    ModuleV,
    NativeMethodV,
    PartialV,
    SetV,
    SliceV,
    StaticMethodV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    const,
    unknown,
)

FUNCTIONS = (FunctionV, MethodV, NativeMethodV, PartialV, StaticMethodV, ClassMethodV)

KINDS: dict[str, type] = {
    "list": list,
    "iterator": types.GeneratorType,
    "view": collections.abc.ValuesView,
    "deque": collections.deque,
}

ABSTRACT: dict[str, type] = {
    **{f"{module}.{name}": getattr(collections.abc, name) for name in collections.abc.__all__ for module in
       ("collections.abc", "collections", "typing")},
    **{f"numbers.{name}": getattr(numbers, name) for name in ("Number", "Complex", "Real", "Rational", "Integral")},
    "typing.List": list, "typing.Dict": dict, "typing.Tuple": tuple, "typing.Set": set,
    "collections.OrderedDict": dict, "collections.deque": collections.deque,
    "six.string_types": str, "six.integer_types": int, "six.text_type": str, "past.builtins.basestring": str,
    "builtins.basestring": str, "builtins.unicode": str, "builtins.long": int,
    "types.FunctionType": types.FunctionType, "types.LambdaType": types.FunctionType, "types.MethodType": types.MethodType,
    "types.GeneratorType": types.GeneratorType, "types.NoneType": type(None), "types.ModuleType": types.ModuleType,
    "functools.partial": __import__("functools").partial,
}  # fmt: skip

OTHER_LIBRARIES = ("keras.", "tensorflow.", "torch.", "numpy.", "pandas.", "tf_keras.", "jax.", "sklearn.", "PIL.", "cv2.")
"""Libraries that none of Python's own values are instances of classes of."""


def python_type(value: Value) -> type | None:
    """The Python type that a value has, as far as its instances can be told from others."""
    if isinstance(value, Const):
        return type(value.value)
    if isinstance(value, TupleV):
        return tuple if value.kind == "tuple" or value.fields else None
    if isinstance(value, ListV):
        return KINDS.get(value.kind)
    if isinstance(value, DictV):
        return dict
    if isinstance(value, SetV):
        return set
    if isinstance(value, SliceV):
        return slice
    if isinstance(value, FunctionV):
        return types.FunctionType
    if isinstance(value, MethodV):
        return types.MethodType
    if isinstance(value, PartialV):
        return python_partial
    if isinstance(value, ClassV):
        return type
    if isinstance(value, ModuleV):
        return types.ModuleType
    return None


python_partial = ABSTRACT["functools.partial"]


def python_class(path: str) -> type | None:
    """The Python class that a symbol is."""
    if path in ABSTRACT:
        return ABSTRACT[path]
    if path.startswith("builtins."):
        found = getattr(python_builtins, path[9:], None)
        return found if isinstance(found, type) else None
    return None


def type_of(m: Machine, value: Value) -> Value:
    """``type(value)``."""
    if isinstance(value, LayerV):
        return value.cls if isinstance(value.cls, ClassV) else SymbolV(value.symbol, value.generation)
    if isinstance(value, InstanceV):
        return value.cls
    if isinstance(value, ClassV):
        return SymbolV("builtins.type")
    kind = python_type(value)
    if isinstance(value, (FunctionV, MethodV, PartialV, ModuleV)) or isinstance(value, ListV) and value.kind != "list":
        return Unknown(("type", kind.__name__)) if kind is not None else derive(m, "type", part(value))
    if kind is not None and not (isinstance(value, TupleV) and value.fields):
        return SymbolV(f"builtins.{kind.__name__}")
    return derive(m, "type", part(value))


@native("builtins.type")
def type_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``type(value)``, and a class made by ``type(name, bases, attributes)``."""
    if len(arguments.positional) == 3 and not arguments.open_positional:
        made = made_class(m, site, *(settle(m, each) for each in arguments.positional))
        if made is not None:
            return made
    if len(arguments.positional) != 1 or arguments.open_positional:
        m.escape_all(arguments.values())
        return unknown("a class made by a call")
    return type_of(m, settle(m, arguments.positional[0]))


# -- isinstance --------------------------------------------------------------------------------------------------


@native("builtins.isinstance")
def isinstance_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``isinstance(value, classes)``."""
    value, classes = first(m, arguments), first(m, arguments, 1)
    if isinstance(value, Unknown):
        return derive(m, "isinstance", value.term, class_key(m, classes))
    return _any_class(m, value, classes, _is_instance, "isinstance", 0)


@native("builtins.issubclass")
def issubclass_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``issubclass(cls, classes)``."""
    value, classes = first(m, arguments), first(m, arguments, 1)
    if not isinstance(value, (ClassV, SymbolV)):
        return derive(m, "issubclass", part(value), class_key(m, classes))
    return _any_class(m, value, classes, _is_subclass, "issubclass", 0)


def _any_class(m: Machine, value: Value, classes: Value, test: object, label: str, depth: int) -> Value:
    assert callable(test)
    if not isinstance(classes, (TupleV, ListV)):
        answer = test(m, value, classes)
        return derive(m, label, _subject(value), class_key(m, classes)) if answer is None else const(answer)
    answers = (
        [_any_class(m, value, settle(m, each), test, label, depth + 1) for each in classes.items] if depth < 10 else [unknown()]
    )
    known = [m.known_truth(each) for each in answers]
    if True in known:
        return TRUE
    if None in known or isinstance(classes, ListV) and classes.open:
        return derive(m, label, _subject(value), class_key(m, classes))
    return FALSE


def class_key(m: Machine, classes: Value) -> Hashable:
    """What stands for a class, or classes in any order, in a term."""
    classes = settle(m, classes)
    if isinstance(classes, TupleV):
        keys = sorted((class_key(m, each) for each in classes.items), key=repr)
        return keys[0] if len(keys) == 1 else ("classes", *keys)
    return part(classes)


def _subject(value: Value) -> Hashable:
    """What stands in a term for a value whose class is what matters."""
    if isinstance(value, LayerV) and isinstance(value.cls, SymbolV):
        return ("an instance of", value.symbol)
    if isinstance(value, TensorV):
        return ("an instance of", "tensor")
    if isinstance(value, InstanceV):
        return ("an instance of", part(value.cls))
    kind = python_type(value)
    return ("an instance of", kind.__name__) if kind is not None else part(value)


def _is_instance(m: Machine, value: Value, cls: Value) -> bool | None:
    """Whether a known value is an instance of one class; None where that is not known."""
    if isinstance(cls, Const) and cls.value is None:
        return isinstance(value, Const) and value.value is None
    if not isinstance(cls, (ClassV, SymbolV)):
        return None
    if isinstance(cls, SymbolV) and cls.path == "builtins.object":
        return True
    if isinstance(value, InstanceV):
        return _instance_of(m, value, cls)
    if isinstance(value, TensorV):
        return False if isinstance(cls, ClassV) or python_class(cls.path) is not None else None
    if isinstance(cls, ClassV):
        return False if python_type(value) is not None and not isinstance(value, ClassV) else None
    if isinstance(value, SymbolV):
        return _symbol_is(value, cls)
    kind, wanted = python_type(value), python_class(cls.path)
    if isinstance(value, DictV) and cls.path in ("collections.OrderedDict", "collections.defaultdict"):
        return None
    if kind is None:
        callable_ = isinstance(value, FUNCTIONS)
        return (
            callable_
            if cls.path in ("typing.Callable", "collections.abc.Callable", "collections.Callable")
            else _not_python(value, wanted)
        )
    if wanted is None:
        return False if cls.path.startswith(OTHER_LIBRARIES) and not _may_be_scalar(value, cls.path) else None
    return issubclass(kind, wanted) and not (isinstance(value, SetV) and wanted is frozenset)


def _not_python(value: Value, wanted: type | None) -> bool | None:
    plain = wanted in (int, float, str, bool, bytes, list, dict, set, complex) or wanted is tuple and isinstance(value, TupleV)
    return False if plain and not isinstance(value, Unknown) else None


def _may_be_scalar(value: Value, path: str) -> bool:
    """NumPy's own numbers and functions are kept as Python's."""
    return path.startswith("numpy.") and isinstance(value, Const) and isinstance(value.value, (int, float, complex))


def _symbol_is(value: SymbolV, cls: SymbolV) -> bool | None:
    """Whether a name of a library is an instance of a class: classes are of ``type``, nothing else is sure."""
    kind = python_class(value.path)
    if cls.path == "builtins.type" and kind is not None:
        return True
    if cls.path in ("builtins.str", "builtins.list", "builtins.dict", "builtins.tuple", "builtins.int", "builtins.float"):
        return False if value.path.startswith(("keras.layers.", "keras.models.", "builtins.")) else None
    return None


def _instance_of(m: Machine, value: InstanceV, cls: ClassV | SymbolV) -> bool | None:
    if isinstance(cls, ClassV):
        if isinstance(value.cls, ClassV):
            return True if cls in value.cls.mro else None if value.cls.has_unknown_base else False
        return False
    if cls.path in ("typing.Callable", "collections.abc.Callable", "collections.Callable"):
        return _known_callable(m, value)
    if isinstance(value, LayerV):
        if cls.path.startswith("keras.") and (cls.generation or m.generation) != (value.generation or m.generation):
            return False
        answer = _symbol_below(m, value.symbol, cls.path)
        if answer or isinstance(value.cls, SymbolV):
            return answer
    return _class_below(m, value.cls, cls)


def _class_below(m: Machine, cls: ClassV | SymbolV, base: ClassV | SymbolV) -> bool | None:
    """Whether a class is another one or derives from it."""
    if cls is base:
        return True
    if isinstance(cls, SymbolV):
        return False if isinstance(base, ClassV) else _symbol_below(m, cls.path, base.path)
    if isinstance(base, ClassV):
        return True if base in cls.mro else None if cls.has_unknown_base else False
    answers = [_symbol_below(m, each.path, base.path) for each in cls.symbols()]
    if True in answers:
        return True
    return None if None in answers or cls.has_unknown_base else _duck(cls, base.path)


def _duck(cls: ClassV, path: str) -> bool | None:
    """Abstract classes such as Iterable know their instances by their methods."""
    return None if path.startswith(("collections.", "typing.")) else False


def _symbol_below(m: Machine, path: str, base: str) -> bool | None:
    if path == base or base == "builtins.object":
        return True
    kind, wanted = python_class(path), python_class(base)
    if kind is not None and wanted is not None:
        return issubclass(kind, wanted)
    if path.startswith("keras.") and base.startswith("keras."):
        return m.table.issubclass(path, base)
    if path.startswith("keras.layers.") and base.startswith("torch."):
        return False
    if (
        path == "builtins.object"
        or path.startswith("keras.")
        and wanted in (int, float, str, bool, list, tuple, dict, set, bytes)
    ):
        return False
    return None


def _is_subclass(m: Machine, value: Value, cls: Value) -> bool | None:
    if isinstance(value, (ClassV, SymbolV)) and isinstance(cls, (ClassV, SymbolV)):
        return _class_below(m, value, cls)
    return None


# -- callable, hasattr, getattr ----------------------------------------------------------------------------------


def _known_callable(m: Machine, value: Value) -> bool | None:
    if isinstance(value, (*FUNCTIONS, ClassV, LayerV)):
        return True
    if isinstance(value, InstanceV):
        if m.special_method(value, "__call__") is not None:
            return True
        return (
            False if isinstance(value.cls, ClassV) and not value.cls.has_unknown_base and not _library_bases(value.cls) else None
        )
    if isinstance(value, SymbolV):
        found = getattr(python_builtins, value.path[9:], None) if value.path.startswith("builtins.") else None
        return True if callable(found) or value.path.startswith(("keras.layers.", "keras.activations.")) else None
    if isinstance(value, (Const, TupleV, ListV, DictV, SetV)):
        return False
    return None


def _library_bases(cls: ClassV) -> bool:
    return any(each.path not in HARMLESS_BASES for each in cls.symbols())


HARMLESS_BASES = frozenset({"builtins.object", "abc.ABC", "typing.Generic"})


@native("builtins.callable")
def callable_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``callable(value)``."""
    value = first(m, arguments)
    answer = _known_callable(m, value)
    return derive(m, "callable", part(value)) if answer is None else const(answer)


WHOLE_NAMESPACES = ("keras.layers", "keras.models", "keras.optimizers", "keras.applications")

LAYER_ATTRIBUTES = words("""name trainable built dtype weights variables trainable_weights non_trainable_weights trainable_variables
    non_trainable_variables input output losses metrics add_weight add_loss build call compute_output_shape get_config
    from_config get_weights set_weights count_params __call__ __class__ input_spec""")

MODEL_ATTRIBUTES = words("""layers compile fit evaluate predict train_on_batch summary save save_weights load_weights get_layer inputs outputs
    optimizer loss""")


@native("builtins.hasattr")
def hasattr_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``hasattr(value, name)``."""
    value, name = first(m, arguments), first(m, arguments, 1)
    if not isinstance(name, Const) or not isinstance(name.value, str):
        return derive(m, "hasattr", part(value), part(name))
    answer = _has(m, value, name.value)
    if answer is None:
        subject = value.term if isinstance(value, Unknown) else part(value) if isinstance(value, SymbolV) else _subject(value)
        return derive(m, "hasattr", subject, part(name))
    return const(answer)


def _has(m: Machine, value: Value, name: str) -> bool | None:
    if isinstance(value, LayerV):
        if name == "submodules":
            return (value.generation or m.generation) == "2"
        if name in value.attributes or isinstance(value.cls, ClassV) and value.cls.find(name) is not None:
            return True
        if name in LAYER_ATTRIBUTES or isinstance(value.cls, SymbolV) and name in value.arguments:
            return True
        return isinstance(value, ModelV) if name in MODEL_ATTRIBUTES and isinstance(value.cls, SymbolV) else None
    if isinstance(value, InstanceV):
        if name in value.attributes:
            return True
        if isinstance(value.cls, SymbolV):
            return None
        return _class_has(value.cls, name, value.open)
    if isinstance(value, ClassV):
        return _class_has(value, name, False)
    if isinstance(value, FunctionV):
        return name in value.attributes or hasattr(types.FunctionType, name)
    if isinstance(value, ModuleV):
        if name in value.module.scope.names:
            return True
        module = value.module
        if member(m, module, name) is not None:
            return True
        return None if not module.finished or module.stars or "__getattr__" in module.scope.names else False
    if isinstance(value, SymbolV):
        return _library_has(m, value, name)
    kind = python_type(value)
    if isinstance(value, Const) and isinstance(value.value, (int, float)) and not hasattr(value.value, name):
        return None if name in ("dtype", "shape", "item", "value", "numpy") else False
    if kind is None or isinstance(value, ListV) and value.kind != "list" or isinstance(value, TupleV) and value.fields:
        return None
    return hasattr(kind, name)


def _library_has(m: Machine, library: SymbolV, name: str) -> bool | None:
    """Whether one of Keras's namespaces has a name; of layers, models and the like all names are known."""
    if not m.table.is_namespace(library.path):
        return None
    found = m.table.resolve(f"{library.path}.{name}")
    if found is None:
        return False if library.path.endswith(WHOLE_NAMESPACES) else None
    return (library.generation or m.generation) in (found.importable or found.generations)


def _class_has(cls: ClassV, name: str, open_: bool) -> bool | None:
    if cls.find(name) is not None or hasattr(object, name):
        return True
    if open_ or cls.has_unknown_base or cls.find("__getattr__") is not None or _library_bases(cls):
        return None
    return False


@native("builtins.getattr")
def getattr_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``getattr(value, name, default)``."""
    value, name = first(m, arguments), first(m, arguments, 1)
    default = arguments.get(2, "default")
    if not isinstance(name, Const) or not isinstance(name.value, str):
        if isinstance(value, InstanceV):
            m.escape_all(list(value.attributes.values()))
        m.escape_all([default] if default is not None else [])
        return derive(m, "getattr", part(value), part(name))
    if default is not None and _has(m, value, name.value) is False:
        return default
    try:
        return m.resolve(m.getattr(value, name.value, site))
    except Raised as error:
        if default is None or not _is_attribute_error(error.value):
            raise
        return default


def _is_attribute_error(value: Value) -> bool:
    return isinstance(value, InstanceV) and isinstance(value.cls, SymbolV) and value.cls.path == "builtins.AttributeError"


@native("builtins.setattr")
def setattr_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``setattr(value, name, new)``."""
    value, name, new = first(m, arguments), first(m, arguments, 1), first(m, arguments, 2)
    if isinstance(name, Const) and isinstance(name.value, str):
        m.setattr(value, name.value, new, site)
        return NONE
    m.escape(new)
    if isinstance(value, InstanceV):
        m.touch(value)
        m.changed()
        value.open = True
    return NONE


@native("builtins.delattr")
def delattr_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``delattr(value, name)``."""
    value, name = first(m, arguments), first(m, arguments, 1)
    if isinstance(value, InstanceV):
        m.touch(value)
        m.changed()
        if isinstance(name, Const):
            value.attributes.pop(str(name.value), None)
        else:
            value.open = True
    return NONE
