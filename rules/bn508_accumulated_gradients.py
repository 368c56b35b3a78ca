"""Accumulated gradients.

## What it does
Reports an optimizer with `gradient_accumulation_steps` above 1 that a model with trainable batch normalization is compiled with.

## Why is this bad?
Accumulation sums the gradients of several batches up before it updates the weights, as if they were one large batch. Batch
normalization does not take part: each batch is normalized by itself. Measured with batches of 8 and four steps: the moving mean is
exactly that of batches of 8 without accumulation, 4.785, where batches of 32 give 2.775. Who accumulates because a large batch does
not fit still trains batch normalization on the small one.

## Bad
```python
import keras


def build(classes):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(16, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(inputs, keras.layers.Dense(classes)(x))
    model.compile(keras.optimizers.Adam(1e-3, gradient_accumulation_steps=4), "mse")  # BN508
    return model
```

## Good
```python
import keras


def build(classes):
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(16, 3)(inputs)
    x = keras.layers.GroupNormalization(8)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(inputs, keras.layers.Dense(classes)(x))
    model.compile(keras.optimizers.Adam(1e-3, gradient_accumulation_steps=4), "mse")
    return model
```

## Limits
Silent where the number of steps is not known or 1, and for layers that are frozen. Accumulation in a loop of one's own is not looked for:
the size of its batches is what BN501 looks at.

## Verify
Compares the moving statistics with and without accumulation.

## References
- <https://github.com/ben-davidson-6/Gated-SCNN/issues/8>
- <https://keras.io/api/optimizers/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Finding, Program, Related, Rule, Span, accumulations, report

RULE = Rule(code="BN508", name="accumulated-gradients", severity="info", pedantic=True)


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer, steps, place in accumulations(program):
        if place in reported:
            continue
        reported.add(place)
        told = " by default" if steps.assumed else ""
        text = (
            f"the gradients of {steps.value} batches are summed up{told}, but {program.name(layer)} normalizes each batch by itself; "
            "use larger batches, or GroupNormalization or LayerNormalization"
        )
        related = (Related(layer.site.span, "normalized here"),) if layer.site is not None else ()
        yield report(RULE, place, text, related=related)
