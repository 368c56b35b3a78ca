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


def train(x, y):
    rows = x[:5000]
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.BatchNormalization(),  # BN306
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    model.fit(rows, y[:5000], epochs=20)
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
Gives the layer the data that the model is fitted on, in training mode. Where it moves them by less than 0.45 standard deviations (root mean square; 0.31 is
what the noise of a batch of 16 does), the finding is confirmed, above 0.8 it is refuted.

## References
- <https://keras.io/api/layers/preprocessing_layers/numerical/normalization/>
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Bench, Finding, Inconclusive, Program, Related, Rule, Span, Verdict, report, standardised_inputs

RULE = Rule(code="BN306", name="redundant-input-scaling", severity="info", pedantic=True)


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer, place in standardised_inputs(program):
        if layer.site is None or layer.site.span in reported or program.may_be_frozen(layer):
            continue
        reported.add(layer.site.span)
        text = f"{program.name(layer)} standardises the input once more; scale it by one of the two"
        yield report(RULE, layer.site.span, text, related=(Related(place, "standardised here"),))


def experiment(bench: Bench) -> Verdict:
    """Compares the layer's output with its input, on data that came the way the code prepares them.

    For standardised data only the noise of the batch is left, 0.31 for 16 samples and 0.22 for the 32 that are taken at most. Data
    that are off by one standard deviation, or have twice the right one, are moved by 1.
    """
    moved = [bench.observer.standardised(norm) for norm in bench.made(bench.is_norm)]
    known = [each for each in moved if each is not None]
    if not known:
        bench.sizes.need_data()
        raise Inconclusive("the data of the model are not here")
    text = f"the layer moves the data of the model by {min(known):.2f} standard deviations"
    if 0.45 <= min(known) <= 0.8:
        raise Inconclusive(text)
    return bench.decided(min(known) < 0.45, text, moved=min(known))
