"""Trainable after compile.

## What it does
Reports a `trainable` that is written after `compile` and ignored by a later `fit` of the same model, because nothing compiles it
again in between; also one that a callback writes while `fit` runs, as for an unfreezing after some epochs.

## Why is this bad?
A compiled model keeps the flags that it had when its first `fit` began (Keras 3) or when it was compiled (Keras 2). What is written
later has no effect, without a warning: a freeze after the first `fit` leaves the statistics moving (measured: by 0.61) and gamma
training, an unfreeze trains nothing (0.00). On JAX the second `fit` raises. `summary()` shows the new split all the same. In a callback
only what is written before the first step counts (measured: an unfreeze in `on_train_begin` trains the layer, one in a later
`on_epoch_begin` moves it by 0.0).

## Bad
```python
import keras

data = keras.utils.image_dataset_from_directory("flowers")
base = keras.applications.ResNet50(include_top=False, pooling="avg")
base.trainable = False
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(data, epochs=5)
for layer in base.layers[-30:]:
    if not isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = True  # BN403
model.fit(data, epochs=5)
```

## Good
```python
import keras

data = keras.utils.image_dataset_from_directory("flowers")
base = keras.applications.ResNet50(include_top=False, pooling="avg")
base.trainable = False
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(data, epochs=5)
for layer in base.layers[-30:]:
    if not isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = True
model.compile(keras.optimizers.Adam(1e-5), "sparse_categorical_crossentropy")
model.fit(data, epochs=5)
```

## Fix safety
The fix repeats the `compile` before the `fit`, where both stand in one function. It is unsafe: the optimizer starts anew, and the
learning rate may have to be smaller.

## Limits
Silent for own training loops, `run_eagerly=True`, models that share the layers with another compiled model (the halves of a GAN),
models that code out of sight may have compiled, and, under Keras 3, for what is written between `compile` and the first `fit`: it
takes effect. Layers without weights are nothing to train. Of callbacks those are followed that `fit` gets in sight.

## Verify
Compiles and fits the model again, in a graph, with the flags that it had at each of these: layers whose weights move by more than 1e-7
although their flag was set to false, or stay although it was set to true, confirm the finding. Plain gradient descent takes the
place of the optimizer.

## References
- <https://github.com/keras-team/keras/issues/8585>
- <https://github.com/keras-team/keras/issues/9157>
- <https://github.com/eriklindernoren/Keras-GAN/issues/22>
- <https://keras.io/getting_started/faq/#how-can-i-freeze-layers-and-do-finetuning>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Event,
    Finding,
    LayerV,
    Program,
    Related,
    Rule,
    Span,
    Training,
    Verdict,
    Writes,
    compiled_elsewhere,
    heeded_by_fit,
    late_writes,
    may_have_weights,
    recompiling_fix,
    report,
    trainings,
)

RULE = Rule(code="BN403", name="trainable-after-compile", severity="error", fix="unsafe", supersedes=("BN401",))


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for training in trainings(program):
        if training.compiled is None or compiled_elsewhere(training):
            continue
        changed = [layer for layer in training.layers if is_changed(training, layer)]
        writes = Writes(program, [event for event in training.before if event.order > training.started.order])
        event = next((event for event in writes.events if any(last(writes, each) is event for each in changed)), None)
        if event is None or event.span in reported:
            continue
        reported.add(event.span)
        related = (Related(training.compiled.span, "compiled here"), Related(training.event.span, "trained here"))
        fix = recompiling_fix(training.compiled, training.event)
        yield report(RULE, event.span, message(training, event), related=related, fix=fix)
    for training, event in late_writes(program):
        if event.span not in reported:
            reported.add(event.span)
            text = (
                "this has no effect on the fit that is running, whose flags were read at its first step; "
                "end the fit, write the flags, compile the model again, and go on with another fit"
            )
            yield report(RULE, event.span, text, related=(Related(training.event.span, "trained here"),))


def is_changed(training: Training, layer: LayerV) -> bool:
    """Whether a layer would be trained otherwise if its model had been compiled again."""
    return may_have_weights(training.program, layer) and {training.used(layer), training.now(layer)} == {True, False}


def last(writes: Writes, layer: LayerV) -> Event | None:
    """The last statement that set a layer's flag."""
    return next((event for event in reversed(writes.events) if any(each is layer for each in event.affected)), None)


def message(training: Training, event: Event) -> str:
    program, target = training.program, event.target
    old = isinstance(target, LayerV) and program.generation(target) == "2"
    when = "when the model was compiled (Keras 2)" if old else "when the model was first trained (Keras 3)"
    return f"this has no effect on the fit that follows, whose flags were read {when}; compile the model again before the fit"


def experiment(bench: Bench) -> Verdict:
    """The fits of the code again, each with the flags that the user's began with, after one compilation where theirs was.

    Weights that a fit does not train are equal bit by bit behind it: layers written here that move by more than 1e-7 although
    their flag is false, or do not although it is true, confirm.
    """
    return heeded_by_fit(bench)
