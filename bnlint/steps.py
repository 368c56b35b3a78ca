"""Gradient steps: what is called, what the loss is, which models it is differentiated for, and which are updated."""

from __future__ import annotations

from dataclasses import dataclass, field

from bnlint.interpreter.flows import Origins
from bnlint.interpreter.gradients import TAPE
from bnlint.interpreter.records import Call, Context, Event, GradientsV, LayerV, TensorV, World
from bnlint.interpreter.values import NONE, InstanceV, SymbolV, Value
from bnlint.program import Program, once


@dataclass(slots=True, eq=False)
class GradientStep:
    """One gradient that is taken, and what is done with it."""

    world: World
    gradient: Event
    """Where the gradient is taken: a tape's ``gradient``, a function of ``value_and_grad``, ``minimize``."""
    loss: Value
    sources: Value
    """What the gradient is taken with respect to."""
    calls: list[Call]
    """The applications of layers and models, outside any ``call``, that the loss is computed from and the gradient goes through."""
    updates: list[Event] = field(default_factory=list)
    """The optimizer's steps that use the gradient."""
    penalties: list[GradientStep] = field(default_factory=list)
    """The steps whose gradient is part of this loss: not of what a model is called on."""
    trains: list[Event] = field(default_factory=list)
    """The compilations with a loss that this gradient is part of."""

    is_nested: bool = False
    """Whether it happens under the tape of another step of the same model, or holds such a one."""

    @property
    def differentiated(self) -> list[LayerV]:
        """The models, or layers, with respect to whose weights the gradient is taken."""
        return self.gradient.affected

    @property
    def updated(self) -> list[LayerV]:
        """Those of them whose weights are then updated with it."""
        changed = {id(owner) for event in self.updates for owner in event.affected}
        return [owner for owner in self.differentiated if id(owner) in changed]


@once
def gradient_steps(program: Program) -> list[GradientStep]:
    """The gradient steps of all worlds."""
    return [step for world in program.worlds for step in _steps_of(world)]


def is_learned_from(program: Program, call: Call) -> bool:
    """Whether a call is made under a tape that takes a gradient, or a loss that is differentiated depends on it."""
    if id(call) in _learned(program):
        return True
    tapes = [value for value in managers(call.context) if _is_tape(value)]
    taken = {id(event.target) for event in program.events("gradient")}
    return any(id(tape) in taken or program.escapes(tape) for tape in tapes)


@once
def _learned(program: Program) -> set[int]:
    behind = (each for step in gradient_steps(program) for each in Origins(step.world).of([step.loss]))
    return {id(each.call) for each in behind if isinstance(each, TensorV)}


def origins(world: World) -> Origins:
    """What the values of a world were computed from."""
    return Origins(world)


def _steps_of(world: World) -> list[GradientStep]:
    gradients = [event for event in world.events if event.kind == "gradient"]
    if not gradients:
        return []
    traced = Origins(world)
    steps = [_step(world, traced, event) for event in gradients]
    by_event = {id(step.gradient): step for step in steps}
    for step in steps:
        parts = traced.of([step.loss], differentiable=True, through_layers=False)
        step.penalties = [by_event[id(event)] for event in _events(parts) if id(event) in by_event]
    for step in steps:
        around = managers(step.gradient.context)
        for outer in steps:
            under = outer is not step and any(value is outer.gradient.target for value in around)
            if under and {id(each) for each in step.differentiated} & {id(each) for each in outer.differentiated}:
                step.is_nested = outer.is_nested = True
    for event in world.events:
        if event.kind == "update":
            for step in _used(event, traced, steps, by_event):
                step.updates.append(event)
        elif event.kind == "compile" and event.value is not None:
            for found in _events(traced.of([event.value])):
                if id(found) in by_event:
                    by_event[id(found)].trains.append(event)
    return steps


def _events(values: list[Value]) -> list[Event]:
    return [each.event for each in values if isinstance(each, GradientsV) and each.event is not None]


def _step(world: World, traced: Origins, event: Event) -> GradientStep:
    loss, sources = event.arguments.get("loss", NONE), event.value or NONE
    found: dict[int, Call] = {}
    for each in traced.of([loss], differentiable=True):
        call = each.call if isinstance(each, TensorV) else None
        if call is not None and call.layer is not None and call.parent is None and is_recorded(event, call):
            found[id(call)] = call
    calls = list(found.values()) or _calls_under(world, event)
    return GradientStep(world, event, loss, sources, sorted(calls, key=lambda call: call.order))


def _calls_under(world: World, event: Event) -> list[Call]:
    """All that is called under the tape of a gradient, where its loss cannot be followed."""
    if not _is_tape(event.target):
        return []
    return [call for call in world.calls if call.layer is not None and call.parent is None and is_recorded(event, call)]


def is_recorded(event: Event, call: Call) -> bool:
    """Whether a call is made where a gradient sees it: under its tape, if it is one that is known."""
    if call.order > event.order:
        return False
    return not _is_tape(event.target) or any(value is event.target for value in managers(call.context))


def managers(context: Context) -> list[Value]:
    """What the ``with`` blocks around a place have entered."""
    return [value for each in context.chain() for value, _ in each.withs]


def _is_tape(value: Value) -> bool:
    return isinstance(value, InstanceV) and isinstance(value.cls, SymbolV) and value.cls.path == TAPE


def _used(event: Event, traced: Origins, steps: list[GradientStep], by_event: dict[int, GradientStep]) -> list[GradientStep]:
    """The steps whose gradients an update uses; where they were summed up elsewhere, those of the same weights before it."""
    values = [event.value] if event.value is not None else []
    known = [by_event[id(each)] for each in _events(traced.of(values)) if id(each) in by_event]
    if known:
        return known
    owners = {id(owner) for owner in event.affected}
    return [
        step for step in steps if step.gradient.order < event.order and any(id(owner) in owners for owner in step.differentiated)
    ]
