"""Functions that stand for a constructor: ``def conv(*args, **kwargs): return Conv2D(*args, **{**DEFAULTS, **kwargs})``."""

from __future__ import annotations

import ast

from bnlint.finding import Span
from bnlint.interpreter.records import Context, LayerV


def wrapper_call(layer: LayerV) -> Context | None:
    """The call of the function that makes a layer of whatever keywords it is given, and returns it; None where there is none.

    What is wrong with some of these layers only is wrong at such a call: it is written like a constructor.
    """
    site, context = layer.site, layer.context
    if site is None or context is None or context.caller is None or context.function is not site.function:
        return None
    node, statement = site.node, context.statement
    definition = site.function.node if site.function is not None else None
    if not isinstance(definition, ast.FunctionDef) or definition.args.kwarg is None or not isinstance(node, ast.Call):
        return None
    hands_on = any(each.arg is None for each in node.keywords)
    returned = isinstance(statement, ast.Return) and statement.value is node
    return context.caller if hands_on and returned else None


def by_call(instances: list[LayerV]) -> list[tuple[Span, list[LayerV]]]:
    """Layers that such a function makes, by the calls; nothing where one is made otherwise."""
    groups: dict[Span, list[LayerV]] = {}
    for layer in instances:
        call = wrapper_call(layer)
        if call is None:
            return []
        groups.setdefault(call.span, []).append(layer)
    return list(groups.items())
