"""The machine: steps, worlds, and the tables that the other modules of the interpreter register themselves in."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, cast

from bnlint.finding import Span
from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import ATTRIBUTES, CALLERS, EVALUATORS, EXECUTORS, ITERATORS, SETTERS, CallSite, context_of
from bnlint.interpreter.records import Call, Context, Event, EventKind, LayerV, ModelV, TensorV, World
from bnlint.interpreter.scope import Frame
from bnlint.interpreter.signals import Exhausted, Signal, StopGenerator
from bnlint.interpreter.terms import assumed_term, is_stable, normalise, term_of
from bnlint.interpreter.values import (
    CLOCK,
    NONE,
    Arguments,
    ClassMethodV,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    MethodV,
    Mutable,
    PartialV,
    SetV,
    StaticMethodV,
    SymbolV,
    Term,
    TupleV,
    Unknown,
    Value,
    unknown,
)
from bnlint.keras_api.table import Table

if TYPE_CHECKING:
    from bnlint.interpreter.modules import Modules


FOLLOWED = (FunctionV, MethodV, PartialV, StaticMethodV, ClassMethodV, ClassV)
"""What is called and interpreted: what its result was computed from is told by what happened inside."""


class Fork:
    """A condition that is not known: the sides seen so far, where it stands, and the sides taken on the way to it."""

    __slots__ = ("_taken", "_upto", "function", "inner", "sides", "statement")

    def __init__(self, frame: Frame | None, taken: dict[Term, bool]) -> None:
        self.sides: set[bool] = set()
        self.function = frame.function if frame is not None else None
        self.statement = frame.statement if frame is not None else None
        self.inner = frame is not None and frame.layer_call is not None
        self._taken, self._upto = taken, len(taken)

    @property
    def way(self) -> dict[Term, bool]:
        """The sides of the conditions before this one, in the course that met it first."""
        return dict(islice(self._taken.items(), self._upto))


class Hooks(Protocol):
    """What the core asks of the part that knows Keras."""

    def new_instance(self, m: Machine, cls: ClassV, arguments: Arguments, site: CallSite) -> Value:
        """An instance of a project's class, before ``__init__``."""

    def initialise(self, m: Machine, instance: Value, arguments: Arguments, site: CallSite) -> None:
        """What the ``__init__`` of a class without one in sight does."""

    def model_layers(self, m: Machine, model: ModelV) -> list[LayerV]:
        """The layers of a model, in Keras's order."""

    def model_output(self, m: Machine, model: ModelV, call: Call, arguments: Arguments, site: CallSite) -> Value | None:
        """What calling a model gives."""

    def weights_of(self, m: Machine, owner: InstanceV, name: str, site: CallSite) -> Value | None:
        """``layer.weights`` and its kin; None for any other attribute."""


