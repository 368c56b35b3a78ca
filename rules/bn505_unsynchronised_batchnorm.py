"""Unsynchronised batch normalization.

## What it does
Reports a batch normalization without `synchronized=True` in a model that is built under a distribution strategy of TensorFlow and trained
with a batch per replica that is known, or by default, below 16. Where the number of replicas is not known, it counts as two.

## Why is this bad?
A strategy divides each batch among its replicas, and each of them normalizes with the statistics of its own part. Measured with two
replicas whose data lie at -3 and +3: the moving variance is 1.08 where 10.78 is right, and the moving mean that is read back, -2.98,
is that of one replica alone (Keras 3; Keras 2 averages the replicas' means to 0.14, with a variance of 1.03). The more replicas
share a batch, the worse the statistics are.

## Bad
```python
import keras
import tensorflow as tf

strategy = tf.distribute.MirroredStrategy(["GPU:0", "GPU:1", "GPU:2", "GPU:3"])


def train(x, y):
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((64,)),
                keras.layers.Dense(32, use_bias=False),
                keras.layers.BatchNormalization(),  # BN505
                keras.layers.ReLU(),
                keras.layers.Dense(10),
            ]
        )
        model.compile("adam", "mse")
    model.fit(x, y, batch_size=32, epochs=50)
```

## Good
```python
import keras
import tensorflow as tf

strategy = tf.distribute.MirroredStrategy(["GPU:0", "GPU:1", "GPU:2", "GPU:3"])


def train(x, y):
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((64,)),
                keras.layers.Dense(32, use_bias=False),
                keras.layers.BatchNormalization(synchronized=True),
                keras.layers.ReLU(),
                keras.layers.Dense(10),
            ]
        )
        model.compile("adam", "mse")
    model.fit(x, y, batch_size=32, epochs=50)
```

## Fix safety
The fix passes `synchronized=True`. It is unsafe: the layers normalize with other statistics, which is its purpose, and the replicas wait
for each other at each of them.

## Limits
Silent where the batch is not known, where the batch per replica is known to be 16 or more, for a strategy of one device, in unit tests (files with
one of {names: unit tests}), and on JAX,
where a batch is always normalized as a whole (and `synchronized=True` raises).

## Verify
There is no experiment: it takes more devices than one.

## References
- <https://github.com/tensorflow/tensorflow/issues/7439>
- <https://github.com/tensorflow/tensorflow/issues/18222>
- <https://github.com/google/automl/issues/384>
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Finding,
    Fix,
    LayerV,
    Program,
    Related,
    Rule,
    Run,
    Span,
    in_unit_test,
    most_per_replica,
    report,
    training_runs,
    with_keyword,
)

RULE = Rule(code="BN505", name="unsynchronised-batchnorm", severity="warning", fix="unsafe", supersedes=("BN501",))
ENOUGH = 16


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for run in training_runs(program):
        most = most_per_replica(run)
        if run.strategy is None or run.replicas == 1 or most is None or most >= ENOUGH or in_unit_test(run):
            continue
        for layer in run.norms:
            if layer.site is None or layer.site.span in reported or not is_unsynchronised(program, layer):
                continue
            reported.add(layer.site.span)
            related = (Related(run.place, "the batch that is shared among the replicas"),) if run.place is not None else ()
            yield report(RULE, layer.site.span, message(program, run, layer, most), related=related, fix=fix(layer))


def is_unsynchronised(program: Program, layer: LayerV) -> bool:
    if "Sync" in layer.symbol or program.backend(layer) == "jax":
        return False
    return program.arguments(layer).get("synchronized", False) is False


def message(program: Program, run: Run, layer: LayerV, most: int) -> str:
    assumed = run.batch is not None and (run.batch.assumed or run.batch.default)
    told = " by default" if assumed else ""
    size = f"{most} samples" if run.divided else f"at most {most} samples"
    return (
        f"{program.name(layer)} normalizes on each replica with the statistics of the {size} that it gets{told}; "
        "pass synchronized=True"
    )


def fix(layer: LayerV) -> Fix | None:
    site = layer.site
    if site is None or not isinstance(site.node, ast.Call) or site.bound or "synchronized" in site.keywords:
        return None
    edit = with_keyword(site.module.source, site.node, "synchronized=True") if layer.own_class is None else None
    return Fix("Pass synchronized=True", "unsafe", (edit,)) if edit is not None else None
