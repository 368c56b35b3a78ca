"""Untracked batch normalization.

## What it does
Reports a batch normalization that the `call` of a layer or model uses but does not own: one in an object that is no layer, in a closure, in a
class attribute, in a global.

## Why is this bad?
Keras finds the layers in the attributes of a model and in lists, tuples and dictionaries there, and looks into no other object. The weights
of the others are not in `model.weights` (measured: 2 weights instead of 6): the optimizer does not train gamma and beta, `save` leaves out
the moving statistics, `trainable = False` does not reach the layer.

## Bad
```python
import keras
from keras import layers


class ConvBlock:
    def __init__(self, filters):
        self.conv = layers.Conv2D(filters, 3, use_bias=False)
        self.norm = layers.BatchNormalization()  # BN107

    def __call__(self, x):
        return self.norm(self.conv(x))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [ConvBlock(32), ConvBlock(64)]

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x)
        return x
```

## Good
```python
import keras
from keras import layers


class ConvBlock(layers.Layer):
    def __init__(self, filters):
        super().__init__()
        self.conv = layers.Conv2D(filters, 3, use_bias=False)
        self.norm = layers.BatchNormalization()

    def call(self, x):
        return self.norm(self.conv(x))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [ConvBlock(32), ConvBlock(64)]

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x)
        return x
```

## Limits
Silent in functional models, whose layers are those of the graph, and for what lists, tuples and dictionaries on `self` hold at any depth. Sets
are tracked by Keras 3 only, `tf.Module` objects by Keras 2 only. Silent where some object made at the same place is owned, where weights
are collected by hand, and for models that are bound to a global name.

## Verify
Calls the model once: the finding is confirmed where it calls the layers made at the place, and none of their weights is in `model.weights`.

## References
- <https://github.com/tensorflow/tensorflow/issues/36848>
- <https://keras.io/guides/making_new_layers_and_models_via_subclassing/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Inconclusive,
    LayerV,
    Program,
    Related,
    Rule,
    Verdict,
    report,
    untracked,
)

RULE = Rule(code="BN107", name="untracked-batchnorm", severity="error")


def check(program: Program) -> Iterator[Finding]:
    for layer, pairs in untracked(program):
        if layer.site is not None:
            owner = pairs[0][1]
            places = dict.fromkeys(call.span for each, _ in pairs for call in program.calls_of(each))
            related = tuple(Related(place, "called here") for place in places)
            yield report(RULE, layer.site.span, message(program, layer, owner), related=related)


def message(program: Program, layer: LayerV, owner: LayerV) -> str:
    """Who uses what without owning it, and how to make it an owner."""
    name = program.name(layer)
    if not program.is_batchnorm(layer):
        name += ", which has batch normalization,"
    return (
        f"{name} is called by {program.name(owner)} but is not among its layers: it does not train and is not saved; keep it in "
        "an attribute of a layer or model, or make the object that holds it a Layer"
    )


def experiment(bench: Bench) -> Verdict:
    """Whether the weights of the layers that a forward pass uses are among those of the model."""
    counts = [count for each in bench.made() if (count := bench.tracked(each)) is not None]
    if not counts:
        raise Inconclusive("no model calls a layer that is made at this place")
    tracked, own, all_weights = max(counts)
    reason = f"{tracked} of its {own} weights are among the {all_weights} of the model that calls it"
    return bench.decided(tracked == 0, reason, tracked=tracked, weights=own)
