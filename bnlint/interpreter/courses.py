"""The courses of one entry point: every world is a run of its own, from the same state."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bnlint.interpreter import budget
from bnlint.interpreter.calls import run_function
from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.layers import apply_layer
from bnlint.interpreter.machine import Fork, Machine
from bnlint.interpreter.models import BATCHNORM, holds_batchnorm, realise
from bnlint.interpreter.records import Event, LayerV, ModelV, TensorV, World
from bnlint.interpreter.scope import Frame, Module
from bnlint.interpreter.signals import Raised, Signal
from bnlint.interpreter.values import CLOCK, Arguments, FunctionV, InstanceV, SymbolV, Term, Value

LAYERS = re.compile(r"(?:conv|dense|linear|norm|bn)\w*\(", re.IGNORECASE)
"""Layers with a bias and normalizations, as they are called in the text of a statement."""

Action = Callable[[], object]


def run_courses(m: Machine, name: str, module: Module, parent: World | None, action: Action, keep: bool = False) -> World:
    """Run an entry point in every world that its unknown conditions ask for; the first one is returned.

    Each run starts from the same state: what it changes is undone, except, with ``keep``, what the first one does.
    Every side of every condition is taken in at least one run, as far as the budget of worlds goes; where it does
    not, the function with the condition is noted as uncertain. Then any two conditions take their sides together, for
    one may choose the layer and the other what follows it. A long course, such as one of many variants of a big
    model, leaves out conditions of which another entry point has taken both sides, unless it trains what it makes.
    """
    worlds: list[World] = []
    pairs = Pairs()
    with _fresh(m) as forks:
        first = _run(m, name, module, parent, action, {})
        worlds.append(first)
        taken = [dict(m.sides)]
        pairs.note(m.sides)
        if forks or not keep:
            _undo(m)
        tried: set[frozenset[tuple[Term, bool]]] = set()
        used = budget.STEPS - m.steps
        settled = m.settled() if used > budget.LONG_COURSE else frozenset()
        limit = max(budget.FEW_WORLDS, min(budget.WORLDS, budget.COURSE_STEPS // max(1, used)))
        while len(worlds) < limit and (len(worlds) < 2 or any(concerns(m, world) for world in worlds)):
            old = frozenset[ast.AST]() if any(_trains(world) for world in worlds) else settled
            asked = {key: fork for key, fork in forks.items() if fork.statement not in old}
            second = len(worlds) == 1
            forced = None if second else _again(m, asked, list(zip(worlds, taken)), tried)
            forced = forced or _next(m, asked, tried, second) or (pairs.next(m, asked) if used <= budget.LONG_COURSE else None)
            if forced is None:
                break
            worlds.append(_run(m, name, module, parent, action, forced))
            taken.append(dict(m.sides))
            pairs.note(m.sides)
            _undo(m)
        for fork in forks.values():
            m.note_sides(fork)
        first.explored = all(fork.inner or len(fork.sides) == 2 for fork in forks.values())
        if keep and forks:
            worlds[0] = first = _run(m, name, module, parent, action, {})
    alive = [world for world in worlds if not world.raised]
    first.lost = not alive
    for world in alive or worlds[:1]:
        if keep or m.keep_all or concerns(m, world):
            m.worlds.append(world)
        else:
            m.plain_sites.update(layer.site.span for layer in world.layers if layer.site is not None)
            m.plain_sites.update(
                each.span for layer in world.layers if layer.context is not None for each in layer.context.chain()
            )
    return first


def concerns(m: Machine, world: World) -> bool:
    """Whether anything that a rule could ask about happens in a world: a normalization, a model from elsewhere."""
    touched = [*world.read, *(call.layer for call in world.calls if call.layer is not None)]
    touched += [event.target for event in world.events if isinstance(event.target, LayerV)]
    if any(event.kind == "class" or (event.kind == "construct" and _keeps_statistics(event)) for event in world.events):
        return True
    older = {id(layer): layer for layer in touched if layer.world is not world}
    return any(_concerns(m, layer) for layer in (*world.layers, *older.values()))


def _keeps_statistics(event: Event) -> bool:
    """Whether a weight may keep moving statistics: its class speaks of means and variances."""
    own = event.target.own_class if isinstance(event.target, LayerV) else None
    if own is None:
        return False
    text = own.module.source.segment(own.module.source.span(own.node)).lower()
    return "mean" in text and ("var" in text or "std" in text)


def _concerns(m: Machine, layer: LayerV) -> bool:
    if isinstance(layer, ModelV) and (layer.kind in ("application", "loaded") or holds_batchnorm(m, layer)):
        return True
    return m.table.issubclass(layer.symbol, BATCHNORM)


def _next(m: Machine, forks: dict[Term, Fork], tried: set[frozenset[tuple[Term, bool]]], second: bool) -> dict[Term, bool] | None:
    """The sides the next run takes: first all those not seen yet at once, then each on the way to it.

    Conditions in functions that cannot reach a normalization, such as those that read data, come last.
    """
    open_ = [(key, fork) for key, fork in forks.items() if len(fork.sides) < 2]
    if not open_:
        return None
    open_.sort(key=lambda each: _is_aside(m, each[1]))
    for choice in _choices(open_, second):
        mark = frozenset(choice.items())
        if mark not in tried:
            tried.add(mark)
            return choice
    return None


def _again(
    m: Machine, forks: dict[Term, Fork], courses: list[tuple[World, dict[Term, bool]]], tried: set[frozenset[tuple[Term, bool]]]
) -> dict[Term, bool] | None:
    """A side that was taken only in courses that ended in an exception further below, in one that did not end so."""
    alive = [sides for world, sides in courses if not world.raised]
    for sides in (sides for world, sides in courses if world.raised):
        for key in list(sides)[:-1]:  # the last one is what the exception was raised for
            way = next((each for each in alive if key in each), None)
            if way is None or key not in forks or _is_aside(m, forks[key]) or any(each.get(key) is sides[key] for each in alive):
                continue
            choice = {**way, key: sides[key]}
            mark = frozenset(choice.items())
            if mark not in tried:
                tried.add(mark)
                return choice
    return None


def _trains(world: World) -> bool:
    return any(event.kind in ("compile", "fit", "train_on_batch", "update") for event in world.events)


def _is_aside(m: Machine, fork: Fork) -> bool:
    function = fork.function
    if function is None or not m.relevant:
        return False
    return (function.module.path, function.qualname.partition(".")[0]) not in m.relevant


def _choices(open_: list[tuple[Term, Fork]], second: bool) -> Iterator[dict[Term, bool]]:
    if second:
        yield {key: True not in fork.sides for key, fork in open_}
    for key, fork in open_:
        yield {**fork.way, key: True not in fork.sides}


class Pairs:
    """Which sides two conditions of an entry point have taken together."""

    def __init__(self) -> None:
        self._met: set[tuple[Term, bool, Term, bool]] = set()
        self._left = budget.PAIR_WORLDS

    def note(self, sides: Mapping[Term, bool]) -> None:
        """Remember the sides of one course, taken or tried."""
        if len(sides) <= budget.PAIRED:
            items = list(sides.items())
            self._met.update((*one, *other) for one in items for other in items)

    def next(self, m: Machine, forks: Mapping[Term, Fork]) -> dict[Term, bool] | None:
        """Sides that bring two conditions together as no course has yet, and as many others as they can."""
        keys = [key for key, fork in forks.items() if len(fork.sides) == 2 and not _is_aside(m, fork) and _chooses(fork)]
        if not self._left or not 2 <= len(keys) <= budget.PAIRED:
            return None
        fresh = next(
            (
                (one, side, other, further)
                for number, other in enumerate(keys)
                for one in keys[:number]
                for side in (True, False)
                for further in (True, False)
                if (one, side, other, further) not in self._met
            ),
            None,
        )
        if fresh is None:
            return None
        self._left -= 1
        one, side, other, further = fresh
        choice = {**forks[one].way, **forks[other].way, one: side, other: further}
        for key in keys:
            if key not in choice:
                gains = [sum((*each, key, way) not in self._met for each in choice.items()) for way in (True, False)]
                choice[key] = gains[0] >= gains[1]
        self.note(choice)
        return choice


def _chooses(fork: Fork) -> bool:
    """Whether a condition may decide which layers there are."""
    return fork.statement is not None and LAYERS.search(ast.unparse(fork.statement)) is not None


@contextmanager
def _fresh(m: Machine) -> Iterator[dict[Term, Fork]]:
    """Forks of one entry point; those of the one that this one interrupts are kept."""
    saved = m.forks, m.forced, m.facts, m.places, m.sides, m.trail, m.steps, m.created, m.unknown_tensors
    epoch = CLOCK.epoch
    world = getattr(m, "world", None)
    m.forks = {}
    try:
        yield m.forks
    finally:
        m.forks, m.forced, m.facts, m.places, m.sides, m.trail, m.steps, m.created, m.unknown_tensors = saved
        CLOCK.epoch = epoch
        if world is not None:
            m.world = world


def _run(m: Machine, name: str, module: Module, parent: World | None, action: Action, forced: dict[Term, bool]) -> World:
    m.world = world = World(name, module, parent)
    m.forced, m.facts, m.places, m.sides, m.trail, m.created, m.unknown_tensors = forced, {}, {}, {}, [], [], {}
    m.epochs += 1
    CLOCK.epoch = m.epochs
    m.steps = budget.STEPS
    try:
        action()
    except Raised as raised:
        world.raised = not _ends_program(raised.value)
    except Signal:
        world.complete = False
        m.cut(CallSite(module.tree, Frame(module, module.scope)), "a course takes too many steps")
    except RecursionError:
        world.complete = False
        m.cut(CallSite(module.tree, Frame(module, module.scope)), "expressions and calls are nested too deeply")
    used = budget.STEPS - m.steps
    forked = world.forked
    m.steps = budget.STEPS // 2
    try:
        finish(m, world)
    except (Signal, RecursionError):
        world.complete = False
    world.forked = forked  # conditions met below are of functions that the course itself does not call
    m.steps = budget.STEPS - used
    return world


def _undo(m: Machine) -> None:
    """Take back what the last run changed."""
    for value, state in reversed(m.trail):
        value.restore(state)


def _ends_program(exception: Value) -> bool:
    cls = exception.cls if isinstance(exception, InstanceV) else exception
    return isinstance(cls, SymbolV) and cls.path in (
        "builtins.SystemExit",
        "builtins.KeyboardInterrupt",
        "builtins.StopIteration",
    )


def finish(m: Machine, world: World) -> None:
    """Do what Keras or a caller out of sight would do with what was made: build models, call layers and functions."""
    functions = 0
    layers = 0
    while layers < len(world.layers) or functions < len(m.created):
        try:
            if layers < len(world.layers):
                layers += 1
                _use_layer(m, world.layers[layers - 1])
            else:
                functions += 1
                _use_function(m, m.created[functions - 1])
        except Raised:
            continue  # what raises does not keep the others from being used


def _use_layer(m: Machine, layer: LayerV) -> None:
    if isinstance(layer, ModelV) and layer.kind == "sequential":
        realise(m, layer)
    elif layer.own_class is not None and layer.last_call is None and layer.context is not None:
        functional = isinstance(layer, ModelV) and layer.kind != "subclassed"
        if not functional and isinstance(layer.own_class.find("call"), FunctionV):
            apply_layer(m, layer, Arguments([TensorV(None)], {}), CallSite.at(layer.context))


def _use_function(m: Machine, function: FunctionV) -> None:
    if function.node not in m.called:
        frame = Frame(function.module, function.module.scope)
        run_function(m, function, Arguments([], {}), CallSite(function.node, frame), None)
