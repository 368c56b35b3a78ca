"""The losses of ``compile`` that take gradients themselves: they are called on the model's outputs, as ``fit`` would."""

from __future__ import annotations

from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.models import realise
from bnlint.interpreter.records import ModelV, TensorV
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    DictV,
    FunctionV,
    ListV,
    MethodV,
    PartialV,
    TupleV,
    Value,
    unknown,
)


def losses_with_gradients(m: Machine, model: ModelV, arguments: Arguments, site: CallSite) -> Value | None:
    """What the losses give that are functions of the project in which a gradient is taken; None where there are none."""
    loss = arguments.get(1, "loss") or NONE
    functions = list(loss.items) if isinstance(loss, (ListV, TupleV)) else [loss]
    if isinstance(loss, DictV):
        functions = [value for _, value in loss.items.values()]
    if not any(_takes_gradients(function) for function in functions):
        return None
    realise(m, model)
    results: list[Value] = []
    for number, function in enumerate(functions):
        output = model.outputs[number] if number < len(model.outputs) else None
        if output is not None and _takes_gradients(function):
            predicted = TensorV(output.shape, origin=output)
            try:
                results.append(m.call(function, Arguments([unknown("targets"), predicted], {}), site))
            except Raised:
                continue
    return TupleV(tuple(results))


def _takes_gradients(value: Value) -> bool:
    while isinstance(value, (MethodV, PartialV)):
        value = value.function
    if not isinstance(value, FunctionV):
        return False
    lines = value.module.source.lines[value.node.lineno - 1 : value.node.end_lineno]
    return any("gradient" in line for line in lines)
