"""Modes that are written down: calls that run in one mode whatever mode their model runs in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from bnlint.finding import Span
from bnlint.interpreter.records import Call, Context, LayerV
from bnlint.interpreter.values import Const, Term
from bnlint.program import Program
from bnlint.propagation import hands_on, is_in_build, on_mode
from bnlint.purpose import MODE


@dataclass(slots=True)
class FixedMode:
    """The applications at one place that run in the same mode whatever their model does: inside a ``call``, or under Keras 2 in a
    graph. ``partly``: other callers of the function around it pass the mode on."""

    span: Span
    training: bool
    calls: list[Call]
    partly: bool


@dataclass(slots=True)
class _Place:
    calls: list[Call] = field(default_factory=list)
    modes: set[bool | None] = field(default_factory=set)
    chosen: set[bool | None] = field(default_factory=set)
    sides: dict[Term, set[bool]] = field(default_factory=dict)

    @property
    def mode(self) -> bool | None:
        """The one mode in which the calls there run; None where there are several, or it is reached on one side of a condition only."""
        known = len(self.modes) == 1 and self.chosen <= self.modes and all(len(sides) == 2 for sides in self.sides.values())
        return next(iter(self.modes)) if known else None


def fixed_modes(program: Program) -> Iterator[FixedMode]:
    """The places where layers are called in a mode that is a constant, and no choice of who calls the model.

    A helper of a ``call`` has a place for each of its callers. One that is reached on one side only of a condition on the mode is none.
    """
    places: dict[tuple[Span, ...], _Place] = {}
    for world in program.worlds:
        sides = {term: side for term, side in world.decisions.items() if on_mode(term)}
        for call in world.calls:
            inside = call.parent is not None or _in_graph(program, call)
            if call.layer is not None and inside and not (hands_on(call) or is_in_build(call)):
                _note(program, places.setdefault(_path(call), _Place()), call, sides)
    at: dict[Span, list[_Place]] = {}
    for path, place in places.items():
        if place.modes:
            at.setdefault(path[0], []).append(place)
    for span, found in at.items():
        for mode in (True, False):
            fixed = [place for place in found if place.mode is mode]
            if fixed:
                yield FixedMode(span, mode, [call for place in fixed for call in place.calls], len(fixed) < len(found))


def _path(call: Call) -> tuple[Span, ...]:
    """A place as it was reached within the model around it."""
    return tuple(each.span for each in _inside_model(call)) or (call.span,)


def _inside_model(call: Call) -> list[Context]:
    """Where a call is, and the calls of helpers and layers around it, up to the one of the outermost model."""
    found: list[Context] = []
    for each in call.context.chain():
        around = each.layer_call
        if around is None or (around.parent is None and each.node is around.context.node):
            break
        found.append(each)
    return found


def always(program: Program, training: bool) -> Iterator[tuple[FixedMode, list[LayerV]]]:
    """The places with a constant mode of one kind, and the batch normalizations, none frozen, that always run in it."""
    for place in fixed_modes(program):
        norms = [norm for call in place.calls for norm in normalizations(program, call)]
        if place.training is training and norms and not any(program.may_be_frozen(norm) for norm in norms):
            yield place, norms


def true_in_graph(program: Program) -> Iterator[Call]:
    """The applications with a true mode written in them while a graph of Keras 3 is built: the mode of the model replaces it."""
    for call in program.calls():
        if call.layer is None or call.parent is not None or not call.training.value:
            continue
        if not (is_literal(call) or _is_module_constant(call)):
            continue
        if program.generation(call.layer) != "2" and _in_graph(program, call):
            norms = normalizations(program, call)
            if norms and not any(program.may_be_frozen(norm) for norm in norms):
                yield call


def _in_graph(program: Program, call: Call) -> bool:
    """Whether an application becomes part of a model: one whose result is dropped only builds the layer."""
    used = any(program.consumers(tensor) or program.models_ending_in(tensor) for tensor in call.outputs)
    return call.setting == "graph" and used


def _note(program: Program, place: _Place, call: Call, sides: dict[Term, bool]) -> None:
    for term, side in sides.items():
        place.sides.setdefault(term, set()).add(side)
    if _is_callers_choice(call):
        place.chosen.add(_fixed(program, call))
    else:
        place.calls.append(call)
        place.modes.add(_fixed(program, call))


def _fixed(program: Program, call: Call) -> bool | None:
    """The constant mode of one application; None where it follows its model."""
    training, layer = call.training, call.layer
    if training.kind != "constant" or training.value is None or layer is None or getattr(training.source, "assumed", False):
        return None
    if call.parent is None and (program.generation(layer) != "2" or not (is_literal(call) or _is_trained(program, call))):
        return None
    return bool(training.value)


def _is_trained(program: Program, call: Call) -> bool:
    """Whether the function that builds a graph is called in sight, and the layer of a call is in a model that is trained."""
    layer, around = call.layer, call.context.chain()
    called = around[0].function is None or (around[0].caller is not None and isinstance(around[0].caller.node, ast.Call))
    return called and any(id(layer) in event.snapshot for event in program.events("compile", "fit", "train_on_batch"))


def is_literal(call: Call) -> bool:
    """Whether the mode is written in the call itself."""
    node = call.context.node
    given = [each.value for each in node.keywords if each.arg == "training"] if isinstance(node, ast.Call) else []
    return bool(given) and isinstance(given[0], ast.Constant)


def _is_module_constant(call: Call) -> bool:
    """Whether the mode is a constant of the module that is bound once, or stands in a dictionary that is written in the call."""
    node, context = call.context.node, call.context
    if not isinstance(node, ast.Call) or call.training.kind != "constant":
        return False
    local = _names_bound(context.function.node) if context.function is not None else frozenset()
    bound = _constants(context.module.tree)
    for each in node.keywords:
        value: ast.expr | None = each.value
        if isinstance(value, ast.Name) and value.id not in local:
            value = bound.get(value.id)
        if each.arg is None and isinstance(value, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else None for key in value.keys]
            value = value.values[keys.index("training")] if "training" in keys else None
        elif each.arg != "training":
            continue
        if isinstance(value, ast.Constant):
            return True
    return False


@lru_cache(maxsize=1_000)
def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What the names stand for that a module binds once, in its body."""
    bound = [each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)]
    found: dict[str, ast.expr] = {}
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.Assign) and isinstance(targets[0], ast.Name) and bound.count(targets[0].id) == 1:
            found[targets[0].id] = statement.value
    return found


