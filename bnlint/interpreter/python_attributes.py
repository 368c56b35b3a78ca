"""Attributes and methods that Python's own values have, and those they are known not to have."""

from __future__ import annotations

from bnlint.interpreter.dispatch import METHODS, CallSite, attributes
from bnlint.interpreter.introspection import type_of
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.numpy_natives import array_attribute
from bnlint.interpreter.pure import raised, words
from bnlint.interpreter.text import PURE_METHODS
from bnlint.interpreter.values import Const, DictV, ListV, NativeMethodV, SetV, SliceV, SymbolV, TupleV, Value, const

TYPES: dict[type, type] = {TupleV: tuple, DictV: dict, SetV: set, ListV: list}


@attributes(TupleV, DictV, SetV, ListV, SliceV)
def container_attribute(m: Machine, value: Value, name: str, site: CallSite) -> Value | None:
    """A method of a container, a field of a named tuple; raises AttributeError for what Python does not know."""
    if isinstance(value, TupleV):
        if name in value.fields:
            return value.items[value.fields.index(name)]
        if value.kind == "TensorShape" or value.kind not in ("tuple", "version_info") and not value.fields:
            return _shape_attribute(m, value, name)
    if (type(value), name) in METHODS:
        return NativeMethodV(value, name)
    if name == "__class__":
        return type_of(m, value)
    kind = TYPES.get(type(value))
    strict = kind is not None and (not isinstance(value, ListV) or value.kind == "list") and not name.startswith("__")
    if isinstance(value, DictV) and value.default is not None and name == "default_factory":
        return value.default
    if isinstance(value, ListV) and value.kind == "array":
        return array_attribute(m, value, name)
    if strict and kind is not None and not hasattr(kind, name) and not (isinstance(value, TupleV) and value.fields):
        raise raised("AttributeError", f"'{kind.__name__}' object has no attribute '{name}'")
    return None


def _shape_attribute(m: Machine, value: TupleV, name: str) -> Value | None:
    """Attributes of a TensorShape."""
    if name in ("rank", "ndims"):
        return const(len(value.items))
    if name == "dims":
        return ListV(list(value.items))
    return NativeMethodV(value, name) if (TupleV, name) in METHODS else None


SCALAR_ATTRIBUTES = words(
    "item astype dtype shape ndim size numpy value tolist eval assign assign_add T mean sum min max any all round"
)
"""What a NumPy scalar, a TensorFlow dimension or a variable has and a Python number has not."""


@attributes(Const)
def constant_attribute(m: Machine, value: Const, name: str, site: CallSite) -> Value | None:
    """A method or attribute of a constant; raises AttributeError for what Python does not know."""
    obj = value.value
    if name in PURE_METHODS.get(type(obj), frozenset()):
        return NativeMethodV(value, name)
    if name in ("real", "imag", "numerator", "denominator", "start", "stop", "step") and hasattr(obj, name):
        return const(getattr(obj, name))
    if name == "__class__":
        return SymbolV(f"builtins.{type(obj).__name__}")
    if name in ("value", "name"):  # of the member of an enumeration, which its value stands for
        return value if name == "value" else None
    if isinstance(obj, (int, float, complex)) or obj is None:
        if name == "item" and obj is not None:
            return NativeMethodV(value, name)
        if name in SCALAR_ATTRIBUTES and obj is not None:
            return None
    if hasattr(obj, name) or name.startswith("__") or value.assumed:
        return None
    raise raised("AttributeError", f"'{type(obj).__name__}' object has no attribute '{name}'")
