"""Copies of models that leave out what is not trainable: assignments, averages, files made of ``trainable_weights`` alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from bnlint.finding import Span
from bnlint.interpreter.records import Context, Event, LayerV, WeightsV, World
from bnlint.interpreter.values import Const, InstanceV
from bnlint.interpreter.weights import Makings, Sources
from bnlint.program import Program, functions_around, is_constant
from bnlint.purpose import averages, words

Kind = Literal["copied", "averaged", "saved", "loaded", "set"]
MEANS = frozenset(("mean", "average", "reducemean", "addn", "add", "+", "sum", "reducesum", "lerp", "subtract"))
VARIABLES = frozenset(("variable", "identity", "constant", "array", "copy", "deepcopy"))
OTHERS = frozenset(("non_trainable_weights", "non_trainable_variables", "moving_mean", "moving_variance"))


@dataclass
class WeightCopy:
    """One statement that reads the trainable weights of models to copy them; ``lists`` are those that go into the copies."""

    kind: Kind
    lists: dict[int, WeightsV]
    written: list[LayerV]
    """The models whose weights are written."""
    events: list[Event] = field(default_factory=list)

    @property
    def first(self) -> WeightsV:
        """The list that is read first in the source."""
        return min(self.lists.values(), key=lambda each: each.span or Span("", 0, 0, 0, 0))


def weight_copies(program: Program) -> Iterator[WeightCopy]:
    """The copies, averages, files made of the trainable weights alone of models with batch normalization that is trained."""
    found: dict[Span, WeightCopy] = {}
    for world in program.worlds:
        events = [event for event in world.events if event.kind in ("assign", "store", "gather") or event.name == "set_weights"]
        makings = Makings(world) if events else None
        for event in events:
            told = _copy(makings, event) if makings is not None else None
            if told is None or not _matters(program, told) or _is_completed(world, event, told) or told.first.span is None:
                continue
            kept = found.setdefault(told.first.span, told)
            kept.lists.update(told.lists)
            kept.events.append(event)
    yield from found.values()


def _copy(makings: Makings, event: Event) -> WeightCopy | None:
    """What an event copies; None where it is no copy, or where the other weights go along."""
    made_of = makings.sources(event.value)
    target = makings.sources(event.target)
    lists = {**target.lists, **made_of.lists}
    if not lists or target.gradient or made_of.gradient or any(each.which != "trainable" for each in lists.values()):
        return None
    kind = _kind(event, target, made_of)
    if kind == "averaged" and event.kind == "assign":
        lists = {key: each for key, each in made_of.lists.items() if key not in target.lists} or lists
    if event.kind == "gather":
        around = [event.context.statement, *(node for node, _ in event.context.loops)]
        lists = {key: each for key, each in lists.items() if each.context and each.context.statement in around} or lists
    written = [event.target] if event.kind == "load" and isinstance(event.target, LayerV) else target.owners()
    return WeightCopy(kind, lists, written) if kind is not None else None


def _kind(event: Event, target: Sources, made_of: Sources) -> Kind | None:
    if any("optimizer" in words(each.owner.name) for each in functions_around(event.context) if each.owner is not None):
        return None
    if event.kind == "load":
        return "set" if made_of.lists else None
    if event.kind == "store":
        return "averaged" if event.name == "apply" else "saved"
    combined = bool(made_of.functions & MEANS)
    if event.kind == "gather":
        several = len(made_of.owners()) > 1 or "zip" in made_of.functions
        return "averaged" if combined and (several or averages(event.context)) else None
    if target.lists and not target.functions & VARIABLES:
        foreign = [each for each in made_of.owners() if all(each is not own for own in target.owners())]
        if foreign:
            return "copied"
        return "loaded" if made_of.loaded and not made_of.lists else None
    if not made_of.lists:
        return None
    return "averaged" if combined else None


def _matters(program: Program, copy: WeightCopy) -> bool:
    """Whether a model of the copy has normalization with statistics that move, and the one that is written to gets none of its own."""
    owners = [owner for each in copy.lists.values() for owner in each.owners]
    moving = [each for owner in owners for each in (owner, *program.all_sublayers(owner)) if program.is_batchnorm(each)]
    known = any(program.holds_batchnorm(owner) for owner in owners)
    frozen = bool(moving) and all(program.may_be_frozen(each) for each in moving)
    return known and not frozen and not any(_runs_itself(program, each) for each in copy.written)


def _runs_itself(program: Program, model: LayerV) -> bool:
    """Whether a model is called in training mode, which moves its statistics."""
    return any(is_constant(call.training.source, True) for call in program.calls_of(model))


# -- the other weights -------------------------------------------------------------------------------------------


def _is_completed(world: World, event: Event, copy: WeightCopy) -> bool:
    """Whether the code around also copies what is not trainable."""
    contexts = [event.context, *(each.context for each in copy.lists.values() if each.context is not None)]
    around = [node for context in contexts for node in _around(context)]
    if any(OTHERS & _attributes(node) for node in around):
        return True
    helpers = _called(around)
    trees = {id(context.module.tree): context.module.tree for context in contexts}
    if any(
        isinstance(node, ast.FunctionDef) and node.name in helpers and OTHERS & _attributes(node)
        for tree in trees.values()
        for node in ast.walk(tree)
    ):
        return True
    owners = {id(owner) for each in copy.lists.values() for owner in each.owners}
    reads = [each.context for each in copy.lists.values() if each.context is not None]
    written = {id(each) for each in copy.written} or owners
    trained = [each.order for each in world.history() if each.kind in ("fit", "train_on_batch") and id(each.target) in owners]
    return any(
        other.kind == "load"
        and other is not event
        and id(other.target) in written
        and any(_beside(other.context, each) for each in reads)
        and not any(other.order < order < event.order for order in trained)
        for other in world.history()
    )


def _around(context: Context) -> list[ast.AST]:
    """The function in which something happens; in a module's body the loop or the statement."""
    if context.function is not None:
        return [context.function.node]
    if context.loops:
        return [context.loops[-1][0]]
    return [context.statement] if context.statement is not None else []


