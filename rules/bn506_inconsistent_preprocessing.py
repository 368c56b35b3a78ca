"""Inconsistent preprocessing.

## What it does
Reports a model with batch normalization that is tested on data scaled otherwise than those it was trained on: a scaler that is fitted
anew on the test data (`fit_transform`, a second scaler, the mean and standard deviation of the test data themselves), or scaling that
only one of the two has gone through.

## Why is this bad?
Batch normalization keeps the mean and variance of what it was trained on and applies them to whatever it is given. Test data that were
scaled by numbers of their own are shifted and stretched against the training data, and data that were not scaled at all lie far outside:
with pixels from 0 to 255 instead of 0 to 1, every activation is some hundred standard deviations away. The validation loss is
then a matter of the preprocessing and not of the model. The scaler has to be fitted once, on the training data.

## Bad
```python
import keras
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def train(x, y):
    x_train, x_test, y_train, y_test = train_test_split(x, y)
    scaler = StandardScaler()
    x_train = scaler.fit_transform(x_train)
    x_test = scaler.fit_transform(x_test)  # BN506
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(16, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(x_train, y_train, epochs=20)
    return model.evaluate(x_test, y_test)
```

## Good
```python
import keras
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def train(x, y):
    x_train, x_test, y_train, y_test = train_test_split(x, y)
    scaler = StandardScaler()
    x_train = scaler.fit_transform(x_train)
    x_test = scaler.transform(x_test)
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(16, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(x_train, y_train, epochs=20)
    return model.evaluate(x_test, y_test)
```

## Limits
Silent where the way of one of the two from their common source to the model cannot be followed, for pipelines, for targets, and for
statistics of each sample. Data from different sources are compared only in what was fitted on them: one of two files may
have been scaled before. Files are one source where one call reads them, as a helper does that is called for each, or where the words of
their names differ in the part of the data alone (train, training, val, valid, validation, test, testing, eval, evaluation, dev, holdout).
Scaling by the smallest and largest value of the data is followed for scalers only.

## Verify
There is no experiment: what is wrong is in the data, which `verify` does not have.

## References
- <https://github.com/keras-team/keras/issues/12851>
- <https://scikit-learn.org/stable/common_pitfalls.html#inconsistent-preprocessing>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Disagreement, Finding, Program, Related, Rule, Span, disagreements, report

RULE = Rule(code="BN506", name="inconsistent-preprocessing", severity="error")


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for each in disagreements(program):
        if each.place in reported:
            continue
        reported.add(each.place)
        yield report(RULE, each.place, message(program, each), related=(Related(each.trained.event.span, "trained here"),))


def message(program: Program, each: Disagreement) -> str:
    name = next((program.name(layer) for layer in program.all_sublayers(each.model) if program.is_batchnorm(layer)), "a model")
    if each.refitted is not None and each.refitted.fit is not None:
        what = each.refitted.fit.name
        text = f"the {what} of the test data" if what in ("mean", "standard deviation") else f"a {what} fitted on the test data"
        return f"{text} scales them otherwise than {name} was trained; use what was computed from the training data for both"
    did, has = describe(each.trained.steps), describe(each.tested.steps)
    return f"{name} was trained on data that were {did}, and these were {has}; scale them the same way"


def describe(steps: tuple[object, ...]) -> str:
    names = [str(getattr(step, "name", "")) for step in steps]
    told = {"arithmetic": "scaled by a constant", "rescale": "rescaled"}
    return "not scaled" if not names else ", ".join(told.get(name, f"scaled by {name}") for name in dict.fromkeys(names))
