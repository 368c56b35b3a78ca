"""What values were computed from: through tensors, containers, and the results of calls that cannot be followed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Call, GradientsV, LayerV, TensorV, WeightsV, World
from bnlint.interpreter.values import DictV, InstanceV, ListV, NativeMethodV, SetV, TupleV, Unknown, Value

V = TypeVar("V", bound=Value)

STOPS = ("stop_gradient", "argmax", "argmin", "argsort", "equal", "notequal", "less", "lessequal", "greater", "greaterequal",
         "not_equal", "less_equal", "greater_equal", "logical_and", "logical_or", "sign", "round", "floor", "ceil",
         "one_hot", "onehot", "shape", "zeros_like", "ones_like", "zeroslike", "oneslike")  # fmt: skip
"""The functions of tensors through which no gradient goes."""


def remembered(m: Machine, value: V) -> V:
    """A value that terms may name, so that it is found again behind them."""
    m.world.flows[("?", id(value))] = (value,)
    return value


class Origins:
    """What the values of one world come from."""

    def __init__(self, world: World) -> None:
        self._worlds: list[World] = []
        each: World | None = world
        while each is not None:
            self._worlds.append(each)
            each = each.parent
        self._tensors: dict[Hashable, Value] = {}
        self._counted = [0] * len(self._worlds)

    def of(self, values: Iterable[Value], differentiable: bool = False, through_layers: bool = True) -> list[Value]:
        """The tensors, data, weights, gradients, models and objects that some values were computed from, themselves among them.

        With ``differentiable``, only those through which a gradient goes; without ``through_layers``, not what layers and models
        were called on. Nothing lies behind a gradient or a weight.
        """
        found: list[Value] = []
        seen: set[Hashable] = set()
        pending: list[Value] = list(reversed(list(values)))
        while pending:
            each = pending.pop()
            if id(each) in seen:
                continue
            seen.add(id(each))
            if isinstance(each, (Unknown, TensorV, WeightsV, GradientsV, LayerV, InstanceV)):
                found.append(each)
            if through_layers or not isinstance(each, TensorV) or each.call is None or each.call.layer is None:
                pending.extend(reversed(self._before(each, differentiable, seen)))
        return found

    def reach(self, values: Iterable[Value], wanted: Value) -> bool:
        """Whether some values were computed from a wanted one, or from a part of it."""
        parts = [wanted]
        while any(isinstance(each, (ListV, TupleV)) for each in parts):
            parts = [item for each in parts for item in (each.items if isinstance(each, (ListV, TupleV)) else (each,))]
        marks = {_mark(each) for each in self.of(values)}
        return any(_mark(each) in marks for each in parts)

    def _before(self, value: Value, differentiable: bool, seen: set[Hashable]) -> list[Value]:
        """What a value was computed from, or is made of."""
        if isinstance(value, Unknown):
            return [*self._behind(value.term, seen), *value.parts_inside()]
        if isinstance(value, TensorV):
            return _parts(value, differentiable)
        if isinstance(value, (TupleV, ListV)):
            return list(value.items)
        if isinstance(value, DictV):
            return [item for _, item in value.items.values()]
        if isinstance(value, SetV):
            return list(value.items.values())
        return [value.instance] if isinstance(value, NativeMethodV) else []

    def _behind(self, term: Hashable, seen: set[Hashable]) -> Iterator[Value]:
        """The values that a term names, at any depth."""
        pending = [term]
        while pending:
            each = pending.pop()
            if not isinstance(each, tuple) or each in seen:
                continue
            seen.add(each)
            flow = next((world.flows[each] for world in self._worlds if each in world.flows), None)
            if flow is not None:
                yield from flow
            elif len(each) == 2 and each[0] == "?" and isinstance(each[1], int):
                tensor = self._tensor(each[1])
                if tensor is not None:
                    yield tensor
            else:
                pending.extend(reversed(each))

    def _tensor(self, key: int) -> Value | None:
        for number, world in enumerate(self._worlds):
            for call in world.calls[self._counted[number] :]:
                self._tensors.update((id(tensor), tensor) for tensor in (*call.inputs, *call.outputs))
            self._counted[number] = len(world.calls)
        return self._tensors.get(key)


def _mark(value: Value) -> Hashable:
    return value.term if isinstance(value, Unknown) else id(value)


def _parts(tensor: TensorV, differentiable: bool) -> list[Value]:
    """What a tensor was made of: the inputs of the call that made it, and what they were taken for."""
    call = tensor.call
    found: list[Value] = [tensor.origin] if tensor.origin is not None else []
    if call is None or differentiable and _stops(call):
        return found
    found.extend(call.inputs)
    if call.layer is None:
        found.extend(call.arguments.values())
    return found


def _stops(call: Call) -> bool:
    return call.layer is None and call.function.rpartition(".")[2].lower() in STOPS
