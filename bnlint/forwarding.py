"""Edits that hand the mode on: a parameter ``training``, and the same argument for the layers that are called."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from bnlint.edits import with_keyword, with_parameter, without_keywords
from bnlint.finding import Edit, Related, Span
from bnlint.interpreter.records import Call, Context
from bnlint.interpreter.values import Const, FunctionV
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
    place = mode_given_at(call)
    if place is None or not isinstance(place.node, ast.Call) or place.module.path != call.span.path or call.training.positional:
        return ()
    source = place.module.source
    around = place.function is not None and has_training(place.function) and place.layer_call is not None
    if owner_of_default(call) is not None:
        edit = with_keyword(source, place.node, "training=training") if around else None
        return () if edit is None else (edit,)
    given = _given(call, place)
    if (
        given is None
        or (place is not call.context and not around)
        or (isinstance(given, ast.Name) and _is_parameter(place, given.id))
    ):
        return ()
    if around:
        return (Edit(source.span(given), "training"),)
    return tuple(without_keywords(source, place.node, ["training"]) or ())


def mode_given_at(call: Call) -> Context | None:
    """Where the mode of a call is chosen: at the call itself, or where a helper around it is called."""
    run = owner_of_default(call)
    if run is not None:
        return run.caller
    return next(
        (each for each in call.context.chain() if each is not call.context and _given(call, each) is not None), call.context
    )


def fixing_callers(calls: Iterable[Call]) -> tuple[Related, ...]:
    """The calls of helpers that choose the mode of some applications, or leave it at the helper's default."""
    found: dict[Span, str] = {}
    for call in calls:
        place = mode_given_at(call)
        if place is not None and place is not call.context:
            found[place.span] = "called without training" if owner_of_default(call) is not None else "called in this mode"
    return tuple(Related(span, text) for span, text in sorted(found.items()))


def _given(call: Call, place: Context) -> ast.expr | None:
    """The argument by which a call, or that of a helper around it, is given the mode."""
    if not isinstance(place.node, ast.Call):
        return None
    if place is call.context:
        return next((each.value for each in place.node.keywords if each.arg == "training"), None)
    origin = call.training.source.origin if isinstance(call.training.source, Const) else None
    given = [*place.node.args, *(each.value for each in place.node.keywords)]
    return next((each for each in given if origin is not None and each is origin[1]), None)


def _is_parameter(context: Context, name: str) -> bool:
    """Whether a name is a parameter of the function around, which is no ``call`` of a layer."""
    function = context.function
    if function is None or function.name == "call":
        return False
    parameters = function.node.args
    return any(each.arg == name for each in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs))
