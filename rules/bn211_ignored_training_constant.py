"""Ignored training constant.

## What it does
Reports `training=False` at the call of a layer in a functional model of Keras 3, where the layer is, or holds, a batch normalization that
is trained.

## Why is this bad?
`fit` of Keras 3 calls the whole graph in training mode and overrides the constant: the statistics move as if it were not there
(measured: by 0.35; inside the `call` of a layer or model, and with Keras 2, they stay). The code says that the normalization is kept as
it is, and it is not.

## Bad
```python
import keras

inputs = keras.Input((32,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization()(x, training=False)  # BN211
model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.ReLU()(x)))
model.compile("adam", "mse")
```

## Good
```python
import keras

inputs = keras.Input((32,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization()(x)
model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.ReLU()(x)))
model.compile("adam", "mse")
```

## Limits
Silent for Keras 2, inside a `call`, where the normalizations stay frozen, where their weights may come from elsewhere and no
training is in sight, where the same model also calls the layer without the constant, where only other models with the layer are
trained, in code whose names speak of evaluation ({names: evaluation}), and for pretrained backbones, which BN401 reports.

## Verify
One `fit` of two batches: moving statistics that move by more than 1e-7, of a trainable normalization that is given `training=False`
in the graph, confirm the finding; it is refuted where they stand still, or where no call gives the constant.

## References
- <https://github.com/keras-team/keras/issues/20285>
- <https://github.com/keras-team/keras/pull/20298>
- <https://keras.io/guides/transfer_learning/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Bench, Finding, Program, Rule, Span, Verdict, overridden_constants, report

RULE = Rule(code="BN211", name="ignored-training-constant", severity="warning")


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for call, layer in overridden_constants(program):
        if call.span in reported:
            continue
        reported.add(call.span)
        whose = "its statistics move" if program.is_batchnorm(layer) else "the statistics of its batch normalizations move"
        frozen = "the layer" if program.is_batchnorm(layer) else "its batch normalizations"
        message = (
            f"training=False has no effect on {program.name(layer)} in a functional model: fit of Keras 3 overrides it, and {whose}; "
            f"to keep them set trainable = False on {frozen}, or make the call in a subclassed model"
        )
        yield report(RULE, call.span, message)


def experiment(bench: Bench) -> Verdict:
    """One real ``fit``: the statistics of what a graph gives ``training=False`` must move.

    What is kept is equal bit by bit, so that anything above the smallest step of a float32 counts (1e-7).
    """
    bench.since()
    if not any(mode is False for mode in bench.modes.given_in_graphs()):
        bench.modes.covered()
        return bench.decided(False, "no call here gives training=False in a graph")
    return bench.modes.told(False, bench.modes.fit, still=False)
