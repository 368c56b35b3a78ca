"""Functions that choose between two computations: ``tf.cond``, ``K.in_train_phase`` and their kin."""

from __future__ import annotations

from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.layers import TRAINING
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.tensors import apply_function, tensors_in
from bnlint.interpreter.values import NONE, Arguments, Const, FunctionV, MethodV, PartialV, TupleV, Unknown, Value

CALLABLE = (FunctionV, MethodV, PartialV)


def choose(m: Machine, site: CallSite, test: Value, first: Value, second: Value) -> Value:
    """One of two values, or what calling it gives; where the test is a tensor, something made of both."""
    test = m.resolve(test)
    if isinstance(test, (Const, Unknown)):
        return _value(m, site, first if m.truth(test, site.frame) else second)
    results = TupleV((_value(m, site, first), _value(m, site, second)))
    return apply_function(m, site.path, list(tensors_in(results)), None, site)


def _value(m: Machine, site: CallSite, value: Value) -> Value:
    return m.call(value, Arguments([], {}), site) if isinstance(value, CALLABLE) else value


@native("tensorflow.cond", "tensorflow.compat.v1.cond", "keras.ops.cond", "keras.backend.switch",
        "tensorflow.python.framework.smart_cond.smart_cond", "tensorflow.__internal__.smart_cond.smart_cond",
        "tensorflow.python.keras.utils.tf_utils.smart_cond", "tensorflow.contrib.framework.smart_cond",
        "keras.utils.tf_utils.smart_cond", "tensorflow.python.keras.utils.control_flow_util.smart_cond")  # fmt: skip
def cond(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``tf.cond(test, function, function)``."""
    names = ("pred", "true_fn", "false_fn")
    if len(arguments.values()) < 3:
        return m.unknown_result(NONE, arguments)
    test, first, second = (
        arguments.get(index, name) or value for index, (name, value) in enumerate(zip(names, arguments.values()))
    )
    return choose(m, site, test, first, second)


@native("keras.backend.in_train_phase", "keras.backend.in_test_phase")
def in_phase(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``K.in_train_phase(x, alt, training)``."""
    first, second = arguments.get(0, "x") or NONE, arguments.get(1, "alt") or NONE
    training = m.resolve(arguments.get(2, "training") or NONE)
    if isinstance(training, Const) and training.value is None:
        training = TRAINING
    if site.path.endswith("in_test_phase"):
        first, second = second, first
    return choose(m, site, training, first, second)
