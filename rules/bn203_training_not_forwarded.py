"""Training that is not forwarded.

## What it does
Reports a `call` that does not hand its mode to a batch normalization, or to a layer that reaches one, where that keeps it from
training: on JAX in the model that is fitted, and under Keras 3 behind a call that is given another mode. With the
option `pedantic`, every `call` that has `training` and does not hand it on.

## Why is this bad?
Keras passes the mode on by itself, in a context that an outermost call opens, but not always the one that is meant. `stateless_call`, and so
`fit` on JAX, runs the `call` of the outermost model without such a context: layers that are not told run in inference mode (measured: the moving statistics move by 0.00
instead of 0.37). Under Keras 3, a layer leaves its mode in the context for the layers *after* it: behind
`self.base(x, training=False)`, a batch normalization that is not told never trains (measured: 0.00 instead of 0.22, in 3.3, 3.9 and 3.15); behind
`self.dropout(x, training=True)` it trains in `evaluate` and `predict`, too (0.01 after `fit`, 0.10 after one `evaluate`). Keras 2 takes a mode back when its
layer is done.

## Bad
```python
import keras


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.base = keras.applications.MobileNetV2(include_top=False, pooling="avg")
        self.hidden = keras.layers.Dense(64, use_bias=False)
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(5)

    def call(self, x, training=None):  # BN203
        x = self.base(x, training=False)
        x = self.bn(self.hidden(x))
        return self.head(keras.ops.relu(x))


model = Classifier()
model.compile("adam", "sparse_categorical_crossentropy")
```

```python
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(64, use_bias=False)
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(1)

    def call(self, x, training=None):  # BN203
        return self.head(keras.ops.relu(self.bn(self.hidden(x))))


model = Net()
model.compile("adam", "mse")
```

## Good
```python
import keras


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.base = keras.applications.MobileNetV2(include_top=False, pooling="avg")
        self.hidden = keras.layers.Dense(64, use_bias=False)
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(5)

    def call(self, x, training=None):
        x = self.base(x, training=False)
        x = self.bn(self.hidden(x), training=training)
        return self.head(keras.ops.relu(x))


model = Classifier()
model.compile("adam", "sparse_categorical_crossentropy")
```

## Fix safety
The fix hands `training` to the layers with batch normalization that `call` itself calls. It is safe: it says what is meant, and changes
nothing where Keras passes the mode on by itself. There is none behind a call with another mode, nor where a helper calls the layer.

## Limits
Silent for batch normalizations that may be frozen or get weights from elsewhere; behind a call with another mode, where anything in the same
`call` that could not be followed is given `training`; on JAX, where `fit` does not call the model itself. That Keras runs on JAX is told
by `KERAS_BACKEND` in the code, or by `import jax` with stateless calls. The option `pedantic = true` reports the calls
that Keras repairs by itself, too: on TensorFlow they are harmless.

## Verify
Of the trainable normalizations that this `call` reaches without saying a mode: one `fit` on the backend in use that moves the statistics
of one of them by less than 1e-7 while other weights move, or one `predict` that moves them by more, confirms the finding. Where both are as they
should be, `stateless_call(training=True)` of the model, which is what `fit` on JAX makes, is measured, too; statistics that stand
still confirm the finding for JAX. It is refuted where `call` tells the mode to all of them.

## References
- <https://github.com/tensorflow/tensorflow/issues/36848>
- <https://github.com/mindee/doctr/issues/47>
- <https://keras.io/guides/making_new_layers_and_models_via_subclassing/>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Finding,
    Fix,
    FunctionV,
    Option,
    Options,
    Program,
    Related,
    Rule,
    Running,
    Span,
    Verdict,
    calls_without_mode,
    has_training,
    left_behind,
    lost_without_context,
    may_be_learnt,
    mode_calls,
    modes_handed_on,
    report,
    trainable_norms,
)

RULE = Rule(
    code="BN203",
    name="training-not-forwarded",
    severity="error",
    fix="safe",
    options=(Option("pedantic", False, "also report where Keras passes the mode on by itself"),),
)


def check(program: Program, options: Options) -> Iterator[Finding]:
    reported: set[ast.AST] = set()
    for function, running in left_behind(program):
        if function.node not in reported and learns(program, running):
            reported.add(function.node)
            yield behind_another(program, function, running)
    for function in mode_calls(program, "keras.layers.Layer"):
        lost = [running.call for running in lost_without_context(program, function) if learns(program, running)]
        if function.node not in reported and lost:
            reported.add(function.node)
            yield on_jax(program, function, lost)
    for function in mode_calls(program, "keras.layers.Layer") if options["pedantic"] else ():
        calls = calls_without_mode(program, function) if has_training(function) else ()
        if function.node not in reported and (call := next(iter(calls), None)) is not None:
            reported.add(function.node)
            yield pedantic(program, function, call)


def learns(program: Program, running: Running) -> bool:
    """Whether a call runs a batch normalization that ought to train."""
    norms = trainable_norms(program, running.call)
    return bool(norms) and not any(may_be_learnt(program, each) for each in norms)


def behind_another(program: Program, function: FunctionV, running: Running) -> Finding:
    cause, layer = running.cause, running.call.layer
    assert cause is not None and cause.layer is not None and layer is not None
    effect = "trains in evaluate and predict, too" if running.mode == "training" else "never trains"
    given = f"training={cause.training.value}" if cause.training.kind == "constant" else "its default mode"
    message = (
        f"call of {owner(function)} does not say the mode of {program.name(layer)}: under Keras 3 it is what {program.name(cause.layer)} "
        f"left behind, {given}, so it {effect}; pass training=training"
    )
    related = (Related(cause.span, "leaves this mode behind"), Related(running.call.span, "takes it over"))
    return report(RULE, place(program, function), message, related=related)


def on_jax(program: Program, function: FunctionV, lost: list[Call]) -> Finding:
    message = (
        f"call of {owner(function)} does not pass training on: stateless_call, and fit on JAX, then run its batch normalization in "
        "inference mode, and it never updates; pass training=training"
    )
    related = tuple(Related(call.span, "never updates") for call in lost)
    near = all(call.context.function is not None and call.context.function.node is function.node for call in lost)
    return report(RULE, place(program, function), message, related=related, fix=fix(program, function) if near else None)


def pedantic(program: Program, function: FunctionV, call: Call) -> Finding:
    assert call.layer is not None
    message = f"call of {owner(function)} does not pass training on to {program.name(call.layer)}; pass training=training"
    related = (Related(call.span, "called without the mode"),)
    return report(RULE, place(program, function), message, severity="info", related=related, fix=fix(program, function))


def fix(program: Program, function: FunctionV) -> Fix | None:
    edits = modes_handed_on(program, function)
    return Fix("Pass on training", "safe", edits) if edits and has_training(function) else None


def owner(function: FunctionV) -> str:
    return function.owner.name if function.owner is not None else "the layer"


def place(program: Program, function: FunctionV) -> Span:
    span = program.name_span(function)
    assert span is not None
    return span


def experiment(bench: Bench) -> Verdict:
    """One real ``fit``, one ``predict``, one ``stateless_call``: the mode of what is not told must be another than the model's.

    What is not trained is equal bit by bit, so that anything above the smallest step of a float32 counts as moved (1e-7).
    """
    return bench.untold()
