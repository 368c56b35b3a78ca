"""Layers that are made while a model runs: in ``call``, in a training step, in the body of a Lambda."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.finding import Span
from bnlint.interpreter.records import Call, Context, LayerV, ModelV
from bnlint.interpreter.values import FunctionV, SymbolV
from bnlint.program import Program

STEPS = ("train_step", "test_step", "predict_step")
LAMBDA = "keras.layers.Lambda"
BUILT_AT_ONCE = frozenset(
    f"keras.layers.{name}"
    for name in ("Activation", "ActivityRegularization", "ELU", "Identity", "LeakyReLU", "Masking", "ReLU", "Reshape", "Softmax",
                 "UnitNormalization", "InputLayer")
)  # fmt: skip
"""The layers without weights that Keras 3 takes for built when they are made, besides dropout and pooling."""


@dataclass(slots=True)
class RunTime:
    """A layer that is made at run time: the constructor that stands in the function which runs, and what that function is.

    ``once``: only where it is not there yet. ``raises``: Keras 3 then does not take it, as the layer that it is put on is built already.
    """

    span: Span
    where: str
    once: bool
    raises: bool


def made_at_run_time(program: Program, layer: LayerV) -> RunTime | None:
    """How a layer is made while a model runs; None for one that is made before, or for a model that is built there."""
    context, span = layer.context, layer.site.span if layer.site is not None else None
    if is_in_a_model_made_there(program, layer):
        return None
    for _ in range(20):
        if context is None or span is None:
            return None
        passed: list[Context] = []
        builder: LayerV | None = None
        for each in context.chain():
            passed.append(each)
            function = each.function
            if function is None:
                continue
            where = _running(program, each, function)
            if where:
                once = any(_only_once(part, passed) for part in passed)
                return RunTime(span, where, once, once and function.name == "call" and _is_built(program, each.layer_call, layer))
            if not _is_layer_method(program, function):
                continue
            if function.name == "__init__" and each.caller is not None:
                span = each.caller.span
            elif function.name == "build" and each.layer_call is not None:
                builder = each.layer_call.layer
                break
        if builder is None:
            return None
        context, span = builder.context, builder.site.span if builder.site is not None else None
    return None


def is_in_a_model_made_there(program: Program, layer: LayerV) -> bool:
    """Whether a layer is part of a functional model that is built where it is made."""
    if any(isinstance(each, ModelV) and each.kind == "functional" for each in program.holders(layer)):
        return True
    running = layer.context.layer_call if layer.context is not None else None
    if running is None:
        return False
    inputs = {id(tensor.call) for each in program.built_during(running) for tensor in each.inputs}
    pending = list(program.calls_of(layer)) if inputs else []
    seen: set[int] = set()
    while pending:
        call = pending.pop()
        if id(call) in inputs:
            return True
        if id(call) not in seen and call is not running:
            seen.add(id(call))
            pending.extend(tensor.call for tensor in call.inputs if tensor.call is not None)
    return False


def _is_layer_method(program: Program, function: FunctionV) -> bool:
    symbols = function.owner.symbols() if function.owner is not None else []
    return any(program.table.issubclass(each.path, "keras.layers.Layer") for each in symbols)


def _running(program: Program, context: Context, function: FunctionV) -> str:
    """What a function is that runs with a model; nothing where it does not."""
    call, owner = context.layer_call, function.owner
    if call is not None and call.layer is not None and call.layer.symbol == LAMBDA:
        return "the function of a Lambda" if call.layer.arguments.get("function") is function else ""
    if owner is not None and _is_layer_method(program, function):
        is_step = function.name in STEPS
        if is_step or (function.name in ("call", "__call__") and call is not None):
            return f"{owner.name}.{function.name}"
    compiled = any(isinstance(each, SymbolV) and each.path == "tensorflow.function" for each in function.decorators)
    return f"{function.name}, a tf.function," if compiled else ""


# -- layers that are built before their first run ----------------------------------------------------------------


def _is_built(program: Program, call: Call | None, layer: LayerV) -> bool:
    """Whether Keras 3 builds a layer without its ``call``, so that this comes too late to put another layer on it.

    It does where the layer has a ``build`` of its own, or nothing inside that waits for its weights; else ``call`` is run once to
    build what is inside, and may make layers.
    """
    holder = call.layer if call is not None else None
    if holder is None or holder.own_class is None or layer not in program.all_sublayers(holder):
        return False
    if holder.own_class.find("build") is not None:
        return True
    others = [each for each in program.sublayers(holder) if each.context is None or each.context.layer_call is not call]
    return not holder.own_class.has_unknown_base and all(_is_built_at_once(program, each) for each in others)


def _is_built_at_once(program: Program, layer: LayerV) -> bool:
    """Whether a layer of Keras is built when it is made."""
    if isinstance(layer, ModelV):
        return layer.kind in ("functional", "application")
    info = program.info(layer)
    if info is None or layer.own_class is not None:
        return False
    return info.name in BUILT_AT_ONCE or info.dropout is not None or info.family in ("pool", "global_pool")


# -- only once ---------------------------------------------------------------------------------------------------


def _only_once(context: Context, passed: list[Context]) -> bool:
    """Whether a statement runs only where what it, or a function that it calls, stores is not there yet."""
    function = context.function.node if context.function is not None else None
    statement = context.statement
    if statement is None or function is None or isinstance(function, ast.Lambda):
        return False
    stored = {name for each in passed if each.statement is not None for name in _stored(each.statement)}
    chosen = isinstance(statement, ast.Assign) and isinstance(statement.value, (ast.BoolOp, ast.IfExp))
    if chosen and _read(statement.value) & set(_stored(statement)):  # type: ignore[attr-defined]
        return True
    return any(_read(test) & (stored | {"built"} | body) for test, body in _conditions(function.body, statement))


def _conditions(block: list[ast.stmt], statement: ast.stmt) -> Iterator[tuple[ast.AST, set[str]]]:
    """The tests that decide whether a statement is reached, each with what is stored where it is reached."""
    for number, each in enumerate(block):
        if each is not statement and statement not in set(ast.walk(each)):
            continue
        for before in block[:number]:
            if isinstance(before, ast.If) and isinstance(before.body[-1], ast.Return):
                yield before.test, {name for part in block[number:] for name in _stored(part)}
        if isinstance(each, ast.If):
            body = each.body if any(statement in set(ast.walk(part)) for part in each.body) else each.orelse
            yield each.test, {name for part in body for name in _stored(part)}
        if isinstance(each, ast.Try):
            for part in each.body:
                yield part, {name for handler in each.handlers for name in _stored(handler)}
        for inner in (getattr(each, "body", None), getattr(each, "orelse", None), *_handlers(each)):
            if isinstance(inner, list) and each is not statement:
                yield from _conditions(inner, statement)
        return


def _handlers(node: ast.AST) -> list[list[ast.stmt]]:
    return [handler.body for handler in node.handlers] if isinstance(node, ast.Try) else []


def _stored(node: ast.AST) -> Iterator[str]:
    """The attributes and names that code stores, also into them as containers."""
    for each in ast.walk(node):
        if isinstance(each, ast.Subscript) and isinstance(each.ctx, ast.Store):
            each = each.value
        elif not (isinstance(each, (ast.Attribute, ast.Name)) and isinstance(each.ctx, ast.Store)):
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "setattr":
                yield from _read(each)
            continue
        if isinstance(each, ast.Attribute):
            yield each.attr
        elif isinstance(each, ast.Name):
            yield each.id


def _read(node: ast.AST) -> set[str]:
    """The attributes, names and strings in an expression."""
    found = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    found |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and each.id != "self"}
    return found | {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
