"""Unused batch normalization.

## What it does
Reports a batch normalization that is bound to a name or an attribute which nothing reads: it is never called, or its result goes nowhere.

## Why is this bad?
The model goes on with the tensor that was not normalized, and nobody says so. Measured: a layer in `__init__` that `call` never calls
stays unbuilt and has 0 weights, while `fit`, `save` and `load` all succeed; where the result is not used, gamma and beta get no gradient
and move by 0.0, though the moving statistics move by 0.10.

## Bad
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
conv = layers.Conv2D(16, 3, use_bias=False)(inputs)
norm = layers.BatchNormalization()(conv)  # BN102
act = layers.ReLU()(conv)
model = keras.Model(inputs, act)
```

## Good
```python
import keras
from keras import layers

inputs = keras.Input((32, 32, 3))
conv = layers.Conv2D(16, 3, use_bias=False)(inputs)
norm = layers.BatchNormalization()(conv)
act = layers.ReLU()(norm)
model = keras.Model(inputs, act)
```

## Limits
Only names and attributes that no source in sight reads are reported, and attributes only of a class whose `call` was followed; silent
where `getattr`, `vars`, `__dict__` or `self.layers` may reach the attribute, where a base class is out of view, and for what is returned,
given away or put where other code may find it.

## Verify
The layer is not built after a forward pass, or its gamma has no gradient.

## References
- <https://github.com/keras-team/keras/issues/8605>
- <https://github.com/tensorflow/tensorflow/issues/40249>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import Call, Context, Finding, LayerV, Program, Rule, expects_an_error, report

RULE = Rule(code="BN102", name="unused-batchnorm", severity="error")
REFLECTION = ("getattr", "vars(", "__dict__", "self.layers", "model.layers", "_layers", "submodules", "locals(", "attrgetter")


def check(program: Program) -> Iterator[Finding]:
    for span, instances in program.sites("keras.layers.BatchNormalization"):
        reasons = (unused(program, layer) for layer in instances if not is_abstract(program, layer))
        first = next(reasons, "")
        if first and all(reasons):
            message = f"{program.name(instances[0])} {first}, so that nothing is normalized; use it or remove it"
            yield report(RULE, span, message)


def is_abstract(program: Program, layer: LayerV) -> bool:
    """Whether a layer was made for an object whose ``call`` does nothing, as that of an abstract base class."""
    calls = [call for holder in program.holders(layer) for call in program.calls_of(holder)]
    return bool(calls) and not program.calls_of(layer) and not any(call.children for call in calls)


def unused(program: Program, layer: LayerV) -> str:
    """How a batch normalization is not used; nothing where it may be."""
    calls = program.calls_of(layer)
    if layer.context is None or program.escapes(layer) or expects_an_error(layer.context) or layer.context.guarded:
        return ""
    if calls:
        return "is called and its result is not used" if all(goes_nowhere(program, call) for call in calls) else ""
    holders = program.holders(layer)
    if holders:
        return "is never called" if all(never_reads(program, holder, layer) for holder in holders) else ""
    bound = bound_name(layer.context)
    return "is made and never called" if bound and not is_read(program, layer.context, bound) else ""


def goes_nowhere(program: Program, call: Call) -> bool:
    """Whether the result of a call gets a name that nobody reads, while others use the input instead."""
    bound = bound_name(call.context)
    if call.setting == "eager" or call.training.kind == "constant" or not bound or is_read(program, call.context, bound):
        return False
    taken = any(program.consumers(each) or program.escapes(each) or program.models_ending_in(each) for each in call.outputs)
    others = [each for tensor in call.inputs for each in program.consumers(tensor) if each is not call]
    return not taken and bool(others) and not call.context.loops


def bound_name(context: Context) -> str:
    """The one name that the value of an expression is assigned to."""
    statement = context.statement
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or statement.value is not context.node:
        return ""
    target = statement.targets[0]
    return target.id if isinstance(target, ast.Name) and not target.id.startswith("_") else ""


def is_read(program: Program, context: Context, name: str) -> bool:
    """Whether a name is read in its scope, or from elsewhere where it is a module's."""
    scope = context.function.node if context.function is not None else context.module.tree
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names:
            return True
    return (context.function is None and program.reads(name)) or program.mentions("locals(", "globals(", "exec(")


def never_reads(program: Program, holder: LayerV, layer: LayerV) -> bool:
    """Whether a layer of a project's class has another in an attribute that nobody reads, though its ``call`` is known."""
    cls = holder.own_class
    if cls is None or holder.open or cls.has_unknown_base or program.mentions(*REFLECTION):
        return False
    calls = program.calls_of(holder)
    if (
        not calls
        or not all(call.known_function and call.children for call in calls)
        or program.is_uncertain(calls[0].context.function)
    ):
        return False
    names = [name for name, value in holder.attributes.items() if value is layer or layer in getattr(value, "items", ())]
    return bool(names) and not any(program.reads(name) for name in names)
