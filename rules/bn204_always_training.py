"""Always training.

## What it does
Reports a constant true `training` for a batch normalization, or for a layer or model that has one, inside the `call` of a layer or
model, or while a functional model is built. Under Keras 3 the latter is a warning: there the constant has no effect.

## Why is this bad?
The layer is in training mode in inference, too: a prediction depends on the other samples of its batch, and every prediction
overwrites the moving statistics. Measured with a constant in `call`: `evaluate` moves the statistics by 0.38 and `predict` by 0.14,
and the output of one sample changes by 0.77 with its batch mates. In a functional model of Keras 2 it is the same. Keras 3 replaces the
constant by the mode of the model in `fit`, `evaluate` and `predict` (0.00): what it was written for, such as sampling a generator with
batch statistics, does not happen, and only a bare `model(x)` heeds it.

## Bad
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=True)  # BN204


model = keras.Sequential([keras.Input((4,)), Block(), keras.layers.Dense(1)])
```

## Good
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=training)


model = keras.Sequential([keras.Input((4,)), Block(), keras.layers.Dense(1)])
```

## Fix safety
The fix passes the mode of the `call` around on, also to a helper whose default it is; where there is none to pass on, it leaves the argument
out. It is unsafe: predictions change, which is its purpose.

## Limits
Silent where the mode is what a caller chose, where it depends on a condition on the mode (one on a variable with {names: modes}
in its name), where the normalization may be frozen, and for layers without batch normalization such as a dropout that is meant
to stay on. In a helper of a `call`, one caller that fixes the mode, or leaves it at the helper's default, is enough. While a
functional model of Keras 3 is built, only a constant that is written in the call, or bound once in the module, counts; under Keras 2 also one that a builder
is given, or has as its default, where it is called in sight and its model is trained.

## Verify
One `predict` of each model that comes to the call: moving statistics, of a trainable normalization that is given `training=True` there,
that move by more than 1e-7 confirm the finding, and the verdict says by how much the output of one sample changes with its batch mates.
In a graph of Keras 3 the finding is that the constant has no effect: statistics that a bare call of the model moves, and `predict`
does not, confirm it. It is refuted where nothing moves and every use of the code around the call has been seen.

## References
- <https://github.com/keras-team/keras/issues/13762>
- <https://github.com/keras-team/keras/issues/10381>
- <https://community.deeplearning.ai/t/87440>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Finding,
    Fix,
    Program,
    Rule,
    Span,
    Verdict,
    always,
    fixing_callers,
    mode_of_the_model,
    report,
    true_in_graph,
)

RULE = Rule(code="BN204", name="always-training", severity="error", fix="unsafe", supersedes=("BN203",))


def check(program: Program) -> Iterator[Finding]:
    for place, _ in always(program, True):
        call, callers = place.calls[0], fixing_callers(place.calls)
        assert call.layer is not None
        whom = f", for the caller in line {callers[0].span.line}" if place.partly and callers else ""
        message = (
            f"{program.name(call.layer)} always runs in training mode{whom}: predictions depend on the other samples of their batch and "
            "overwrite the moving statistics; pass on the mode of the model"
        )
        yield report(RULE, place.span, message, related=callers, fix=fix(call))
    reported: set[Span] = set()
    for call in true_in_graph(program):
        assert call.layer is not None
        if call.span not in reported:
            reported.add(call.span)
            message = (
                f"training=True for {program.name(call.layer)} has no effect in fit, evaluate and predict: Keras 3 replaces it by the "
                "mode of the model; leave it out, or call the layer inside a subclassed model"
            )
            yield report(RULE, call.span, message, severity="warning", fix=fix(call))


def fix(call: Call) -> Fix | None:
    edits = mode_of_the_model(call)
    return Fix("Pass on the mode of the model", "unsafe", edits) if edits else None


def experiment(bench: Bench) -> Verdict:
    """One ``predict``: it must move the statistics of what is given ``training=True``, which inference never does.

    What is only read is equal bit by bit, so that anything above the smallest step of a float32 counts (1e-7). For a graph of Keras 3
    it is the bare call that must move them, and ``predict`` that must not.
    """
    modes = bench.modes
    if not modes.graph_of_keras_3():
        return modes.told(True, modes.predict, still=False)
    verdict = modes.told(True, modes.bare, still=False)
    if verdict.status == "confirmed":
        kept = modes.told(True, modes.predict, still=True)
        return bench.decided(kept.status == "confirmed", f"{verdict.reason}; {kept.reason}", **verdict.measured)
    return verdict
