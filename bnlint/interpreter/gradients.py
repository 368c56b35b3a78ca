"""Gradients and what they are applied to: tapes, ``value_and_grad``, optimizers."""

from __future__ import annotations

from collections.abc import Iterable

import bnlint.interpreter.builtins  # noqa: F401  registers what is wrapped here
from bnlint.interpreter.datasets import dataset_method
from bnlint.interpreter.dispatch import NATIVES, CallSite, calls, method, native
from bnlint.interpreter.flows import Origins, remembered
from bnlint.interpreter.iteration import unknown_item
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import GradientsV, LayerV, WeightsV
from bnlint.interpreter.text import unknown_call
from bnlint.interpreter.training import snapshot
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    FunctionV,
    InstanceV,
    ListV,
    MethodV,
    PartialV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)
from bnlint.interpreter.weights import METHODS_THAT_STORE, assign_unknown, map_items, note_storing

TAPE = "tensorflow.GradientTape"
CALLABLE = (FunctionV, MethodV, PartialV)


def owners_of(m: Machine, values: Iterable[Value]) -> list[LayerV]:
    """The models whose weights, or gradients with respect to their weights, some values were computed from."""
    origins = Origins(m.world).of(values)
    found = {id(owner): owner for each in origins if isinstance(each, (WeightsV, GradientsV)) for owner in each.owners}
    return list(found.values())


def take_gradient(m: Machine, site: CallSite, target: Value, loss: Value, sources: Value, owners: list[LayerV]) -> GradientsV:
    """Record that a gradient of ``loss`` is taken with respect to ``sources``."""
    event = m.event("gradient", target, site, name=_name_of(site), value=sources, affected=owners, arguments={"loss": loss})
    return remembered(m, GradientsV(owners, event))


# -- tapes -------------------------------------------------------------------------------------------------------


