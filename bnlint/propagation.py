"""How the mode reaches the layers of a model: Keras's handling of ``training``, replayed on the calls that were recorded.

Keras 3 gives a layer the value that its caller passes (from 3.10 on also an explicit None), else that of the context, else the default
in the signature, else inference. The context is shared by everything that one outermost call runs: each layer leaves its own mode
there, also for the layers that are called *after* it. Keras 2 takes a mode back when its layer is done.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bnlint.finding import Span
from bnlint.interpreter.layers import TRAINING
from bnlint.interpreter.records import Call, Context, LayerV, ModelV, World
from bnlint.interpreter.values import ClassV, Const, FunctionV, Term, Value
from bnlint.program import Program, once
from bnlint.purpose import in_gradient

Mode = Literal["passed", "training", "inference", "none", "unknown"]
"""What a layer runs in: the mode that the outermost call was given, always one of the two, none that anybody set, not known."""

LEAVES_TO_KERAS = re.compile(r"super\([^)]*\)\.train_step\(|\bModel\.train_step\(")
"""A ``train_step`` that calls the one of its base."""


@dataclass(slots=True)
class Running:
    """A call and its mode; ``cause`` is the call that fixed the mode, none where nobody passed one."""

    call: Call
    mode: Mode
    cause: Call | None

    @property
    def is_left_over(self) -> bool:
        """Whether the mode is what a call before this one left behind."""
        return self.cause is not None and self.cause not in ancestors(self.call)


@dataclass(slots=True)
class _Context:
    mode: Mode
    cause: Call | None = None


def ancestors(call: Call) -> list[Call]:
    """A call and those it runs in, innermost first."""
    found = [call]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found


def replay(program: Program, top: Call, world: World, mode: Mode = "passed", opens_context: bool = True) -> list[Running]:
    """The calls inside an outermost call, in their order, with the modes that they get where it is given ``mode``.

    ``opens_context`` is False for the model that ``fit`` trains on JAX: its ``call`` is run directly.
    """
    found: list[Running] = []
    start = mode if opens_context else "none"
    shared = _Context(start)
    for child in top.children:
        _run(program, child, _Context(mode), shared if opens_context else _Context(start), world, found)
    return found


def _run(program: Program, call: Call, flag: _Context, context: _Context, world: World, found: list[Running]) -> None:
    layer = call.layer
    if layer is None:
        return
    before = _Context(context.mode, context.cause)
    own = _resolved(program, call, layer, flag, context, world)
    context.mode, context.cause = own.mode, own.cause
    found.append(Running(call, own.mode, own.cause))
    passes = flag if parameter_of(layer) is None else own
    for child in call.children:
        _run(program, child, passes, context, world, found)
    if program.generation(layer) == "2":
        context.mode, context.cause = before.mode, before.cause


def _resolved(program: Program, call: Call, layer: LayerV, flag: _Context, context: _Context, world: World) -> _Context:
    training = call.training
    if training.kind == "unknown":
        return _Context("unknown", call)
    if training.kind == "forwarded" or hands_on(call):
        return flag
    if training.kind == "constant" and _counts(program, layer, training.value):
        return _Context(_mode_of(program, call, world), call)
    if context.mode != "none":
        return context
    default = default_of(layer)
    return context if default is None else _Context("training" if default else "inference", call)


def _counts(program: Program, layer: LayerV, value: object) -> bool:
    """Whether Keras heeds an argument: not a None, nor one for a layer that has no parameter for it, before 3.10."""
    release = program.release or (3, 10)
    if program.generation(layer) == "2" or release < (3, 10):
        return value is not None and (layer.own_class is None or parameter_of(layer) is not None)
    return True


def hands_on(call: Call) -> bool:
    """Whether a constant is the very one that the call around was given."""
    parent = call.parent
    source = call.training.source
    return parent is not None and source is not None and call.training.kind == "constant" and parent.training.source is source


def is_in_build(call: Call) -> bool:
    """Whether a call is made in the ``build`` of a layer, to build what is inside: that is no forward pass."""
    around = (each.function for each in call.context.chain() if each.layer_call is call.parent)
    return call.parent is not None and any(function is not None and function.name == "build" for function in around)


def _mode_of(program: Program, call: Call, world: World) -> Mode:
    value = call.training.value
    if value is None:
        return "none"
    outermost = ancestors(call)[-1].training
    side = world.decisions.get(TRAINING.term)
    if bool(value) is side and (not side) not in _sides(program).get(call.span, ()):
        return "passed"  # reached on this side of a condition on the mode only
    if outermost.kind == "constant" and not _is_written_in(call) and bool(outermost.value) is bool(value):
        return "unknown"  # such as bool(training)
    return "training" if value else "inference"


@lru_cache(maxsize=1)
def _sides(program: Program) -> dict[Span, set[bool | None]]:
    """The sides of conditions on the mode on which each place is reached."""
    found: dict[Span, set[bool | None]] = {}
    for world in program.worlds:
        for call in world.calls:
            found.setdefault(call.span, set()).add(world.decisions.get(TRAINING.term))
    return found


def _is_written_in(call: Call) -> bool:
    span, outer = call.training.span, call.span
    source = call.training.source
    line = getattr(source.origin[1], "lineno", 0) if isinstance(source, Const) and source.origin is not None else 0
    return span is not None and span.path == outer.path and outer.line <= line <= outer.end_line


def parameter_of(layer: LayerV) -> str | None:
    """ "training" where the ``call`` of a layer has a parameter of that name, as those of Keras's own layers do."""
    function = layer.own_class.find("call") if layer.own_class is not None else None
    return "training" if not isinstance(function, FunctionV) or has_training(function) else None


