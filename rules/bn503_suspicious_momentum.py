"""Suspicious momentum.

## What it does
Reports a batch normalization whose `momentum` is known to be at most 0.5, negative, or at least 1; also where the value comes from
an attribute, a default, a dictionary or a `functools.partial`.

## Why is this bad?
In Keras, `momentum` is the share of the *old* moving statistics that is kept; in PyTorch it is the share of the new ones, so that
PyTorch's 0.1 is Keras's 0.9. With 0.1 the moving mean carries 90 % of the noise of a single batch (measured, batches of 32:
standard deviation 0.48, instead of 0.12 with 0.9), and predictions depend on which batch came last. With 1 the statistics never
move. Above 1 they diverge (-3.3e9 after 50 steps with 1.5), below 0 the variance becomes negative (-47.6 with -1). No
version of Keras checks it.

## Bad
```python
import keras

model = keras.Sequential(
    [
        keras.Input((8,)),
        keras.layers.Dense(16, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.1),  # BN503
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
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(),
        keras.layers.Dense(1),
    ]
)
```

## Fix safety
The fix passes one minus the value, as PyTorch counts. It is unsafe: the statistics change, which is its purpose. There is none where
the value is not written in the call.

## Limits
Silent for values above 0.5 and below 1, for values that a caller or a command line may replace, and for layers that are frozen.

## Verify
Trains a fresh layer with this momentum on 150 batches of 32 samples of mean 5. The finding is confirmed where the moving mean keeps more than half of the noise
of a single batch's mean (0.58 at a momentum of 0.5, 0.23 at 0.9), has not moved, or moves away from the data, or where the moving
variance becomes negative; it is refuted where less than 0.4 of the noise is left. What lies between, or moves too slowly to tell, stays open.

## References
- <https://github.com/gzuidhof/nn-transfer/issues/7>
- <https://github.com/pytorch/examples/issues/289>
- <https://github.com/keras-team/keras/pull/23623>
- <https://github.com/keras-team/keras/pull/16726>
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bnlint.api import Bench, Edit, Finding, Fix, Inconclusive, LayerV, Program, Rule, Span, Verdict, report, wrong_numbers

RULE = Rule(code="BN503", name="suspicious-momentum", severity="warning", fix="unsafe")
LARGEST_EPSILON = 0.002


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for layer, value, place in wrong_numbers(program, "momentum", lambda value: 0.5 < value < 1):
        if place in reported or program.may_be_frozen(layer):
            continue
        reported.add(place)
        broken = value < 0 or value >= 1
        text = f"momentum of {program.name(layer)} is {value:g}: {consequence(value)}"
        yield report(RULE, place, text, severity="error" if broken else None, fix=fix(program, layer, value))


def consequence(value: float) -> str:
    if value == 1:
        return "its moving statistics never change; pass a value below 1, such as 0.99"
    if value < 0 or value > 1:
        return "its moving statistics diverge; pass a value between 0.9 and 1"
    if 0 < value <= LARGEST_EPSILON:
        return "that looks like an epsilon, and the moving statistics are those of the last batch; pass 0.9 or more"
    if value == 0:
        return "its moving statistics are those of the last batch alone; pass 0.9 or more"
    return (
        f"Keras keeps that share of the old statistics, PyTorch's {value:g} is Keras's {1 - value:g}; pass momentum={1 - value:g}"
    )


def fix(program: Program, layer: LayerV, value: float) -> Fix | None:
    """One minus the value, where the value is a literal of PyTorch's kind in the call."""
    span = program.argument_span(layer, "momentum")
    if span is None or not LARGEST_EPSILON < value <= 0.5:
        return None
    given = program.text(span)
    try:
        literal = float(given.rpartition("=")[2])
    except ValueError:
        return None
    if literal != value:
        return None
    kept = f"{1 - value:g}"
    return Fix(f"Pass momentum={kept}", "unsafe", (Edit(span, f"momentum={kept}" if "=" in given else kept),))


def experiment(bench: Bench) -> Verdict:
    """Trains a fresh layer with the momentum of each made at the place, and looks at its moving mean.

    In theory sqrt((1 - m) / (1 + m)) of the noise of one batch's mean is left: 0.58 at 0.5, the largest momentum that the rule
    reports, 0.42 at 0.7; measured over 75 steps and 32 channels the ratio is right to 0.02, hence 0.5 and 0.4 as bounds.
    """
    momenta = sorted({float(each.momentum): each for each in bench.making.layers()}.items())
    courses = [(momentum, bench.single(norm).momentum_course()) for momentum, norm in momenta]
    momentum, course = max(courses, key=lambda each: (fault(each[1]) != "", each[1]["noise"]))
    if fault(course):
        return bench.decided(True, f"with momentum {momentum:g} {fault(course)}", momentum=momentum, **course)
    kept = f"with momentum {momentum:g} the moving mean keeps {course['noise']:.2f} of the noise of one batch"
    if course["noise"] >= 0.4 or course["moved"] < 0.1:
        raise Inconclusive(f"{kept}, and has moved {course['moved']:.0%} of its way to the data's in 150 steps", final=True)
    return bench.decided(False, kept, momentum=momentum, **course)


def fault(course: Mapping[str, float]) -> str:
    """What is wrong with the course of moving statistics, if anything."""
    if course["variance"] < 0:
        return f"the moving variance falls to {course['variance']:.2g}"
    if course["moved"] == 0:
        return "the moving statistics never move"
    if course["moved"] < 0 or course["moved"] > 2:
        return f"the moving mean ends at {course['moved']:.2g} times the data's"
    return f"the moving mean keeps {course['noise']:.2f} of the noise of one batch" if course["noise"] > 0.5 else ""
