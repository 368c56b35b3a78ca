"""Missing training=True.

## What it does
Reports a forward call without a true `training` (absent, `None` or `False`) whose gradients are applied to weights of the model that
is called: under a `GradientTape`, in a `train_step`, in a function given to `value_and_grad` or `minimize`.

## Why is this bad?
A model that is called without `training=True` runs in inference mode, also under a gradient tape. Its batch normalization then
normalizes with moving statistics that nothing updates: they stay 0 and 1 while all weights train. Measured with Keras 2 and Keras 3,
eager and in a `tf.function`: the statistics move by 0.00 in a loop with `model(x)`, by 1.74 with `model(x, training=True)`; on JAX,
`stateless_call` without it returns the statistics unchanged.

## Bad
```python
import keras
import tensorflow as tf

model = keras.Sequential([keras.layers.Dense(8, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
optimizer = keras.optimizers.Adam()
loss_fn = keras.losses.MeanSquaredError()


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x))  # BN207
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss
```

## Good
```python
import keras
import tensorflow as tf

model = keras.Sequential([keras.layers.Dense(8, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
optimizer = keras.optimizers.Adam()
loss_fn = keras.losses.MeanSquaredError()


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss
```

## Fix safety
The fix passes `training=True`. It is unsafe: the model trains differently, which is its purpose.

## Limits
Silent for gradients that are not applied to the model (saliency, adversarial examples, style transfer), for calls of which only a
gradient reaches the loss (penalties), for the other network of a GAN step, for outputs that go through `stop_gradient`, for models
without batch normalization or with one that is frozen, always training by itself, or not known, for a mode that is
not known, for the normalizations of a pretrained backbone, which keep their statistics that way, and for meta-learning: a gradient
inside another one of the same model, or functions and classes with {names: meta-learning} in their names.

## Verify
Runs the step: a call under a tape that moves the moving statistics by less than 1e-7, while weights of the same layer move until the
end of the run, confirms the finding. Where the code's own step cannot be run to its end, gradient descent makes one through the same call. It is refuted where every such call moves them and every use of the code around it has been seen.

## References
- <https://keras.io/guides/writing_a_custom_training_loop_in_tensorflow/>
- <https://github.com/tensorflow/tensorflow/issues/32864>
- <https://github.com/tensorflow/tensorflow/issues/28028>
- <https://github.com/tensorflow/tensorflow/issues/31184>
- <https://github.com/keras-team/keras/issues/13316>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Edit,
    Finding,
    Fix,
    GradientStep,
    LayerV,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    gradient_steps,
    is_constant,
    is_meta_learning,
    norm_modes,
    report,
    with_keyword,
)

RULE = Rule(code="BN207", name="missing-training-true", severity="error", fix="unsafe")


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for step in gradient_steps(program):
        for call in step.calls:
            if call.span in reported or not step.updates or not idle(program, step, call):
                continue
            if step.is_nested or is_meta_learning(call.context):
                continue
            reported.add(call.span)
            assert call.layer is not None
            yield report(
                RULE,
                call.span,
                f"{program.name(call.layer)} is trained in inference mode: its batch normalization normalizes with moving "
                "statistics that are never updated; pass training=True",
                related=(Related(step.updates[0].span, "its weights are updated here"),),
                fix=fix(call),
            )


def idle(program: Program, step: GradientStep, call: Call) -> list[LayerV]:
    """The normalizations that a step trains while the call runs them in inference mode."""
    if call.setting == "graph":
        return []
    updated = {id(part) for owner in step.updated for part in (owner, *program.all_sublayers(owner))}
    asked = call.training.kind == "constant" and call.training.value is not None
    return [
        norm
        for norm, mode in norm_modes(program, call, step.world)
        if id(norm) in updated
        and mode in ("none", "inference")
        and norm.weights in (("random",) if asked else ("random", "loaded", "copied"))
        and any(is_constant(event.snapshot[id(norm)][1], True) for event in step.updates if id(norm) in event.snapshot)
    ]


def fix(call: Call) -> Fix | None:
    node, source, given = call.context.node, call.context.module.source, call.training
    if not isinstance(node, ast.Call) or given.positional or given.span is not None and given.span.path != call.span.path:
        return None
    keyword = next((each for each in node.keywords if each.arg == "training"), None)
    if keyword is not None:
        edit = Edit(source.span(keyword), "training=True") if isinstance(keyword.value, ast.Constant) else None
    else:
        edit = with_keyword(source, node, "training=True") if given.kind == "absent" else None
    return Fix("Pass training=True", "unsafe", (edit,)) if edit is not None else None


def experiment(bench: Bench) -> Verdict:
    """The user's own step: the call must leave the statistics alone, and the step must move other weights of the layer.

    Weights that are not trained are equal bit by bit, so that anything above the smallest step of a float32 counts (1e-7).
    """
    return bench.repeats.in_step()
