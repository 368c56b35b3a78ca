"""Edits that hand the mode on: a parameter ``training``, and the same argument for the layers that are called."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from bnlint.edits import with_keyword, with_parameter, without_keywords
from bnlint.finding import Edit
from bnlint.interpreter.records import Call
from bnlint.interpreter.values import FunctionV
from bnlint.program import Program
from bnlint.propagation import has_training, owner_of_default


def mode_parameter(function: FunctionV) -> Edit | None:
    """The edit that gives a ``call`` the parameter ``training=None``."""
    node = function.node
    return None if isinstance(node, ast.Lambda) else with_parameter(function.module.source, node, "training=None")


def modes_handed_on(program: Program, function: FunctionV) -> tuple[Edit, ...]:
    """The edits that hand ``training`` to the layers with batch normalization that a function calls without it."""
    source = function.module.source
    nodes = {id(call.context.node): call.context.node for call in calls_without_mode(program, function)}
    edits = [with_keyword(source, node, "training=training") for node in nodes.values() if isinstance(node, ast.Call)]
    return tuple(sorted((edit for edit in edits if edit is not None), key=lambda edit: edit.span))


def calls_without_mode(program: Program, function: FunctionV) -> Iterable[Call]:
    """The calls of layers with batch normalization in the body of a function that say nothing about the mode."""
    for call in program.calls():
        around = call.context.function
        if call.layer is None or around is None or around.node is not function.node or call.training.kind != "absent":
            continue
        if call.parent is not None and program.holds_batchnorm(call.layer):
            yield call


def mode_of_the_model(call: Call) -> tuple[Edit, ...]:
    """The edits after which a call runs in the mode of its model: the parameter of the ``call`` around in place of what is given, or
    handed to the helper whose default it is; where there is none, the argument is taken away. None at all where that is elsewhere."""
    run = owner_of_default(call)
    place = call.context if run is None else run.caller
    if place is None or not isinstance(place.node, ast.Call) or place.module.path != call.span.path or call.training.positional:
        return ()
    source = place.module.source
    around = place.function is not None and has_training(place.function)
    if run is not None:
        edit = with_keyword(source, place.node, "training=training") if around else None
        return () if edit is None else (edit,)
    given = next((each.value for each in place.node.keywords if each.arg == "training"), None)
    if given is None:
        return ()
    if around:
        return (Edit(source.span(given), "training"),)
    return tuple(without_keywords(source, place.node, ["training"]) or ())
