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
Attributes are reported only of a class whose `call` was followed, and where neither it, its bases and subclasses nor code outside of classes
reads them; silent where `getattr`, `vars`, `__dict__` or `self.layers` may reach the attribute, where a base class is out of view, and for
what is given away, put where other code may find it, or returned, unless every caller is in sight and drops it. A whole branch that leads nowhere is not reported.

## Verify
Runs the models and changes all weights of the layers made at the place, after shaking all other weights a little. Where no output of any model
changes at all, in training or inference mode, and no gradient leads to the layer, or where the layer has no weights yet after a forward pass, the
finding is confirmed.

## References
- <https://github.com/keras-team/keras/issues/8605>
- <https://github.com/tensorflow/tensorflow/issues/40249>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Call,
    Context,
    Finding,
    LayerV,
    ModelV,
    Program,
    Rule,
    TensorV,
    Verdict,
    attributes_with,
    expects_an_error,
    may_read,
    overwritten,
    reads_after,
    report,
    returned_unread,
)

RULE = Rule(code="BN102", name="unused-batchnorm", severity="error")
CONTAINERS = (ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.DictComp)


def check(program: Program) -> Iterator[Finding]:
    for span, instances in program.sites("keras.layers.BatchNormalization"):
        reasons = [unused(program, layer) for layer in instances if not is_abstract(program, layer)]
        known = [reason for reason in reasons if reason]
        if known and len(known) == len(reasons):
            yield report(
                RULE, span, f"{program.name(instances[0])} {known[0]}, so that nothing is normalized; use it or remove it"
            )


def is_abstract(program: Program, layer: LayerV) -> bool:
    """Whether a layer was made for an object whose ``call`` does nothing, as that of an abstract base class."""
    calls = [call for holder in program.holders(layer) for call in program.calls_of(holder)]
    return bool(calls) and not program.calls_of(layer) and not any(call.children for call in calls)


def unused(program: Program, layer: LayerV) -> str:
    """How a batch normalization is not used; nothing where it may be."""
    if layer.context is None or program.escapes(layer) or expects_an_error(layer.context) or layer.context.guarded:
        return ""
    holders = program.holders(layer)
    chains = [each for each in holders if isinstance(each, ModelV) and each.kind == "sequential"]
    if chains:
        return "is in a Sequential that is never called" if all(is_left(program, chain) for chain in chains) else ""
    calls = program.calls_of(layer)
    if calls:
        return "is called and its result is not used" if all(goes_nowhere(program, call) for call in calls) else ""
    if holders:
        return "is never called" if all(never_reads(program, holder, layer) for holder in holders) else ""
    if overwritten(layer.context):
        return "is in an attribute that is set again before anything calls it"
    return "is made and never called" if is_dropped(program, layer.context) else ""


def is_left(program: Program, chain: ModelV) -> bool:
    """Whether a Sequential model is in an attribute of layers that never read it, and is used in no other way."""
    holders = program.holders(chain)
    if program.calls_of(chain) or program.escapes(chain) or program.is_used_itself(chain):
        return False
    return bool(holders) and all(never_reads(program, holder, chain) for holder in holders)


def goes_nowhere(program: Program, call: Call) -> bool:
    """Whether nothing uses the result of a call, while others use the input instead."""
    if call.setting == "eager" or call.training.kind == "constant" or program.is_uncertain(call.context.function):
        return False
    others = [each for tensor in call.inputs for each in program.consumers(tensor) if each is not call]
    ends = any(program.models_ending_in(tensor) or program.aliases(tensor) for tensor in call.inputs)
    return (bool(others) or ends) and is_dead(program, call)


def is_dead(program: Program, call: Call, depth: int = 8) -> bool:
    """Whether the result of a call gets a name that nobody reads, but for calls of which the same is true; or is returned to callers
    that drop it."""
    if any(goes_on(program, each) for each in call.outputs):
        return False
    consumers = [each for tensor in call.outputs for each in program.consumers(tensor)]
    if not consumers and call.context.node is not None and returned_unread(program, call.context, call.context.node):
        return True
    if any(program.aliases(each) for each in call.outputs):
        return False
    if not depth or any(call.parent is not each.parent for each in consumers):
        return False
    arguments = {argument for each in consumers if isinstance(each.context.node, ast.Call) for argument in each.context.node.args}
    name = bound_name(call.context)
    reads = reads_after(program, call.context, name) if name else [call.context.node] if call.context.node in arguments else None
    return (
        reads is not None
        and all(read in arguments for read in reads)
        and all(is_dead(program, each, depth - 1) for each in consumers)
    )


def goes_on(program: Program, tensor: TensorV) -> bool:
    """Whether a tensor leaves the code in sight, is an output of a model, or is so or used as what the layer around gives."""
    outside = program.aliases(tensor)
    if program.escapes(tensor) or program.models_ending_in(tensor):
        return True
    return any(goes_on(program, each) or program.consumers(each) for each in outside)


def bound_name(context: Context) -> str:
    """The one name that the value of an expression is assigned to."""
    statement = context.statement
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or statement.value is not context.node:
        return ""
    target = statement.targets[0]
    return target.id if isinstance(target, ast.Name) and not target.id.startswith("_") else ""


def is_dropped(program: Program, context: Context) -> bool:
    """Whether a layer, or a list of some, gets a name that nobody reads."""
    statement = context.statement
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or not isinstance(statement.targets[0], ast.Name):
        return False
    name, value = statement.targets[0].id, statement.value
    listed = isinstance(value, CONTAINERS) and any(child is context.node for child in ast.iter_child_nodes(value))
    if name.startswith("_") or not (listed or value is context.node):
        return False
    return reads_after(program, context, name) == []


def never_reads(program: Program, holder: LayerV, layer: LayerV) -> bool:
    """Whether a layer of a project's class has another in an attribute that nobody reads, though its ``call`` is known."""
    cls = holder.own_class
    if cls is None or holder.open or cls.has_unknown_base:
        return False
    calls = program.calls_of(holder)
    if (
        not calls
        or not all(call.known_function and call.children for call in calls)
        or program.is_uncertain(calls[0].context.function)
    ):
        return False
    names = attributes_with(holder, layer)
    return bool(names) and not any(may_read(program, cls, name) for name in names)


def experiment(bench: Bench) -> Verdict:
    """Whether any output of the models depends on the layers made at the place.

    An unused layer takes no part in the arithmetic, so that the outputs are the same bit for bit: the threshold is 0.
    """
    return bench.used(bench.made(bench.is_norm))
