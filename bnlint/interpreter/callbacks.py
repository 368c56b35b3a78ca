"""Callbacks: what ``fit`` and its kin call on the way, with the model that runs as ``self.model``."""

from __future__ import annotations

import re

from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.layers import layers_in
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Event, ModelV
from bnlint.interpreter.scope import Frame
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.values import (
    Arguments,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    MethodV,
    SymbolV,
    TupleV,
    Value,
    unknown,
)

BASES = "keras.callbacks."
LAMBDA = "keras.callbacks.LambdaCallback"
BEGINS = ("on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_batch_begin")
"""What is called before a model takes its first step."""
LATER = ("on_train_batch_end", "on_batch_end", "on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end",
         "on_epoch_end", "on_epoch_begin")  # fmt: skip
"""What is called behind it."""
OTHERS = {
    "evaluate": ("on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"),
    "predict": ("on_predict_begin", "on_predict_batch_begin", "on_predict_batch_end", "on_predict_end"),
}


def before_training(m: Machine, event: Event, model: ModelV, site: CallSite) -> None:
    """The hooks before the first step: what they set counts for it, as Keras 3 reads the flags at that step."""
    for name in BEGINS:
        _run_all(m, event, model, name, site, Const(0))


def in_training(m: Machine, event: Event, model: ModelV, site: CallSite) -> None:
    """The hooks of later steps and epochs."""
    m.running = event
    try:
        for name in LATER:
            _run_all(m, event, model, name, site)
    finally:
        m.running = None
    _run_all(m, event, model, "on_train_end", site)


def in_evaluation(m: Machine, event: Event, model: ModelV, site: CallSite) -> None:
    """The hooks of ``evaluate`` and ``predict``."""
    for name in OTHERS.get(event.kind, ()):
        _run_all(m, event, model, name, site)


def _run_all(m: Machine, event: Event, model: ModelV, name: str, site: CallSite, count: Value | None = None) -> None:
    given = event.arguments.get("callbacks")
    if given is None or "_test_" in name and event.kind == "fit" and not VALIDATED & event.arguments.keys():
        return
    for callback in _parts(m, m.resolve(given)):
        hook = _hook(callback, name)
        if hook is not None:
            _run(m, model, callback, hook, site, [count or unknown("a count")] if COUNTED.search(name) else [])


VALIDATED = {"validation_data", "validation_split"}
COUNTED = re.compile("epoch|batch")
"""The hooks that get the number of the epoch or batch."""


def _parts(m: Machine, given: Value) -> list[InstanceV]:
    items = map(m.resolve, given.items) if isinstance(given, (ListV, TupleV)) else [given]
    return [each for each in items if isinstance(each, InstanceV)]


def _hook(callback: InstanceV, name: str) -> Value | None:
    """A hook in sight of a callback that may do something to the model: by its text, or by the layers that it holds."""
    cls = callback.cls
    if isinstance(cls, SymbolV):
        return callback.attributes.get(name) if cls.path == LAMBDA else None
    if not any(base.path.startswith(BASES) for base in cls.symbols()):
        return None
    texts = (each.module.source.segment(each.module.source.span(each.node)) for each in cls.mro if isinstance(each, ClassV))
    concerned = any("model" in text for text in texts) or any(layers_in(each) for each in callback.attributes.values())
    return cls.find(name) if concerned else None


def _run(m: Machine, model: ModelV, callback: InstanceV, hook: Value, site: CallSite, count: list[Value]) -> None:
    """Call one hook as Keras does: not from the place of the ``fit``, whose names say nothing about it."""
    function = hook.function if isinstance(hook, MethodV) else hook
    if not isinstance(function, FunctionV):
        return
    if isinstance(callback.cls, ClassV) and callback.attributes.get("model") is not model:
        m.touch(callback)
        callback.attributes["model"] = model
        m.changed()
    frame = Frame(function.module, function.module.scope, depth=site.frame.depth + 1)
    bound = MethodV(hook, callback) if isinstance(callback.cls, ClassV) else hook
    try:
        m.call(bound, Arguments([*count, DictV({}, True)], {}), CallSite(function.node, frame))
    except Raised:
        return  # the hooks behind it still run
