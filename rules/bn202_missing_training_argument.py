"""Missing training argument.

## What it does
Reports a subclassed `Model` that reaches a batch normalization and whose `call` has no parameter named `training`, where it is
compiled and fitted itself, or may be.

## Why is this bad?
`fit` of Keras 3 passes `training=True` only to a model whose `call` has a parameter of exactly that name. Without it the whole
model is trained in inference mode, with no warning: the moving statistics stay at 0 and 1 (measured: they move by 0.00
instead of 0.35) while gamma and beta are trained. `**kwargs`, `*args`, `is_training` and `train` do not help.
Keras 2 passes the mode on whatever the signature.

## Bad
```python
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x):  # BN202
        return self.bn(self.dense(x))


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

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=training)


model = Net()
model.compile("adam", "mse")
```

## Fix safety
The fix adds `training=None` and hands it to the layers with batch normalization that `call` itself calls. It is unsafe: the
model trains in another way than before, which is its purpose.

## Limits
Silent for Keras 2; for layers, and for models that are parts of others (there the mode is passed on); for a keyword-only
`training`; where every batch normalization gets a constant on purpose or is frozen; where the class has a `train_step` of its own
that does not call `super().train_step`; where a loop of its own calls the model under a gradient tape or says which mode; and where
the class itself is handed to other code, which may make it a part of something. A model of which neither `compile` nor `fit` is in
sight is taken for one that somebody will fit.

## Verify
One real `fit`, and how far it moves the moving statistics of the normalizations that the finding names, or of all where it names
none. If none of them moves by more than 1e-7 while other weights do, the finding is confirmed; if all of them move, it is refuted.
Some that move and some that do not decide nothing.

## References
- <https://keras.io/guides/making_new_layers_and_models_via_subclassing/>
- <https://github.com/tensorflow/tensorflow/issues/33205>
- <https://github.com/tensorflow/tensorflow/issues/36848>
- <https://github.com/keras-team/keras/issues/13316>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Finding,
    Fix,
    FunctionV,
    Program,
    Related,
    Rule,
    Verdict,
    has_training,
    mode_calls,
    mode_parameter,
    models_fitted,
    modes_handed_on,
    replay,
    report,
    runs_of,
    trainable_norms,
    written_by_hand,
)

RULE = Rule(code="BN202", name="missing-training-argument", severity="error", fix="unsafe", supersedes=("BN205", "BN210"))


def check(program: Program) -> Iterator[Finding]:
    for function in mode_calls(program, "keras.Model"):
        span = program.name_span(function)
        calls = [] if has_training(function) else untrained(program, function)
        if not calls or span is None:
            continue
        owner = function.owner.name if function.owner is not None else "the model"
        message = (
            f"call of {owner} has no parameter training: fit of Keras 3 runs it in inference mode, and its batch "
            "normalization never updates; add training=None and pass it on"
        )
        related = tuple(
            Related(place, "this batch normalization never updates") for place in dict.fromkeys(call.span for call in calls)
        )
        yield report(RULE, span, message, related=related, fix=fix(program, function, calls))


def untrained(program: Program, function: FunctionV) -> list[Call]:
    """The calls of trainable batch normalizations that nothing but the missing parameter keeps in inference mode."""
    models = {id(each) for each in models_fitted(program, function) if program.generation(each) != "2"}
    return [
        running.call
        for call, world in runs_of(program, function)
        if id(call.layer) in models
        for running in replay(program, call, world, "none")
        if running.mode in ("none", "inference") and not written_by_hand(running) and trainable_norms(program, running.call)
    ]


def fix(program: Program, function: FunctionV, calls: list[Call]) -> Fix | None:
    parameter = mode_parameter(function)
    if parameter is None or any(call.training.kind != "absent" for call in calls):
        return None
    return Fix("Add training=None and pass it on", "unsafe", (parameter, *modes_handed_on(program, function)))


def experiment(bench: Bench) -> Verdict:
    """One real ``fit`` of the outermost model whose ``call`` this is: the statistics of the normalizations named must move.

    Weights that are not trained do not move at all, so that anything above the smallest float32 step counts; gamma and beta, or
    any other weight, have to move for the training to be one. Where some of them move and others do not, it is one that tells
    them the mode itself, which says nothing about the others.
    """
    flags = bench.fit(bench.model_with_call())
    norms = [each for each in flags if each.statistics_moved is not None and each.trainable]
    named = {id(call.layer) for call in bench.called_at_related(bench.is_norm)}
    return bench.moved([each for each in norms if id(each.layer) in named] or norms, flags, still=True)
