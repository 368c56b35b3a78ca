"""Training mode in evaluation.

## What it does
Reports a model with batch normalization, or the layer itself, that is called with a true `training` where no gradient is taken
and the purpose is evaluation: in `test_step`, in functions and loops over validation or test data, for metrics and predictions;
also where the flag arrives through a parameter.

## Why is this bad?
In training mode, each prediction depends on the other samples of its batch, and every call overwrites the moving statistics.
Measured: a classifier with 0.988 accuracy drops to 0.875 on batches of 8, to 0.745 on batches of 2, to 0.43 on
class-sorted batches of 64; after three such passes even its correct inference is down to 0.797.

## Bad
```python
import keras

model = keras.Sequential([keras.Input((8,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])


def evaluate(dataset, metric):
    for x, y in dataset:
        metric.update_state(y, model(x, training=True))  # BN201
```

## Good
```python
import keras

model = keras.Sequential([keras.Input((8,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])


def evaluate(dataset, metric):
    for x, y in dataset:
        metric.update_state(y, model(x, training=False))
```

## Fix safety
The fix passes `training=False`. It is unsafe: the results change, which is its purpose.

## Limits
What code is for is guessed from words in the names of functions, loops and data. Evaluation: {names: evaluation}. Training:
{names: training}. Recalibration: {names: recalibration}. Generation: {names: generation}. The nearest name that tells decides
(of a function that only computes a loss, {names: computations of losses}, that of its callers), and in one name the part of the
data ({names: parts of data}). In a file of unit tests, which has one of {names: unit tests}, names say nothing. Silent for a
call whose result is thrown away, for one that a gradient needs, for recalibration, for generators that are sampled (reported
with `pedantic = true` in `[tool.bnlint.training-true-in-evaluation]`), for models that have no batch normalization or a frozen
one, and for models that are not known.

## Verify
Calls what is called there again, in the same mode and on data like that seen there: moving statistics of a trainable normalization that
move by more than 1e-7 confirm the finding, and the verdict says by how much the output of one sample changes with its batch mates. Where
nothing moves, and every use of the code around the call has been seen, it is refuted.

## References
- <https://github.com/keras-team/keras/issues/13762>
- <https://github.com/tensorflow/tensorflow/issues/39663>
- <https://github.com/tensorflow/tensorflow/issues/29478>
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
    Option,
    Options,
    Program,
    Rule,
    Span,
    Verdict,
    is_learned_from,
    purpose,
    report,
)

RULE = Rule(
    code="BN201",
    name="training-true-in-evaluation",
    severity="error",
    fix="unsafe",
    options=(Option("pedantic", False, "report generators that are sampled in training mode, too"),),
)


def check(program: Program, options: Options) -> Iterator[Finding]:
    purposes = ("evaluation", "generation") if options["pedantic"] else ("evaluation",)
    reported: set[Span] = set()
    for call in program.calls():
        if call.span not in reported and wrong(program, call, purposes):
            reported.add(call.span)
            assert call.layer is not None
            message = (
                f"{program.name(call.layer)} is evaluated with training=True: its batch normalization uses the statistics of the "
                "batch and overwrites the moving ones; pass training=False"
            )
            yield report(RULE, call.span, message, fix=fix(call))


def wrong(program: Program, call: Call, purposes: tuple[str, ...]) -> bool:
    layer = call.layer
    if layer is None or call.parent is not None or call.setting == "graph":
        return False
    if call.training.kind != "constant" or not call.training.value or is_discarded(call):
        return False
    norms = [each for each in (layer, *program.all_sublayers(layer)) if program.is_batchnorm(each)]
    known = program.holds_batchnorm(layer)
    if not known or (norms and all(program.may_be_frozen(each) for each in norms)):
        return False
    return purpose(call.context) in purposes and not is_learned_from(program, call)


def is_discarded(call: Call) -> bool:
    """Whether a call stands alone, to build the model or to refresh its statistics."""
    statement = call.context.statement
    return isinstance(statement, ast.Expr) and statement.value is call.context.node


def fix(call: Call) -> Fix | None:
    span = call.training.span
    if span is None or call.training.positional or span.path != call.span.path or not inside(span, call.span):
        return None
    return Fix("Pass training=False", "unsafe", (Edit(span, "training=False"),))


def inside(inner: Span, outer: Span) -> bool:
    return outer[1:3] <= inner[1:3] and inner[3:5] <= outer[3:5]


def experiment(bench: Bench) -> Verdict:
    """The call once more, on data like that seen there: it must move statistics, which inference never does.

    What is only read is equal bit by bit, so that anything above the smallest step of a float32 counts (1e-7). The outputs do not
    decide, for they may depend on the batch in other ways.
    """
    return bench.repeats.evaluation()
