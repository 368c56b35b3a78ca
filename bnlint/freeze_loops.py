"""Loops that are meant to freeze batch normalizations, and whether they meet any."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bnlint.finding import Span
from bnlint.freezing import path_of
from bnlint.interpreter.layers import layers_in
from bnlint.interpreter.records import Event, LayerV
from bnlint.interpreter.values import Const
from bnlint.program import Program
from bnlint.purpose import names_normalization

Kind = Literal["class", "name"]
STATISTICS = frozenset({"moving_mean", "moving_variance", "gamma", "momentum"})
"""Attributes by which code tells a batch normalization."""


@dataclass(slots=True)
class Filter:
    """The condition by which a loop picks the normalizations."""

    kind: Kind
    test: ast.expr
    within: ast.AST


@dataclass(slots=True, eq=False)
class MissedFreeze:
    """A loop that is meant to freeze normalizations and meets none of them."""

    event: Event
    filter: Filter | None
    missed: list[LayerV]
    everywhere: list[LayerV] = field(default_factory=list)
    """The normalizations that it misses in any world."""

    @property
    def span(self) -> Span:
        """The loop: what follows its ``for``, or the expression."""
        node = self.event.context.node
        if isinstance(node, (ast.For, ast.AsyncFor)):
            source = self.event.context.module.source
            start, end = source.span(node), source.span(node.iter)
            return Span(start.path, start.line, start.column, end.end_line, end.end_column)
        return self.event.span

    @property
    def is_nested(self) -> bool:
        """Whether none of the normalizations is among the layers that the loop meets itself."""
        met = {id(layer) for layer in self.event.affected}
        return bool(self.missed) and not any(id(layer) in met for layer in self.missed)

    @property
    def names(self) -> str:
        """How the layers are called that the loop leaves out."""
        names = [layer.name.value for layer in self.missed if isinstance(layer.name, Const) and layer.name.value]
        return " and the like, ".join(map(repr, names[:1])) or "otherwise"

    @property
    def generation(self) -> str:
        """The Keras generation of these layers."""
        return self.missed[0].generation or "3"


def missed_freezes(program: Program) -> Iterator[MissedFreeze]:
    """The loops that leave all normalizations trainable which are in what they run over, in every world."""
    found: dict[object, list[MissedFreeze | None]] = {}
    for world in program.worlds:
        events = [event for event in world.events if event.kind == "loop"]
        for event in events:
            where = event, _filter_of(event, events)
            if where[1] is not None:
                found.setdefault(path_of(where[1][0]), []).append(_missed(program, event, *where[1]))
    for same in found.values():
        known = [each for each in same if each is not None]
        if len(known) == len(same):
            known[0].everywhere = [layer for each in known for layer in each.missed]
            yield known[0]


def _filter_of(event: Event, events: Sequence[Event]) -> tuple[Event, Filter | None] | None:
    """The loop in which the normalizations are picked, itself or the one that made what it runs over, and how."""
    node = event.context.node
    if node is None:
        return None
    writes = list(_writes(node))
    names = _names_of_items(node)
    for kind, test in (found for conditions, value in writes for found in _tests(conditions, value, names)):
        return event, Filter(kind, test, node)
    if event.name == "submodules":
        return (event, None) if writes else None
    if not any(isinstance(value, ast.Constant) and value.value is False for _, value in writes):
        return None
    for source in events:
        if source.name == "choice" and source.target is event.value and source.context.node is not None:
            chosen = source.context.node
            for kind, test in _tests(list(_choice(chosen)), None, _names_of_items(chosen)):
                return source, Filter(kind, test, chosen)
    return None


def _missed(program: Program, event: Event, place: Event, filter: Filter | None) -> MissedFreeze | None:
    norms = [(layer, value) for layer, value in place.snapshot.values() if program.is_batchnorm(layer)]
    trainable = [layer for layer, value in norms if isinstance(value, Const) and value.value is True]
    if place.name == "submodules":
        old = any(program.generation(each) == "2" for each in place.affected)
        return MissedFreeze(place, filter, trainable) if not old and not place.context.guarded else None
    picked = place.target if place is not event else None
    if picked is not None and any(program.is_batchnorm(layer) for layer in layers_in(picked)):
        return None
    return MissedFreeze(place, filter, trainable) if filter is not None and len(trainable) == len(norms) > 0 else None


# -- what a loop is meant to do -----------------------------------------------------------------------------------

Condition = tuple[ast.expr, bool]


def _writes(node: ast.AST) -> Iterator[tuple[list[Condition], ast.expr]]:
    """What a loop writes to ``trainable``, and under which conditions."""
    if isinstance(node, (ast.For, ast.AsyncFor)):
        yield from _writes_in(node.body, [])
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        value = _set_by(node.elt)
        if value is not None:
            yield list(_choice(node)), value


def _choice(node: ast.AST) -> Iterator[Condition]:
    """The conditions under which an expression picks an item."""
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        yield from ((test, True) for clause in node.generators for test in clause.ifs)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Lambda):
        yield node.args[0].body, True


def _writes_in(body: Sequence[ast.stmt], conditions: list[Condition]) -> Iterator[tuple[list[Condition], ast.expr]]:
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _writes_in(statement.body, [*conditions, (statement.test, True)])
            yield from _writes_in(statement.orelse, [*conditions, (statement.test, False)])
            if statement.body and isinstance(statement.body[-1], ast.Continue):
                conditions = [*conditions, (statement.test, False)]
        elif isinstance(statement, (ast.For, ast.With, ast.Try)):
            yield from _writes_in(statement.body, conditions)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Attribute) and target.attr == "trainable":
                    yield conditions, statement.value
        elif isinstance(statement, ast.Expr):
            value = _set_by(statement.value)
            if value is not None:
                yield conditions, value


def _set_by(node: ast.expr) -> ast.expr | None:
    """What ``setattr(layer, "trainable", value)`` sets."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "setattr" or len(node.args) != 3:
        return None
    name = node.args[1]
    return node.args[2] if isinstance(name, ast.Constant) and name.value == "trainable" else None


