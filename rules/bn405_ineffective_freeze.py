"""Ineffective freeze.

## What it does
Reports a loop that is meant to freeze batch normalizations and meets none of them: it picks by class among the layers of a model that
holds its normalizations in a nested model or a custom layer, by a class of another Keras or of PyTorch, or by a name that these layers
do not have. Also `model.submodules`, which the layers of Keras 3 do not have.

## Why is this bad?
Nothing is frozen and nothing says so: `isinstance(layer, BatchNormalization)` over the layers of `[Input, base, head]` finds 0
normalizations, the 94 of InceptionV3 are called `batch_normalization_...`, which `"bn" in layer.name` does not match. Training then
replaces the statistics of the backbone.

## Bad
```python
import keras

base = keras.applications.ResNet50(include_top=False, pooling="avg")
model = keras.Sequential([base, keras.layers.Dense(3)])
for layer in model.layers:  # BN405
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
model.compile("adam", "sparse_categorical_crossentropy")
```

## Good
```python
import keras

base = keras.applications.ResNet50(include_top=False, pooling="avg")
model = keras.Sequential([base, keras.layers.Dense(3)])
for layer in base.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
model.compile("adam", "sparse_categorical_crossentropy")
```

## Fix safety
The fix goes over the layers below the model, too, or picks by the class of the normalizations. It is unsafe: training changes, which is
its purpose.

## Limits
What is picked is told from the condition: a class whose name holds `BatchNorm`, or a text that holds one of {names: normalizations}. Silent for
loops that pick nothing, for those that meet a normalization, where the layers or their names are not known, and in a `try`.

## Verify
The flags of the normalizations when the model is compiled or trained next: a loop behind which none was frozen, and some are trainable,
confirms the finding; so does the AttributeError that `submodules` raises.

## References
- <https://github.com/keras-team/keras/issues/10045>
- <https://github.com/keras-team/keras/issues/9157>
- <https://github.com/tensorflow/tensorflow/issues/29535>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    MissedFreeze,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    met_by_loop,
    missed_freezes,
    picking_fix,
    report,
    trainings,
)

RULE = Rule(code="BN405", name="ineffective-freeze", severity="error", fix="unsafe", supersedes=("BN401",))


def check(program: Program) -> Iterator[Finding]:
    for loop in missed_freezes(program):
        related = tuple(Related(span, "trained here") for span in trained(program, loop))
        yield report(RULE, loop.span, message(program, loop), related=related, fix=picking_fix(program, loop))


def trained(program: Program, loop: MissedFreeze) -> list[Span]:
    """Where the normalizations are trained that the loop leaves out."""
    missed = {id(layer) for layer in loop.missed}
    found = [training for training in trainings(program) if any(training.used(layer) for layer in loop.missed)]
    return list(dict.fromkeys(each.event.span for each in found if missed & each.event.snapshot.keys()))


def message(program: Program, loop: MissedFreeze) -> str:
    if loop.filter is None or loop.event.name == "submodules":
        return "the layers of Keras 3 have no submodules: this raises AttributeError; go over model._flatten_layers()"
    count = len(loop.missed)
    norms = "the batch normalization" if count == 1 else f"the {count} batch normalizations"
    if loop.is_nested:
        return f"this freezes none of {norms}: they are in a nested model or layer; go over the layers of that one"
    if loop.filter.kind == "name":
        return f"this freezes none of {norms}: they are called {loop.names}; test isinstance(layer, BatchNormalization)"
    return f"this freezes none of {norms}: their class is BatchNormalization of Keras {loop.generation}; test that one"


def experiment(bench: Bench) -> Verdict:
    """The normalizations that are frozen between the loop and the next compilation or training, and those trainable then.

    Flags are read, so there is no threshold; an AttributeError of ``submodules`` confirms by itself.
    """
    return met_by_loop(bench)
