"""Trainable weights only.

## What it does
Reports a copy, an average or a file of a model with batch normalization that is made of its `trainable_weights` or
`trainable_variables` alone: soft updates of target networks, momentum encoders, mean teachers, averages of weights, checkpoints made by
hand. Also a `clone_model` that predicts although it never got any weights, and a model that is evaluated with weights that
`use_ema` has averaged.

## Why is this bad?
The moving mean and variance are not trainable, so they stay behind: the copy normalises with 0 and 1, or with the statistics of
another model (measured: predictions off by 16.8 where their standard deviation is 1.3; by 0.0 with `weights`). `clone_model`
resets all weights (off by 11.9). `use_ema` averages the trainable weights and leaves the statistics of the last ones (measured: evaluate
2.63 instead of 0.92 with refreshed statistics).

## Bad
```python
import keras


def q_network():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(16, use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(2)(x))


network, target = q_network(), q_network()
for old, new in zip(target.trainable_variables, network.trainable_variables):  # BN601
    old.assign(0.99 * old + 0.01 * new)
```

## Good
```python
import keras


def q_network():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(16, use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(2)(x))


network, target = q_network(), q_network()
for old, new in zip(target.weights, network.weights):
    old.assign(0.99 * old + 0.01 * new)
```

## Fix safety
`weights` in place of `trainable_weights`, where all lists of a copy stand in the copying statement: what is trainable is copied as before,
and the statistics with it. There is no fix where a list is bound to a name, for files, and for `clone_model` and `use_ema`.

## Limits
Silent for models of unknown content, models without batch normalization or with a frozen one, gradients and what is made of them,
weights of one model only (decay, clipping), optimizers, and where the same function copies `non_trainable_weights` or the moving
statistics, too, or the target is called with `training=True`, so that it has statistics of its own. A list of one model's weights that
is only combined with other values is an average where the names around say so: {names: averages}.

## Verify
The code is run up to the place and beyond, and which variables it writes there is noted. Where at least half of a model's trainable
weights are written, but none of the moving statistics of its trainable batch normalization in the same function, the finding is
confirmed; where all of the statistics are written too, it is refuted. Where nothing of a model is written (averages, files), it is the
list read at the place that has the moving statistics or has not. The reason says how far the outputs are off when all but the
statistics is the same and these differ by 0.5; where outputs change by less than 1e-4 of their scale, a list that leaves the statistics
out decides nothing. A clone is compared with its original, to which the same is done. With `use_ema`, a real `fit` tells
by how much its end changes the weights and the statistics: 1e-7 is a change.

## References
- <https://github.com/DLR-RM/stable-baselines3/issues/996>
- <https://github.com/google-parfait/tensorflow-federated/issues/910>
- <https://github.com/tensorflow/addons/issues/816>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Edit,
    Finding,
    Fix,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    WeightCopy,
    averaged_evaluations,
    report,
    unset_clones,
    weight_copies,
)

RULE = Rule(code="BN601", name="trainable-weights-only", severity="error", fix="safe")
WHAT = {
    "copied": "the copy keeps its old ones",
    "averaged": "the average has none that fit",
    "saved": "they are lost in the file",
    "loaded": "the model keeps its old ones",
    "set": "set_weights takes all weights or raises",
}


def check(program: Program) -> Iterator[Finding]:
    for copy in weight_copies(program):
        span = copy.first.span
        if span is not None:
            message = (
                f"{program.text(span)} leaves out the moving statistics of batch normalization, and {WHAT[copy.kind]}: "
                f"{'save' if copy.kind == 'saved' else 'go over'} weights, which has them"
            )
            place = copy.events[0].span
            related = (Related(place, "used here"),) if place.line != span.line or place.path != span.path else ()
            yield report(RULE, span, message, related=related, fix=fix(copy))
    for event in unset_clones(program):
        message = (
            "clone_model gives fresh weights and statistics, and none are set before it is used; call set_weights on the clone"
        )
        yield report(RULE, event.span, message)
    for span, model in averaged_evaluations(program):
        message = (
            f"use_ema gives {program.name(model)} averaged weights, but the moving statistics of its batch normalization are those of "
            "the last ones; refresh them with calls in training mode before it is evaluated"
        )
        yield report(RULE, span, message)


def fix(copy: WeightCopy) -> Fix | None:
    """``weights`` in place of the attribute, wherever the copy reads it."""
    if copy.kind != "copied" and copy.events[0].name != "apply":
        return None
    edits = set()
    for each in copy.lists.values():
        node = each.context.node if each.context is not None else None
        statement = each.context.statement if each.context is not None else None
        if not isinstance(node, ast.Attribute) or each.span is None or each.span.path != copy.events[0].span.path:
            return None
        if getattr(statement, "value", None) is node or is_indexed(node, statement):
            return None
        end = each.span
        edits.add(Edit(Span(end.path, end.end_line, end.end_column - len(node.attr), end.end_line, end.end_column), "weights"))
    return Fix("Use weights", "safe", tuple(sorted(edits, key=lambda each: each.span)))


def is_indexed(node: ast.Attribute, statement: ast.stmt | None) -> bool:
    """Whether single items of a list are read, of which a loop elsewhere counts how many."""
    parts = ast.walk(statement) if statement is not None else iter(())
    return any(isinstance(each, ast.Subscript) and each.value is node for each in parts)


def experiment(bench: Bench) -> Verdict:
    """The variables that the place really writes or lists: trainable weights of a model, and its moving statistics or not.

    Which are written is counted, so that there is no threshold to it; that outputs hang on the statistics is measured by shifting
    those of the source by 0.5: below 1e-4 of their scale it is the rounding of float32.
    """
    return bench.copied()
