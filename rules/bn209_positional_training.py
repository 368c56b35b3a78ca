"""Positional training argument.

## What it does
Reports a batch normalization, or a layer or model that has one, whose call is given `training` by position: `bn(x, training)`.

## Why is this bad?
Keras 3 takes nothing but tensors by position (`ValueError: Only input tensors may be passed as positional arguments. The
following argument value should be passed as a keyword argument: True (of type <class 'bool'>)`, in every release). Where the
value is None the call goes through, so that the error waits for the first `fit`. Keras 2 takes it.

## Bad
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return keras.ops.relu(self.bn(x, training))  # BN209
```

## Good
```python
import keras


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return keras.ops.relu(self.bn(x, training=training))
```

## Fix safety
The fix names the argument. It is safe: it means the same where the original works.

## Limits
Silent for Keras 2, for direct calls of the method `call`, for layers with a `__call__` of their own, for values that are neither
constants nor the flag of the surrounding `call`, and where versions are tested.

## Verify
Calls the layer again with a bool in the place of the flag: the ValueError confirms the finding, a call that goes through, or that
has no flag by position, refutes it.

## References
- <https://github.com/mindee/doctr/issues/47>
- <https://keras.io/guides/migrating_to_keras_3/>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import Bench, Call, Edit, Finding, Fix, FunctionV, Program, Rule, Span, Verdict, expects_an_error, report

RULE = Rule(code="BN209", name="positional-training", severity="error", fix="safe")


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for call in program.calls():
        if call.span in reported or not positional(program, call):
            continue
        assert call.layer is not None
        reported.add(call.span)
        text = (
            f"{program.name(call.layer)} is given training by position, which Keras 3 refuses with a ValueError; pass training="
        )
        yield report(RULE, call.training.span or call.span, text, fix=fix(program, call))


def positional(program: Program, call: Call) -> bool:
    """Whether a call hands a flag to Keras's own ``__call__`` among the inputs."""
    layer, training = call.layer, call.training
    if layer is None or not training.positional or program.generation(layer) == "2":
        return False
    if training.kind != "forwarded" and not isinstance(training.value, bool):
        return False
    own = layer.own_class.find("__call__") if layer.own_class is not None else None
    node = call.context.node
    direct = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "call"
    if direct or isinstance(own, FunctionV) or not program.holds_batchnorm(layer):
        return False
    return not expects_an_error(call.context) and not program.is_guarded_context(call.context)


def fix(program: Program, call: Call) -> Fix | None:
    """The argument by its name, where it is the last one by position."""
    node, span = call.context.node, call.training.span
    if not isinstance(node, ast.Call) or span is None or len(node.args) != 2 or isinstance(node.args[1], ast.Starred):
        return None
    return Fix("Pass training by name", "safe", (Edit(span, f"training={program.text(span)}"),))


def experiment(bench: Bench) -> Verdict:
    """Each call at the place with True and False for what stands by position behind the input: Keras must refuse one with a ValueError."""
    return bench.repeats.refused_by_position()