def has_training(function: FunctionV) -> bool:
    """Whether a function has a parameter that is called ``training``."""
    parameters = function.signed.node.args
    return any(each.arg == "training" for each in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs))


def default_of(layer: LayerV) -> bool | None:
    """The mode that the ``call`` of a project's layer has by default."""
    function = layer.own_class.find("call") if layer.own_class is not None else None
    value = training_default(function) if isinstance(function, FunctionV) else None
    return None if not isinstance(value, Const) or value.value is None else bool(value.value)


def training_default(function: FunctionV) -> Value | None:
    """The default of a function's parameter ``training``."""
    function = function.signed
    names = [each.arg for each in (*function.node.args.posonlyargs, *function.node.args.args)]
    defaults = dict(zip(names[len(names) - len(function.defaults) :], function.defaults))
    return {**defaults, **function.keyword_defaults}.get("training")


# -- who is run from outside ---------------------------------------------------------------------------------------


def calls_in_training(program: Program) -> Iterator[tuple[Call, World]]:
    """The calls of the project's layers and models, where they may be in training mode.

    A course in which a condition on the mode has taken another side than ``fit`` takes has none of them.
    """
    for world in program.worlds:
        if _is_in_training(world):
            for call in world.calls:
                if call.layer is not None and call.layer.own_class is not None and call.children:
                    yield call, world


@lru_cache(maxsize=1)
def _runs(program: Program) -> dict[ast.AST, list[tuple[Call, World]]]:
    found: dict[ast.AST, list[tuple[Call, World]]] = {}
    for call, world in calls_in_training(program):
        own = call.layer.own_class if call.layer is not None else None
        function = own.find("call") if own is not None else None
        if isinstance(function, FunctionV):
            found.setdefault(function.node, []).append((call, world))
    return found


def runs_of(program: Program, function: FunctionV) -> list[tuple[Call, World]]:
    """The calls of layers and models that run a ``call``, where they may be in training mode."""
    return _runs(program).get(function.node, [])


def _is_in_training(world: World) -> bool:
    return all(side is _side_in_fit(term) for term, side in world.decisions.items() if on_mode(term))


def mode_calls(program: Program, symbol: str) -> Iterator[FunctionV]:
    """Every ``call`` that the project's subclasses of a Keras class have, each once, where Keras's own ``__call__`` runs it."""
    seen: set[ast.AST] = set()
    for cls in program.classes(symbol):
        function = cls.find("call")
        if isinstance(function, FunctionV) and function.node not in seen and cls.find("__call__") is None:
            seen.add(function.node)
            yield function


def written_by_hand(running: Running) -> bool:
    """Whether somebody chose the mode for this call: a constant, and not the default of a parameter that nobody sets."""
    cause = running.cause
    if cause is None or running.is_left_over or cause.training.kind != "constant" or cause.training.value is None:
        return False
    return not is_default(cause)


def is_default(call: Call) -> bool:
    """Whether the mode of a call is the default of a parameter of a function around it."""
    return owner_of_default(call) is not None


def owner_of_default(call: Call) -> Context | None:
    """The run of the function whose parameter's default the mode of a call is."""
    origin = getattr(call.training.source, "origin", None)
    for each in call.context.chain():
        if origin is not None and each.function is not None:
            parameters = each.function.node.args
            if origin[1] in (*parameters.defaults, *parameters.kw_defaults):
                return each
    return None


def explicit_nones(program: Program) -> Iterator[Call]:
    """The calls inside layers that are handed a None which is not what their model was called with."""
    for world in program.worlds:
        if not _is_in_training(world):
            continue
        for call in world.calls:
            none = call.training.kind == "constant" and call.training.value is None and not (hands_on(call) or is_in_build(call))
            if none and call.parent is not None and call.layer is not None and _counts(program, call.layer, None):
                yield call


def on_mode(term: object) -> bool:
    """Whether a condition is one on the mode."""
    return term == TRAINING.term or (isinstance(term, tuple) and any(on_mode(part) for part in term))


def _side_in_fit(term: Term) -> bool | None:
    """The side that a condition takes where the mode is True; None where that is not known."""
    if term == TRAINING.term:
        return True
    if len(term) == 3 and term[0] in ("==", "is") and term[1] == TRAINING.term and isinstance(term[2], tuple):
        return term[2] == ("c", True)
    return False if term == ("is None", TRAINING.term) else None