def _tests(conditions: Sequence[Condition], value: ast.expr | None, names: Collection[str]) -> Iterator[tuple[Kind, ast.expr]]:
    """The conditions of a write that freezes normalizations which say that a layer is one.

    None where another condition does not speak of the items of the loop, whose ``names`` these are: the loop may be switched off.
    """
    if value is None or (isinstance(value, ast.Constant) and value.value is False):
        parts = [part for test, side in conditions for part in _conjuncts(test, side)]
        found = [(kind, test) for part, side in parts for kind, test, says in _about_normalization(part) if says is side]
        if all(_mentions(part, names) for part, _ in parts):
            yield from found
    elif not isinstance(value, ast.Constant) and all(_mentions(test, names) for test, _ in conditions):
        yield from ((kind, part) for kind, part, says in _about_normalization(value) if not says)


def _conjuncts(test: ast.expr, side: bool) -> Iterator[Condition]:
    """The conditions that all hold where a test comes out on one side."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _conjuncts(test.operand, not side)
    elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) is side:
        for each in test.values:
            yield from _conjuncts(each, side)
    else:
        yield test, side


def _mentions(node: ast.expr, names: Collection[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def _names_of_items(node: ast.AST) -> set[str]:
    """The names that stand for an item of a loop, or for what is computed from it."""
    targets: list[ast.AST] = []
    if isinstance(node, (ast.For, ast.AsyncFor)):
        targets = [node.target]
        targets += [each for each in ast.walk(node) if isinstance(each, (ast.Assign, ast.For)) and each is not node]
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        targets = [clause.target for clause in node.generators]
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Lambda):
        return {each.arg for each in node.args[0].args.args}
    inside = [name for each in targets for name in ast.walk(each)]
    return {each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def _about_normalization(test: ast.expr) -> Iterator[tuple[Kind, ast.expr, bool]]:
    """The parts of a condition that ask whether a layer is a normalization, and whether they say so."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from ((kind, part, not says) for kind, part, says in _about_normalization(test.operand))
    elif isinstance(test, ast.BoolOp):
        for each in test.values:
            yield from _about_normalization(each)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1:
        kind = _names_normalization(test.left) or _names_normalization(test.comparators[0])
        if kind is not None and isinstance(test.ops[0], (ast.Eq, ast.Is, ast.In)):
            yield kind, test, not _asks_for_nothing(test.comparators[0])
        elif kind is not None and isinstance(test.ops[0], (ast.NotEq, ast.IsNot, ast.NotIn)):
            yield kind, test, _asks_for_nothing(test.comparators[0])
        elif kind is not None and isinstance(test.ops[0], (ast.GtE, ast.Gt)):
            yield kind, test, True
    elif isinstance(test, ast.Call):
        kinds = [_names_normalization(each) for each in test.args]
        function = test.func.id if isinstance(test.func, ast.Name) else getattr(test.func, "attr", "")
        if function in ("isinstance", "issubclass", "hasattr", "startswith", "endswith", "search", "match") and any(kinds):
            yield next(kind for kind in kinds if kind is not None), test, True


def _asks_for_nothing(node: ast.expr) -> bool:
    """Whether a result is compared with what says that a name was not found: -1 of ``find``, None of ``re.match``."""
    return ast.unparse(node) in ("-1", "None")


def _names_normalization(node: ast.expr) -> Kind | None:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            if each.value in STATISTICS:
                return "class"
            if names_normalization(each.value):
                return "name"
        name = each.id if isinstance(each, ast.Name) else each.attr if isinstance(each, ast.Attribute) else ""
        if "batchnorm" in name.lower().replace("_", ""):
            return "class"
    return None
