"""Dropout before batch normalization.

## What it does
Reports a trainable batch normalization whose input comes from a Dropout, SpatialDropout, GaussianDropout or GaussianNoise, directly
or through linear layers, pooling and reshaping. With the option `pedantic = true`, also through activations and layers that have one.

## Why is this bad?
Dropout changes the variance of what it passes on, in training only. The normalization learns the variance with the noise in it and
divides by it in inference, where there is none. Measured: the standard deviation of the normalization's output, 1.0 in
training, is 0.71 in inference behind a rate of 0.5 (0.64 behind a ReLU, 0.90 at a rate of 0.2); linear layers between do not
help, and a max pooling makes it worse (0.52). Every layer behind sees inputs of another scale than those it was trained on.

## Bad
```python
import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((64,)),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.BatchNormalization(),  # BN304
        layers.Dense(10),
    ]
)
```

## Good
```python
import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((64,)),
        layers.Dense(128, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(10),
    ]
)
```

## Limits
Silent where the rate is not known or 0, where either layer gets a mode of its own, where the normalization may be frozen, for
AlphaDropout, behind a nonlinearity (which is reported with `pedantic = true`: a ReLU between does not help, measured 0.70 at a rate of
0.5), and behind another normalization, an addition, a concatenation or anything that is not known.

## Verify
Lets the moving statistics settle on a batch, with the noise, and compares the standard deviations of the normalization's output on this
batch in training and in inference. The rate decides how far they are apart: more than 2 %, and more than four standard errors, confirm the finding;
below 0.1 % it is refuted. What lies between stays open.

## References
- Li et al., *Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift* (2018)
- <https://github.com/keras-team/keras/issues/473>
- <https://stackoverflow.com/questions/39691902/ordering-of-batch-normalization-and-dropout>
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bnlint.api import (
    Bench,
    Call,
    Finding,
    Inconclusive,
    LayerV,
    Option,
    Options,
    Program,
    Related,
    Rule,
    Span,
    TensorV,
    Verdict,
    activation,
    fused,
    report,
)

PEDANTIC = Option("pedantic", False, "report dropout in front of a nonlinear layer and a normalization, too")
RULE = Rule(code="BN304", name="dropout-before-batchnorm", severity="warning", options=(PEDANTIC,))
NOISE = tuple(
    f"keras.layers.{name}"
    for name in ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise")
)
PASSES = frozenset({"pool", "global_pool", "flatten", "reshape", "permute", "crop", "pad", "upsample", "repeat_vector"})


def check(program: Program, options: Options) -> Iterator[Finding]:
    reported: set[Span] = set()
    discarded = {id(value) for world in program.worlds for value, _ in world.discards}  # BN101's
    for call in program.calls():
        norm = call.layer
        if norm is None or not program.is_batchnorm(norm) or norm.site is None or norm.site.span in reported:
            continue
        if not follows_fit(call) or program.may_be_frozen(norm) or len(call.inputs) != 1:
            continue
        if any(id(output) in discarded for output in call.outputs):
            continue
        source = noise_before(program, call.inputs[0], bool(options["pedantic"]))
        if source is None or source.layer is None:
            continue
        reported.add(norm.site.span)
        message = (
            f"{program.name(norm)} is trained behind {program.name(source.layer)} (line {source.span.line}): in inference, without "
            "the noise, the variance it has learnt is wrong; put the dropout behind the last batch normalization"
        )
        yield report(RULE, norm.site.span, message, related=(Related(source.span, "noise that exists in training only"),))


def follows_fit(call: Call) -> bool:
    """Whether a layer's mode is the one its model runs in."""
    return call.training.kind in ("absent", "forwarded")


def noise_before(program: Program, tensor: TensorV, pedantic: bool) -> Call | None:
    """The noise that reaches a tensor through nothing but linear layers, or (``pedantic``) activations."""
    for _ in range(100):
        call = program.producer(tensor)
        layer = call.layer if call is not None else None
        if call is None or len(call.inputs) != 1 or (layer is not None and has_own_call(layer)):
            return None
        if layer is None:
            if not pedantic or activation(program, call) is None:
                return None
        elif layer.symbol in NOISE:
            strength = strength_of(program, layer)
            if strength is None:
                return None
            if strength > 0:
                return call if follows_fit(call) else None
        elif not passes(program, layer) and not (pedantic and is_nonlinear(program, call, layer)):
            return None
        tensor = call.inputs[0]
    return None


def has_own_call(layer: LayerV) -> bool:
    return layer.own_class is not None and layer.own_class.find("call") is not None


def strength_of(program: Program, layer: LayerV) -> float | None:
    """The rate of a dropout, or the standard deviation of a noise; None where it is not known."""
    info = program.info(layer)
    value = program.argument(layer, info.dropout) if info is not None and info.dropout else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def is_nonlinear(program: Program, call: Call, layer: LayerV) -> bool:
    """Whether a layer is an activation, or a linear layer with one."""
    return activation(program, call) is not None or fused(program, layer) is not None


def passes(program: Program, layer: LayerV) -> bool:
    """Whether a layer leaves a change of its input's variance in its output, and adds no nonlinearity."""
    info = program.info(layer)
    if layer.symbol == "keras.layers.TimeDistributed" and len(layer.inner) == 1:
        return not has_own_call(layer.inner[0]) and passes(program, layer.inner[0])
    if info is None:
        return False
    if info.linear or layer.symbol == "keras.layers.Activation":
        return program.argument(layer, "activation") in (None, "linear")
    return info.family in PASSES


def _scale_matters(bench: Bench, norm: Any) -> bool:
    """Whether noise of a fixed size is added in a model whose data are made up, and so of another size than the user's."""
    model = bench.model_of(norm)
    return id(model) not in bench.trainer.known and any(type(each).__name__ == "GaussianNoise" for each in model.layers)


def experiment(bench: Bench) -> Verdict:
    """Compares the spread of the layer's output in inference with that in training, on one batch.

    The moving statistics are averages of the batch's own over twelve passes, with other noise in each; without noise both modes
    then give the same, to rounding. 2 % is what a dropout of 4 % does to the standard deviation.
    """
    shares = [bench.observer.inference_share(bench.model_of(norm), norm) for norm in bench.made(bench.is_norm)]
    known = [each for each in shares if each is not None]
    if not known:
        raise Inconclusive("the output of the layer does not vary")
    share, error = max(known, key=lambda each: abs(each[0] - 1))
    text = f"the standard deviation of its output in inference is {share:.3f} of that in training"
    if abs(share - 1) < 0.001:
        if any(_scale_matters(bench, norm) for norm in bench.made(bench.is_norm)):
            raise Inconclusive(f"{text}, but how much noise of a fixed size does hangs on data that are not here")
        return bench.decided(False, text, share=share, error=error)
    if abs(share - 1) < max(0.02, 4 * error):
        raise Inconclusive(f"{text}, with a standard error of {error:.3f}")
    return bench.decided(True, text, share=share, error=error)
