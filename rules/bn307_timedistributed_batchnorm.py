"""Batch normalization in a TimeDistributed layer.

## What it does
Reports, under Keras 3, a TimeDistributed layer around a batch normalization, or around a model or layer that holds one.

## Why is this bad?
Keras 3 runs the inner layer once for each time step: in training, each step is normalized with its own batch statistics, while
all steps update the same moving statistics, one after the other. Inference then uses one mixture for all steps. Measured with
steps whose means are 0, 10 and 20: in training the outputs of all three steps have mean 0, in inference -11.3, -0.8 and
9.9, with a moving variance of 0.88. Keras 2 folds the steps into the batch and has no such gap.

A plain `BatchNormalization()` on the sequence normalizes each channel over samples and steps, in both modes.

## Bad
```python
import keras
from keras import layers

inputs = keras.Input((10, 64))
x = layers.TimeDistributed(layers.Dense(32, activation="relu"))(inputs)
x = layers.TimeDistributed(layers.BatchNormalization())(x)  # BN307
x = layers.LSTM(16)(x)
model = keras.Model(inputs, layers.Dense(1)(x))
```

## Good
```python
import keras
from keras import layers

inputs = keras.Input((10, 64))
x = layers.TimeDistributed(layers.Dense(32, activation="relu"))(inputs)
x = layers.BatchNormalization()(x)
x = layers.LSTM(16)(x)
model = keras.Model(inputs, layers.Dense(1)(x))
```

## Fix safety
The fix takes a batch normalization out of its TimeDistributed. It is unsafe: the layer gets another name and other statistics, so
that a trained model has to be trained again. There is no fix for a model inside a TimeDistributed: fold the time steps into the
batch around it, or put its normalizations outside.

## Limits
Silent under Keras 2, where the normalizations inside are or may be frozen, where a `call` runs the layer in inference mode, and for a model
with weights from elsewhere that nothing in sight trains. What a model or layer holds must be known.

## Verify
Gives the layer a sequence in which each step lies three standard deviations above the one before, until its moving statistics have settled, and compares the mean
output of each step in training and in inference. More than half a standard deviation between them confirms the finding, less than
a tenth refutes it.

## References
- <https://github.com/tensorflow/tensorflow/issues/30109>
- <https://keras.io/api/layers/recurrent_layers/time_distributed/>
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
    ModelV,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    report,
)

RULE = Rule(code="BN307", name="timedistributed-batchnorm", severity="warning", fix="unsafe")


def check(program: Program) -> Iterator[Finding]:
    for span, instances in program.sites("keras.layers.TimeDistributed"):
        faulty = [(layer, norm) for layer in instances for norm in learning(program, layer)]
        if not faulty:
            continue
        layer, norm = faulty[0]
        inner = layer.inner[0]
        held = program.name(norm) if norm is inner else f"{what(program, inner)} with its batch normalization"
        advice = (
            "normalize the whole sequence instead, without TimeDistributed" if norm is inner else "fold the steps into the batch"
        )
        message = (
            f"Keras 3 runs {held} on each time step by itself: in training each step has its own statistics, in inference "
            f"all share one mixture of them; {advice}"
        )
        related = (Related(norm.site.span, "normalizes each step"),) if norm.site is not None and norm is not inner else ()
        yield report(RULE, span, message, related=related, fix=fix(program, layer, instances))


def what(program: Program, layer: LayerV) -> str:
    """What a message calls a layer: a backbone by the constructor that made it."""
    return layer.application.rpartition(".")[2] if isinstance(layer, ModelV) and layer.application else program.name(layer)


def learning(program: Program, layer: LayerV) -> list[LayerV]:
    """The normalizations inside that learn statistics step by step."""
    if program.generation(layer) == "2" or len(layer.inner) != 1:
        return []
    calls = program.calls_of(layer)
    if calls and all(stays_in_inference(call) for call in calls):
        return []
    inside = [each for each in (layer.inner[0], *program.all_sublayers(layer.inner[0])) if program.is_batchnorm(each)]
    return [norm for norm in inside if not program.may_be_frozen(norm) and (is_own(norm) or is_trained(program, norm))]


def stays_in_inference(call: Call) -> bool:
    """Whether a call inside a ``call`` runs in inference mode, whatever the mode of its model; ``fit`` overrides one in a graph."""
    mode = call.training
    return call.setting == "call" and mode.kind == "constant" and mode.value is not None and not mode.value


def is_own(norm: LayerV) -> bool:
    """Whether a layer starts with fresh weights, and so will be trained."""
    return norm.weights == "random"


def is_trained(program: Program, norm: LayerV) -> bool:
    return any(id(norm) in event.snapshot for event in program.events("compile", "fit", "train_on_batch", "update"))


def fix(program: Program, layer: LayerV, instances: list[LayerV]) -> Fix | None:
    """The normalization alone, where nothing else is said about the pair."""
    inner = layer.inner[0]
    if layer.site is None or inner.site is None or not program.is_batchnorm(inner) or set(layer.arguments) != {"layer"}:
        return None
    if program.argument(inner, "axis") != -1 or any(program.argument(each.inner[0], "axis") != -1 for each in instances):
        return None
    outer, own = layer.site.span, inner.site.span
    return Fix("Normalize the whole sequence", "unsafe", (Edit(outer, program.text(own)),)) if within(own, outer) else None


def within(inner: Span, outer: Span) -> bool:
    return inner.path == outer.path and outer[1:3] <= inner[1:3] and inner[3:5] <= outer[3:5]


def experiment(bench: Bench) -> Verdict:
    """Compares each step's mean output in training with that in inference, on a sequence whose steps differ.

    Where all steps share their statistics, the moving statistics settle at those of the batch, and both modes give the same to
    rounding; where each step has its own, the mixture leaves the steps as far apart as they were.
    """
    layers = bench.made(lambda layer: bench.is_norm(layer) or hasattr(layer, "layer"))
    if not any(map(bench.observer.holds_norm, layers)):
        return bench.decided(False, "the layer holds no batch normalization")
    layers = [each for each in layers if bench.observer.holds_norm(each)]
    gaps = [found for layer in layers if (found := bench.observer.step_gap(bench.model_of(layer), layer)) is not None]
    if not gaps:
        raise Inconclusive("the model does not run the layer on a sequence", shape=True)
    gap, apart = max(gaps)
    text = f"the mean outputs of a step in training and in inference are {gap:.2g} standard deviations apart"
    if 0.1 <= gap <= 0.5:
        raise Inconclusive(text)
    return bench.decided(gap > 0.5, text, gap=gap, apart=apart)
