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
Safe where the result is what was meant: a keyword with an exact equivalent gets today's name, and one that says what holds anyway
(`fused`, `mode=0`, `weights=None`, `affine=True`) is left out; the original raises. Unsafe where it is a guess: a name close to that
of a parameter, and `training`, which is left out here and belongs into the call. There is no fix for the others.

## Limits
Silent for keywords that arrive through a dictionary which is not known, for classes that are not Keras's own or have a second base class, for layers made in a
`try` or behind a test of versions, and in tests that expect an error. `renorm` is reported only where `keras-version` names a release.

## Verify
Constructs the layer, as the code does on its way or once more from the expression at the place: an exception raised while a batch
normalization is constructed confirms the finding, a layer that is there refutes it. The installed Keras decides; where it takes an
argument that an older release does not (`renorm`), the finding stays open.

## References
- <https://github.com/keras-team/keras/issues/5892>
- <https://github.com/keras-team/keras/issues/11755>
- <https://github.com/keras-team/keras/issues/10210>
- <https://github.com/keras-team/keras/issues/19857>
- <https://github.com/tensorflow/tensorflow/issues/69790>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from bnlint.api import (
    UNKNOWN,
    Bench,
    ClassV,
    Edit,
    Finding,
    Fix,
    Inconclusive,
    LayerV,
    Program,
    Rule,
    Span,
    Verdict,
    expects_an_error,
    report,
    without_keywords,
)

RULE = Rule(code="BN502", name="invalid-argument", severity="error", fix="unsafe")
RENAMED = {
    "eps": "epsilon",
    "decay": "momentum",
    "beta_init": "beta_initializer",
    "gamma_init": "gamma_initializer",
    "moving_mean_init": "moving_mean_initializer",
    "moving_variance_init": "moving_variance_initializer",
}
DROPPED: dict[str, tuple[object, ...]] = {
    "fused": (True, False, None),
    "mode": (0,),
    "weights": (None,),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "dynamic": (None, False),
    "implementation": (None, 1, 2),
    "affine": (True,),
    "track_running_stats": (True,),
    "batch_size": (None,),
    "renorm": (False,),
}
"""The values with which an argument says what holds without it."""
RELATED = {
    "affine": "pass center and scale",
    "training": "it belongs to the call of the layer",
    "is_training": "training belongs to the call of the layer",
    "use_bias": "pass center",
    "data_format": "pass axis",
    "units": "the size comes from the input",
    "num_features": "the size comes from the input",
}
MODE = ("training", "is_training")
"""The arguments of the call that are taken for the constructor's."""
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
    if info is None or layer.symbol != info.name or layer.made is None or has_other_bases(layer):
        return []
    generation = program.generation(layer)
    known = {each.name for each in info.parameters(generation)} | program.table.base_keywords(generation)
    if generation == "2":
        known |= ONLY_IN_KERAS_2
    release = program.release
    found = [name for name in program.keywords_made(layer) if name not in known or is_younger(info.since.get(name), release)]
    axis = program.made(layer).get("axis")
    return [*found, *(["axis"] if generation != "2" and isinstance(axis, (list, tuple)) else [])]


def has_other_bases(layer: LayerV) -> bool:
    """Whether a base class behind Keras's own may take what is handed on."""
    cls = layer.own_class
    return cls is not None and any(len(each.bases) > 1 for each in cls.mro if isinstance(each, ClassV))


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
        renamed = RENAMED.get(name) or near(name)
        parts.append(f"it is called {renamed}" if renamed else RELATED.get(name, f"leave {name} out"))
    return "; ".join(dict.fromkeys(parts))


def fix(program: Program, layer: LayerV, names: list[str]) -> Fix | None:
    """Today's names, and without what goes without saying; unsafe where something that was meant gets lost, or is a guess."""
    call = layer.made.site.node if layer.made is not None else None
    if layer.made is None or not isinstance(call, ast.Call) or not all(program.argument_span(layer, each) for each in names):
        return None
    given, made = program.keywords_made(layer), program.made(layer)
    axis, place = made.get("axis"), program.argument_span(layer, "axis")
    if (
        names == ["axis"]
        and place is not None
        and isinstance(axis, (list, tuple))
        and len(axis) == 1
        and isinstance(axis[0], int)
    ):
        return Fix("Pass the one axis", "safe", (Edit(place, f"{'axis=' if 'axis' in given else ''}{axis[0]}"),))
    renamed = {each: RENAMED.get(each) or near(each) for each in names}
    dropped = [each for each in names if not renamed[each]]
    spans = {name: span for name in names if renamed[name] and (span := program.argument_span(layer, name))}
    if any(made.get(each, UNKNOWN) not in DROPPED.get(each, ()) and each not in MODE for each in dropped):
        return None
    if any(renamed[each] in given or not program.text(span).startswith(each) for each, span in spans.items()):
        return None
    rest = without_keywords(layer.made.site.module.source, call, dropped)
    if rest is None:
        return None
    edits = [Edit(span, f"{renamed[name]}{program.text(span).removeprefix(name)}") for name, span in spans.items()]
    guessed = any(each not in RENAMED for each in spans) or any(each in MODE for each in dropped)
    return Fix("Use today's names" if spans else "Leave it out", "unsafe" if guessed else "safe", (*edits, *rest))


def near(name: str) -> str | None:
    """The parameter that a name was probably meant to be."""
    if name == "moving_average_fraction":
        return "momentum"
    return next(
        iter(get_close_matches(name, [*RENAMED.values(), "momentum", "center", "scale", "axis", "trainable"], 1, 0.8)), None
    )


def experiment(bench: Bench) -> Verdict:
    """Constructs the layer: an exception from the constructor confirms, a layer refutes.

    What the code raised on its way is looked at first, for it knows the arguments that arrive from elsewhere.
    """
    error = bench.making.failure()
    if error is not None:
        return bench.decided(True, f"the constructor raises {bench.making.said(error)}")
    made = bench.making.constructed()
    errors = [each for each in made if isinstance(each, Exception)]
    if errors:
        return bench.decided(True, f"the constructor raises {bench.making.said(errors[0])}")
    given = {keyword.arg for node in bench.written().nodes(ast.Call)[:2] for keyword in node.keywords}
    if any(name and name.startswith("renorm") for name in given):
        raise Inconclusive("the installed Keras takes renorm; which releases do not is not measured here", final=True)
    return bench.decided(False, f"the constructor takes its arguments: {len(made)} constructed, without an exception")
