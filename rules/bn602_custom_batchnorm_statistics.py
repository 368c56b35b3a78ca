"""Custom batch normalization statistics.

## What it does
Reports a batch normalization written by hand whose moving statistics are wrong: made as trainable weights, never assigned in `call`,
left out where the layer does not train, or taken over the batch axis alone although the input has others before the channels.

## Why is this bad?
`add_weight` and `tf.Variable` are trainable unless told otherwise: the moving statistics are then among the trainable weights, an optimizer
with decay shrinks them, and on JAX they never move (measured: the moving mean stays 0 exactly, for `stateless_call` returns only what is not
trainable). Statistics that are never assigned stay at 0 and 1, so that inference does not normalise; statistics of the batch outside
training make a prediction depend on what else is in its batch. Statistics over the batch axis alone of a picture are kept for each
pixel by itself.

## Bad
```python
import keras
from keras import ops


class OwnBatchNorm(keras.layers.Layer):
    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
        self.moving_mean = self.add_weight(shape=(shape[-1],), initializer="zeros", name="moving_mean")  # BN602
        self.moving_var = self.add_weight(shape=(shape[-1],), initializer="ones", name="moving_var")  # BN602

    def call(self, x, training=None):
        if training:
            mean, var = ops.moments(x, axes=[0])
            self.moving_mean.assign(0.9 * self.moving_mean + 0.1 * mean)
            self.moving_var.assign(0.9 * self.moving_var + 0.1 * var)
        else:
            mean, var = self.moving_mean, self.moving_var
        return self.gamma * (x - mean) * ops.rsqrt(var + 1e-3)
```

## Good
```python
import keras
from keras import ops


class OwnBatchNorm(keras.layers.Layer):
    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
        self.moving_mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="moving_mean")
        self.moving_var = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False, name="moving_var")

    def call(self, x, training=None):
        if training:
            mean, var = ops.moments(x, axes=[0])
            self.moving_mean.assign(0.9 * self.moving_mean + 0.1 * mean)
            self.moving_var.assign(0.9 * self.moving_var + 0.1 * var)
        else:
            mean, var = self.moving_mean, self.moving_var
        return self.gamma * (x - mean) * ops.rsqrt(var + 1e-3)
```

## Fix safety
`trainable=False` for a moving statistic; unsafe, because saved weights are then in another order. There is no fix for the others,
and none where the same call makes other weights, too.

## Limits
A layer is one of these where it computes a mean and a variance over the batch, normalises with a root, and keeps weights that are assigned
from them or whose names have one word of {names: kept} and one of {names: moments}. A class with batch norm or BN in its name is one with either half. Silent where a flag,
a weight or an axis is not known, for layers that only apply fixed statistics, and for weights that other code in the class assigns.

## Verify
Calls the layer. A weight that a call in training mode moves by more than 1e-7 is a statistic: that it is among the trainable weights confirms the first
fault. Weights that change the outputs in inference and not in training are the statistics that `call` has to move; and the output of a sample in inference must
not change by more than 1e-4 of its scale with the others in its batch. Where the means of the training outputs over the batch are the same at every place
(to 1e-3 of the outputs' spread), each place was normalised by itself.

## References
- <https://keras.io/guides/making_new_layers_and_models_via_subclassing/>
- <https://github.com/ChihebTrabelsi/deep_complex_networks/issues/19>
- <https://github.com/tensorflow/tensorflow/issues/36848>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Edit,
    Finding,
    Fix,
    OwnNormalization,
    OwnWeight,
    Program,
    Rule,
    Span,
    Verdict,
    call_of_class,
    own_normalizations,
    report,
    with_keyword,
)

RULE = Rule(code="BN602", name="custom-batchnorm-statistics", severity="error", fix="unsafe")


def check(program: Program) -> Iterator[Finding]:
    for own in own_normalizations(program):
        places: dict[Span, list[OwnWeight]] = {}
        for weight in own.trained_statistics():
            places.setdefault(weight.event.span, []).append(weight)
        for span, weights in places.items():
            message = f"{name(weights[0])} of {own.cls.name} is a moving statistic, but trainable; pass trainable=False"
            alone = len(weights) == len(own.made_with(weights[0]))
            yield report(RULE, span, message, fix=fix(weights[0]) if alone else None)
        function = call_of_class(own.cls)
        place = program.name_span(function) if function is not None else None
        message = fault_of_call(own)
        if place is not None and message:
            yield report(RULE, place, message)
        narrow = own.narrow_reductions()
        if narrow:
            message = (
                f"{own.cls.name} takes statistics over the batch axis alone, for each place of the input by itself; reduce over all axes "
                "but that of the channels"
            )
            yield report(RULE, narrow[0].span, message)


def name(weight: OwnWeight) -> str:
    return weight.names[0] if weight.names else "this weight"


def fault_of_call(own: OwnNormalization) -> str:
    """What is wrong with the ``call`` of a layer."""
    lost = own.lost_statistics()
    if lost:
        names = " and ".join(dict.fromkeys(name(each) for each in lost))
        return (
            f"call of {own.cls.name} never assigns {names}: in inference they are still what they were initialised with; "
            "assign them in training mode"
        )
    if own.batch_outside_training:
        return (
            f"call of {own.cls.name} normalises with the statistics of the batch in inference, too: a prediction depends on its batch; "
            "use moving statistics unless training is true"
        )
    return ""


def fix(weight: OwnWeight) -> Fix | None:
    """``trainable=False``."""
    context = weight.event.context
    call = context.node
    if not isinstance(call, ast.Call):
        return None
    given = next((each for each in call.keywords if each.arg == "trainable"), None)
    source = context.module.source
    if given is not None:
        edit: Edit | None = Edit(source.span(given), "trainable=False")
    else:
        edit = with_keyword(source, call, "trainable=False")
    return Fix("Pass trainable=False", "unsafe", (edit,)) if edit is not None else None


def experiment(bench: Bench) -> Verdict:
    """What one call of the layer does to its weights and outputs; which of it counts depends on where the finding stands.

    Untouched weights stay equal bit for bit; for the other thresholds see ``own_normalization``.
    """
    return bench.own_normalization()
