"""The precision of weights, and what is computed twice to save memory."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.finding import Span
from bnlint.interpreter.configuration import REMAT_SCOPE
from bnlint.interpreter.records import Call, Context, Event, LayerV
from bnlint.interpreter.values import Const, FunctionV, InstanceV, MethodV, PartialV, SymbolV, Value
from bnlint.program import Program, is_constant

PURE = ("float16", "bfloat16")


def low_precision(program: Program, layer: LayerV) -> tuple[str, Span | None] | None:
    """The pure low precision of a layer's weights, and where it was set for all layers; None for any other."""
    if layer.made is None or layer.made.open:
        return None
    given = program.made_value(layer, "dtype")
    if given is not None and not is_constant(given, None):
        own = _dtype(given)
        return (own, None) if own is not None else None
    setting = layer.policy
    found = _dtype(setting.items[0]) if setting is not None else None
    place = setting.items[1] if setting is not None else None
    if found is None or not isinstance(place, Const) or not isinstance(place.value, Span):
        return None
    return found, place.value


def _dtype(value: Value) -> str | None:
    if isinstance(value, Const) and not value.assumed:
        name = str(value.value)
    elif isinstance(value, SymbolV):
        name = value.path.rpartition(".")[2]
    else:
        return None
    return {"half": "float16"}.get(name, name) if name in (*PURE, "half") else None


# -- recomputation -----------------------------------------------------------------------------------------------


def recomputations(program: Program) -> Iterator[tuple[Span, LayerV, bool]]:
    """The places that have a trained batch normalization computed again for the gradient, and whether by a ``RematScope``."""
    found: dict[Span, tuple[LayerV, bool]] = {}
    for world in program.worlds:
        for event in world.events:
            layer = _recomputed(program, event) if event.kind == "recompute" else None
            if layer is not None and program.backend(event.span) != "jax":
                found.setdefault(event.span, (layer, False))
    for layer in program.layers("keras.layers.BatchNormalization"):
        scope = _full_scope(layer.context) if layer.context is not None else None
        if scope is not None and program.generation(layer) != "2":
            found.setdefault(scope, (layer, True))
    yield from ((span, layer, full) for span, (layer, full) in found.items())


def _recomputed(program: Program, event: Event) -> LayerV | None:
    value = event.value
    while isinstance(value, PartialV):
        value = value.function
    if isinstance(value, MethodV) and isinstance(value.instance, LayerV) and not isinstance(value.function, FunctionV):
        value = value.instance
    if isinstance(value, LayerV):
        return next((each for each in _norms(program, value) if not program.may_be_frozen(each)), None)
    function = value.function if isinstance(value, MethodV) else value
    if not isinstance(function, FunctionV):
        return None
    inside = (call for call in program.calls() if _is_inside(call, function))
    norms = (layer for call in inside if call.layer is not None for layer in _trained(program, call))
    return next(norms, None)


def _is_inside(call: Call, function: FunctionV) -> bool:
    return any(each.function is not None and each.function.node is function.node for each in call.context.chain())


def _trained(program: Program, call: Call) -> Iterator[LayerV]:
    """The batch normalizations that a call runs, unless they are frozen or told not to train."""
    if call.layer is None or is_constant(call.training.source, False):
        return
    for each in _norms(program, call.layer):
        if not program.may_be_frozen(each):
            yield each


def _norms(program: Program, layer: LayerV) -> list[LayerV]:
    return [each for each in (layer, *program.all_sublayers(layer)) if program.is_batchnorm(each)]


def _full_scope(context: Context) -> Span | None:
    """The full ``RematScope`` around a place."""
    for each in context.chain():
        for value, expression in each.withs:
            if isinstance(value, InstanceV) and isinstance(value.cls, SymbolV) and value.cls.path == REMAT_SCOPE:
                mode = value.attributes.get("mode")
                return each.module.source.span(expression) if is_constant(mode, "full") else None
    return None