@lru_cache(maxsize=1_000)
def _names_bound(function: ast.AST) -> frozenset[str]:
    """The parameters and local names of a function."""
    names = {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
    return frozenset(
        names | {each.id for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    )


def _is_callers_choice(call: Call) -> bool:
    """Whether the mode may be what the outermost model was called with."""
    if call.parent is None or call.training.kind != "constant":
        return False
    outer = call
    while outer.parent is not None:
        outer = outer.parent
    told = outer.training.kind in ("constant", "unknown")
    if told and (outer.training.value is None or _depends_on_mode(call)):
        return True
    if is_literal(call):
        return False
    if any(each is call.training.source for each in outer.arguments.values()):
        return True
    origin = call.training.source.origin if isinstance(call.training.source, Const) else None
    if origin is None:
        return told
    around = {each.function.node for each in outer.context.chain() if each.function is not None}
    return any(origin[1] is node for function in around for node in ast.walk(function))


def _depends_on_mode(call: Call) -> bool:
    """Whether a function on the way from the model to a call has a condition that speaks of the mode."""
    return any(each.function is not None and _has_condition_on_mode(each.function.node) for each in _inside_model(call))


@lru_cache(maxsize=2_000)
def _has_condition_on_mode(function: ast.AST) -> bool:
    tests = [node.test for node in ast.walk(function) if isinstance(node, (ast.If, ast.IfExp, ast.While))]
    tests = [test for test in tests if not _asks_for_none(test)]
    return any(isinstance(part, ast.Name) and MODE.search(part.id) for test in tests for part in ast.walk(test))


def _asks_for_none(test: ast.expr) -> bool:
    """Whether a test only asks whether anything was given."""
    return isinstance(test, ast.Compare) and isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None


def normalizations(program: Program, call: Call) -> list[LayerV]:
    """The batch normalizations that run in the mode of a call: its layer, or those inside that no other mode was given to."""
    layer = call.layer
    if layer is None:
        return []
    if program.is_batchnorm(layer):
        return [layer]
    if not call.children:
        return [each for each in program.all_sublayers(layer) if program.is_batchnorm(each)]
    following = [child for child in call.children if child.training.kind in ("absent", "constant") and not is_literal(child)]
    return [norm for child in following for norm in normalizations(program, child)]


def loaded(layer: LayerV | None) -> bool:
    """Whether a layer, or the backbone it belongs to, has weights that are not random."""
    return layer is None or layer.weights != "random" or (layer.backbone is not None and layer.backbone.weights != "random")


def may_be_learnt(program: Program, norm: LayerV) -> bool:
    """Whether a normalization, or anything that holds it, gets weights from elsewhere."""
    pending, seen = [norm], {id(norm)}
    targets = {id(event.target) for event in program.events("load", "copy")}
    while pending:
        layer = pending.pop()
        if loaded(layer) or id(layer) in targets:
            return True
        more = [each for each in program.holders(layer) if id(each) not in seen]
        seen |= {id(each) for each in more}
        pending += more
    return False
