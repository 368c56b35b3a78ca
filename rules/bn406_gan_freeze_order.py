"""Freeze order in a GAN.

## What it does
Reports, under Keras 3, a discriminator with batch normalization that is compiled, then set untrainable for the combined model before it
has been trained once, and then trained on its own.

## Why is this bad?
Under Keras 2, a compiled model keeps the flags that it had at `compile`, and this order is the classic way to train a GAN. Under Keras 3
it keeps those that it has when it is first trained: they are false by then, and the discriminator never trains, without an
error. Measured: with Keras 2 its kernels move by 0.0012 in a step, with Keras 3 (TensorFlow and JAX) by 0.0, its batch
normalization not at all.

## Bad
```python
import keras
import numpy as np

discriminator = keras.Sequential(
    [keras.Input((16,)), keras.layers.Dense(32, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
)
generator = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)])
discriminator.compile("adam", "mse")
discriminator.trainable = False  # BN406
gan = keras.Sequential([generator, discriminator])
gan.compile("adam", "mse")


def train(batches, noise):
    for real in batches:
        fake = generator.predict(noise)
        discriminator.train_on_batch(np.concatenate([real, fake]), np.r_[np.ones(len(real)), np.zeros(len(fake))])
        gan.train_on_batch(noise, np.ones(len(noise)))
```

## Good
```python
import keras
import tensorflow as tf

discriminator = keras.Sequential(
    [keras.Input((16,)), keras.layers.Dense(32, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
)
generator = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)])
optimizer = keras.optimizers.Adam()


def train_discriminator(real, noise):
    both = tf.concat([real, generator(noise)], axis=0)
    labels = tf.concat([tf.ones((len(real), 1)), tf.zeros((len(noise), 1))], axis=0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((discriminator(both, training=True) - labels) ** 2)
    gradients = tape.gradient(loss, discriminator.trainable_variables)
    optimizer.apply_gradients(zip(gradients, discriminator.trainable_variables))
```

## Limits
Silent under Keras 2, where the discriminator is trained once, compiled again or set trainable again before its first training after
the freeze, where no other model that holds it is compiled, and for discriminators without batch normalization.

## Verify
Compiles the discriminator again and fits it for a step or two, with the flags that it had at each of these: weights and statistics of the
layers frozen in this line of which none moves by more than 1e-7 confirm the finding.

## References
- <https://github.com/eriklindernoren/Keras-GAN/issues/22>
- <https://github.com/keras-team/keras/issues/8585>
- <https://github.com/the-deep-learners/deep-learning-illustrated/issues/2>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Event,
    Finding,
    LayerV,
    ModelV,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    first_training_moves,
    is_constant,
    report,
)

RULE = Rule(code="BN406", name="gan-freeze-order", severity="error", supersedes=("BN403", "BN407"))
TRAINS = ("fit", "train_on_batch")


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for _, history in program.histories():
        for model, compiled, between, trained in first_trainings(program, history):
            freeze = next((each for each in reversed(between) if freezes(program, each, model)), None)
            if freeze is None or freeze.span in reported or not is_frozen_by_it(program, model, compiled, trained[0]):
                continue
            if not any(holds(program, each, model) for each in history):
                continue
            reported.add(freeze.span)
            spans = dict.fromkeys(each.span for each in trained)
            yield report(
                RULE,
                freeze.span,
                f"{program.name(model)} is untrainable when it is trained for the first time, and Keras 3 reads the flags then: it never "
                "trains; train it once before this line, or in a step of your own",
                related=(Related(compiled.span, "compiled here"), *(Related(span, "trained here") for span in spans)),
            )


def first_trainings(program: Program, history: list[Event]) -> Iterator[tuple[ModelV, Event, list[Event], list[Event]]]:
    """The compilations of models with batch normalization: what happens until the first training, and the trainings."""
    for number, compiled in enumerate(history):
        model = compiled.target
        if compiled.kind != "compile" or not isinstance(model, ModelV) or program.generation(model) != "3":
            continue
        again = (place for place in range(number + 1, len(history)) if same(history[place], model, ("compile",)))
        later = history[number + 1 : next(again, len(history))]
        trained = [each for each in later if same(each, model, TRAINS)]
        if trained and program.holds_batchnorm(model):
            yield model, compiled, later[: later.index(trained[0])], trained


def same(event: Event, model: ModelV, kinds: tuple[str, ...]) -> bool:
    return event.target is model and event.kind in kinds


def freezes(program: Program, event: Event, model: ModelV) -> bool:
    """Whether an event sets a model, or a layer of it, untrainable."""
    parts = (model, *program.all_sublayers(model))
    return event.kind == "trainable" and is_constant(event.value, False) and any(event.target is each for each in parts)


def is_frozen_by_it(program: Program, model: ModelV, compiled: Event, trained: Event) -> bool:
    """Whether layers of a model were trainable when it was compiled, and none but normalizations is at its first training."""
    layers = [each for each in program.all_sublayers(model) if not isinstance(each, ModelV) and not program.is_batchnorm(each)]
    before = [compiled.snapshot[id(each)][1] for each in layers if id(each) in compiled.snapshot]
    after = [trained.snapshot[id(each)][1] for each in layers if id(each) in trained.snapshot]
    frozen = bool(after) and all(is_constant(value, False) for value in after)
    return frozen and any(is_constant(value, True) for value in before)


def holds(program: Program, event: Event, model: ModelV) -> bool:
    """Whether an event compiles a model in which another one is a part."""
    other = event.target
    inside = isinstance(other, LayerV) and other is not model and any(each is model for each in program.all_sublayers(other))
    return event.kind == "compile" and inside


def experiment(bench: Bench) -> Verdict:
    """The compilation and the first training of the discriminator again, each with the flags that the user's began with.

    Weights that are not trained are equal bit by bit: if none moves by more than 1e-7, it never trains.
    """
    return first_training_moves(bench)
