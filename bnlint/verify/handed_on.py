"""Which model a function hands a parameter to, so that it can be given what that model takes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bnlint.verify.objects import is_model

if TYPE_CHECKING:
    from bnlint.verify.stage import Stage


def model_given(stage: Stage, function: Any, name: str) -> Any | None:
    """The model, known to the module or to the method's object, that a function calls with a parameter alone; none if none."""
    owner = getattr(function, "__self__", None)
    for call in _calls(stage, function):
        if any(isinstance(each, ast.Name) and each.id == name for each in call.args[:1]):
            model = _found(stage, owner, call.func)
            if model is not None:
                return model
    return None


def input_given(stage: Stage, function: Any, name: str) -> Any | None:
    """A batch for the input, among several, of such a model that a function gives a parameter for; none if there is none."""
    found = next((each for each in _calls(stage, function) if _index(each, name) is not None), None)
    model = None if found is None else _found(stage, getattr(function, "__self__", None), found.func)
    index = None if found is None else _index(found, name)
    batch = None if model is None else stage.input_batch(model)
    return batch[index] if isinstance(batch, (list, tuple)) and index is not None and index < len(batch) else None


def _index(call: ast.Call, name: str) -> int | None:
    """Which item of a list or tuple that is all that a call is given, or the first of it, a name is."""
    items = call.args[0].elts if call.args and isinstance(call.args[0], (ast.List, ast.Tuple)) else []
    return next((index for index, each in enumerate(items) if isinstance(each, ast.Name) and each.id == name), None)


def _calls(stage: Stage, function: Any) -> Iterator[ast.Call]:
    """The calls in the source of a function of the script."""
    function = inspect.unwrap(getattr(function, "python_function", function))
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return
    for node in ast.walk(ast.parse(stage.script.text)):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                yield from (each for each in ast.walk(node) if isinstance(each, ast.Call))


def _found(stage: Stage, owner: Any, function: ast.expr) -> Any | None:
    """The model that an expression names."""
    value = None
    if isinstance(function, ast.Attribute) and function.attr in ("predict", "predict_on_batch", "fit", "train_on_batch"):
        function = function.value
    if isinstance(function, ast.Name):
        value = stage.namespace.get(function.id)
    elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "self":
        value = getattr(owner, function.attr, None)
    return value if is_model(value) else None
