"""Shared batch normalization.

## What it does
Reports one batch normalization that is applied to several tensors of different origin in one forward pass: at two depths, in two
branches, on the levels of a pyramid, in a loop.

## Why is this bad?
In training each application is normalized with its own batch statistics, but all of them write the same moving statistics, which
then fit none of them. Measured with two branches of mean -3 and +3: in training both outputs have mean 0, at inference -2.87 and +3.20.
With a batch normalization for each branch it is 0.01 for both.

## Bad
```python
import keras
from keras import layers


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = layers.Conv2D(32, 3, use_bias=False)
        self.conv2 = layers.Conv2D(64, 3, use_bias=False)
        self.norm = layers.BatchNormalization()  # BN104

    def call(self, x, training=None):
        x = keras.activations.relu(self.norm(self.conv1(x), training=training))
        return keras.activations.relu(self.norm(self.conv2(x), training=training))
```

## Good
```python
import keras
from keras import layers


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = layers.Conv2D(32, 3, use_bias=False)
        self.conv2 = layers.Conv2D(64, 3, use_bias=False)
        self.norm1 = layers.BatchNormalization()
        self.norm2 = layers.BatchNormalization()

    def call(self, x, training=None):
        x = keras.activations.relu(self.norm1(self.conv1(x), training=training))
        return keras.activations.relu(self.norm2(self.conv2(x), training=training))
```

## Limits
Silent for the two sides of a condition, for the same tensor twice, for parts of one tensor that went through the same layers, for a frozen
batch normalization, for steps of training and of evaluation, and for two models that no third one holds together. A whole layer or model
that takes several inputs, or the outputs of other models, as the halves of a siamese network do, is reported only with the option
`pedantic = true`; layers that are shared one by one are reported always.

## Verify
The mean of the batch against the moving mean, for each application: more than half a standard deviation confirms the finding.

## References
- <https://github.com/keras-team/keras/issues/8794>
- <https://github.com/keras-team/keras/issues/6623>
- <https://github.com/keras-team/keras/issues/4689>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Finding, LayerV, Option, Options, Program, Related, Rule, Sharing, Span, report, sharings

RULE = Rule(
    code="BN104",
    name="shared-batchnorm",
    severity="warning",
    options=(Option("pedantic", False, "report whole models that take several inputs, too"),),
)


def check(program: Program, options: Options) -> Iterator[Finding]:
    found: dict[Span, tuple[LayerV, Sharing]] = {}
    for sharing in sharings(program):
        if sharing.whole and not options["pedantic"]:
            continue
        for norm in sharing.norms:
            site = norm.site or sharing.layer.site
            if site is not None:
                found.setdefault(site.span, (norm, sharing))
    for span, (norm, sharing) in found.items():
        places = dict.fromkeys(call.span for call in sharing.calls)
        related = tuple(Related(place, "applied here") for place in places)
        yield report(RULE, span, message(program, norm, sharing), related=related)


def message(program: Program, norm: LayerV, sharing: Sharing) -> str:
    """What is shared, and what follows."""
    name = program.name(norm)
    if sharing.layer is not norm:
        name += f" in {program.name(sharing.layer)}"
    return (
        f"{name} normalizes {len(sharing.calls)} different tensors in one forward pass: its moving statistics are a mixture that fits "
        "none of them at inference; make a batch normalization for each"
    )
