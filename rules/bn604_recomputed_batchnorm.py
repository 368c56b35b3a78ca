"""Recomputed batch normalization.

## What it does
Reports a batch normalization in training mode inside a function that `tf.recompute_grad` (or `keras.remat`) computes again for the gradient,
and one that is made in a `RematScope("full")`.

## Why is this bad?
The forward pass runs twice a step, and so do the updates of the moving statistics (measured: they move 1.90 times as far as one step
at momentum 0.9 does, under Keras 2 and 3). In a full `RematScope` the fit of Keras 3 on TensorFlow raises (`custom_gradient decorator
currently supports keywords arguments only when eager execution is enabled`).

## Bad
```python
import tensorflow as tf

dense = tf.keras.layers.Dense(16, use_bias=False)
norm = tf.keras.layers.BatchNormalization()


def block(x):
    return tf.nn.relu(norm(dense(x), training=True))


cheap = tf.recompute_grad(block)  # BN604
outputs = cheap(tf.zeros((32, 8)))
```

## Good
```python
import tensorflow as tf

dense = tf.keras.layers.Dense(16, use_bias=False)
norm = tf.keras.layers.BatchNormalization()


def block(x):
    return tf.nn.relu(dense(x))


cheap = tf.recompute_grad(block)
outputs = norm(cheap(tf.zeros((32, 8))), training=True)
```

## Limits
Silent where the function that is wrapped is not known, for a batch normalization that is frozen or called with `training=False`, for the
other modes of `RematScope`, and where Keras runs on JAX.

## Verify
Runs the recomputed function forward, and then with its gradient, from the same statistics: two updates move them 1 + momentum times as far as one.
Above 1.2 times the finding is confirmed. A full `RematScope` is confirmed by a `fit` that raises.

## References
- <https://www.tensorflow.org/api_docs/python/tf/recompute_grad>
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Inconclusive,
    Program,
    Related,
    Rule,
    Verdict,
    recomputations,
    report,
)

RULE = Rule(code="BN604", name="recomputed-batchnorm", severity="warning")


def check(program: Program) -> Iterator[Finding]:
    for span, layer, full in recomputations(program):
        name = program.name(layer)
        message = (
            f"{name} is made in a full RematScope: fit of Keras 3 on TensorFlow raises; use the mode activations, or make it outside"
            if full
            else f"{name} is computed again for the gradient, so that its moving statistics are updated twice a step; keep it outside"
        )
        place = layer.site.span if layer.site is not None else None
        yield report(RULE, span, message, related=(Related(place, "this batch normalization"),) if place is not None else ())


def experiment(bench: Bench) -> Verdict:
    """How far a step moves the moving statistics, in forward passes: 1.99 at the default momentum where they are updated twice.

    One update gives 1 exactly; 1.2 is what two give at a momentum of 0.2, lower than any that is used.
    """
    try:  # a scope wraps layers, and no function at the place
        ratio = bench.updates_when_recomputed()
    except Inconclusive:
        return bench.decided(True, f"fit raises: {bench.fit_error('custom_gradient')}")
    if ratio is None:
        return bench.decided(False, "the recomputed function updates no moving statistics")
    reason = f"a step with its gradient moves the statistics {ratio:.3g} times as far as one forward pass"
    return bench.decided(ratio > 1.2, reason, ratio=ratio)
