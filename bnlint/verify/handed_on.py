"""Which model a function hands a parameter to, so that it can be given what that model takes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from bnlint.verify.objects import is_model

if TYPE_CHECKING:
    from bnlint.verify.stage import Stage


def model_given(stage: Stage, function: Any, name: str) -> Any | None:
    """The model, known to the module or to the method's object, that a function calls with a parameter; none if there is none."""
    owner = getattr(function, "__self__", None)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return None
    for node in ast.walk(ast.parse(stage.script.text)):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name and node.lineno <= code.co_firstlineno + 8:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first != code.co_firstlineno:
                continue
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and any(isinstance(each, ast.Name) and each.id == name for each in call.args[:1]):
                    model = _found(stage, owner, call.func)
                    if model is not None:
                        return model
    return None


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
