"""Explicit None for training.

## What it does
Reports a batch normalization, or a layer or model that has one, which is handed `training=None` inside a `call`: as a literal, as the
default of a plain block or helper that nobody passes a value to, or as `kwargs.get("training")` where none can arrive.

## Why is this bad?
A layer that is not told its mode takes that of the model around it. Since release 3.10, Keras 3 counts an explicit None as being told, and
falls back to inference: the moving statistics never update (measured: 0.00 instead of 0.35 in one `fit`, also under
`model(x, training=True)`), and the layers called after it inherit the None. Nothing warns. Keras 2, and Keras 3 up to 3.9, take None for "not
passed".

## Bad
```python
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()
        self.out = keras.layers.Dense(1)

    def normalized(self, x, training=None):
        return keras.ops.relu(self.bn(self.dense(x), training=training))  # BN210

    def call(self, x, training=None):
        return self.out(self.normalized(x))


model = Net()
model.compile("adam", "mse")
```

## Good
```python
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()
        self.out = keras.layers.Dense(1)

    def normalized(self, x, training=None):
        return keras.ops.relu(self.bn(self.dense(x), training=training))

    def call(self, x, training=None):
        return self.out(self.normalized(x, training=training))


model = Net()
model.compile("adam", "mse")
```

## Fix safety
The fix hands the mode of the `call` around on, to the layer or to the block that nobody passes a value to; where there is none to hand on, it
takes the argument away. It is unsafe: the model trains in another way than before, which is its purpose.

## Limits
Silent for Keras 2, where `keras-version` names a release before 3.10, for a `call` that hands on its own parameter, for a None that is given
to a layer while a functional model is built (there the mode of the model replaces it), where a caller out of sight may pass a
value, and for batch normalizations that may be frozen or get weights from elsewhere.

## Verify
One `fit` of two batches of each model that comes to the call: moving statistics of a trainable normalization that is given None
there, and that move by less than 1e-7 while other weights move, confirm the finding. It is refuted where all of them move and every use
of the code around the call has been seen.

## References
- <https://keras.io/guides/making_new_layers_and_models_via_subclassing/>
- <https://github.com/tensorflow/tensorflow/issues/36848>
- <https://github.com/mindee/doctr/issues/47>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Fix,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    explicit_nones,
    may_be_learnt,
    mode_of_the_model,
    normalizations,
    owner_of_default,
    report,
)

RULE = Rule(code="BN210", name="explicit-none-training", severity="error", fix="unsafe", supersedes=("BN203",))


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for call in explicit_nones(program):
        norms = normalizations(program, call)
        if (
            call.span in reported
            or not norms
            or any(program.may_be_frozen(each) or may_be_learnt(program, each) for each in norms)
        ):
            continue
        reported.add(call.span)
        assert call.layer is not None
        run = owner_of_default(call)
        given = "training=None" if run is None or run.function is None else f"the default training=None of {run.function.name}"
        message = (
            f"{program.name(call.layer)} is given {given}: Keras 3.10 and later take that for inference instead of the mode of "
            "the model, so it never trains; pass training on"
        )
        related = () if run is None or run.caller is None else (Related(run.caller.span, "called without training"),)
        edits = mode_of_the_model(call)
        fix = Fix("Pass on the mode of the model", "unsafe", edits) if edits else None
        yield report(RULE, call.span, message, related=related, fix=fix)


def experiment(bench: Bench) -> Verdict:
    """One real ``fit``: the statistics of what is given None must stand still while other weights move.

    Weights that are not trained are equal bit by bit, so that anything above the smallest step of a float32 counts (1e-7).
    """
    return bench.modes.told(None, bench.modes.fit, still=True)
