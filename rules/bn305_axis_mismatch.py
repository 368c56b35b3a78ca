"""Axis mismatch.

## What it does
Reports a batch normalization whose constant axis is not the channel axis of the convolution or pooling that feeds it: axis 1 behind
channels-last data, the last axis behind channels-first data.

## Why is this bad?
Keras normalizes each row or column of the picture instead of each channel, and says nothing. Measured: behind an 8 x 8 x 3
output, `axis=1` makes a gamma of 8 entries, one for each row; behind `data_format="channels_first"`, the default axis
makes one for each column. The model gets tied to one picture size, and the bias of the convolution, which a normalization over
its channels would cancel, is needed.

## Bad
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3, use_bias=False)(inputs)
x = layers.BatchNormalization(axis=1)(x)  # BN305
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
The fix writes the channel axis into the constructor. It is unsafe: gamma, beta and the statistics get other lengths, so that saved weights do
not load.

## Limits
Silent for tensors of rank 2 and for sequences with channels last, where an axis of 1 may mean the time steps; behind Flatten, Dense,
Permute, Reshape and whatever is not known; where the axis is not known, or where the layer does not name its data format and the
code in sight deals with `image_data_format`, or the input has the shape of a picture with its channels first, such as (3, 224, 224).

## Verify
Compares the axis that the layer keeps apart with the channel axis, by its `data_format`, of the layer that its input comes from, and the length of its statistics with the number
of channels. Another axis confirms the finding, the same one refutes it.

## References
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
- <https://github.com/keras-team/keras/issues/1921>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Edit,
    Finding,
    Fix,
    Inconclusive,
    LayerV,
    Program,
    Related,
    Rule,
    Span,
    TensorV,
    Verdict,
    report,
)

RULE = Rule(code="BN305", name="axis-mismatch", severity="error", fix="unsafe")
SETTLES = frozenset({"conv", "conv_transpose", "depthwise_conv", "separable_conv", "pool", "upsample", "crop", "pad"})
KEEPS = frozenset({"same"})


def check(program: Program) -> Iterator[Finding]:
    faults: dict[Span, tuple[LayerV, Call]] = {}
    for span, instances in program.sites("keras.layers.BatchNormalization"):
        found = [mismatch(program, layer, call) for layer in instances for call in program.calls_of(layer)]
        source = found[0] if found else None
        unused = any(not program.calls_of(layer) for layer in instances)
        if not unused and source is not None and all(each is not None for each in found):
            faults[span] = instances[0], source
    reported: set[Span] = set()
    for layer, source in faults.values():
        place = program.constructor_at_fault(layer, "axis", faults)
        if place in reported or source.layer is None:
            continue
        reported.add(place)
        axis, first = program.argument(layer, "axis"), data_format(program, source.layer) == "channels_first"
        message = (
            f"{program.name(layer)} normalizes over axis {axis}, but {program.name(source.layer)} in line {source.span.line} has its "
            f"channels on axis {1 if first else -1}: it has a gamma for each row or column instead of each channel; "
            f"{'pass axis=1' if first else 'leave the axis at its default, -1'}"
        )
        related = (Related(source.span, "the channels are settled here"),)
        yield report(RULE, place, message, related=related, fix=fix(program, layer, 1 if first else -1))


def fix(program: Program, layer: LayerV, axis: int) -> Fix | None:
    """The axis in place of the one given, or as the last argument."""
    site = layer.site
    if site is None or site.bound or layer.open_arguments or layer.own_class is not None:
        return None
    given, text = site.argument_spans.get("axis"), program.text(site.span)
    if given is not None:
        named = program.text(given).startswith("axis")
        return Fix(f"Use axis {axis}", "unsafe", (Edit(given, f"axis={axis}" if named else str(axis)),))
    if "axis" in site.keywords or not text.endswith(")"):
        return None
    place = Span(site.span.path, site.span.end_line, site.span.end_column - 1, site.span.end_line, site.span.end_column - 1)
    separator = "" if text[:-1].rstrip().endswith(("(", ",")) else ", "
    return Fix(f"Use axis {axis}", "unsafe", (Edit(place, f"{separator}axis={axis}"),))


def mismatch(program: Program, layer: LayerV, call: Call) -> Call | None:
    """The application that settles where the channels lie, if the normalization runs over another axis."""
    axis = program.argument(layer, "axis")
    if not isinstance(axis, int) or isinstance(axis, bool) or len(call.inputs) != 1:
        return None
    source = settled(program, call.inputs[0])
    if source is None or source.layer is None:
        return None
    rank = (program.info(source.layer).rank or 0) + 2  # type: ignore[union-attr]
    if not -rank <= axis < rank:
        return None
    layout = data_format(program, source.layer)
    if layout == "channels_last":
        return source if rank >= 4 and axis % rank == 1 and not is_picture_channels_first(program, source) else None
    return source if layout == "channels_first" and axis % rank == rank - 1 else None


def settled(program: Program, tensor: TensorV) -> Call | None:
    """The convolution or pooling whose channel axis a tensor has, through layers that keep all axes."""
    for _ in range(100):
        call = program.producer(tensor)
        layer = call.layer if call is not None else None
        if call is None or layer is None or len(call.inputs) != 1:
            return None
        info = program.info(layer)
        if info is None or (layer.own_class is not None and layer.own_class.find("call") is not None):
            return None
        if info.family in SETTLES:
            return call if info.rank else None
        if info.family not in KEEPS or info.name == "keras.layers.InputLayer":
            return None
        tensor = call.inputs[0]
    return None


def is_picture_channels_first(program: Program, call: Call) -> bool:
    """Whether the network's input, of 1 or 3 rows, is plainly a picture with its channels first: Keras is configured for it."""
    shape = None
    for _ in range(500):
        if not call.inputs:
            break
        shape = call.inputs[0].shape
        before = program.producer(call.inputs[0])
        if before is None:
            break
        call = before
    sizes = shape[1:] if shape is not None else ()
    return len(sizes) >= 3 and sizes[0] in (1, 3) and all(isinstance(each, int) and each > 4 for each in sizes[1:])


def data_format(program: Program, layer: LayerV) -> str | None:
    """The data format that a layer is given; channels last where nothing in sight deals with the format."""
    given = program.argument(layer, "data_format")
    if type(given) is str:
        return {"th": "channels_first", "tf": "channels_last"}.get(given, given)
    return "channels_last" if given is None and not program.mentions("image_data_format", "image_dim_ordering") else None


def experiment(bench: Bench) -> Verdict:
    """Compares the layer's axis with the channel axis of the layer with a data format that its input was made by.

    Lengths are told beside it: where a picture is as high as it has channels, only the axis shows the mistake.
    """
    found = [layout for norm in bench.made(bench.is_norm) for layout in bench.observer.layouts(norm)]
    if not found:
        raise Inconclusive("no layer with a data format is known to feed this one", shape=True)
    wrong = [each for each in found if each.channel_axis not in each.axes]
    layout = (wrong or found)[0]
    text = (
        f"it has {layout.length} means, for axis {layout.axes[0]}; {layout.source} has {layout.channels} channels, "
        f"on axis {layout.channel_axis}"
    )
    return bench.decided(bool(wrong), text, length=layout.length, channels=layout.channels)
