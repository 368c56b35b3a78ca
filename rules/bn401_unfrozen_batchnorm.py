"""Unfrozen batch normalization.

## What it does
Reports a pretrained backbone that is compiled for training, or trained, while its batch normalization is neither frozen nor (inside
the `call` of a subclassed model, or under Keras 2) run with `training=False`.

## Why is this bad?
The moving statistics of a backbone come from millions of images. Fine-tuning on a small data set replaces them within some
hundred steps, before the weights have followed; training accuracy looks fine and validation collapses. With Keras 3,
`base(x, training=False)` in a functional model does not protect them once the base is trainable: `fit` overrides the constant
(measured: the statistics move by 0.64, exactly as without it; they stay at 0.00 where the layers are frozen).

## Bad
```python
import keras

base = keras.applications.ResNet50(include_top=False, pooling="avg")
base.trainable = False
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
base.trainable = True  # BN401
model.compile("adam", "sparse_categorical_crossentropy")
```

## Good
```python
import keras

base = keras.applications.ResNet50(include_top=False, pooling="avg")
for layer in base.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
```

## Fix safety
The fix freezes the normalizations behind the statement that unfreezes them, or behind the constructor of the backbone. It is unsafe:
training changes, which is its purpose.

## Limits
Presets of keras_hub and keras_cv count by their names: an architecture ({names: architectures of presets}) and what it was trained on
({names: data of presets}).
Silent for `weights=None`, for backbones without batch normalization (VGG, ConvNeXt), where the layers are frozen when the model is
compiled or trained, where `fit` or the `train_step` runs them in inference mode, where a training goes on with the weights of all that
is trained or of what is saved in the same run, and where weights, flags or the backbone are not known. Training a whole backbone on a large data set with large batches is legitimate: ignore the rule there.

## Verify
Runs the code with its trainings cut to a step or two: moving statistics inside the backbone that move by more than 1e-7 in what is
trained behind the statement confirm the finding. A model that is only compiled is fitted once.

## References
- <https://keras.io/guides/transfer_learning/>
- <https://github.com/keras-team/keras/issues/20285>
- <https://github.com/keras-team/keras/issues/9214>
- <https://github.com/keras-team/keras/issues/10045>
- <https://github.com/keras-team/keras/issues/6977>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    LayerV,
    ModelV,
    Program,
    Related,
    Rule,
    Span,
    Training,
    Verdict,
    Writes,
    backbones,
    freezing_fix,
    in_inference_mode,
    missed_freezes,
    moved_in_training,
    normalizations_at,
    report,
    trainings,
)

RULE = Rule(code="BN401", name="unfrozen-batchnorm", severity="error", fix="unsafe", supersedes=("BN205", "BN211"))


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    missed = {id(layer) for loop in missed_freezes(program) for layer in loop.everywhere}
    for training in trainings(program):
        writes = training.writes
        for backbone, layers in unfrozen(training, writes).items():
            if all(id(layer) in missed for layer in layers):
                continue
            cause = writes.unfreezing(layers)
            place = cause.span if cause is not None else backbone.site.span if backbone.site is not None else None
            if place is None or place in reported:
                continue
            reported.add(place)
            constants = [Related(span, "this does not keep it in inference mode") for span in constant_calls(program, backbone)]
            related = (Related(training.event.span, "trained here"), *constants)
            fix = freezing_fix(program, cause, backbone, writes)
            yield report(RULE, place, message(program, backbone, layers), related=related, fix=fix)


def unfrozen(training: Training, writes: Writes) -> dict[ModelV, list[LayerV]]:
    """The pretrained backbones in the model with those of their normalizations that are known to be trained."""
    program = training.program
    found: dict[ModelV, list[LayerV]] = {}
    idle = training.idle()
    for backbone in backbones(training):
        if in_inference_mode(program, backbone):
            continue
        for layer in program.all_sublayers(backbone):
            trained = training.used(layer) and training.now(layer)  # where they differ the flag was set too late
            if program.is_batchnorm(layer) and id(layer) not in idle and trained and writes.overwriting(layer) is None:
                found.setdefault(backbone, []).append(layer)
    return found


def constant_calls(program: Program, backbone: ModelV) -> list[Span]:
    """The calls that say training=False."""
    calls = [call for call in program.calls_of(backbone) if call.training.kind == "constant" and not call.training.value]
    return [call.span for call in calls]


def message(program: Program, backbone: ModelV, layers: list[LayerV]) -> str:
    name = program.name(backbone)
    if backbone.kind == "loaded":
        return (
            f"the batch normalizations of the pretrained {name} are trainable here: training replaces their statistics; set "
            "trainable = False on its BatchNormalization layers before compile"
        )
    norms = "1 batch normalization" if len(layers) == 1 else f"{len(layers)} batch normalizations"
    verb, owner = ("is", "its") if len(layers) == 1 else ("are", "their")
    text = f"{norms} of the pretrained {name} {verb} trainable here: training replaces {owner} statistics"
    if constant_calls(program, backbone):
        text += " (fit of Keras 3 overrides training=False in a functional model)"
    return text + "; set trainable = False on its BatchNormalization layers before compile"


def experiment(bench: Bench) -> Verdict:
    """The course that the code takes, its trainings a step or two on data like its own: do statistics in the backbone move?

    Those of a frozen layer are equal bit by bit afterwards, so that a movement by more than 1e-7, the smallest step of a float32
    of the size of 1, confirms. Where the code only compiles, one fit of the model follows.
    """
    after, norms = normalizations_at(bench)
    return moved_in_training(bench, norms, after)
