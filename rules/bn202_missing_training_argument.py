"""Missing training argument.

## What it does
Reports a subclassed `Model` that reaches a batch normalization and whose `call` has no parameter named `training`, where it is
compiled and fitted itself, or may be.

## Why is this bad?
`fit` of Keras 3 passes `training=True` only to a model whose `call` has a parameter of exactly that name. Without it the whole
model is trained in inference mode, with no warning: the moving statistics stay at 0 and 1 (measured: they move by 0.00
instead of 0.35) while gamma and beta are trained. `**kwargs`, `*args`, `is_training` and `train` do not help.
Keras 2 passes the mode on whatever the signature.

## Bad
```python
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x):  # BN202
        return self.bn(self.dense(x))


model = Net()
model.compile("adam", "mse")
```

## Good
```python
import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=training)


model = Net()
model.compile("adam", "mse")
```

## Limits
Silent for Keras 2, for layers and for models that are only parts of others (there the mode is passed on), for a keyword-only
`training`, where every batch normalization gets a constant on purpose or is frozen, where the class has its own `train_step`, where
the model is only called with `training=True` by a loop of its own, and where the class itself is handed to other code, which may
make it a part of something.

## Verify
One `fit` of three batches: moving statistics that move by less than 1e-7 while gamma moves confirm the finding.

## References
- <https://keras.io/guides/making_new_layers_and_models_via_subclassing/>
- <https://github.com/tensorflow/tensorflow/issues/33205>
- <https://github.com/tensorflow/tensorflow/issues/36848>
- <https://github.com/keras-team/keras/issues/13316>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import Call, ClassV, Finding, FunctionV, LayerV, ModelV, Program, Related, Rule, functions_around, report

RULE = Rule(code="BN202", name="missing-training-argument", severity="error", supersedes=("BN205", "BN210"))


def check(program: Program) -> Iterator[Finding]:
    reported: set[ast.AST] = set()
    for cls in program.classes("keras.Model"):
        function = cls.find("call")
        if not isinstance(function, FunctionV) or function.node in reported or has_parameter(function, "training"):
            continue
        if cls.find("__call__") or cls.find("train_step"):
            continue
        norm = next(filter(None, (reached(program, model) for model in outermost(program, cls))), None)
        span = program.name_span(function)
        if norm is None or span is None:
            continue
        reported.add(function.node)
        message = (
            f"call of {cls.name} has no parameter training: fit of Keras 3 runs it in inference mode, and its batch "
            "normalization never updates; add training=None and pass it on"
        )
        yield report(RULE, span, message, related=(Related(norm.span, "this batch normalization never updates"),))


def has_parameter(function: FunctionV, name: str) -> bool:
    parameters = function.node.args
    return any(each.arg == name for each in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs))


def outermost(program: Program, cls: ClassV) -> list[ModelV]:
    """The instances that are fitted themselves; where none is in sight, those that are no part of another layer."""
    models = [each for each in program.own_layers(cls) if isinstance(each, ModelV) and each.kind == "subclassed"]
    models = [each for each in models if program.generation(each) != "2"]
    fitted = {id(event.target) for event in program.events("compile", "fit", "train_on_batch")}
    chosen = [each for each in models if id(each) in fitted]
    if chosen:
        return chosen
    if program.is_passed_around(cls) or any(is_part(program, each) for each in models):
        return []
    return models


def is_part(program: Program, model: ModelV) -> bool:
    """Whether a model is held or called by another, or trained by a loop that passes the mode itself."""
    calls = program.calls_of(model)
    inside = any(call.parent is not None or call.setting == "graph" for call in calls)
    return bool(program.holders(model)) or inside or any(call.training.kind != "absent" for call in calls)


def reached(program: Program, model: ModelV) -> Call | None:
    """A trainable batch normalization that a model calls without saying which mode."""
    pending = [child for call in program.calls_of(model) for child in call.children]
    while pending:
        call = pending.pop(0)
        layer = call.layer
        if layer is None or call.training.kind == "unknown" or chosen(call):
            continue
        if program.is_batchnorm(layer) and not program.may_be_frozen(layer):
            return call
        known = isinstance(layer, ModelV) and layer.kind in ("functional", "sequential", "application")
        inner = program.all_sublayers(layer) if known else []
        if any(program.is_batchnorm(each) and not program.may_be_frozen(each) for each in inner):
            return call
        if not defaults_to_training(layer):
            pending.extend(call.children)
    return None


def chosen(call: Call) -> bool:
    """Whether a constant mode was written down, rather than left to a default that ``fit`` does not override."""
    if call.training.kind != "constant" or call.training.value is None:
        return False
    origin = getattr(call.training.source, "origin", None)
    functions = [function.node.args for function in functions_around(call.context)]
    return origin is None or not any(origin[1] in (*each.defaults, *each.kw_defaults) for each in functions)


def defaults_to_training(layer: LayerV) -> bool:
    """Whether the ``call`` of a project's layer is in training mode unless told otherwise."""
    function = layer.own_class.find("call") if layer.own_class is not None else None
    if not isinstance(function, FunctionV):
        return False
    names = [each.arg for each in function.node.args.args]
    defaults = dict(zip(names[len(names) - len(function.defaults) :], function.defaults))
    return getattr(defaults.get("training"), "value", None) is True
