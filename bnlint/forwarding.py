"""Edits that hand the mode on: a parameter ``training``, and the same argument for the layers that are called."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from bnlint.edits import with_keyword, with_parameter
from bnlint.finding import Edit
from bnlint.interpreter.records import Call
from bnlint.interpreter.values import FunctionV
from bnlint.program import Program


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
