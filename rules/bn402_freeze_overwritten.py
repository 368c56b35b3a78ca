"""Freeze overwritten.

## What it does
Reports a statement that sets a model trainable after batch normalization layers inside it were frozen by themselves: the freeze is
undone, or, with Keras 3, kept by accident only.

## Why is this bad?
`trainable = True` reaches all that a model holds. With Keras 2, with Keras 3 on JAX, and wherever the model was frozen before, the
normalizations are trainable again and training replaces their statistics (measured: they move by 0.64, after the freeze alone by
0.00). Keras 3 on TensorFlow does nothing where the model is trainable already: the freeze survives, but only until somebody freezes
the model first.

## Bad
```python
import keras

base = keras.applications.ResNet50(include_top=False, pooling="avg")
base.trainable = False
for layer in base.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
base.trainable = True  # BN402
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
```

## Good
```python
import keras

base = keras.applications.ResNet50(include_top=False, pooling="avg")
base.trainable = True
for layer in base.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
model = keras.Sequential([base, keras.layers.Dense(3)])
model.compile("adam", "sparse_categorical_crossentropy")
```

## Fix safety
The fix freezes the normalizations again behind the statement. It is unsafe: training changes, which is its purpose.

## Limits
Silent where the normalizations are frozen again before the model is compiled or trained, where they were frozen only together with
their model, where a statement sets nothing but normalizations trainable, and where flags or layers are not known.

## Verify
The flags of the normalizations when the model is compiled: any that is true again confirms the finding. Where none is, the model is
frozen and set trainable once more: a freeze that does not outlast this was kept by accident.

## References
- <https://github.com/keras-team/keras/issues/18092>
- <https://keras.io/guides/transfer_learning/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Event,
    Finding,
    LayerV,
    ModelV,
    Program,
    Related,
    Rule,
    Verdict,
    Writes,
    courses,
    freezes_lost,
    freezing_fix,
    report,
)

RULE = Rule(code="BN402", name="freeze-overwritten", severity="error", fix="unsafe", supersedes=("BN401",))


def check(program: Program) -> Iterator[Finding]:
    found: dict[object, list[tuple[Event, LayerV, Writes]]] = {}
    for event, layer, writes in overwritten(program):
        found.setdefault(event.span, []).append((event, layer, writes))
    for same in found.values():
        event, layer, writes = next((each for each in same if each[0].affected), same[0])
        frozen = writes.freezing(layer)
        yield report(
            RULE,
            event.span,
            message(program, event, layer),
            severity="error" if event.affected else "warning",
            related=(Related(frozen.span, "frozen here"),) if frozen is not None else (),
            fix=freezing_fix(program, event, None, writes),
        )


def overwritten(program: Program) -> Iterator[tuple[Event, LayerV, Writes]]:
    """The statements after which frozen normalizations are trained, or, where no training is in sight, are trainable at the end."""
    for history, trainings in courses(program):
        ends = [(training.writes, training.normalizations) for training in trainings]
        if not trainings:
            targets = {id(event.target): event.target for event in history if event.kind == "trainable"}
            ends = [
                (
                    Writes(program, history),
                    [each for each in targets.values() if isinstance(each, LayerV) and program.is_batchnorm(each)],
                )
            ]
        for writes, layers in ends:
            for layer in layers if writes.events else ():
                event = writes.overwriting(layer)
                if event is not None:
                    yield event, layer, writes


def message(program: Program, event: Event, layer: LayerV) -> str:
    target = event.target
    name = program.name(target) if isinstance(target, ModelV) and target.application else "the model"
    if target is layer:
        name = "each layer"
    if event.affected:
        text = f"setting {name} trainable undoes the freeze of its batch normalizations: training replaces their statistics"
    else:
        text = (
            f"the batch normalizations stay frozen by accident only: Keras 3 on TensorFlow ignores setting {name} to what it is"
        )
    return f"{text}; freeze them after this statement"


def experiment(bench: Bench) -> Verdict:
    """The flags, when the model is compiled, of the normalizations that were frozen by themselves before this statement.

    Flags are read, so there is no threshold. Where they are false, the model is frozen and set trainable in turn: flags that are true
    then tell that the freeze was kept only because Keras takes no notice of a value that is there already.
    """
    return freezes_lost(bench)