@native(TAPE)
def make_tape(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return remembered(m, InstanceV(SymbolV(TAPE), {}, open=True))


@native(f"{TAPE}.gradient", f"{TAPE}.jacobian", f"{TAPE}.batch_jacobian")
def tape_gradient(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``tape.gradient(loss, weights)``."""
    loss = arguments.get(1, "target") or NONE
    sources = arguments.get(2, "sources") or NONE
    return take_gradient(m, site, arguments.positional[0], loss, sources, owners_of(m, [sources]))


@native(f"{TAPE}.watched_variables")
def watched_variables(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The weights of whatever has been called under the tape."""
    tape = arguments.positional[0]
    under = [
        call.layer
        for call in m.world.calls
        if call.layer is not None
        and call.parent is None
        and any(value is tape for each in call.context.chain() for value, _ in each.withs)
    ]
    return remembered(m, WeightsV(list(dict.fromkeys(under)), "trainable", site.span))


@native(f"{TAPE}.watch", f"{TAPE}.stop_recording", f"{TAPE}.reset")
def tape_watch(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return NONE


@native("keras.backend.gradients", "tensorflow.gradients")
def graph_gradients(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``K.gradients(loss, variables)``: the symbolic gradient."""
    loss = arguments.get(0, "loss") or arguments.keywords.get("ys") or NONE
    sources = arguments.get(1, "variables") or arguments.keywords.get("xs") or NONE
    return take_gradient(m, site, unknown("a graph"), loss, sources, owners_of(m, [sources]))


# -- functions that are differentiated ---------------------------------------------------------------------------

TRANSFORMS = ("jax.value_and_grad", "jax.grad", "tensorflow_probability.math.value_and_gradient")
DIFFERENTIATED = "jax.differentiated"


@native(*TRANSFORMS)
def differentiate(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``jax.value_and_grad(loss_fn, has_aux=True)`` gives a function."""
    function = arguments.get(0, "fun")
    if function is None:
        return SymbolV(site.path)
    given = {**arguments.keywords, "function": function, "kind": Const(site.path)}
    return PartialV(SymbolV(DIFFERENTIATED), (), {"_differentiated": InstanceV(SymbolV(DIFFERENTIATED), given)})


@native(DIFFERENTIATED)
def call_differentiated(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The value and the gradients of a function: those of a model where ``stateless_call`` gets the weights."""
    described = arguments.keywords.pop("_differentiated", None)
    if not isinstance(described, InstanceV):
        return unknown("gradients")
    given = described.attributes
    before = m.order
    result = m.call(given["function"], arguments, site)
    number = given.get("argnums")
    index = number.value if isinstance(number, Const) and isinstance(number.value, int) else 0
    sources = arguments.positional[index] if index < len(arguments.positional) else unknown("the arguments")
    has_aux = given.get("has_aux")
    aux = isinstance(has_aux, Const) and bool(has_aux.value)
    loss = result.items[0] if aux and isinstance(result, TupleV) and result.items else result
    gradients = take_gradient(m, site, given["function"], loss, sources, _stateless_owners(m, sources, before))
    if given["kind"].value == "jax.grad":  # type: ignore[attr-defined]
        return TupleV((gradients, result.items[-1])) if aux and isinstance(result, TupleV) else gradients
    return TupleV((result, gradients))


def _stateless_owners(m: Machine, sources: Value, since: int) -> list[LayerV]:
    """The models that were called since then with ``sources`` as their trainable weights."""
    origins = Origins(m.world)
    wanted = {_mark(each) for each in (sources, *origins.of([sources])) if each is sources or isinstance(each, WeightsV)}
    found: dict[int, LayerV] = {}
    for call in m.world.calls:
        weights = call.arguments.get(STATE) if call.order > since else None
        if weights is not None and call.layer is not None and _mark(weights) in wanted:
            found[id(call.layer)] = call.layer
    return list(found.values())


def _mark(value: Value) -> object:
    if isinstance(value, Unknown):
        return value.term
    return tuple(map(id, value.owners)) if isinstance(value, WeightsV) else id(value)


STATE = "trainable_variables"
"""The argument of ``stateless_call`` that holds the weights."""


# -- updates -----------------------------------------------------------------------------------------------------

STEPS = ("apply_gradients", "minimize", "apply", "stateless_apply")
ASSIGNS = ("assign_sub", "assign_add", "assign")


@method(InstanceV, *STEPS)
def apply_gradients(m: Machine, site: CallSite, instance: InstanceV, arguments: Arguments) -> Value:
    """``optimizer.apply_gradients(zip(gradients, weights))``."""
    return optimizer_step(m, instance, arguments, site)


def optimizer_step(m: Machine, optimizer: Value, arguments: Arguments, site: CallSite) -> Value:
    """Weights are updated by an optimizer; ``minimize`` takes the gradients itself."""
    if _name_of(site) != "minimize":
        return record_update(m, optimizer, arguments, site)
    loss = arguments.get(0, "loss") or NONE
    weights = arguments.get(1, "var_list") or NONE
    tape = arguments.keywords.get("tape") or optimizer
    if isinstance(loss, CALLABLE):
        loss = m.call(loss, Arguments([], {}), site)
    if isinstance(weights, CALLABLE):
        weights = m.call(weights, Arguments([], {}), site)
    gradients = take_gradient(m, site, tape, loss, weights, owners_of(m, [weights]))
    return record_update(m, optimizer, Arguments([gradients, weights], {}), site)


def record_update(m: Machine, target: Value, arguments: Arguments, site: CallSite) -> Value:
    """Weights are updated with what the arguments hold."""
    owners = owners_of(m, arguments.values())
    snapshots = {key: pair for owner in owners for key, pair in snapshot(m, owner).items()}
    m.event(
        "update", target, site, name=_name_of(site), affected=owners, snapshot=snapshots, value=TupleV(tuple(arguments.values()))
    )
    result = unknown("what an optimizer gives")
    m.flow(result, [])
    return result


@native("optax.apply_updates", "jax.tree_util.tree_map", "jax.tree_map", "jax.tree.map", "keras.tree.map_structure",
        "tensorflow.nest.map_structure")  # fmt: skip
def map_weights(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Weights and gradients combined by hand; the result may be either."""
    mapped = map_items(m, site, arguments)
    if mapped is not None:
        return mapped
    m.escape_all(arguments.values())
    if any(isinstance(each, GradientsV) and each.owners for each in Origins(m.world).of(arguments.values())):
        record_update(m, SymbolV(site.path), arguments, site)
    return unknown("a structure")


def _name_of(site: CallSite) -> str:
    return str(getattr(getattr(site.node, "func", None), "attr", ""))


@calls(Unknown)
def call_unknown(m: Machine, function: Unknown, arguments: Arguments, site: CallSite) -> Value:
    """Something that is not known is called: its arguments escape; a gradient or an optimizer's step is still one."""
    name = _name_of(site)
    if name in ("apply_gradients", "minimize") or name in ("apply", "stateless_apply") and owners_of(m, arguments.values()):
        return optimizer_step(m, function, arguments, site)
    if name == "gradient" and len(arguments.values()) >= 2:
        loss, sources = arguments.get(0, "target") or NONE, arguments.get(1, "sources") or NONE
        return take_gradient(m, site, _tape_behind(m, function), loss, sources, owners_of(m, [sources]))
    if name in ASSIGNS and arguments.positional:
        _assigned(m, function, arguments, site)
    assign_unknown(m, function, arguments, site)
    if name in METHODS_THAT_STORE:
        note_storing(m, arguments, site)
    found = dataset_method(m, function, arguments, site) or unknown_call(m, function, arguments)
    if found is not None:
        return found
    m.escape_all(arguments.values())
    return unknown("result of an unknown call")


def _tape_behind(m: Machine, function: Unknown) -> Value:
    """The tape that something is made of, such as Horovod's."""
    tapes = [each for each in Origins(m.world).of([function]) if isinstance(each, InstanceV)]
    return next((each for each in tapes if isinstance(each.cls, SymbolV) and each.cls.path == TAPE), function)


def _assigned(m: Machine, variable: Unknown, arguments: Arguments, site: CallSite) -> None:
    """``weight.assign_sub(rate * gradient)`` is a step."""
    origins = Origins(m.world)
    weights = {id(owner) for each in origins.of([variable]) if isinstance(each, WeightsV) for owner in each.owners}
    gradients = [each for each in origins.of(arguments.values()) if isinstance(each, GradientsV)]
    if any(id(owner) in weights for each in gradients for owner in each.owners):
        record_update(m, variable, arguments, site)


# -- lists of weights --------------------------------------------------------------------------------------------


def keep_weights(path: str) -> None:
    """``list(weights)`` is what they are."""
    plain = NATIVES[path]

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        first = arguments.positional[0] if len(arguments.positional) == 1 else None
        lazily = isinstance(first, Unknown) and any(isinstance(each, (WeightsV, GradientsV)) for each in first.parts_inside())
        if lazily and getattr(first, "kind", "") == "map" and first is not None:
            return ListV([unknown_item(m, first, 0, site)], open=True)
        kept = first is not None and (lazily or isinstance(first, (WeightsV, GradientsV)))
        return first if kept and first is not None else plain(m, site, arguments)


for each in ("builtins.list", "builtins.tuple", "builtins.iter"):
    keep_weights(each)
