"""Batch normalization in a gradient penalty.

## What it does
Reports a critic with trainable batch normalization that runs in training mode inside a gradient penalty: the gradient of its output
with respect to its input is part of the loss.

## Why is this bad?
A penalty such as that of WGAN-GP constrains the slope of the critic at each sample. In training mode, batch normalization makes each
output depend on the whole batch, so that what is taken for the slope at one sample also holds the influence of the others, and the
constraint is not the one that the method needs. Measured: the gradient of one score with respect to other samples is 0.0735, with
respect to its own sample 0.061; in inference mode, that of the others is 0. The authors of WGAN-GP leave batch normalization
out of the critic for this reason, and recommend layer normalization.

## Bad
```python
import keras
import tensorflow as tf

critic = keras.Sequential([keras.layers.Dense(64, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
optimizer = keras.optimizers.Adam(1e-4)


def critic_step(real, fake, weight=10.0):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(critic(fake, training=True)) - tf.reduce_mean(critic(real, training=True))
        mixed = real + tf.random.uniform((tf.shape(real)[0], 1)) * (fake - real)
        with tf.GradientTape() as penalty_tape:
            penalty_tape.watch(mixed)
            score = critic(mixed, training=True)  # BN308
        slope = tf.norm(penalty_tape.gradient(score, mixed), axis=1)
        loss += weight * tf.reduce_mean((slope - 1.0) ** 2)
    optimizer.apply_gradients(zip(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables))
```

## Good
```python
import keras
import tensorflow as tf

critic = keras.Sequential([keras.layers.Dense(64), keras.layers.LayerNormalization(), keras.layers.Dense(1)])
optimizer = keras.optimizers.Adam(1e-4)


def critic_step(real, fake, weight=10.0):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(critic(fake, training=True)) - tf.reduce_mean(critic(real, training=True))
        mixed = real + tf.random.uniform((tf.shape(real)[0], 1)) * (fake - real)
        with tf.GradientTape() as penalty_tape:
            penalty_tape.watch(mixed)
            score = critic(mixed, training=True)
        slope = tf.norm(penalty_tape.gradient(score, mixed), axis=1)
        loss += weight * tf.reduce_mean((slope - 1.0) ** 2)
    optimizer.apply_gradients(zip(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables))
```

## Limits
Silent for critics without batch normalization or with another one, for a penalty in inference mode, for a frozen critic, for gradients
that make an input (adversarial samples) and are not part of the loss, and for models that are not known.

## Verify
Calls the critic once more as at the place, and shakes the other samples of the batch, then the first one. Where the score of the first sample moves with
the others by more than 0.1 % of what it moves with itself, the finding is confirmed; below 0.001 % it is refuted.

## References
- <https://arxiv.org/abs/1704.00028>, section 4, "No critic batch normalization"
- <https://keras.io/examples/generative/wgan_gp/>
- <https://github.com/keras-team/keras/issues/12353>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Event,
    Finding,
    GradientStep,
    Inconclusive,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    gradient_steps,
    is_constant,
    norm_modes,
    origins,
    report,
)

RULE = Rule(code="BN308", name="batchnorm-in-gradient-penalty", severity="warning")


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    steps = gradient_steps(program)
    for penalty in steps:
        trainings = [event for step in steps if penalty in step.penalties for event in step.updates] + penalty.trains
        for call in penalty.calls if trainings else ():
            if call.span in reported or not is_differentiated(penalty, call) or not mixes(program, penalty, call, trainings):
                continue
            reported.add(call.span)
            assert call.layer is not None
            yield report(
                RULE,
                call.span,
                f"the gradient of {program.name(call.layer)} with respect to its input is part of the loss, and its batch normalization "
                "makes it depend on the other samples of the batch; use LayerNormalization, or none, in it",
                related=(Related(penalty.gradient.span, "the gradient is taken here"),),
            )


def is_differentiated(step: GradientStep, call: Call) -> bool:
    """Whether the gradient is one with respect to what a call is given."""
    return origins(step.world).reach(call.inputs, step.sources)


def mixes(program: Program, step: GradientStep, call: Call, trainings: list[Event]) -> bool:
    """Whether a normalization that is trained mixes the samples of the batch in a call."""
    snapshots = [event.snapshot for event in trainings]
    overridden = call.layer is not None and program.generation(call.layer) == "3"
    in_fit = ("none", "inference") if overridden else ("none",)
    modes = ("training", *(in_fit if step.trains else ()))
    return any(
        mode in modes and any(is_constant(snapshot[id(norm)][1], True) for snapshot in snapshots if id(norm) in snapshot)
        for norm, mode in norm_modes(program, call, step.world)
    )


def experiment(bench: Bench) -> Verdict:
    """Shakes the other samples of the batch, and looks at the score of the first: if it moves, so does its gradient.

    Without batch statistics the score does not hang on the others at all; in float32, some libraries sum in another order, which
    is worth 1e-6 of the score. The call's own arguments are taken, a batch made up where it is one in a graph.
    """
    call = bench.called(lambda layer: hasattr(layer, "call"))[0]
    batch, keywords = bench.observer.arguments_of(call)
    others, own = bench.observer.mate_effect(call.layer, batch, keywords)
    if own <= 0.0:
        raise Inconclusive("the score does not depend on the input")
    text = (
        f"the score of a sample moves by {others:.2g} with the other samples of its batch, and by {own:.2g} with its own values"
    )
    if 1e-5 <= others / own <= 1e-3:
        raise Inconclusive(text)
    return bench.decided(others / own > 1e-3, text, others=others, own=own)
