"""Never training.

## What it does
Reports a constant false `training` for a trainable batch normalization that starts from scratch, inside the `call` of a layer or
model, or under Keras 2 while a functional model is built.

## Why is this bad?
The moving statistics stay at 0 and 1 while gamma and beta are trained: the layer normalizes nothing. Measured: the statistics move by
0.00 in `fit`, and a net of six layers whose loss goes from 1.62 to 0.10 with a live normalization is at nan after one epoch.

## Bad
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=False)  # BN205


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
out. It is unsafe: the model trains in another way than before, which is its purpose.

## Limits
Silent for a backbone or a layer whose weights are loaded, where `training=False` keeps what was learnt; where the mode is what
a caller chose or depends on a condition on the mode, where the normalization may be frozen, in code for inference (as the words
{names: evaluation} in the names around tell), and under Keras 3 in a functional model, where `fit` overrides the constant. A
builder's argument or default counts under Keras 2 where it is called in sight and its model is trained.

## Verify
One `fit` of two batches of each model that comes to the call: moving statistics of a trainable normalization that is given
`training=False` there, and that move by less than 1e-7 while other weights move, confirm the finding. It is refuted where all of them
move and every use of the code around the call has been seen.

## References
- <https://keras.io/guides/transfer_learning/>
- <https://github.com/mindee/doctr/issues/47>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Fix,
    Program,
    Rule,
    Verdict,
    always,
    fixing_callers,
    loaded,
    may_be_learnt,
    mode_of_the_model,
    purpose,
    report,
)

RULE = Rule(code="BN205", name="never-training", severity="error", fix="unsafe", supersedes=("BN203",))


def check(program: Program) -> Iterator[Finding]:
    for place, norms in always(program, False):
        if any(may_be_learnt(program, norm) for norm in norms):
            continue
        if any(loaded(each.layer) or purpose(each.context) == "evaluation" for each in place.calls):
            continue
        call, callers = place.calls[0], fixing_callers(place.calls)
        assert call.layer is not None
        whom = f", for the caller in line {callers[0].span.line}" if place.partly and callers else ""
        message = (
            f"{program.name(call.layer)} always runs in inference mode{whom}: its moving statistics stay at 0 and 1 while gamma and beta "
            "are trained; pass on the mode of the model"
        )
        edits = mode_of_the_model(call)
        fix = Fix("Pass on the mode of the model", "unsafe", edits) if edits else None
        yield report(RULE, place.span, message, related=callers, fix=fix)


def experiment(bench: Bench) -> Verdict:
    """One real ``fit``: the statistics of what is given ``training=False`` must stand still while other weights move.

    Weights that are not trained are equal bit by bit, so that anything above the smallest step of a float32 counts (1e-7).
    """
    return bench.modes.told(False, bench.modes.fit, still=True)
