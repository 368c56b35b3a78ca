"""Real and fake in batches of their own.

## What it does
Reports a discriminator with trainable batch normalization that is trained on real and on generated samples separately: by two
`train_on_batch`, or by two calls in one gradient step. Pedantic: many published GANs do it on purpose, and it can help early on.

## Why is this bad?
In training mode, batch normalization subtracts the mean of the batch. What tells a batch of real samples from a batch of generated
ones as a whole is taken out before the discriminator sees it. Measured, for two classes that differ in their means only: trained on
separate batches, the scores are 0.50 and 0.50, in training and in inference; trained on batches of both, they are 0.95 and 0.05.

## Bad
```python
import keras
import tensorflow as tf

discriminator = keras.Sequential([keras.layers.Dense(32, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
generator = keras.Sequential([keras.layers.Dense(16)])
optimizer = keras.optimizers.Adam()


def train_discriminator(real, noise):
    fake = generator(noise)
    with tf.GradientTape() as tape:
        scores = discriminator(real, training=True)  # BN407
        others = discriminator(fake, training=True)
        loss = tf.reduce_mean(tf.nn.softplus(-scores)) + tf.reduce_mean(tf.nn.softplus(others))
    gradients = tape.gradient(loss, discriminator.trainable_variables)
    optimizer.apply_gradients(zip(gradients, discriminator.trainable_variables))
```

## Good
```python
import keras
import tensorflow as tf

discriminator = keras.Sequential([keras.layers.Dense(32, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
generator = keras.Sequential([keras.layers.Dense(16)])
optimizer = keras.optimizers.Adam()


def train_discriminator(real, noise):
    both = tf.concat([real, generator(noise)], axis=0)
    with tf.GradientTape() as tape:
        scores, others = tf.split(discriminator(both, training=True), 2)
        loss = tf.reduce_mean(tf.nn.softplus(-scores)) + tf.reduce_mean(tf.nn.softplus(others))
    gradients = tape.gradient(loss, discriminator.trainable_variables)
    optimizer.apply_gradients(zip(gradients, discriminator.trainable_variables))
```

## Limits
Generated is what comes from a call or a `predict` of another model. Silent where that is not known of one of the two batches, for a
frozen or unknown discriminator, and for one in inference mode.

## Verify
The mean scores of two sets of samples that differ in their means, in training mode, from separate batches and from one: a distance of
less than half in separate batches confirms the finding.

## References
- <https://github.com/keras-team/keras/issues/12353>
- <https://github.com/soumith/ganhacks>, "Construct different mini-batches for real and fake"
- <https://arxiv.org/abs/1606.03498>, "Improved Techniques for Training GANs"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnlint.api import (
    Bench,
    Call,
    Event,
    Finding,
    GradientStep,
    LayerV,
    ModelV,
    Program,
    Related,
    Rule,
    Span,
    TensorV,
    Value,
    Verdict,
    World,
    gradient_steps,
    is_constant,
    norm_modes,
    origins,
    report,
    told_apart,
)

RULE = Rule(code="BN407", name="split-real-fake-batches", severity="info", pedantic=True, supersedes=("BN104",))
Batch = tuple[Span, Sequence[Value]]


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for world, layer, batches in trained(program):
        pair = real_and_fake(world, layer, batches)
        if pair is None or reported.intersection(pair):
            continue
        reported.update(pair)
        first, second = sorted(pair)
        yield report(
            RULE,
            first,
            f"{program.name(layer)} sees real and generated samples in separate batches, and its batch normalization subtracts the mean "
            "of each: what tells the two apart is lost; put both into one batch",
            related=(Related(second, "the other batch"),),
        )


def trained(program: Program) -> Iterator[tuple[World, LayerV, list[Batch]]]:
    """The models with trainable batch normalization, and the batches that they are trained on together."""
    for step in gradient_steps(program):
        for layer in {id(call.layer): call.layer for call in step.calls if call.layer is not None}.values():
            batches: list[Batch] = [
                (call.span, call.inputs) for call in step.calls if call.layer is layer and learns(program, step, call)
            ]
            if len(batches) > 1 and not is_handed_on(step, layer):
                yield step.world, layer, batches
    for world in program.worlds:
        places: dict[object, list[Event]] = {}
        for event in world.events:
            if event.kind == "train_on_batch" and isinstance(event.target, ModelV) and is_trained(program, world, event):
                function = event.context.function.node if event.context.function is not None else None
                places.setdefault((id(event.target), function), []).append(event)
        for events in places.values():
            target = events[0].target
            assert isinstance(target, ModelV)
            yield world, target, [(event.span, samples(event)) for event in events]


def is_handed_on(step: GradientStep, layer: LayerV) -> bool:
    """Whether another model of a step takes what this one gives: it is no discriminator then, but one that generates."""
    given = [each for call in step.calls if isinstance(call.layer, ModelV) and call.layer is not layer for each in call.inputs]
    behind = (each.call for each in origins(step.world).of(given) if isinstance(each, TensorV))
    return any(call is not None and call.layer is layer for call in behind)


def learns(program: Program, step: GradientStep, call: Call) -> bool:
    """Whether a call of a step runs normalizations in training mode that the step updates."""
    updates = [event.snapshot for event in step.updates if any(owner in event.affected for owner in step.differentiated)]
    return any(
        mode == "training" and any(id(norm) in each and is_constant(each[id(norm)][1], True) for each in updates)
        for norm, mode in norm_modes(program, call, step.world)
    )


def is_trained(program: Program, world: World, event: Event) -> bool:
    """Whether the model of a training has batch normalization that is trainable: under Keras 2, when it was compiled."""
    model = event.target
    if isinstance(model, LayerV) and program.generation(model) == "2":
        compiled = [
            each for each in world.history() if each.kind == "compile" and each.target is model and each.order < event.order
        ]
        event = compiled[-1] if compiled else event
    return any(program.is_batchnorm(each) and is_constant(value, True) for each, value in event.snapshot.values())


def samples(event: Event) -> list[Value]:
    """What a ``train_on_batch`` is given to learn from."""
    return [value for name, value in event.arguments.items() if name in ("0", "x")]


def real_and_fake(world: World, layer: LayerV, batches: list[Batch]) -> tuple[Span, Span] | None:
    """A batch of samples that are not generated and one of samples that are; None where there are not both."""
    made = {span: is_generated(world, layer, values) for span, values in batches}
    real = next((span for span, generated in made.items() if not generated), None)
    fake = next((span for span, generated in made.items() if generated), None)
    return (real, fake) if real is not None and fake is not None else None


def is_generated(world: World, layer: LayerV, values: Sequence[Value]) -> bool:
    """Whether samples come from another model."""
    for each in origins(world).of(values):
        maker = each.call.layer if isinstance(each, TensorV) and each.call is not None else each
        if isinstance(maker, ModelV) and maker is not layer:
            return True
    return False


def experiment(bench: Bench) -> Verdict:
    """The scores of two sets of samples that differ in their means alone, in training mode: from a batch each, and from one of both.

    If separate batches leave less than half of the distance of the mean scores, the larger part of what the means tell is lost. More may
    be left by layers around the normalization, which says nothing about training: that decides nothing. One batch a step refutes.
    """
    return told_apart(bench)
