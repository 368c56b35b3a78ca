"""Training by default.

## What it does
Reports `training=True` as the default in the `call` of a layer or model that reaches a trainable batch normalization.

## Why is this bad?
Whoever calls the layer without saying which mode, such as `model(x)` in a notebook or behind a web service, trains its statistics, and
gets predictions that depend on the other samples of the batch. Measured: a bare call moves the statistics by 0.14 and changes the
output of one sample by 0.77 with its batch mates. Inside a subclassed model of Keras 3 whose own `call` has no `training`, the default
holds in `evaluate` (moved: 0.38) and in `predict` (0.14), too. `fit`, `evaluate` and `predict` say themselves which mode they mean: no default is needed for
them.

## Bad
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=True):  # BN206
        return self.bn(self.dense(x), training=training)


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
The fix makes the default None. It is safe: `fit`, `evaluate` and `predict` set the mode, and a bare call no longer trains. Code of
your own that relies on the default, a training loop with `model(x)`, has to say `training=True`.

## Limits
Silent for functions that are no `call` of a layer or model, where `training` may choose what is built; for a `call` that reaches no
batch normalization, or only such as are frozen or get a constant; and for classes with a `__call__` of their own.

## Verify
One call, without a mode, of each layer that runs this `call`: moving statistics of trainable normalizations that move by more than
1e-7 confirm the finding; it is refuted where they do not and every use of the class has been seen.

## References
- <https://github.com/udacity/deep-learning/issues/130>
- <https://keras.io/guides/making_new_layers_and_models_via_subclassing/>
- <https://community.deeplearning.ai/t/87440>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Edit,
    Finding,
    Fix,
    FunctionV,
    Program,
    Related,
    Rule,
    Verdict,
    is_constant,
    mode_calls,
    replay,
    report,
    runs_of,
    trainable_norms,
    training_default,
)

RULE = Rule(code="BN206", name="training-default-true", severity="error", fix="safe", supersedes=("BN204",))


def check(program: Program) -> Iterator[Finding]:
    for function in mode_calls(program, "keras.layers.Layer"):
        span = program.name_span(function)
        if span is None or not is_constant(training_default(function), True):
            continue
        norm = next(norms_in_its_mode(program, function), None)
        if norm is not None:
            owner = function.owner.name if function.owner is not None else "the layer"
            message = (
                f"call of {owner} is in training mode by default: a bare call moves the statistics of its batch normalization, and its "
                "output depends on the batch; make the default training=None"
            )
            related = (Related(norm.span, "this batch normalization is in training mode"),)
            yield report(RULE, span, message, related=related, fix=fix(function))


def norms_in_its_mode(program: Program, function: FunctionV) -> Iterator[Call]:
    """The calls of trainable batch normalizations that run in the mode of a ``call``."""
    for call, world in runs_of(program, function):
        for running in replay(program, call, world):
            if running.mode == "passed" and trainable_norms(program, running.call):
                yield running.call


def fix(function: FunctionV) -> Fix | None:
    """None in place of the default."""
    parameters = function.node.args
    positional = [*parameters.posonlyargs, *parameters.args]
    pairs = [*zip(reversed(positional), reversed(parameters.defaults)), *zip(parameters.kwonlyargs, parameters.kw_defaults)]
    default = next((node for parameter, node in pairs if parameter.arg == "training" and isinstance(node, ast.expr)), None)
    return (
        None if default is None else Fix("Make the default None", "safe", (Edit(function.module.source.span(default), "None"),))
    )


def experiment(bench: Bench) -> Verdict:
    """One bare call of each layer with this ``call``: it must move statistics, which inference never does.

    What is only read is equal bit by bit, so that anything above the smallest step of a float32 counts (1e-7).
    """
    return bench.repeats.bare()