def _called(nodes: list[ast.AST]) -> set[str]:
    """The names of the functions and methods that are called in some nodes."""
    calls = [each.func for node in nodes for each in ast.walk(node) if isinstance(each, ast.Call)]
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}


def _attributes(node: ast.AST) -> set[str]:
    return {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def _beside(one: Context, other: Context) -> bool:
    """Whether two things happen in the same round of the same loops of one function."""
    loops = [node for node, _ in one.loops if isinstance(node, (ast.For, ast.While))]
    others = [node for node, _ in other.loops if isinstance(node, (ast.For, ast.While))]
    return one.function is other.function and loops == others


# -- clones and averages -----------------------------------------------------------------------------------------


def unset_clones(program: Program) -> Iterator[Event]:
    """The clones of trained models with batch normalization that predict, or are evaluated, before they get any weights."""
    found: dict[Span, Event] = {}
    for _, history in program.histories():
        for number, event in enumerate(history):
            if event.name == "clone_model" and _is_used_unset(program, event, history[:number], history[number + 1 :]):
                found.setdefault(event.span, event)
    yield from found.values()


def _is_used_unset(program: Program, event: Event, before: list[Event], after: list[Event]) -> bool:
    clone, original = event.target, event.value
    if not isinstance(clone, LayerV) or not isinstance(original, LayerV) or program.escapes(clone):
        return False
    trained = original.weights != "random" or any(
        each.target is original and each.kind in ("fit", "train_on_batch", "load") for each in before
    )
    if not trained or not program.holds_batchnorm(clone):
        return False
    for each in after:
        if id(clone) in {id(each.target), *(id(owner) for owner in each.affected)} and each.kind in SETS:
            return False
        if each.target is clone and each.kind in ("evaluate", "predict"):
            return not _is_read(event, after)
    return False


def _is_read(event: Event, after: list[Event]) -> bool:
    """Whether weights of the clone are read or assigned one by one."""
    return any(each.kind == "assign" for each in after)


SETS = ("fit", "train_on_batch", "load", "update", "gradient")
"""The events that give a model weights."""


def averaged_evaluations(program: Program) -> Iterator[tuple[Span, LayerV]]:
    """The places that switch ``use_ema`` on for models with batch normalization that are used afterwards as they are."""
    found: dict[Span, LayerV] = {}
    for _, history in program.histories():
        averaged: dict[int, tuple[Span, LayerV]] = {}
        fitted: set[int] = set()
        for event in history:
            model, key = event.target, id(event.target)
            if event.kind == "compile" and isinstance(model, LayerV):
                place = _averages_weights(event)
                averaged.pop(key, None)
                if place is not None and program.holds_batchnorm(model):
                    averaged[key] = place, model
            elif event.kind == "fit" and key in averaged:
                fitted.add(key)
            elif event.kind in ("evaluate", "predict", "save") and key in fitted and key in averaged:
                span, layer = averaged[key]
                if not _runs_itself(program, layer):
                    found.setdefault(span, layer)
    yield from found.items()


def _averages_weights(event: Event) -> Span | None:
    """Where the optimizer of a ``compile`` gets ``use_ema=True``."""
    optimizer = event.arguments.get("optimizer") or event.arguments.get("0")
    given = optimizer.attributes.get("use_ema") if isinstance(optimizer, InstanceV) else None
    if not isinstance(given, Const) or given.value is not True or given.assumed or given.origin is None:
        return None
    module, node = given.origin
    return module.source.span(node)
