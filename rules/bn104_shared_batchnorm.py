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
        self.conv2 = layers.Conv2D(32, 3, use_bias=False)
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
        self.conv2 = layers.Conv2D(32, 3, use_bias=False)
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
Runs the model in training mode on a few batches. Where the layer is applied to several tensors, and the statistics of the batches of one of them
are more than half a standard deviation away from the moving ones (root mean square over the channels, of the difference in mean and of the
one in deviation), and more than twice what they vary from batch to batch, the finding is confirmed. If they are not with the weights as initialised, gamma, beta
and biases are drawn at random, as a training may leave them. So it is where Keras refuses the second tensor, for it has other channels. A layer that is applied to one tensor
refutes it.

## References
- <https://github.com/keras-team/keras/issues/8794>
- <https://github.com/keras-team/keras/issues/6623>
- <https://github.com/keras-team/keras/issues/4689>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Inconclusive,
    LayerV,
    Option,
    Options,
    Program,
    Related,
    Rule,
    Sharing,
    Span,
    Verdict,
    refuses_its_input,
    report,
    sharings,
)

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


def experiment(bench: Bench) -> Verdict:
    """Batch statistics against moving ones, for each application in a forward pass.

    Half a standard deviation is far above what a batch of 16 leaves (a quarter in rank 2, less with positions), and enough to turn
    what an activation does to a channel. Tensors that are alike in made-up data need not be so in the user's: no verdict.
    """
    error = bench.raised(refuses_its_input)
    if error is not None:
        return bench.decided(True, f"Keras refuses to apply it to a second tensor: {bench.said(error)}")
    for stirred in (False, True):
        found = [each for layer in bench.made(bench.is_norm)[:3] if (each := bench.sharing(layer, stirred)) is not None]
        if not found:
            raise Inconclusive("no model applies the layer", shape=True)
        worst = max(found, key=lambda each: each.gap)
        if all(each.tensors < 2 for each in found):
            return bench.decided(False, "the layer is applied to one tensor in a forward pass", tensors=worst.tensors)
        weights = ", gamma, beta and biases drawn at random" if stirred else ""
        reason = (
            f"it is applied to {worst.tensors} tensors, and the statistics of one are {worst.gap:.2g} standard deviations away "
            f"from the moving ones{weights}"
        )
        if worst.gap > max(0.5, 2 * worst.noise):
            return bench.decided(True, reason, gap=worst.gap, noise=worst.noise, tensors=worst.tensors)
    raise Inconclusive(reason)
