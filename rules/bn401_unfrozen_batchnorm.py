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

## Limits
Silent for `weights=None`, for backbones without batch normalization (VGG, ConvNeXt), where the layers are frozen when the model is
compiled or trained, and where weights, flags or the backbone are not known. Training a whole backbone on a large data set with
large batches is legitimate: ignore the rule there.

## Verify
One `fit`: statistics inside the backbone that move confirm the finding.

## References
- <https://keras.io/guides/transfer_learning/>
- <https://github.com/keras-team/keras/issues/20285>
- <https://github.com/keras-team/keras/issues/9214>
- <https://github.com/keras-team/keras/issues/10045>
- <https://github.com/keras-team/keras/issues/6977>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Event, Finding, LayerV, ModelV, Program, Related, Rule, Span, is_constant, report

SETTLES = ("fit", "train_on_batch", "compile", "trainable", "evaluate", "predict")
RULE = Rule(code="BN401", name="unfrozen-batchnorm", severity="error", supersedes=("BN205", "BN211"))


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for _, history in program.histories():
        for number, event in enumerate(history):
            if not trains(program, event, history[number + 1 :]):
                continue
            for backbone, layers in unfrozen(program, event, history[:number]).items():
                cause = unfreezing(program, layers, history[:number])
                place = cause.span if cause is not None else backbone.site.span if backbone.site is not None else None
                if place is None or place in reported:
                    continue
                reported.add(place)
                yield report(RULE, place, message(program, backbone, layers), related=(Related(event.span, "trained here"),))


def trains(program: Program, event: Event, later: list[Event]) -> bool:
    """Whether an event trains a model: a fit, a compile that no fit in sight follows, a step of its own loop."""
    if event.kind in ("fit", "train_on_batch"):
        return True
    if event.kind == "update":
        return any(
            call.training.kind == "constant" and call.training.value
            for owner in event.affected
            for call in program.calls_of(owner)
        )
    if event.kind != "compile":
        return False
    if any(each.kind in SETTLES and each.target is event.target for each in later):
        return False
    elsewhere = [each for each in program.events(*SETTLES) if each.target is event.target and each.order > event.order]
    return not elsewhere


def unfrozen(program: Program, event: Event, before: list[Event]) -> dict[ModelV, list[LayerV]]:
    """The pretrained backbones in the model with those of their normalizations that are known to be trainable."""
    loaded = {id(each.target) for each in before if each.kind == "load" and each.target is not event.target}
    found: dict[ModelV, list[LayerV]] = {}
    for backbone in backbones(event):
        if backbone.weights != "pretrained" and id(backbone) not in loaded or protected(program, backbone):
            continue
        for layer in program.all_sublayers(backbone):
            trainable = event.snapshot.get(id(layer), (layer, None))[1]
            if program.is_batchnorm(layer) and is_constant(trainable, True) and not frozen_alone(program, layer, before):
                found.setdefault(backbone, []).append(layer)
    return found


def backbones(event: Event) -> list[ModelV]:
    """The models inside the one that is trained: nested, or flattened into it."""
    found = {id(layer.backbone): layer.backbone for layer, _ in event.snapshot.values() if layer.backbone is not None}
    found |= {id(layer): layer for layer, _ in event.snapshot.values() if isinstance(layer, ModelV)}
    return list(found.values())


def frozen_alone(program: Program, layer: LayerV, before: list[Event]) -> bool:
    """Whether normalizations were frozen by themselves before: what undid that is another fault."""
    freezes = [event for event in before if event.kind == "trainable" and is_constant(event.value, False)]
    spans = {event.span for event in freezes if event.target is layer}
    others = {event.span for event in freezes if isinstance(event.target, LayerV) and not program.is_batchnorm(event.target)}
    return bool(spans - others)


def protected(program: Program, backbone: ModelV) -> bool:
    """Whether a backbone runs in inference mode whatever ``fit`` says."""
    calls = program.calls_of(backbone)
    return bool(calls) and all(
        call.training.kind == "constant"
        and not call.training.value
        and (call.setting != "graph" or program.generation(backbone) == "2")
        for call in calls
    )


def unfreezing(program: Program, layers: list[LayerV], before: list[Event]) -> Event | None:
    """The last statement before that set one of the layers trainable, or at least says that it is."""
    wanted = {id(layer) for layer in layers}
    writes = [event for event in reversed(before) if event.kind == "trainable" and is_constant(event.value, True)]
    changed = next((event for event in writes if wanted & {id(each) for each in event.affected}), None)
    return changed or next((event for event in writes if wanted & covered(program, event)), None)


def covered(program: Program, event: Event) -> set[int]:
    """The layers that a statement is about, also where it changes nothing."""
    target = event.target
    return {id(each) for each in (target, *program.all_sublayers(target))} if isinstance(target, LayerV) else set()


def message(program: Program, backbone: ModelV, layers: list[LayerV]) -> str:
    name = backbone.application.rpartition(".")[2] or program.name(backbone)
    constant = any(call.training.kind == "constant" and not call.training.value for call in program.calls_of(backbone))
    norms = "1 batch normalization" if len(layers) == 1 else f"{len(layers)} batch normalizations"
    verb, owner = ("is", "its") if len(layers) == 1 else ("are", "their")
    text = f"{norms} of the pretrained {name} {verb} trainable here: training replaces {owner} statistics"
    if constant:
        text += " (fit of Keras 3 overrides training=False in a functional model)"
    return text + "; set trainable = False on its BatchNormalization layers before compile"
