"""Suspicious epsilon.

## What it does
Reports a batch normalization whose `epsilon` is known to be zero or negative, below 1e-6, or at least 0.01; also where the value comes
from an attribute, a default, a dictionary or a `functools.partial`.

## Why is this bad?
`epsilon` is added to the variance under the square root. With 0 a constant channel divides by zero (measured: NaN with float16
inputs), with -1e-3 it is NaN in float32, too. With 1e-12 the rounding noise of a constant channel is amplified: outputs of 0.25
to 0.75 where 0 is right, instead of 8e-6 with the default. A large value no longer normalizes: with 1.0, data of standard
deviation 1 come out at 0.70, data of 0.01 at 0.01.

## Bad
```python
import keras

model = keras.Sequential(
    [
        keras.Input((8,)),
        keras.layers.Dense(16, use_bias=False),
        keras.layers.BatchNormalization(epsilon=1e-12),  # BN504
        keras.layers.ReLU(),
        keras.layers.Dense(1),
    ]
)
```

## Good
```python
import keras

model = keras.Sequential(
    [
        keras.Input((8,)),
        keras.layers.Dense(16, use_bias=False),
        keras.layers.BatchNormalization(epsilon=1e-5),
        keras.layers.ReLU(),
        keras.layers.Dense(1),
    ]
)
```

## Limits
Silent for values from 1e-6 up to 0.01, and for values that a caller or a command line may replace.

## Verify
Applies a fresh layer with this epsilon in training mode and float64. The finding is confirmed where a channel of 100 that is constant but for
the last digit of float32 comes out above 0.005 (0.012 with 1e-7, 1 with 1e-12) or as NaN, or where a channel of standard deviation 0.1 comes out below 0.75
(0.71 with 0.01, 0.95 with 0.001). Below 0.0042 (0.0038 with 1e-6) and above 0.9 it is refuted; what lies between stays open.

## References
- <https://github.com/gzuidhof/nn-transfer/pull/3>
- <https://github.com/keras-team/keras/issues/6973>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Bench, Finding, Inconclusive, Program, Rule, Span, Verdict, report, wrong_numbers

RULE = Rule(code="BN504", name="suspicious-epsilon", severity="warning")
SMALLEST, TOO_LARGE = 1e-6, 0.01


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer, value, place in wrong_numbers(program, "epsilon", lambda value: SMALLEST <= value < TOO_LARGE):
        if place in reported:
            continue
        reported.add(place)
        text = f"epsilon of {program.name(layer)} is {value:g}: {consequence(value)}; pass a value such as 1e-3 or 1e-5"
        yield report(RULE, place, text, severity="error" if value <= 0 else None)


def consequence(value: float) -> str:
    if value <= 0:
        return "a channel without variance becomes NaN"
    if value < SMALLEST:
        return "the rounding noise of a channel without variance is amplified"
    return "it outweighs the variance of small channels, which are no longer normalized"


def experiment(bench: Bench) -> Verdict:
    """Applies a fresh layer with the epsilon of each made at the place to a channel of rounding noise, and to a narrow one.

    The rounding noise comes out as d / sqrt(d**2 + epsilon) with d = 4e-6: an output above 0.005 means an epsilon below 6e-7,
    one below 0.0042 an epsilon of 1e-6 or more. A standard deviation of 0.1 comes out at 0.71 where epsilon equals the variance.
    """
    outputs = {float(each.epsilon): bench.single(each).epsilon_outputs() for each in bench.making.layers()}
    for epsilon, found in outputs.items():
        rounding, narrow = found["rounding"], found["narrow"]
        if not rounding <= 0.005:
            text = f"with epsilon {epsilon:g} a channel of 100 that is constant but for the last digit of float32 comes out at {rounding:.2g}"
            return bench.decided(True, text, epsilon=epsilon, **found)
        if narrow < 0.75:
            text = f"with epsilon {epsilon:g} a channel of standard deviation 0.1 comes out at {narrow:.2f}"
            return bench.decided(True, text, epsilon=epsilon, **found)
    epsilon, found = next(iter(outputs.items()))
    text = f"with epsilon {epsilon:g} rounding noise comes out at {found['rounding']:.2g}, a standard deviation of 0.1 at {found['narrow']:.2f}"
    if found["rounding"] > 0.0042 or found["narrow"] < 0.9:
        raise Inconclusive(text, final=True)
    return bench.decided(False, text, epsilon=epsilon, **found)
