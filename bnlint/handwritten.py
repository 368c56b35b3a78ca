"""Batch normalizations that a project writes itself, known by what they compute: statistics over the batch, and weights that keep them."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from bnlint.finding import Span
from bnlint.interpreter.flows import Origins
from bnlint.interpreter.layers import TRAINING
from bnlint.interpreter.records import Call, Context, Event, LayerV, TensorV, World
from bnlint.interpreter.values import ClassV, Const, FunctionV, ListV, TupleV, Unknown, Value
from bnlint.interpreter.weights import plain_name
from bnlint.program import Program
from bnlint.purpose import is_named_batchnorm, is_named_statistic

MEANS = frozenset(("mean", "reducemean", "moments", "average"))
SPREADS = frozenset(("var", "std", "variance", "reducevariance", "reducestd", "moments"))
ROOTS = frozenset(("sqrt", "rsqrt", "pow", "power", "batchnormalization", "std", "reducestd", "reciprocal"))
CHOICES = frozenset(("where", "cond", "switch", "intrainphase", "intestphase", "smartcond", "select"))


@dataclass(eq=False)
class OwnWeight:
    """A weight that a layer makes: where, under which names, and whether it is trained."""

    event: Event
    value: Value
    names: tuple[str, ...]
    statistic: bool
    trainable: bool | None
    """None where that is not known."""


@dataclass(eq=False)
class OwnNormalization:
    """A layer class that normalises by statistics of the batch and keeps them, or is called so."""

    cls: ClassV
    weights: dict[Hashable, OwnWeight] = field(default_factory=dict)
    """By where they are made and how they are called: one call in a loop or a helper makes several."""
    reductions: dict[Span, Call] = field(default_factory=dict)
    """The means and variances over the batch that its ``call`` computes."""
    assigned: set[Hashable] = field(default_factory=set)
    """The weights that get a new value somewhere."""
    computes: bool = False
    batch_outside_training: bool = False

    @property
    def statistics(self) -> list[OwnWeight]:
        """The weights that keep moving statistics."""
        return [each for each in self.weights.values() if each.statistic]

    def trained_statistics(self) -> list[OwnWeight]:
        """Moving statistics that are trainable."""
        return [each for each in self.statistics if each.trainable]

    def made_with(self, weight: OwnWeight) -> list[OwnWeight]:
        """The weights that the same call makes, itself included."""
        return [each for each in self.weights.values() if each.event.span == weight.event.span]

    def lost_statistics(self) -> list[OwnWeight]:
        """Moving statistics that never get a new value, although the layer computes those of the batch."""
        return [each for key, each in self.weights.items() if self.computes and each.statistic and key not in self.assigned]

    def narrow_reductions(self) -> list[Call]:
        """The statistics over the batch axis alone of inputs that have axes between batch and channels."""
        ranks = {
            len(each.value.shape) for each in self.statistics if isinstance(each.value, TensorV) and each.value.shape is not None
        }
        return [call for call in self.reductions.values() if axes_of(call) == [0] and _rank(call) >= 3 and not ranks - {1}]


def own_normalizations(program: Program) -> Iterator[OwnNormalization]:
    """The layer classes of the project that are batch normalizations written by hand."""
    found: dict[ast.AST, OwnNormalization] = {}
    for world in program.worlds:
        made = _weights_by_layer(world)
        for call in world.calls:
            layer = call.layer
            if layer is None or layer.own_class is None or program.is_batchnorm(layer):
                continue
            own = found.setdefault(layer.own_class.node, OwnNormalization(layer.own_class))
            _look_at(own, world, call, made.get(id(layer), []))
    for own in found.values():
        named = is_named_batchnorm(own.cls.name)
        if own.statistics and (own.computes or named) or (named and own.computes):
            own.assigned.update(key for key, each in own.weights.items() if _is_written(own.cls, each))
            yield own


def _look_at(own: OwnNormalization, world: World, call: Call, made: list[Event]) -> None:
    """What one application tells of its class."""
    children = [each for each in call.children if each.layer is None]
    reductions = [each for each in children if _is_over_batch(each)]
    kinds = {plain_name(each.function) for each in reductions}
    computes = bool(kinds & MEANS) and (bool(kinds & SPREADS) or len(reductions) > 1)
    computes = computes and any(plain_name(each.function) in ROOTS for each in children)
    own.computes |= computes
    own.reductions.update((each.span, each) for each in reductions if computes)
    changed = [(_key(event.target), event.value) for event in world.history() if event.kind == "assign"]
    origins = Origins(world)
    for event in made:
        weight = own.weights.setdefault(_which(event), _weight(event))
        if weight.trainable != _is_trainable(event):
            weight.trainable = None
        values = [value for key, value in changed if key == _key(weight.value if weight.event is event else event.value)]
        sources = origins.of([value for value in values if value is not None]) if values else []
        from_batch = any(isinstance(each, TensorV) and each.call in reductions for each in sources)
        weight.statistic |= from_batch
        given_away = any(_key(each) == _key(event.value) for other in children if not _is_known(other) for each in other.inputs)
        if values or given_away or (event.value is not None and id(event.value) in world.escapes):
            own.assigned.add(_which(event))
    if computes and _is_for_inference(world, call, children):
        kept = [event.value for event in made if event.value is not None and own.weights[_which(event)].statistic]
        own.batch_outside_training |= _ends_in_batch(origins, call, reductions, kept)


def _ends_in_batch(origins: Origins, call: Call, reductions: list[Call], weights: list[Value]) -> bool:
    """Whether an output is computed from statistics of the batch, and from no moving ones that could take their place."""
    inner = [tensor.alias for tensor in call.outputs if tensor.alias is not None]
    behind = origins.of(inner)
    keys = {_key(each) for each in weights}
    kept = any(_key(each) in keys for each in behind)
    return not kept and any(isinstance(each, TensorV) and each.call in reductions for each in behind)


def _is_for_inference(world: World, call: Call, children: list[Call]) -> bool:
    """Whether an application computes what it computes in inference, too: it was told so, or does not ask."""
    own = layer_call(call)
    takes_mode = own is not None and any(each.arg == "training" for each in (*own.node.args.args, *own.node.args.kwonlyargs))
    side = world.decisions.get(TRAINING.term) if takes_mode else None
    if call.training.kind == "constant" and call.training.value is not None:
        return not call.training.value
    if side is not None or call.training.kind == "unknown":
        return side is False
    chosen = any(plain_name(each.function) in CHOICES for each in children)
    flags = [
        value for each in children for value in each.arguments.values() if isinstance(value, Unknown) and _on_mode(value.term)
    ]
    tests = [each.test for each in ast.walk(own.node) if isinstance(each, (ast.If, ast.IfExp))] if own is not None else []
    asked = any(_is_flag(term) for term in world.decisions) or any(_is_flag(ast.unparse(test)) for test in tests)
    return not chosen and not flags and not asked


def _is_known(call: Call) -> bool:
    """Whether a function only computes: those of the libraries of tensors do."""
    return call.function.startswith(("keras.", "tensorflow.", "operator.", "jax.", "numpy."))


def _on_mode(term: object) -> bool:
    return term == TRAINING.term or (isinstance(term, tuple) and any(_on_mode(each) for each in term))


def _is_flag(term: object) -> bool:
    """Whether a condition may be on the mode: a parameter, an attribute, the learning phase."""
    return re.search(r"train|phase|learning|infer|test|mode|eval", str(term)) is not None


def _is_over_batch(call: Call) -> bool:
    if plain_name(call.function) not in MEANS | SPREADS:
        return False
    axes = axes_of(call)
    return axes is None or 0 in axes


def axes_of(call: Call) -> list[int] | None:
    """The axes that a reduction goes over, counted from the front; None where they are not known."""
    given = next((call.arguments[name] for name in ("axis", "axes", "1", "reduction_axes") if name in call.arguments), None)
    items = [given] if isinstance(given, Const) else list(given.items) if isinstance(given, (ListV, TupleV)) else []
    axes = [each.value for each in items if isinstance(each, Const) and isinstance(each.value, int)]
    if not axes or len(axes) < len(items) or getattr(given, "open", False):
        return None
    rank = _rank(call)
    return [axis + rank if axis < 0 and rank else axis for axis in axes]


def _rank(call: Call) -> int:
    shape = call.inputs[0].shape if call.inputs else None
    return len(shape) if shape is not None else 0


# -- weights -----------------------------------------------------------------------------------------------------


def _weights_by_layer(world: World) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    for event in world.history():
        if event.kind == "construct" and isinstance(event.target, LayerV):
            found.setdefault(id(event.target), []).append(event)
    return found


def _weight(event: Event) -> OwnWeight:
    names = _names(event)
    statistic = any(is_named_statistic(each) for each in names)
    return OwnWeight(event, event.value or Const(None), names, statistic, _is_trainable(event))


def _which(event: Event) -> Hashable:
    """What tells a weight of a layer from the others of the same class."""
    return event.span, _names(event)


def _names(event: Event) -> tuple[str, ...]:
    """How a weight is called: by its argument, and by the attribute that gets it, also from the helper that makes it."""
    name = event.arguments.get("name")
    names = [name.value] if isinstance(name, Const) and isinstance(name.value, str) else []
    context: Context | None = event.context
    while context is not None and isinstance(context.statement, ast.Return):
        context = context.caller
    return (*names, *_attributes_set(context.statement)) if context is not None else tuple(names)


def _is_trainable(event: Event) -> bool | None:
    if "synchronization" in event.arguments or "**" in event.arguments:
        return None
    given = event.arguments.get("trainable")
    if given is None:
        return True
    return bool(given.value) if isinstance(given, Const) and not given.assumed else None


def _attributes_set(statement: ast.stmt | None) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [each.attr for each in targets if isinstance(each, ast.Attribute)]


def _key(value: Value | None) -> object:
    """What tells one variable from another."""
    if isinstance(value, TensorV) and isinstance(value.origin, Unknown):
        return value.origin.term
    return value.term if isinstance(value, Unknown) else id(value)


def _is_written(cls: ClassV, weight: OwnWeight) -> bool:
    """Whether the class gives a weight a new value in code that was not followed: by its attribute's name."""
    for base in cls.mro:
        text = base.module.source.segment(base.module.source.span(base.node)) if isinstance(base, ClassV) else ""
        for name in weight.names:
            if re.search(
                rf"\b{re.escape(name)}\b\s*\.\s*(?:assign|load)|(?:assign|update)\w*\(\s*\W*(?:self\.)?{re.escape(name)}\b", text
            ):
                return True
    return False


def layer_call(call: Call) -> FunctionV | None:
    """The ``call`` that an application runs."""
    own = call.layer.own_class if call.layer is not None else None
    return call_of_class(own) if own is not None else None


def call_of_class(cls: ClassV) -> FunctionV | None:
    """The ``call`` of a layer class."""
    found = cls.find("call")
    return found if isinstance(found, FunctionV) else None
