"""Modes that are written down: calls that run in one mode whatever mode their model runs in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from bnlint.finding import Span
from bnlint.interpreter.layers import TRAINING
from bnlint.interpreter.records import Call, LayerV
from bnlint.interpreter.values import Const, Term
from bnlint.program import Program


@dataclass(slots=True)
class FixedMode:
    """The applications at one place, all in the same mode: inside a ``call``, or under Keras 2 in a graph."""

    span: Span
    training: bool
    calls: list[Call]


@dataclass(slots=True)
class _Place:
    calls: list[Call] = field(default_factory=list)
    modes: set[bool | None] = field(default_factory=set)
    chosen: set[bool | None] = field(default_factory=set)
    sides: dict[Term, set[bool]] = field(default_factory=dict)


def fixed_modes(program: Program) -> Iterator[FixedMode]:
    """The places where layers are called in a mode that is a constant, and no caller's choice.

    A place that is reached on one side only of a condition on the mode is none of them.
    """
    places: dict[Span, _Place] = {}
    for world in program.worlds:
        sides = {term: side for term, side in world.decisions.items() if _on_mode(term)}
        for call in world.calls:
            if call.layer is not None and (call.parent is not None or _in_graph(program, call)):
                _note(program, places.setdefault(call.span, _Place()), call, sides)
    for span, place in places.items():
        mode = next(iter(place.modes)) if len(place.modes) == 1 else None
        if mode is not None and place.chosen <= place.modes and all(len(sides) == 2 for sides in place.sides.values()):
            yield FixedMode(span, mode, place.calls)


def always(program: Program, training: bool) -> Iterator[tuple[FixedMode, list[LayerV]]]:
    """The places with a constant mode of one kind, and the batch normalizations, none frozen, that always run in it."""
    for place in fixed_modes(program):
        norms = [norm for call in place.calls for norm in normalizations(program, call)]
        if place.training is training and norms and not any(program.may_be_frozen(norm) for norm in norms):
            yield place, norms


def true_in_graph(program: Program) -> Iterator[Call]:
    """The applications with a true mode written in them while a graph of Keras 3 is built: the mode of the model replaces it."""
    for call in program.calls():
        if call.layer is None or call.parent is not None or not is_literal(call) or not call.training.value:
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


def _on_mode(term: object) -> bool:
    return term == TRAINING.term or (isinstance(term, tuple) and any(_on_mode(part) for part in term))


def _fixed(program: Program, call: Call) -> bool | None:
    """The constant mode of one application; None where it follows its model."""
    training, layer = call.training, call.layer
    if training.kind != "constant" or training.value is None or layer is None or getattr(training.source, "assumed", False):
        return None
    if call.parent is None and not (program.generation(layer) == "2" and is_literal(call)):
        return None
    return bool(training.value)


def is_literal(call: Call) -> bool:
    """Whether the mode is written in the call itself."""
    node = call.context.node
    given = [each.value for each in node.keywords if each.arg == "training"] if isinstance(node, ast.Call) else []
    return bool(given) and isinstance(given[0], ast.Constant)


def _is_callers_choice(call: Call) -> bool:
    """Whether the mode may be what the outermost model was called with."""
    if call.parent is None or is_literal(call) or call.training.kind != "constant":
        return False
    outer = call
    while outer.parent is not None:
        outer = outer.parent
    if outer.training.kind in ("constant", "unknown") or any(each is call.training.source for each in outer.arguments.values()):
        return True
    origin = call.training.source.origin if isinstance(call.training.source, Const) else None
    around = {each.function.node for each in outer.context.chain() if each.function is not None}
    return origin is not None and any(origin[1] is node for function in around for node in ast.walk(function))


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
