"""Low precision statistics.

## What it does
Reports a batch normalization of Keras 3 whose weights are pure float16 or bfloat16: by its `dtype`, or because `set_floatx` or a policy
says so for all layers.

## Why is this bad?
The moving statistics then have that precision, too, and small updates are rounded away: they stall (measured: bfloat16, momentum 0.999,
3,000 updates give 1.49 instead of 4.75; float16, momentum 0.99, 1,500 updates a variance of 8.0 at which it no longer moves). Keras 2 keeps
them in float32, and so do the mixed policies.

## Bad
```python
import keras

inputs = keras.Input((8,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization(dtype="float16")(x)  # BN507
model = keras.Model(inputs, keras.layers.ReLU()(x))
```

## Good
```python
import keras

inputs = keras.Input((8,))
x = keras.layers.Dense(16, use_bias=False)(inputs)
x = keras.layers.BatchNormalization(dtype="mixed_float16")(x)
model = keras.Model(inputs, keras.layers.ReLU()(x))
```

## Fix safety
The mixed policy in place of the pure one, where the layer itself is given it: it computes in the same precision and keeps its weights in
float32. Unsafe, because saved weights then have another type. There is no fix for a setting of all layers.

## Limits
Silent for Keras 2, for mixed policies, for a frozen batch normalization, and for a dtype that is not known.

## Verify
Trains a fresh layer of this dtype and momentum on the same batch over and over (5 / (1 - momentum) steps, 2,000 at most) and compares its moving statistics with the
same course in float64. More than 0.1 % of the batch's own statistic confirms the finding: storing a number in float16 costs half of
that at most, so that what is above is updates that were lost. Below 0.01 % it is refuted (float32: 0.0005 %).

## References
- <https://keras.io/api/mixed_precision/>
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Edit,
    Finding,
    Fix,
    Inconclusive,
    LayerV,
    Program,
    Related,
    Rule,
    Span,
    Verdict,
    low_precision,
    report,
)

RULE = Rule(code="BN507", name="low-precision-statistics", severity="warning", fix="unsafe")


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer in program.layers("keras.layers.BatchNormalization"):
        found = low_precision(program, layer)
        place = program.maker(layer, "dtype")
        if (
            found is None
            or place is None
            or place in reported
            or program.generation(layer) == "2"
            or program.may_be_frozen(layer)
        ):
            continue
        reported.add(place)
        dtype, setting = found
        message = (
            f"{program.name(layer)} keeps its moving statistics in {dtype}, in which Keras 3 rounds small updates away; use "
            f"mixed_{dtype}, which keeps them in float32"
        )
        related = (Related(setting, "set here for all layers"),) if setting is not None else ()
        span = place if setting is not None else program.place(layer, "dtype") or place
        yield report(RULE, span, message, related=related, fix=fix(program, layer, dtype))


def fix(program: Program, layer: LayerV, dtype: str) -> Fix | None:
    """The mixed policy, where the dtype is written in the constructor as a text."""
    span = program.argument_span(layer, "dtype")
    text = program.text(span) if span is not None else ""
    if span is None or text.partition("=")[2].strip() not in (f'"{dtype}"', f"'{dtype}'"):
        return None
    return Fix(f"Use mixed_{dtype}", "unsafe", (Edit(span, text.replace(dtype, f"mixed_{dtype}")),))


def experiment(bench: Bench) -> Verdict:
    """Trains a fresh layer with the dtype of each made at the place on one batch, until they have settled in float64.

    The rounding of a float16 that is merely stored is 0.05 % at most, that of a bfloat16 0.4 %: twice the former counts as lost
    updates, and bfloat16, which loses eight times as much, is far above (3 % at a momentum of 0.9).
    """
    found = [bench.single(each).stalled() for each in bench.making.layers()]
    worst = max(found, key=lambda each: each["error"])
    text = (
        f"after {worst['steps']:.0f} updates on one batch the moving variance is {worst['variance']:.4g}, in float64 "
        f"{worst['expected']:.4g}; the moving statistics are off by {worst['error']:.2%}"
    )
    if 1e-4 < worst["error"] <= 1e-3:
        raise Inconclusive(text, final=True)
    return bench.decided(worst["error"] > 1e-3, text, **worst)
