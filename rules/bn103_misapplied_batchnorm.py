"""Misapplied batch normalization.

## What it does
Reports a batch normalization whose constructor is given a tensor, a layer, a fraction or a name where it takes the `axis`, and the class
itself where an instance belongs, as in `model.add(BatchNormalization)`.

## Why is this bad?
`BatchNormalization(x)` is not `BatchNormalization()(x)`: the first argument of the constructor is the axis, and the constructor raises
(measured: Keras 3 `ValueError: A KerasTensor is symbolic`, Keras 2 `TypeError: Expected an int or a list/tuple of ints for the
argument 'axis'`). `BatchNormalization(0.9)` is worse: Keras 3 takes it for axis 0, the batch, and fails only when the layer is
built. The class itself is no layer (`ValueError: Only instances of keras.Layer can be added to a Sequential model`).

## Bad
```python
import keras

inputs = keras.Input((8,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization(x)  # BN103
```

## Good
```python
import keras

inputs = keras.Input((8,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization()(x)
```

## Fix safety
The fix calls the layer on the tensor, names the argument that was meant, or makes an instance of the class. It is safe: the original
raises.

## Limits
Silent for integers, also as text, for arguments that are not known, for classes handed to a factory, and in tests that expect an
error.

## Verify
Constructs the layer: an exception from the constructor confirms the finding, as does one from Keras where it is handed the class itself, and a
layer that cannot be built on an input of any rank.

## References
- <https://stackoverflow.com/questions/34716454/where-do-i-call-the-batchnormalization-function-in-keras>
- <https://github.com/tensorflow/tensorflow/issues/40249>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Const,
    Context,
    Edit,
    Finding,
    Fix,
    LayerV,
    Program,
    Related,
    Rule,
    Span,
    SymbolV,
    TensorV,
    Verdict,
    constructs_a_norm,
    expects_an_error,
    holds_the_class,
    report,
)

RULE = Rule(
    code="BN103",
    name="misapplied-batchnorm",
    severity="error",
    fix="safe",
    supersedes=("BN101", "BN102", "BN105", "BN305", "BN502", "BN503"),
)


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer in program.layers("keras.layers.BatchNormalization"):
        fault, place = misapplied(program, layer), program.maker(layer, "axis")
        if fault is None or place is None or place in reported or (layer.context and expects_an_error(layer.context)):
            continue
        item = class_item(layer) if not fault[1] else None
        place = item.span if item is not None else place
        reported.add(place)
        if item is not None:
            yield class_itself(
                program, item, program.name(layer), (Related(layer.site.span, "called here"),) if layer.site else ()
            )
            continue
        what, meant = fault
        text = (
            f"{program.name(layer)} is given {what} where it takes the axis: the constructor raises, or the layer cannot be built"
        )
        yield report(RULE, place, f"{text}; {advice(meant)}", fix=fix(program, layer, meant))
    for event in program.events("class"):
        name = program.batchnorm_class(event.value)
        if name is not None and event.span not in reported and not expects_an_error(event.context):
            reported.add(event.span)
            yield class_itself(program, event.context, name)


def class_item(layer: LayerV) -> Context | None:
    """Where the class of a layer stands in a list of layers, of which it is called as one."""
    return layer.cls.item if isinstance(layer.cls, SymbolV) else None


def class_itself(program: Program, place: Context, name: str, related: tuple[Related, ...] = ()) -> Finding:
    """The class where an instance belongs."""
    text = f"the class {name} stands in place of an instance: Keras raises; pass {name}()"
    return report(RULE, place.span, text, related=related, fix=instance(program, place.node, name, place.span))


def misapplied(program: Program, layer: LayerV) -> tuple[str, str] | None:
    """What stands in place of the axis, and the argument that was meant; "" for a tensor."""
    value = program.made_value(layer, "axis")
    if isinstance(value, TensorV):
        return "a tensor", ""
    if isinstance(value, LayerV):
        return "a layer", ""
    if not isinstance(value, Const) or value.assumed:
        return None
    if isinstance(value.value, float) and not (value.value.is_integer() and program.generation(layer) != "2"):
        return f"{value.value:g}", "momentum" if value.value > 0.1 else "epsilon"
    if isinstance(value.value, str) and not value.value.strip().lstrip("+-").isdigit():
        return f'the text "{value.value}"', "name"
    return None


def advice(meant: str) -> str:
    return f"pass {meant}= by its name" if meant else "call the layer on it: BatchNormalization()(x)"


def fix(program: Program, layer: LayerV, meant: str) -> Fix | None:
    """The tensor behind the constructor, or the name before the only argument."""
    node = layer.made.site.node if layer.made is not None else None
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords or layer.made is None:
        return None
    span, given = layer.made.site.span, program.argument_span(layer, "axis")
    if given is None or not isinstance(node.args[0], (ast.Name, ast.Attribute, ast.Constant)):
        return None
    if meant:
        return Fix(f"Pass {meant}", "safe", (Edit(given, f"{meant}={program.text(given)}"),))
    behind = Span(span.path, span.end_line, span.end_column, span.end_line, span.end_column)
    return Fix("Call the layer", "safe", (Edit(given, ""), Edit(behind, f"({program.text(given)})")))


def instance(program: Program, node: ast.AST | None, name: str, span: Span) -> Fix | None:
    """``()`` behind the class in ``model.add(BatchNormalization)``, or as an item of a list."""
    text = program.text(span)
    added = isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords and text.endswith(f"{name})")
    if not added and not (isinstance(node, (ast.Name, ast.Attribute)) and text.endswith(name)):
        return None
    column = span.end_column - (1 if added else 0)
    return Fix("Make an instance", "safe", (Edit(Span(span.path, span.end_line, column, span.end_line, column), "()"),))


def experiment(bench: Bench) -> Verdict:
    """Constructs the layer as the code does. It raises there, or where Keras gets the class, or whenever it is built."""
    error = bench.raised(constructs_a_norm)
    if error is not None:
        return bench.decided(True, f"constructing it raises {bench.said(error)}")
    error = bench.raised(holds_the_class, behind=True)
    if error is not None:
        return bench.decided(True, f"Keras is given the class and raises {bench.said(error)}")
    layer = bench.made(bench.is_norm)[0]
    if layer.built and layer.weights:
        return bench.decided(False, "the layer is constructed and built")
    errors = bench.build_errors(layer)
    if errors:
        return bench.decided(True, f"it cannot be built on an input of any rank from 2 to 5: {bench.said(errors[0])}")
    return bench.decided(False, "the layer is constructed and can be built")
