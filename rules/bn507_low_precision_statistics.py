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
Applies the layer a few thousand times in training mode: moving statistics that stop short of those of the data confirm the finding.

## References
- <https://keras.io/api/mixed_precision/>
- <https://keras.io/api/layers/normalization_layers/batch_normalization/>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Edit, Finding, Fix, LayerV, Program, Related, Rule, Span, low_precision, report

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
