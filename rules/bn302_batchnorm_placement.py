"""Placement of batch normalization.

## What it does
Reports a model that has batch normalization both before and after the activation of its linear layers: conv - norm - relu in one
place, conv - relu - norm in another. With the option `order = "before"` or `order = "after"`, every layer in the other order.

## Why is this bad?
Both orders work, and neither the literature nor practice agrees on one, so that bnlint asks for none by itself. But they are different
models: measured, the layer behind gets inputs of mean 0.40, sd 0.58 and never below 0 with the norm before the ReLU, and
inputs of mean 0, sd 1 down to -0.69 with the norm behind it. A model that does both, mostly because blocks were copied from different
sources, makes neither choice, and comparing it with others tells nothing. A bias is of use in one order and cancelled in the
other.

## Bad
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3, use_bias=False)(inputs)
x = layers.BatchNormalization()(x)
x = layers.ReLU()(x)
x = layers.Conv2D(32, 3, use_bias=False)(x)
x = layers.BatchNormalization()(x)
x = layers.ReLU()(x)
x = layers.Flatten()(x)
x = layers.Dense(64, activation="relu")(x)
x = layers.BatchNormalization()(x)  # BN302
model = keras.Model(inputs, layers.Dense(10)(x))
```

## Good
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3, activation="relu")(inputs)
x = layers.BatchNormalization()(x)
x = layers.Conv2D(32, 3, activation="relu")(x)
x = layers.BatchNormalization()(x)
x = layers.Flatten()(x)
x = layers.Dense(64, activation="relu")(x)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.Dense(10)(x))
```

## Limits
Counted are normalizations right behind a linear layer or its activation, with nothing but pooling, padding, cropping and dropout between. One
that stands in front of an activation and behind another (pre-activation, as in ResNetV2 and DenseNet), on an input, behind a merge, a
recurrent layer or a reshape is in no order, and neither are the activations of outputs and gates (softmax, sigmoid, the last tanh). Different
models may differ, also where one holds the other: the two networks of a GAN, a pretrained backbone and its head.

## Verify
There is no experiment: both orders work.

## References
- Ioffe and Szegedy, *Batch Normalization* (2015), section 3.2: before the nonlinearity
- <https://stackoverflow.com/questions/58256610>
- <https://github.com/keras-team/keras/issues/1802>
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnlint.api import Finding, Option, Options, Placement, Program, Related, Rule, Span, placements, report

ORDER = Option("order", "consistent", 'where the normalizations of a model stand: all in one order, or all in this one',
               ("consistent", "before", "after"))  # fmt: skip
RULE = Rule(code="BN302", name="batchnorm-placement", severity="warning", options=(ORDER,))
WORDS = {"before": "before the activation", "after": "after the activation"}


def check(program: Program, options: Options) -> Iterator[Finding]:
    reported: set[Span] = set()
    wanted = str(options["order"])
    for found in placements(program):
        for each, others in rarer(found) if wanted == "consistent" else deviating(found, wanted):
            site = each.norm.site
            if site is not None and site.span not in reported:
                reported.add(site.span)
                yield report(RULE, site.span, message(program, each, others), related=related(others))


def rarer(found: list[Placement]) -> Iterator[tuple[Placement, Sequence[Placement]]]:
    """The first normalization in the order that fewer have, of as many the order that begins later; with those in the other one."""
    before = [each for each in found if each.order == "before"]
    after = [each for each in found if each.order == "after"]
    if before and after:
        few, many = sorted((before, after), key=lambda group: (len(group), -group[0].call.order))
        yield few[0], many


def deviating(found: list[Placement], wanted: str) -> Iterator[tuple[Placement, Sequence[Placement]]]:
    """The normalizations that are not in the order wanted."""
    for each in found:
        if each.order != wanted:
            yield each, ()


def message(program: Program, each: Placement, others: Sequence[Placement]) -> str:
    linear = program.name(each.linear).partition(" ")[0]
    chain = [linear, "normalization", each.activation] if each.order == "before" else [linear, each.activation, "normalization"]
    text = f"{program.name(each.norm)} stands {WORDS[each.order]} ({' - '.join(chain)})"
    if not others:
        return f"{text}; the order asked for is {'after' if each.order == 'before' else 'before'}"
    count = "another one" if len(others) == 1 else f"{len(others)} others"
    return f"{text}, while {count} in the same model {'stands' if len(others) == 1 else 'stand'} {WORDS[others[0].order]}; decide on one order"


def related(others: Sequence[Placement]) -> tuple[Related, ...]:
    return (Related(others[0].call.span, f"{WORDS[others[0].order]} here"),) if others else ()
