"""What the functions that take tensors do: read from their source, and measured on small arrays."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

AREAS = ("ops.", "activations.", "backend.", "layers.")
TENSOR_NAMES = ("x", "x1", "x2", "y", "a", "b", "inputs", "tensors", "xs", "tensor", "array", "condition", "t")
VALUES: dict[str, Any] = {
    "axis": 1, "x_min": 0.3, "x_max": 0.6, "min_value": 0.3, "max_value": 0.6, "shift": 1, "decimals": 1, "exponent": 2, "n": 2,
}  # fmt: skip
"""What is given for parameters that are no tensors and have no default."""

REDUCTIONS = {"axis", "keepdims"}


def operations(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the functions of tensors by path: operation or layer class, tensor parameters, family, elementwise."""
    described: dict[str, dict[str, Any]] = {}
    for path, function in found.items():
        if inspect.isclass(function) or not path.startswith(AREAS):
            continue
        entry = _read(function)
        if path.startswith("layers."):
            entry = {"layer": entry["class"], "tensors": ["inputs"]} if entry.get("layer") else {}
            if entry:
                described[path] = entry
            continue
        names = list(_signature(function))
        tensors = entry.get("tensors") or _tensor_parameters(names)
        if not tensors:
            continue
        described[path] = {
            "class": entry.get("class") or _symbolic_class(function, tensors),
            "tensors": tensors,
            **_behaviour(function, tensors, names),
        }
    return described


def operators(tensor: type) -> dict[str, str]:
    """Return the operation class behind each operator method and array method of symbolic tensors."""
    found: dict[str, str] = {}
    for name, value in sorted(vars(tensor).items()):
        if inspect.isfunction(value):
            created = _read(value).get("class")
            if created:
                found[name] = created
    return found


def _signature(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def _read(function: Callable[..., Any]) -> dict[str, Any]:
    """Read ``if any_symbolic_tensors((x1, x2)): return Add().symbolic_call(x1, x2)`` and its variants."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return {}
    entry: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if _named(node.func) == "any_symbolic_tensors" and node.args and "tensors" not in entry:
                entry["tensors"] = [each.id for each in ast.walk(node.args[0]) if isinstance(each, ast.Name)]
            if isinstance(node.func, ast.Attribute) and node.func.attr == "symbolic_call":
                entry.setdefault("class", _created(node.func.value))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Call):
            created = _created(node.value.func)
            if created and "class" not in entry:
                entry.update({"class": created, "layer": True})
    return {key: value for key, value in entry.items() if value}


def _named(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def _created(node: ast.expr) -> str | None:
    name = _named(node.func) if isinstance(node, ast.Call) else None
    return name if name and name[:1].isupper() else None


def _tensor_parameters(names: list[str]) -> list[str]:
    return [name for position, name in enumerate(names) if name in TENSOR_NAMES and position < 3]


def _symbolic_class(function: Callable[..., Any], tensors: list[str]) -> str | None:
    """The operation behind a function that only calls others: asked of the function itself."""
    if not getattr(function, "__module__", "").startswith("keras."):
        return None
    import keras

    for shape in ((2, 3, 4), (2, 4, 4, 3)):
        with suppress(Exception):  # Whatever a function says to arguments that do not fit it.
            output = function(**{name: keras.KerasTensor(shape) for name in tensors})
            return type(output._keras_history.operation).__name__
    return None


def _behaviour(function: Callable[..., Any], tensors: list[str], names: list[str]) -> dict[str, Any]:
    family = "unknown"
    given = {
        name: VALUES[name]
        for name, parameter in _signature(function).items()
        if name not in tensors and parameter.default is inspect.Parameter.empty and name in VALUES
    }
    for kind in (np.float32, np.int32, bool):
        found = _measured(function, tensors, given, kind)
        if found is not None:
            family = found
            break
    last = function.__name__
    if last in ("reshape", "transpose", "concatenate"):
        family = last
    elif family == "unknown" and set(names) >= REDUCTIONS:
        family = "reduce"
    return {"family": family, "elementwise": family in ("elementwise", "broadcast")}


def _measured(function: Callable[..., Any], tensors: list[str], given: dict[str, Any], kind: Any) -> str | None:
    base = np.linspace(0.1, 0.9, 24).reshape(2, 3, 4)
    first = (base if kind is np.float32 else base * 10).astype(kind)
    others = [(base[0, 0] + 0.05 if kind is np.float32 else base[0, 0] * 10 + 1).astype(kind) for _ in tensors[1:]]
    with suppress(Exception):  # Whatever a function says to arguments that do not fit it.
        before = np.asarray(_run(function, tensors, [first, *others], given))
        if before.shape != first.shape:
            return "reduce" if set(_signature(function)) >= REDUCTIONS else None
        return _reach(function, tensors, [first, *others], given, before)
    return None


def _reach(function: Callable[..., Any], tensors: list[str], arrays: list[Any], given: dict[str, Any], before: Any) -> str:
    """Whether a change of one element stays where it is."""
    first, *others = arrays
    for place in ((0, 1, 2), (1, 0, 3)):
        changed = first.copy()
        changed[place] = not first[place] if first.dtype == bool else 0.47 if first.dtype == np.float32 else 3
        elsewhere = before != np.asarray(_run(function, tensors, [changed, *others], given))
        elsewhere[place] = False
        if elsewhere.any():
            return "same"
    return "elementwise" if len(tensors) == 1 else "broadcast"


def _run(function: Callable[..., Any], tensors: list[str], arrays: list[Any], given: dict[str, Any]) -> Any:
    import tensorflow as tf

    values = {name: tf.constant(array) for name, array in zip(tensors, arrays, strict=True)}
    return tf.convert_to_tensor(function(**values, **given)).numpy()
