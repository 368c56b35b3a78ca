"""Which layers Keras tracks for a model or layer of a project's class: those whose weights are its weights."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.finding import Span
from bnlint.interpreter.records import Call, LayerV, ModelV
from bnlint.interpreter.values import ClassV, DictV, InstanceV, ListV, SetV, TupleV, Value
from bnlint.making import is_in_a_model_made_there
from bnlint.program import Program

WEIGHTS = ("trainable_weights", "trainable_variables", "weights", "variables")
OWN_TRACKING = ("_track_trackable", "_tracker", "_auto_track_sub_layers")


def untracked(program: Program) -> Iterator[tuple[LayerV, list[tuple[LayerV, LayerV]]]]:
    """The constructors of layers, normalizations or such that hold some, which a layer's ``call`` uses and does not own.

    Each as a layer made there, with every layer made there that is called and its caller; none where one of them may be owned.
    """
    if program.mentions(*OWN_TRACKING):
        return
    sites: dict[Span, list[tuple[LayerV, LayerV | None]]] = {}
    for call in program.calls():
        if call.layer is not None and _concerns(program, call.layer):
            layer, owner = _topmost(program, call)
            if layer.site is not None:
                sites.setdefault(layer.site.span, []).append((layer, owner))
    used = {id(owner) for event in program.events("update", "gradient", "save", "load", "copy") for owner in event.affected}
    used |= {id(event.target) for event in program.events("save", "load", "copy")}
    for pairs in sites.values():
        faulty = [(layer, owner) for layer, owner in pairs if owner is not None and id(layer) not in used]
        if len(faulty) == len(pairs):
            yield faulty[0][0], faulty


def _concerns(program: Program, layer: LayerV) -> bool:
    if program.is_batchnorm(layer):
        return True
    graph = isinstance(layer, ModelV) and layer.kind in ("functional", "sequential") and layer.site is not None
    return graph and program.holds_batchnorm(layer) is True


def _topmost(program: Program, call: Call) -> tuple[LayerV, LayerV | None]:
    """The outermost of the layers around a call that its outermost caller does not own, and that caller; else the layer itself."""
    layer = call.layer
    assert layer is not None
    around = [each for each in _callers(call) if each is not None]
    if not around:
        return layer, None
    owner, owned = around[0], tracked(program, around[0])
    path = [*around[1:], layer]
    outside = [each for each in path if id(each) not in owned]
    if not outside or outside != path[path.index(outside[0]) :]:
        return layer, None
    first = outside[0]
    if not _is_known(program, first, [owner, *around]) or first.own_class is None and first is not layer:
        return layer, None
    return first, owner


def _callers(call: Call) -> list[LayerV | None]:
    found: list[LayerV | None] = []
    parent = call.parent
    while parent is not None:
        found.insert(0, parent.layer)
        parent = parent.parent
    return found


def _is_known(program: Program, layer: LayerV, around: list[LayerV]) -> bool:
    """Whether all is in sight that could own a layer."""
    if program.escapes(layer) or is_in_a_model_made_there(program, layer):
        return False
    if any(each.open or each.own_class is None or each.own_class.has_unknown_base for each in around):
        return False
    if isinstance(layer, ModelV) and program.is_used_itself(layer):
        return False
    return not any(isinstance(each, ModelV) and each not in around for each in program.holders(layer))


def tracked(program: Program, layer: LayerV) -> set[int]:
    """The layers, by their ids, whose weights are among those of a layer."""
    found: set[int] = set()
    pending = [layer]
    while pending:
        each = pending.pop()
        if id(each) not in found:
            found.add(id(each))
            pending.extend(_tracked_directly(program, each))
    return found - {id(layer)}


def _tracked_directly(program: Program, layer: LayerV) -> Iterator[LayerV]:
    yield from layer.inner
    if isinstance(layer, ModelV) and layer.kind != "subclassed":
        yield from program.sublayers(layer)
    generation = program.generation(layer)
    for value in layer.attributes.values():
        yield from _in_value(value, generation, 20)


def _in_value(value: Value, generation: str, depth: int) -> Iterator[LayerV]:
    """What is tracked of an attribute's value: containers always, but sets by Keras 3 only and modules by Keras 2 only."""
    if isinstance(value, LayerV):
        yield value
        return
    items: list[Value] = []
    if isinstance(value, (ListV, TupleV)) and getattr(value, "kind", "") != "deque":
        items = list(value.items)
    elif isinstance(value, DictV):
        items = [item for _, item in value.items.values()]
    elif isinstance(value, SetV) and generation != "2":
        items = list(value.items.values())
    elif isinstance(value, InstanceV) and _is_tracked_object(value, generation):
        items = list(value.attributes.values())
    if depth:
        for item in items:
            yield from _in_value(item, generation, depth - 1)


def _is_tracked_object(value: InstanceV, generation: str) -> bool:
    """Whether Keras asks an object that is no layer for its weights."""
    if not isinstance(value.cls, ClassV):
        return True
    if value.cls.has_unknown_base or any(value.cls.find(name) is not None for name in WEIGHTS):
        return True
    return generation == "2" and any(base.path.endswith("tensorflow.Module") for base in value.cls.symbols())
