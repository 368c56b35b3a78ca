"""Invalid argument.

## What it does
Reports a keyword that the batch normalization of the Keras in use does not take: of Keras 1 (`mode`, `beta_init`), removed in
Keras 3 (`fused`, `virtual_batch_size`), of another library (`eps`, `affine`, `decay`), of the call (`training`), or invented;
also `renorm` for a Keras 3 before 3.14, and several axes where Keras 3 takes one.

## Why is this bad?
The constructor raises (measured: Keras 3 `ValueError: Unrecognized keyword arguments passed to BatchNormalization: {'fused':
True}`, also where the value is None or False; Keras 2 `TypeError: ('Keyword argument not understood:', 'mode')`). Where the
line is rarely reached, nobody sees it until then.

## Bad
```python
import keras

inputs = keras.Input((8,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization(eps=1e-5)(x)  # BN502
model = keras.Model(inputs, keras.layers.ReLU()(x))
```

## Good
```python
import keras

inputs = keras.Input((8,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization(epsilon=1e-5)(x)
model = keras.Model(inputs, keras.layers.ReLU()(x))
```

## Fix safety
A keyword with an exact equivalent gets today's name; the original raises, so that this is safe. There is no fix for the others.

## Limits
Silent for keywords that arrive through a dictionary which is not known, for classes that are not Keras's own, for layers made in a
`try` or behind a test of versions, and in tests that expect an error. `renorm` is reported only where `keras-version` names a release.

## Verify
Constructs the layer: an exception confirms the finding.

## References
- <https://github.com/keras-team/keras/issues/5892>
- <https://github.com/keras-team/keras/issues/11755>
- <https://github.com/keras-team/keras/issues/10210>
- <https://github.com/keras-team/keras/issues/19857>
- <https://github.com/tensorflow/tensorflow/issues/69790>
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from bnlint.api import Edit, Finding, Fix, LayerV, Program, Rule, Span, expects_an_error, report

RULE = Rule(code="BN502", name="invalid-argument", severity="error", fix="safe")
RENAMED = {
    "eps": "epsilon",
    "decay": "momentum",
    "beta_init": "beta_initializer",
    "gamma_init": "gamma_initializer",
    "moving_mean_init": "moving_mean_initializer",
    "moving_variance_init": "moving_variance_initializer",
}
RELATED = {
    "affine": "pass center and scale",
    "training": "it belongs to the call of the layer",
    "is_training": "training belongs to the call of the layer",
    "moving_average_fraction": "it is called momentum",
    "use_bias": "pass center",
    "data_format": "pass axis",
    "units": "the size comes from the input",
    "num_features": "the size comes from the input",
}
ONLY_IN_KERAS_2 = {"fused", "virtual_batch_size", "adjustment", "renorm", "renorm_clipping", "renorm_momentum"}


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer in program.layers("keras.layers.BatchNormalization"):
        names = invalid(program, layer)
        places = sorted({place for name in names if (place := program.place(layer, name)) is not None})
        if not places or places[0] in reported or program.is_guarded(layer):
            continue
        if layer.context is not None and expects_an_error(layer.context):
            continue
        place = places[0] if len(places) == 1 else program.maker(layer) or places[0]
        if place in reported:
            continue
        reported.update([place, *places])
        yield report(RULE, place, message(program, layer, names), fix=fix(program, layer, names))


def invalid(program: Program, layer: LayerV) -> list[str]:
    """The arguments that the constructor of a layer does not take."""
    info = program.table.layer("keras.layers.BatchNormalization")
    if info is None or layer.symbol != info.name or layer.made is None:
        return []
    generation = program.generation(layer)
    known = {each.name for each in info.parameters(generation)} | program.table.base_keywords(generation)
    if generation == "2":
        known |= ONLY_IN_KERAS_2
    release = program.release
    found = [name for name in program.keywords_made(layer) if name not in known or is_younger(info.since.get(name), release)]
    axis = program.made(layer).get("axis")
    return [*found, *(["axis"] if generation != "2" and isinstance(axis, (list, tuple)) else [])]


def is_younger(since: str | None, release: tuple[int, ...] | None) -> bool:
    return since is not None and release is not None and (2,) < release < tuple(int(part) for part in since.split("."))


def message(program: Program, layer: LayerV, names: list[str]) -> str:
    generation = program.generation(layer)
    if names == ["axis"]:
        return f"{program.name(layer)} of Keras {generation} takes one axis, not several: the constructor raises; pass an int"
    return f"{program.name(layer)} of Keras {generation} does not take {' and '.join(names)}: the constructor raises; {advice(names)}"


def advice(names: list[str]) -> str:
    parts = []
    for name in names:
        closest = get_close_matches(name, [*RENAMED.values(), "momentum", "center", "scale", "axis", "trainable"], 1, 0.8)
        renamed = RENAMED.get(name) or next(iter(closest), None)
        parts.append(f"it is called {renamed}" if renamed else RELATED.get(name, f"leave {name} out"))
    return "; ".join(dict.fromkeys(parts))


def fix(program: Program, layer: LayerV, names: list[str]) -> Fix | None:
    """Today's names, where all of the keywords have one and stand in the call."""
    edits = []
    for name in names:
        span = program.argument_span(layer, name)
        text = program.text(span) if span is not None else ""
        if span is None or name not in RENAMED or not text.startswith(name) or RENAMED[name] in program.keywords_made(layer):
            return None
        edits.append(Edit(span, RENAMED[name] + text.removeprefix(name)))
    return Fix("Use today's names", "safe", tuple(edits))
