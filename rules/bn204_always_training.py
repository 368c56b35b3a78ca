"""Always training.

## What it does
Reports a constant true `training` for a batch normalization, or for a layer or model that has one, inside the `call` of a layer or
model, or under Keras 2 while a functional model is built.

## Why is this bad?
The layer is in training mode in inference, too: a prediction depends on the other samples of its batch, and every prediction
overwrites the moving statistics. Measured with a constant in `call`: `evaluate` moves the statistics by 0.38 and `predict` by 0.14,
and the output of one sample changes by 0.77 with its batch mates.

## Bad
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=True)  # BN204


model = keras.Sequential([keras.Input((4,)), Block(), keras.layers.Dense(1)])
```

## Good
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=training)


model = keras.Sequential([keras.Input((4,)), Block(), keras.layers.Dense(1)])
```

## Fix safety
The fix passes the mode on, where the `call` around has a parameter for it. It is unsafe: predictions change, which is its purpose.

## Limits
Silent where the mode is what a caller chose, where it depends on a condition on the mode, where the normalization may be frozen, for
layers without batch normalization such as a dropout that is meant to stay on, and under Keras 3 in a functional model, where
`predict` and `fit` override the constant.

## Verify
Compares the output of one sample among different batch mates.

## References
- <https://github.com/keras-team/keras/issues/13762>
- <https://github.com/keras-team/keras/issues/10381>
- <https://community.deeplearning.ai/t/87440>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import Call, Edit, Finding, Fix, Program, Rule, fixed_modes, functions_around, normalizations, report

RULE = Rule(code="BN204", name="always-training", severity="error", fix="unsafe", supersedes=("BN203",))


def check(program: Program) -> Iterator[Finding]:
    for place in fixed_modes(program):
        norms = [norm for call in place.calls for norm in normalizations(program, call)]
        if not place.training or not norms or any(program.may_be_frozen(norm) for norm in norms):
            continue
        call = place.calls[0]
        assert call.layer is not None
        message = (
            f"{program.name(call.layer)} always runs in training mode: predictions depend on the other samples of their batch and "
            "overwrite the moving statistics; pass on the mode of the model"
        )
        yield report(RULE, place.span, message, fix=fix(call))


def fix(call: Call) -> Fix | None:
    """``training=training`` in place of the constant."""
    node, span, functions = call.context.node, call.training.span, functions_around(call.context)
    literal = isinstance(node, ast.Call) and any(
        each.arg == "training" and isinstance(each.value, ast.Constant) for each in node.keywords
    )
    if span is None or not literal or not functions or call.training.positional:
        return None
    parameters = functions[0].node.args
    if "training" not in [each.arg for each in (*parameters.args, *parameters.kwonlyargs)]:
        return None
    return Fix("Pass on training", "unsafe", (Edit(span, "training=training"),))