class Machine:
    """State of one analysis. Everything that happens in the interpreted program goes through here."""

    def __init__(self, table: Table, modules: Modules, generation: str, hooks: Hooks) -> None:
        self.hooks = hooks
        self.functions: dict[ast.AST, FunctionV] = {}
        self.classes: dict[ast.AST, ClassV] = {}
        self.unknown_tensors: dict[Hashable, TensorV] = {}
        self.table = table
        self.modules = modules
        self.generation = generation
        self.release: tuple[int, ...] | None = None
        self.world: World
        self.worlds: list[World] = []
        self.forced: dict[Term, bool] = {}
        self.facts: dict[Term, Value] = {}
        self.forks: dict[Term, Fork] = {}
        self.places: dict[int, int] = {}
        self.sides: dict[Term, bool] = {}
        self.plain_sites: set[Span] = set()
        self.keep_all = False
        """Whether models without normalization matter, too."""
        self.relevant: set[tuple[str, str]] = set()
        """The paths and names of the top-level definitions that can reach a batch normalization or a backbone."""
        self.sides_at: dict[ast.AST, set[bool]] = {}
        self.functions_at: dict[ast.AST, ast.AST] = {}
        self.created: list[FunctionV] = []
        self.trail: list[tuple[Mutable, Any]] = []
        self.epochs = 0
        self.steps = budget.STEPS
        self.order = 0
        self.called: set[ast.AST] = set()
        self.instantiated: dict[ast.AST, list[tuple[ClassV, Arguments]]] = {}
        self.cuts: dict[Span, str] = {}
        self.effects = 0
        self.running: Event | None = None
        """The ``fit`` whose callbacks are being called."""
        self.weights_read = False
        """Whether the program reads a list of weights, so that what is made of them is followed."""
        self.watched: dict[ast.AST, bool] = {}
        """The loops that are worth noting, and those that are not."""
        self.settings = DictV({})
        """What the program sets of Keras's configuration, undone with the course that set it."""

    # -- steps ---------------------------------------------------------------------------------------------------

    def step(self, count: int = 1) -> None:
        """Count work; raises Exhausted where the course has used up its budget."""
        self.steps -= count
        if self.steps < 0:
            raise Exhausted

    def eval(self, node: ast.expr, frame: Frame) -> Value:
        self.steps -= 1
        if self.steps < 0:
            raise Exhausted
        evaluator = EVALUATORS.get(type(node))
        if evaluator is None:
            return unknown("unsupported expression")
        return evaluator(self, node, frame)

    def execute(self, body: Sequence[ast.stmt], frame: Frame) -> None:
        for statement in body:
            self.steps -= 1
            if self.steps < 0:
                raise Exhausted
            frame.statement = statement
            executor = EXECUTORS.get(type(statement))
            if executor is not None:
                executor(self, statement, frame)

    # -- state ---------------------------------------------------------------------------------------------------

    def touch(self, value: Mutable) -> None:
        """To be called before a value changes, so that the change can be undone."""
        if value.epoch != CLOCK.epoch:
            self.trail.append((value, value.save()))
            value.epoch = CLOCK.epoch

    def changed(self) -> None:
        """Something structural happened (a layer made, a container or attribute changed): loops ask for it."""
        self.effects += 1

    # -- conditions ----------------------------------------------------------------------------------------------

    def truth(self, value: Value, frame: Frame | None = None) -> bool:
        """Which side a test takes; an unknown one takes the side that this world is about."""
        known = self.known_truth(value)
        if known is not None:
            return known
        if isinstance(value, Const):
            return self.decide(assumed_term(value) or self._place(frame), frame, bool(value.value))
        term = value.term if isinstance(value, Unknown) else ("?", id(value))
        return self.decide(term, frame)

    def known_truth(self, value: Value) -> bool | None:
        """The truth of a value; None where it is not known and no side has been taken yet."""
        if isinstance(value, Const):
            if not value.assumed:
                return bool(value.value)
            term = assumed_term(value)
            return self.world.decisions.get(term) if term is not None else None
        if isinstance(value, (TupleV, ListV, DictV, SetV)):
            return True if value.items else (None if getattr(value, "open", False) else False)
        if isinstance(value, Unknown):
            return self.decided(value.term)
        if isinstance(value, TensorV):
            return None
        if isinstance(value, InstanceV) and not isinstance(value, LayerV):
            cls = value.cls
            if isinstance(cls, SymbolV) or cls.has_unknown_base or cls.find("__bool__") or cls.find("__len__"):
                return None
        return True

    def decided(self, term: Term) -> bool | None:
        """The side that a condition has already taken in this world."""
        term, negated = normalise(term)
        if term[0] == "c":
            return bool(term[1]) is not negated
        if term[0] in ("and", "or"):
            parts = [self.decided(part) for part in term[1:]]  # type: ignore[arg-type]
            stop = term[0] == "or"
            if stop in parts:
                return stop is not negated
            return None if None in parts else (not stop) is not negated
        side = self.world.decisions.get(term)
        if side is None and term[0] == "is None" and self.world.decisions.get(cast(Term, term[1])) is True:
            side = False
        if side is None and term[0] == "==":
            fact = self.facts.get(cast(Term, term[1]))
            if fact is not None and isinstance(fact, Const):
                side = ("c", fact.value) == term[2]
        return None if side is None else side is not negated

    def decide(self, term: Term, frame: Frame | None = None, default: bool | None = None) -> bool:
        """The side an unknown condition takes in this world; a new one is remembered as a fork.

        The first world takes the ``default``; where there is none, something is not None, and else the test is true.
        """
        known = self.decided(term)
        if known is not None:
            return known
        term, negated = normalise(term)
        if term[0] in ("and", "or"):
            stop = term[0] == "or"
            for part in term[1:]:
                if self.decide(part, frame) is stop:  # type: ignore[arg-type]
                    return stop is not negated
            return (not stop) is not negated
        key = term if is_stable(term) else self._place(frame)
        side = self.forced.get(key, term[0] != "is None" if default is None else default)
        fork = self.forks.get(key)
        if fork is None:
            fork = self.forks[key] = Fork(frame, self.sides)
        fork.sides.add(side)
        self.sides[key] = side
        if frame is None or frame.layer_call is None:
            self.world.forked = True
        self._remember(term, side)
        return side is not negated

    def _place(self, frame: Frame | None) -> Term:
        """A name for a condition that is the same in every world: the statement, and how often it was reached."""
        place = id(frame.statement) if frame is not None else 0
        count = self.places[place] = self.places.get(place, 0) + 1
        return ("at", place, count)

    def note_sides(self, fork: Fork) -> None:
        """Remember which sides of a condition any entry point has taken."""
        if fork.statement is not None and fork.function is not None:
            self.sides_at.setdefault(fork.statement, set()).update(fork.sides)
            self.functions_at[fork.statement] = fork.function.node

    def settled(self) -> frozenset[ast.AST]:
        """The statements with a condition of which both sides have been taken."""
        return frozenset(statement for statement, sides in self.sides_at.items() if len(sides) == 2)

    def uncertain_functions(self) -> set[ast.AST]:
        """The functions with a condition of which one side was never followed."""
        return {self.functions_at[statement] for statement, sides in self.sides_at.items() if len(sides) < 2}

    def assume(self, term: Term, side: bool) -> None:
        """Take a side without a fork: the other one raises."""
        term, negated = normalise(term)
        if term[0] in ("and", "or"):
            if (side is not negated) is (term[0] == "and"):
                for part in term[1:]:
                    self.assume(part, side is not negated)  # type: ignore[arg-type]
            return
        if self.world.decisions.get(term) is None:
            self._remember(term, side is not negated)

    def _remember(self, term: Term, side: bool) -> None:
        self.world.decisions[term] = side
        if side and term[0] == "==" and isinstance(term[2], tuple) and term[2][0] == "c":
            self.facts.setdefault(cast(Term, term[1]), Const(term[2][1]))
        elif side and term[0] == "is None":
            self.facts.setdefault(cast(Term, term[1]), NONE)

    def resolve(self, value: Value) -> Value:
        """The constant that this world knows an unknown value to be, or the value itself."""
        if isinstance(value, Unknown) and self.facts:
            return self.facts.get(value.term, value)
        return value

    # -- the program's actions -----------------------------------------------------------------------------------

    def call(self, function: Value, arguments: Arguments, site: CallSite) -> Value:
        """Call a value; what cannot be followed gives Unknown, and its arguments escape."""
        self.step()
        caller = CALLERS.get(type(function))
        if caller is not None:
            result = caller(self, function, arguments, site)
        else:
            self.escape_all(arguments.values())
            result = self.unknown_result(function, arguments)
        if type(result) is Unknown and type(function) not in FOLLOWED:
            self.flow(result, [function, *arguments.values(), *arguments.starred])
        return result

    def unknown_result(self, function: Value, arguments: Arguments) -> Unknown:
        """The result of a call that cannot be followed: equal calls of one unknown function are not one value."""
        return unknown("result of a call that cannot be followed")

    def flow(self, result: Value, parts: Sequence[Value]) -> None:
        """Remember what a value that the source does not tell was computed from."""
        if isinstance(result, Unknown) and result.term[0] == "?":
            self.world.flows.setdefault(result.term, tuple(parts))

    def getattr(self, value: Value, name: str, site: CallSite) -> Value:
        """Read an attribute; raises Raised(AttributeError) only where it is known not to exist."""
        reader = ATTRIBUTES.get(type(value))
        if reader is not None:
            found = reader(self, value, name, site)
            if found is not None:
                return found
            return Unknown(("attribute", term_of(value), name), f"attribute {name}")
        return Unknown(("attribute", term_of(value), name), f"attribute {name}")

    def setattr(self, value: Value, name: str, new: Value, site: CallSite) -> None:
        """Write an attribute; of a value that is not followed, the new value escapes."""
        setter = SETTERS.get(type(value))
        if setter is not None:
            setter(self, value, name, new, site)
        else:
            self.escape(new)

    def special_method(self, value: Value, name: str) -> Value | None:
        """A special method that a project's class gives its instances, bound."""
        if isinstance(value, InstanceV) and isinstance(value.cls, ClassV):
            found = value.cls.find(name)
            if isinstance(found, FunctionV):
                return MethodV(found, value)
        return None

    def stop_generator(self) -> Signal:
        """What ends the body of a generator that has yielded enough."""
        return StopGenerator()

    def iterate(self, value: Value, site: CallSite) -> Iterator[Value] | None:
        """The items of an iterable whose content is known, else None. Lazy: a range is never spread out."""
        value = self.resolve(value)
        if isinstance(value, TupleV):
            return iter(value.items)
        if isinstance(value, ListV):
            return None if value.open else iter(list(value.items))
        if isinstance(value, DictV):
            return None if value.open else iter([key for key, _ in value.items.values()])
        if isinstance(value, SetV):
            return None if value.open else iter(list(value.items.values()))
        if isinstance(value, Const) and isinstance(value.value, (str, bytes, range)):
            return (Const(item) for item in value.value)
        iterator = ITERATORS.get(type(value))
        return iterator(self, value, site) if iterator is not None else None

    def items(self, value: Value, site: CallSite, limit: int = budget.ITEMS) -> list[Value] | None:
        """The items of an iterable as a list, None where they are not known or too many."""
        iterator = self.iterate(value, site)
        if iterator is None:
            return None
        found: list[Value] = []
        for item in iterator:
            found.append(item)
            if len(found) > limit:
                self.cut(site, "a container is too big")
                return None
            self.steps -= 1
        return found

    # -- what the rules will read --------------------------------------------------------------------------------

    def context(self, site: CallSite) -> Context:
        """Where ``site`` is: functions, loops and with blocks around it."""
        if site.fixed is not None:
            return site.fixed
        return context_of(site.frame, site.node)

    def event(self, kind: EventKind, target: Value, site: CallSite, **details: Any) -> Event:
        """Record an event."""
        self.order += 1
        event = Event(kind, target, self.context(site), order=self.order, during=self.running, **details)
        self.world.events.append(event)
        return event

    def record(self, call: Call) -> None:
        """Record the application of a layer or function."""
        self.order += 1
        call.order = self.order
        if call.parent is not None:
            call.parent.children.append(call)
        self.world.calls.append(call)

    def escape(self, value: Value) -> None:
        """The value goes where it cannot be followed."""
        known = self.world.escapes
        pending = [value]
        while pending:
            each = pending.pop()
            if isinstance(each, Unknown):
                pending.extend(each.parts_inside())
                continue
            if isinstance(each, (Const, SymbolV)) or id(each) in known:
                continue
            known[id(each)] = each
            self.world.escaped_at[id(each)] = self.order
            self.steps -= 1
            if isinstance(each, (TupleV, ListV)):
                pending.extend(each.items)
            elif isinstance(each, DictV):
                pending.extend(item for _, item in each.items.values())
            elif isinstance(each, SetV):
                pending.extend(each.items.values())
            elif isinstance(each, InstanceV) and not isinstance(each, LayerV):
                pending.extend(each.attributes.values())

    def escape_all(self, values: Sequence[Value]) -> None:
        for value in values:
            self.escape(value)

    def cut(self, site: CallSite, reason: str) -> None:
        """Something was not followed because of a budget."""
        self.cuts.setdefault(site.span, reason)
        self.world.complete = False
