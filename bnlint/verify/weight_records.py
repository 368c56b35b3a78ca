"""Remembers which lists of weights the code reads, and which variables it writes: what a copy of a model is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from bnlint.verify.places import Place, is_user_code, user_stack

_MOST = 20_000
_LISTS = (
    "weights",
    "variables",
    "trainable_weights",
    "trainable_variables",
    "non_trainable_weights",
    "non_trainable_variables",
)
_ASSIGNS = ("assign", "assign_add", "assign_sub")


@dataclass(eq=False)
class ListRead:
    """A list of a layer's variables, or of their values, that the code itself has asked for: ``name`` tells which."""

    layer: Any
    name: str
    variables: tuple[Any, ...]
    stack: tuple[Place, ...]
    time: int


@dataclass(eq=False)
class Assignment:
    """A variable that was written; ``through`` are the functions of libraries between the code and the write."""

    variable: Any
    stack: tuple[Place, ...]
    time: int
    through: frozenset[str]


def keys_of(variable: Any) -> set[int]:
    """What tells a variable from others: Keras 3 keeps one of its backend inside its own."""
    return {id(variable), id(getattr(variable, "_value", variable))}


Replace = Callable[[Any, str, Any], None]


def watch(keras: Any, recording: Any, replace: Replace, paused: Callable[[], bool]) -> None:
    """Note reads of lists and writes of variables of one Keras from now on; ``replace`` puts an attribute of a class in place."""
    for owner in (keras.layers.Layer, keras.Model):
        for name in _LISTS:
            if isinstance(old := vars(owner).get(name), property):
                replace(owner, name, property(_read(old.fget, name, recording, paused), old.fset, old.fdel, old.__doc__))
        if (values := vars(owner).get("get_weights")) is not None:
            replace(owner, "get_weights", _read(values, "get_weights", recording, paused))
    for owner in _variable_classes(keras):
        for name in _ASSIGNS:
            if name in vars(owner):
                replace(owner, name, _write(vars(owner)[name], recording, paused))


def _variable_classes(keras: Any) -> list[type]:
    """The classes that define what writes to a variable: Keras's, and TensorFlow's, which Keras 2 has for its own."""
    found = [each for each in getattr(keras, "Variable", object).__mro__ if "assign" in vars(each)]
    resources: Any = sys.modules.get("tensorflow.python.ops.resource_variable_ops")
    return [*found, resources.BaseResourceVariable, resources.ResourceVariable] if resources is not None else found


def _read(original: Any, name: str, recording: Any, paused: Callable[[], bool]) -> Any:
    def read(layer: Any) -> Any:
        result = original(layer)
        if is_user_code(sys._getframe(1).f_code.co_filename) and not paused() and len(recording.lists) < _MOST:
            variables = tuple(layer.weights if name == "get_weights" else result)
            recording.lists.append(ListRead(layer, name, variables, user_stack(2), recording.tick()))
        return result

    return read


def _write(original: Any, recording: Any, paused: Callable[[], bool]) -> Any:
    def write(variable: Any, *args: Any, **kwargs: Any) -> Any:
        if not paused() and len(recording.assignments) < _MOST and (stack := user_stack(2)):
            through = _through(sys._getframe(1))
            recording.assignments.append(Assignment(variable, stack, recording.tick(), through))
        return original(variable, *args, **kwargs)

    return write


def _through(frame: FrameType | None) -> frozenset[str]:
    found = set()
    while frame is not None and not is_user_code(frame.f_code.co_filename):
        found.add(frame.f_code.co_name)
        frame = frame.f_back
    return frozenset(found)
