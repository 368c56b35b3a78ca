"""Frozen from scratch.

## What it does
Reports a batch normalization that is frozen whenever its model is trained although no weights were ever loaded into it.

## Why is this bad?
A frozen normalization uses its moving statistics, and these start as mean 0 and variance 1: it normalizes nothing (measured: input of
mean 4.92 and standard deviation 3.00 comes out as 4.92 and 3.00), and gamma and beta do not train either.

## Bad
```python
import keras

base = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg")  # BN404
for layer in base.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
```

## Good
```python
import keras

base = keras.applications.ResNet50(weights="imagenet", include_top=False, pooling="avg")
for layer in base.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
```

## Fix safety
The fix drops `trainable=False` where the constructor has it. It is unsafe: the layer trains, which is its purpose.

## Limits
Silent where any weights are loaded in sight (by one of {names: loaders}), where the layers before the normalization are frozen with it (networks of random features, the other half of a GAN),
where it is trained at any time, where no training is in sight, and where flags are not known.

## Verify
Frozen, with a moving mean of exactly 0 and a moving variance of exactly 1, and no weights loaded, whenever the model is compiled or trained.

## References
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
- <https://keras.io/guides/transfer_learning/>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Fix,
    LayerV,
    Program,
    Related,
    Rule,
    Verdict,
    frozen_at_start,
    frozen_from_scratch,
    is_constant,
    report,
    without_keywords,
)

RULE = Rule(code="BN404", name="frozen-from-scratch", severity="error", fix="unsafe")


def check(program: Program) -> Iterator[Finding]:
    for span, (layers, frozen) in frozen_from_scratch(program).items():
        related = (Related(frozen, "frozen here"),) if frozen is not None else ()
        yield report(RULE, span, message(program, layers), related=related, fix=fix(program, layers[0]))


def message(program: Program, layers: list[LayerV]) -> str:
    backbone = layers[0].backbone
    if backbone is not None:
        name = f"the batch normalizations of {program.name(backbone)}"
        return f"{name} are frozen, but never got weights: with mean 0 and variance 1 they normalize nothing; train them, or load weights"
    name = program.name(layers[0])
    return f"{name} is frozen, but never got weights: with mean 0 and variance 1 it normalizes nothing; train it, or load weights"


def fix(program: Program, layer: LayerV) -> Fix | None:
    """Without the argument that freezes the layer."""
    site = layer.site
    if site is None or not isinstance(site.node, ast.Call) or not is_constant(layer.arguments.get("trainable"), False):
        return None
    literal = any(each.arg == "trainable" and isinstance(each.value, ast.Constant) for each in site.node.keywords)
    edits = without_keywords(site.module.source, site.node, ["trainable"]) if literal else None
    return Fix("Drop trainable=False", "unsafe", tuple(edits)) if edits else None


def experiment(bench: Bench) -> Verdict:
    """The flags and statistics of the normalizations made here whenever their model is compiled or trained.

    Values are read that nothing has touched: the mean has to be 0 and the variance 1 exactly.
    """
    return frozen_at_start(bench)
