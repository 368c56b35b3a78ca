"""Batch normalization created in call.

## What it does
Reports a batch normalization that is made while a model runs: in the `call` of a layer or model, in a function that `call` uses, in
`train_step` and its kin, in the function of a `Lambda`, in a `tf.function`.

## Why is this bad?
Every run makes a new layer with new weights. Measured: `fit` raises `ValueError: tf.function only supports singleton tf.Variables
created on the first call`; with `run_eagerly=True` and on JAX it runs silently with 2 of 6 weights, and gamma and beta never train. Layers that
`call` puts on `self` raise `You cannot add new elements of state to a layer that is already built` in Keras 3; if that happens only once,
where the layer has a `build` of its own, or owns nothing else that waits for its weights. (Beside a `Dense` from `__init__`, Keras 3
runs `call` once to build both, and takes what it makes: measured, it is tracked and trains.)

## Bad
```python
import keras
from keras import layers


class Block(layers.Layer):
    def __init__(self, filters):
        super().__init__()
        self.conv = layers.Conv2D(filters, 3, use_bias=False)

    def call(self, x):
        x = layers.BatchNormalization()(self.conv(x))  # BN105
        return keras.activations.relu(x)
```

## Good
```python
import keras
from keras import layers


class Block(layers.Layer):
    def __init__(self, filters):
        super().__init__()
        self.conv = layers.Conv2D(filters, 3, use_bias=False)
        self.norm = layers.BatchNormalization()

    def call(self, x):
        return keras.activations.relu(self.norm(self.conv(x)))
```

## Limits
Silent for `__init__`, `build`, functions that build models, and objects that are no layers and are called while a graph is built. A layer that
`call` makes only where there is none yet is reported where Keras 3 is known to raise; elsewhere, and under Keras 2, that works. Silent in
tests that expect an error.

## Verify
Runs each model on two batches (its own `train_step` in a `fit`, a function that is no builder twice) and counts the layers that are made at the
place: more than none confirms the finding, as does Keras's refusal to give a built layer another one there.

## References
- <https://github.com/tensorflow/tensorflow/issues/27120>
- <https://github.com/tensorflow/tensorflow/issues/33576>
- <https://github.com/tensorflow/tensorflow/issues/40381>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    LayerV,
    Program,
    Rule,
    RunTime,
    Span,
    Verdict,
    adds_state,
    expects_an_error,
    made_at_run_time,
    report,
)

RULE = Rule(code="BN105", name="batchnorm-created-in-call", severity="error", supersedes=("BN107",))


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer in program.layers("keras.layers.BatchNormalization"):
        made = made_at_run_time(program, layer)
        if made is None or made.span in reported or (layer.context is not None and expects_an_error(layer.context)):
            continue
        if made.once and (not made.raises or program.generation(layer) == "2"):
            continue
        reported.add(made.span)
        yield report(RULE, made.span, message(program, layer, made))


def message(program: Program, layer: LayerV, made: RunTime) -> str:
    """When the layer is made, what Keras does about it, and where it belongs."""
    name = program.name(layer)
    if layer.site is not None and layer.site.span != made.span:
        name += f" in line {layer.site.span.line}"
    if made.once:
        return f"{name} is made in {made.where} at its first run: Keras 3 raises, as a built layer takes no new ones; make it in __init__"
    return (
        f"{name} is made anew whenever {made.where} runs: it never trains and is not saved, or Keras raises; make it in __init__"
    )


def experiment(bench: Bench) -> Verdict:
    """Counts the layers made at the place while two batches run; all layers of a model are made before its first one."""
    error = bench.raised(adds_state)
    made = 0 if error is not None else bench.made_in_runs()
    error = error or bench.raised(adds_state)
    if error is not None:
        return bench.decided(True, f"Keras raises when the layer is made while the model runs: {bench.said(error)}")
    return bench.decided(made > 0, f"{made} layers are made here while two batches run", layers=made)
