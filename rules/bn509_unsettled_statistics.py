"""Unsettled statistics.

## What it does
Reports the training of a model where the number of steps is known, from the number of samples, the batch size and the epochs, and is
below 3 / (1 - momentum) for the momentum of a batch normalization in it: 300 steps for the default of 0.99.

## Why is this bad?
The moving statistics start at mean 0 and variance 1, and every step moves them by a share of 1 - momentum towards those of the batch.
After 3 / (1 - momentum) steps 5 % of the start is left; after fewer, predictions are made with statistics that are still largely
those of the start, while training, which normalizes with the batch, looks fine. Measured at momentum 0.99 for a mean of 5: 0.90
after 20 steps, 3.17 after 100; after 15 steps the cross-entropy of one network was 0.006 in training mode and 32.5 on the
same data in inference.

## Bad
```python
import keras

(x, y), _ = keras.datasets.mnist.load_data()
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Dense(10),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x[:1000] / 255, y[:1000], epochs=3)  # BN509
```

## Good
```python
import keras

(x, y), _ = keras.datasets.mnist.load_data()
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(),
        keras.layers.Dense(10),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x[:1000] / 255, y[:1000], epochs=3)
```

## Limits
Silent where the number of steps is not known: samples out of sight, `fit` in a loop, training in a function that the code in sight does not
call. Calls of `train_on_batch` count in loops over ranges that are written down, without conditions, where the model predicts or is
evaluated behind them. Silent for fewer than 10 steps and for data of zeros or ones, which only try whether the code runs; in unit tests
(files with one of {names: unit tests}); for layers that are frozen, and for weights that were loaded. The steps of all calls of `fit`
on one model count together, and the finding stands at the last one.

## Verify
Counts the steps that the calls of `fit` ask for, and takes as many in a real `fit` (100 at most; the share falls by the same factor with every step), with moving means that start at a million. More than 5 %
of that left confirms the finding, which is what 3 / (1 - momentum) steps leave; less refutes it.

## References
- <https://github.com/keras-team/keras/issues/7265>
- <https://github.com/keras-team/keras/issues/10666>
- <https://github.com/keras-team/keras/issues/3366>
- <https://github.com/tensorflow/tensorflow/issues/44568>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    LayerV,
    Program,
    Related,
    Rule,
    Run,
    Span,
    Verdict,
    all_steps,
    in_unit_test,
    is_made_up,
    report,
    training_runs,
)

RULE = Rule(code="BN509", name="unsettled-statistics", severity="warning")
SMOKE_TEST = 10
CHOICES = (0.99, 0.98, 0.97, 0.95, 0.9, 0.8, 0.7)


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    last = {(id(each.world), id(each.model)): each for each in training_runs(program)}
    for run in last.values():
        steps, slowest = all_steps(program, run), slowest_norm(program, run)
        if steps is None or slowest is None or run.event.span in reported:
            continue
        layer, momentum = slowest
        if steps < SMOKE_TEST or steps >= round(3 / (1 - momentum)) or is_made_up(run) or in_unit_test(run):
            continue
        reported.add(run.event.span)
        related = (Related(layer.site.span, "momentum of this layer"),) if layer.site is not None else ()
        yield report(RULE, run.event.span, message(program, run, layer, steps, momentum), related=related)


def slowest_norm(program: Program, run: Run) -> tuple[LayerV, float] | None:
    """The batch normalization whose moving statistics move most slowly, with its momentum."""
    known = [(layer, program.argument(layer, "momentum")) for layer in run.norms]
    found = [(layer, value) for layer, value in known if isinstance(value, (int, float)) and 0 < value < 1]
    return max(found, key=lambda each: each[1]) if found else None


def message(program: Program, run: Run, layer: LayerV, steps: int, momentum: float) -> str:
    fits = next(each for each in CHOICES if round(3 / (1 - each)) <= steps)
    defaults = [each for each in (run.samples, run.batch, run.epochs) if each is not None]
    told = " by default" if any(each.assumed for each in defaults) else ""
    return (
        f"{steps} training steps{told} are too few for {program.name(layer)} with momentum {momentum:g}: "
        f"{momentum**steps:.0%} of its initial statistics remain, and inference is far off; pass momentum={fits:g}, or train longer"
    )


def experiment(bench: Bench) -> Verdict:
    """Takes the steps that the code asks for and looks what is left of the moving means it started with.

    What the data add is less than 0.001 % of the start. 5 % are left after 3 / (1 - momentum) steps.
    """
    model, steps = bench.sizes.model(), bench.sizes.steps()
    share = bench.observer.initial_share(model, steps)
    if share is None:
        return bench.decided(False, "no batch normalization in the model learns statistics", steps=steps)
    text = f"after the {steps} steps asked for, {share:.0%} of the initial moving mean is left"
    return bench.decided(share > 0.05, text, steps=steps, share=share)