def trainable_norms(program: Program, call: Call) -> list[LayerV]:
    """The batch normalizations, not frozen, that run in the mode of a call itself: its layer, or those in the model it is."""
    layer = call.layer
    if layer is None or call.children:
        return []
    inside = (
        []
        if layer.own_class is not None and call.known_function and not isinstance(layer, ModelV)
        else program.all_sublayers(layer)
    )
    return [each for each in (layer, *inside) if program.is_batchnorm(each) and not program.may_be_frozen(each)]


@once
def _models_by_call(program: Program) -> dict[int, list[ClassV]]:
    """The classes of models that share a ``call``."""
    found: dict[int, list[ClassV]] = {}
    for cls in program.classes("keras.Model"):
        found.setdefault(id(cls.find("call")), []).append(cls)
    return found


def models_fitted(program: Program, function: FunctionV) -> list[ModelV]:
    """The subclassed models with this ``call`` that are trained by ``fit``, as far as is known; where none is in sight, those whose
    use is not known: no part of another layer, and not called by a loop of their own."""
    classes = _models_by_call(program).get(id(function), [])
    models = [
        each for cls in classes for each in program.own_layers(cls) if isinstance(each, ModelV) and each.kind == "subclassed"
    ]
    fitted = {id(event.target) for event in program.events("compile", "fit", "train_on_batch")}
    chosen = [each for each in models if id(each) in fitted]
    if (
        not chosen
        and not any(program.is_passed_around(cls) for cls in classes)
        and not any(_is_part(program, each) for each in models)
    ):
        chosen = models
    return [each for each in chosen if each.own_class is not None and is_trained_by_keras(each.own_class)]


def is_trained_by_keras(cls: ClassV) -> bool:
    """Whether ``fit`` calls a model itself: it has no ``train_step`` of its own, or one that leaves that to Keras's."""
    steps = [each.attributes["train_step"] for each in cls.mro if isinstance(each, ClassV) and "train_step" in each.attributes]
    return all(isinstance(step, FunctionV) and LEAVES_TO_KERAS.search(ast.unparse(step.node)) for step in steps)


def _is_part(program: Program, model: ModelV) -> bool:
    """Whether a model is held or called by another, or trained by a loop of its own."""
    if program.holders(model):
        return True
    return any(
        call.parent is not None
        or call.training.kind != "absent"
        or in_gradient(call.context)
        or (call.setting == "graph" and _is_used(program, call))
        for call in program.calls_of(model)
    )


def _is_used(program: Program, call: Call) -> bool:
    return any(program.consumers(tensor) or program.models_ending_in(tensor) for tensor in call.outputs)


# -- what is lost on the way ---------------------------------------------------------------------------------------


def left_behind(program: Program) -> Iterator[tuple[FunctionV, Running]]:
    """The calls that nobody tells their mode, and that get the one which a call before them left in the context of Keras 3; each with
    the ``call`` that could have told them."""
    for top, world in calls_in_training(program):
        if top.parent is not None or top.layer is None or program.generation(top.layer) == "2":
            continue
        for running in replay(program, top, world):
            if running.mode in ("training", "inference", "none") and running.is_left_over:
                function = _common_call(running, top)
                if function is not None and not _is_given_elsewhere(program, function):
                    yield function, running


def _common_call(running: Running, top: Call) -> FunctionV | None:
    """The ``call`` of the innermost layer that a call and the cause of its mode both run in."""
    assert running.cause is not None
    around = ancestors(running.cause)
    common = next(each for each in ancestors(running.call) if each in around)
    layer = common.layer
    function = layer.own_class.find("call") if layer is not None and layer.own_class is not None else None
    if not isinstance(function, FunctionV) or (common is top and isinstance(layer, ModelV) and not has_training(function)):
        return None
    return function


def _is_given_elsewhere(program: Program, function: FunctionV) -> bool:
    """Whether a function gives ``training`` to something that could not be followed: it may have set the mode again."""
    return any(
        isinstance(node, ast.Call)
        and node not in _recorded(program)
        and any(each.arg in ("training", None) for each in node.keywords)
        for node in ast.walk(function.node)
    )


@lru_cache(maxsize=1)
def _recorded(program: Program) -> set[ast.AST]:
    return {call.context.node for call in program.calls() if call.context.node is not None}


def lost_without_context(program: Program, function: FunctionV) -> list[Running]:
    """The calls that run in inference mode where a ``call`` is run directly and does not hand the mode on: when ``fit`` trains a model on
    JAX, and by ``stateless_call``."""
    models = {id(each) for each in models_fitted(program, function) if program.backend(each) == "jax"}
    return [
        running
        for top, world in (runs_of(program, function) if has_training(function) else ())
        if id(top.layer) in models or _is_stateless(top)
        for running in replay(program, top, world, opens_context=False)
        if running.mode in ("none", "inference") and (running.cause is None or running.cause.training.kind == "absent")
    ]


def _is_stateless(call: Call) -> bool:
    """Whether a ``call`` is run by ``stateless_call`` in training mode."""
    node = call.context.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "stateless_call" and call.training.kind == "constant" and bool(call.training.value)
