"""Redundant bias.

## What it does
Reports a linear layer (Dense, a convolution of any kind) whose bias is cancelled by the batch normalization that follows it,
directly or through operations that commute with adding a constant to each channel, such as pooling, cropping or an addition.

## Why is this bad?
In training mode, batch normalization subtracts the mean of each channel, and with it whatever the bias added: adding 3 to
such a bias changes the training outputs by 1e-14. The bias costs memory, and under Adam it is not even idle: its
gradient is rounding noise, which Adam rescales to full steps, so that it drifts (up to 7e-3 in ten epochs) and moves
predictions while the moving mean lags behind. The layer's own `beta` does what the bias was meant to do.

## Bad
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3)(inputs)  # BN301
x = layers.BatchNormalization()(x)
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
The fix passes `use_bias=False`. It is unsafe: training goes on as before, but saved weights of the model do not fit any
more (`load_weights` raises, and `skip_mismatch=True` silently leaves the layer random).

## Limits
Silent where another consumer may need the bias, where `use_bias` or the consumer is not known, where the normalization runs
over another axis, may be frozen or runs in inference mode only (a model that another script builds again to evaluate it does not
count, where the same code is trained in sight), with `renorm=True`, and behind padding, dropout, a
nonlinearity, or a reshape that mixes channels. A bias with its own initializer, regularizer or constraint is reported
without a fix, and so is one in front of a normalization that BN303 wants removed. Where a function returns the constructor with the
keywords that it is given, and only some of its layers have their bias in vain, the calls of these are reported.

## Verify
Shifts the bias and compares the outputs in training mode: a relative change below 1e-3 confirms the finding.

## References
- Ioffe and Szegedy, *Batch Normalization* (2015), section 3.2: "the bias b can be ignored"
- <https://github.com/keras-team/keras/issues/1802>
- <https://github.com/keras-team/keras-cv/issues/629>
- <https://github.com/matterport/Mask_RCNN/issues/1455>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Edit,
    End,
    Finding,
    Fix,
    Inconclusive,
    LayerV,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    as_trained,
    by_call,
    output_norms,
    report,
    shift_ends,
)

RULE = Rule(code="BN301", name="redundant-bias", severity="warning", fix="unsafe")
OWN_BIAS = ("bias_initializer", "bias_regularizer", "bias_constraint")


def check(program: Program) -> Iterator[Finding]:
    outputs = {id(each.call) for each in output_norms(program)}  # BN303's: without them the bias is needed
    faults: dict[Span, list[tuple[LayerV, End]]] = {}
    for span, instances in program.sites("keras.layers.Layer"):
        ends = fault(program, span, instances)
        if ends:
            faults[span] = ends
        elif any(redundant(program, layer) for layer in instances):
            faults.update((call, found) for call, made in by_call(instances) if (found := fault(program, call, made)))
    reported: set[Span] = set()
    for span, ends in faults.items():
        layer, end = ends[0]
        wrapped = layer.site is None or span != layer.site.span
        place = span if wrapped else program.constructor_at_fault(layer, switch(program, layer), faults)
        if place in reported or end.call is None:
            continue
        reported.add(place)
        through = "" if end.direct else ", through operations that keep it"
        message = (
            f"bias of {name(program, [each for each, _ in ends])} is cancelled by the batch normalization{where(end.call.span, place)}{through}"
            f"; pass {switch(program, layer)}=False"
        )
        if any(each.weights in ("loaded", "pretrained") for each, _ in ends):
            message += " (weights saved with the bias would no longer load)"
        normalized = Related(end.call.span, "normalized here")
        fixable = layer.site is not None and place == layer.site.span and not any(id(each.call) in outputs for _, each in ends)
        yield report(RULE, place, message, related=(normalized,), fix=fix(program, layer) if fixable else None)


def fault(program: Program, span: Span, instances: list[LayerV]) -> list[tuple[LayerV, End]]:
    """The layers made at a place, where all of them have a bias in vain, as far as they are trained in sight."""
    trained = [layer for layer in instances if not only_evaluated(program, layer)]
    ends = [found for layer in trained for found in redundant(program, layer)]
    site, context = instances[0].site, instances[0].context
    around = context.chain() if context is not None else []
    function = (
        site.function if site and site.span == span else next((each.function for each in around if each.span == span), None)
    )
    certain = not program.made_without_batchnorm(span) and not program.is_uncertain(function)
    return ends if certain and len(ends) == len(trained) else []


def name(program: Program, instances: list[LayerV]) -> str:
    """What the layers made at a site are called: their class, where their names differ."""
    names = {program.name(layer) for layer in instances}
    return names.pop() if len(names) == 1 else program.name(instances[0]).partition(" ")[0]


def where(span: Span, place: Span) -> str:
    """The line of the normalization, in the same file; in a notebook, lines count from each cell and tell little."""
    return f" in line {span.line}" if span.path == place.path and not span.path.endswith(".ipynb") else " behind it"


def redundant(program: Program, layer: LayerV) -> list[tuple[LayerV, End]]:
    """The layer with the first normalization that cancels its bias; nothing where any use of it may need the bias.

    The layer inside a TimeDistributed stands for the pair.
    """
    layer, ends = ends_of_bias(program, layer)
    return [(layer, ends[0])] if ends and all(end.cancelled for end in ends) else []


def only_evaluated(program: Program, layer: LayerV) -> bool:
    """Whether a layer is a copy for inference, made at the same place as those that are trained, and has a bias in vain as these."""
    _, ends = ends_of_bias(program, layer)
    return any(end.idle for end in ends) and all(end.cancelled or end.idle for end in ends)


def ends_of_bias(program: Program, layer: LayerV) -> tuple[LayerV, list[End]]:
    """A linear layer, which may be inside a TimeDistributed, and where what its bias adds ends; nothing where that is not known."""
    outer = layer
    if program.is_a(layer, "keras.layers.TimeDistributed") and len(layer.inner) == 1:
        layer = layer.inner[0]
    info = program.info(layer)
    if info is None or not info.bias or not info.linear or (layer.own_class is not None and layer.own_class.find("call")):
        return layer, []
    arguments = program.arguments(layer)
    if (
        info.bias.axis == "special"
        or arguments.get(info.bias.parameter) is not True
        or arguments.get("activation") not in (None, "linear")
    ):
        return layer, []
    if arguments.get("activity_regularizer") is not None:  # the loss takes the output itself
        return layer, []
    axis = program.channel_axis(outer)
    calls = program.calls_of(outer)
    if axis is None or not calls or program.escapes(layer):
        return layer, []
    return layer, [end for call in calls for output in call.outputs for end in shift_ends(program, output, axis, outer)]


def switch(program: Program, layer: LayerV) -> str:
    """The argument that switches the bias."""
    info = program.info(layer)
    return info.bias.parameter if info is not None and info.bias else "use_bias"


def fix(program: Program, layer: LayerV) -> Fix | None:
    """``use_bias=False`` in place of the argument, or as the last one."""
    if layer.site is None or any(name in layer.arguments for name in OWN_BIAS):
        return None
    name = switch(program, layer)
    given = layer.site.argument_spans.get(name)
    if given is not None:
        edit = Edit(given, f"{name}=False")
    else:
        span = layer.site.span
        text = program.text(span)
        if not text.endswith(")"):
            return None
        separator = "" if text.rstrip(")").rstrip().endswith(("(", ",")) else ", "
        place = Span(span.path, span.end_line, span.end_column - 1, span.end_line, span.end_column - 1)
        edit = Edit(place, f"{separator}{name}=False")
    return Fix(f"Pass {name}=False", "unsafe", (edit,))


def experiment(bench: Bench) -> Verdict:
    """Shifts the biases of all layers made at the site by 1 and compares the models' outputs in training mode.

    The shift is far above anything that rounding does to a model in float32 (measured beside it, at most 1e-4 of the outputs'
    scale in ResNet50), and epsilon has no part in it, for a constant leaves the variance as it is: below 1e-3 it has no effect.
    """
    made = bench.made()
    layers = [each for each in made if bench.bias_of(each) is not None]
    if not layers:
        if not any(getattr(each, "built", False) for each in made):
            raise Inconclusive("the layer is called on nothing")
        return bench.decided(False, "the layer has no bias")
    changes, noises = [], []
    for model in {id(each): each for each in map(bench.model_of, layers)}.values():
        as_trained(bench, model)
        before, again = (training_outputs(bench, model) for _ in range(2))
        with bench.restored(model):
            for layer in layers:
                if bench.model_of(layer) is model:
                    bench.shift(bench.bias_of(layer), 1.0)
            changes.append(bench.relative_change(before, training_outputs(bench, model)))
        noises.append(bench.relative_change(before, again))
    change, noise = max(changes), max(noises)
    if noise > 1e-3:
        raise Inconclusive(f"the outputs in training mode change by {noise:.0e} from one call to the next", final=True)
    which = "this bias" if len(layers) == 1 else f"the {len(layers)} biases made here"
    return bench.decided(
        change < 1e-3, f"shifting {which} by 1 changes the training outputs by {change:.0e}", change=change, noise=noise
    )


def training_outputs(bench: Bench, model: object) -> list[object]:
    """A model's outputs in training mode, from the same weights, statistics and random states each time."""
    with bench.restored(model):
        return bench.outputs(model, bench.batch(model), training=True)
