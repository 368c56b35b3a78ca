"""Discarded batch normalization.

## What it does
Reports a batch normalization that is made, or applied to a tensor, as a statement of its own: the result is thrown away.

## Why is this bad?
Layers of the functional API change nothing in place. `BatchNormalization()(x)` as a bare statement makes a node that no
output depends on: the model is built without the layer (measured: 0 of 1 in `model.layers`, 4 weights instead of 8), with
no error and no warning, and trains without normalization.

## Bad
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3, use_bias=False)(inputs)
layers.BatchNormalization()(x)  # BN101
x = layers.ReLU()(x)
model = keras.Model(inputs, x)
```

```python
from keras import Sequential, layers

model = Sequential()
model.add(layers.Dense(64))
layers.BatchNormalization()  # BN101
model.add(layers.ReLU())
model.add(layers.Dense(10))
```

## Good
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(16, 3, use_bias=False)(inputs)
x = layers.BatchNormalization()(x)
x = layers.ReLU()(x)
model = keras.Model(inputs, x)
```

## Fix safety
The fix binds the result to the variable it was computed from, or adds the layer to the model to which the statements beside it add. It is unsafe: the model gets the layer, so that it trains
differently and older checkpoints do not fit.

## Limits
Silent where a layer or model that exists already is called on data, to build it or to refresh its statistics, where the result of
a helper is used elsewhere, and in tests that expect an error.

## Verify
Runs the models and changes all weights of the layer, after shaking all other weights a little. Where no output of any model changes at all, in
training or inference mode, and no gradient leads to the layer, or where the layer has no weights yet after a forward pass, the finding is confirmed.

## References
- <https://github.com/yashk2810/MNIST-Keras/issues/4>
- <https://github.com/tensorflow/tensorflow/issues/40249>
- <https://stackoverflow.com/questions/34716454/where-do-i-call-the-batchnormalization-function-in-keras>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Context,
    Edit,
    Finding,
    Fix,
    Inconclusive,
    LayerV,
    Program,
    Rule,
    Span,
    TensorV,
    Value,
    Verdict,
    expects_an_error,
    report,
)

RULE = Rule(code="BN101", name="discarded-batchnorm", severity="error", fix="unsafe", supersedes=("BN102",))


def check(program: Program) -> Iterator[Finding]:
    found: dict[Span, list[tuple[Value, Context, LayerV | None]]] = {}
    for world in program.worlds:
        for value, context in world.discards:
            if other_layer(program, value):
                continue
            found.setdefault(context.span, []).append((value, context, discarded(program, value, context)))
    for span, discards in found.items():
        value, context, layer = discards[0]
        if layer is None or any(each is None for _, _, each in discards) or program.is_uncertain(context.function):
            continue
        name = program.name(layer)
        if isinstance(value, TensorV):
            message = f"the result of {name} is thrown away, so that the model is built without it; assign it to the tensor"
        else:
            message = f"{name} is made and thrown away, so that no model gets it; call it on a tensor or add it to the model"
        yield report(RULE, span, message, fix=fix(value, context))


def other_layer(program: Program, value: Value) -> bool:
    """Whether what is thrown away is known to be no batch normalization, as of some layers in a loop over all."""
    layer = value.call.layer if isinstance(value, TensorV) and value.call is not None else value
    return isinstance(layer, LayerV) and program.holds_batchnorm(layer) is False


def discarded(program: Program, value: Value, context: Context) -> LayerV | None:
    """The batch normalization that an expression statement throws away."""
    if expects_an_error(context):
        return None
    if isinstance(value, LayerV) and not context.guarded:
        made_here = program.is_batchnorm(value) and value.site is not None and value.site.span == context.span
        used = program.calls_of(value) or program.holders(value) or program.escapes(value)
        return value if made_here and not used else None
    if isinstance(value, TensorV) and value.call is not None and not used_later(program, value):
        return lost(program, value.call, context)
    return None


def used_later(program: Program, tensor: TensorV) -> bool:
    return bool(
        program.consumers(tensor) or program.escapes(tensor) or program.models_ending_in(tensor) or program.aliases(tensor)
    )


def lost(program: Program, call: Call, context: Context) -> LayerV | None:
    """The batch normalization whose application nobody uses: made in this statement, or meant for a graph or a ``call``."""
    layer = call.layer
    if layer is None or not program.is_batchnorm(layer) or call.training.kind == "constant":
        return None
    made = layer.context
    fresh = made is not None and any(each.statement is context.statement for each in made.chain())
    alone = len(program.calls_of(layer)) == 1
    return layer if fresh or (alone and call.setting in ("graph", "call")) else None


def fix(value: Value, context: Context) -> Fix | None:
    """``x = `` before a call of ``x``; ``model.add(`` around a layer, where the statements beside it add to ``model``."""
    node, span = context.node, context.span
    before = Span(span.path, span.line, span.column, span.line, span.column)
    if isinstance(value, LayerV):
        model = model_beside(context)
        behind = Span(span.path, span.end_line, span.end_column, span.end_line, span.end_column)
        return Fix("Add it to the model", "unsafe", (Edit(before, f"{model}.add("), Edit(behind, ")"))) if model else None
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Name):
        return None
    return Fix("Assign the result", "unsafe", (Edit(before, f"{node.args[0].id} = "),))


def model_beside(context: Context) -> str:
    """The one model to which the statements before and behind add layers."""
    scope = context.function.node if context.function is not None else context.module.tree
    for node in ast.walk(scope):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if isinstance(block, list) and context.statement in block:
                number = block.index(context.statement)
                models = {added_to(each) for each in (*block[:number][-1:], *block[number + 1 :][:1])}
                return models.pop() if len(models) == 1 else ""
    return ""


def added_to(statement: ast.stmt) -> str:
    """``model`` in ``model.add(...)``."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    adds = isinstance(function, ast.Attribute) and function.attr == "add"
    return ast.unparse(function.value) if isinstance(function, ast.Attribute) and adds else ""


def experiment(bench: Bench) -> Verdict:
    """Whether any output of the models depends on the layers at the place, made there or called there.

    An unused layer takes no part in the arithmetic, so that the outputs are the same bit for bit: the threshold is 0.
    """
    try:
        layers = [call.layer for call in bench.called(bench.is_norm)]
    except Inconclusive:
        layers = bench.made(bench.is_norm)
    return bench.used(list({id(each): each for each in layers}.values()))
