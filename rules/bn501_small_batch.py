"""Small batch.

## What it does
Reports a batch size that is known to be below `minimum` (8) where a model with trainable batch normalization is trained: in `fit`,
`train_on_batch`, `dataset.batch`, the `flow` methods of an `ImageDataGenerator`, a data set read from a folder, or the data of a loop
that applies gradients. Under a distribution strategy what counts is the batch of one replica. A batch of one sample is an error, and so
is a last batch that is known to hold a single one.

## Why is this bad?
Run normalizes with the statistics of the batch, inference with the moving statistics, and the two agree only where a batch is
large. Measured on standard normal data, the root mean square of what inference gives differs from what training gave by 0.21 in
batches of 32, 0.46 in batches of 8, 1.17 in batches of 2, and 31.6 in batches of 1: there a dense layer's output is normalized
to zero, and the moving variance becomes 0. In batches of 2 every output is -1 or +1, and the moving variance is half of the true
one. A single sample at the end of an epoch does the same damage: 65 samples in batches of 32 give a moving variance of 5.35 where
8.69 is right. Accumulating gradients does not help: each micro batch is normalized by itself.

## Bad
```python
import keras


def train(x, y, batch_size=2):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(10),
        ]
    )
    model.compile("adam", "mse")
    model.fit(x, y, batch_size=batch_size, epochs=50)  # BN501
```

## Good
```python
import keras


def train(x, y, batch_size=2):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32),
            keras.layers.LayerNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(10),
        ]
    )
    model.compile("adam", "mse")
    model.fit(x, y, batch_size=batch_size, epochs=50)
```

## Limits
Silent for `predict` and `evaluate`, for validation data, for layers that are frozen or run in inference mode, for sizes that are not
known, and in unit tests (files with one of {names: unit tests}). A default of a parameter or of the command line counts, and the message says so. The batches of a generator
function or of a `Sequence` are known by the arrays that it makes, or by a parameter or attribute named one of {names: batch sizes}.
Convolutions give batch normalization every position of a picture, which makes a small batch less harmful, but never as good as a large one.

## Verify
Lets the moving statistics settle on batches of this size, and on batches of 32, and compares what the normalizations give in training mode with what they
give in inference. A gap that is 1.75 times that of batches of 32 (twice as large is that of batches of 8), and above a tenth of a standard
deviation, confirms the finding; one below 1.25 times, or a model in which no normalization learns, refutes it. Made-up pictures
differ from each other by a quarter of their variance.

## References
- <https://github.com/keras-team/keras/issues/8837>
- <https://github.com/petrosgk/Kaggle-Carvana-Image-Masking-Challenge/issues/4>
- <https://github.com/tensorflow/models/issues/5066>
- <https://github.com/tensorflow/tensorflow/issues/46205>
- <https://github.com/ben-davidson-6/Gated-SCNN/issues/8>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Finding,
    Inconclusive,
    Option,
    Options,
    Program,
    Related,
    Rule,
    Run,
    Span,
    Verdict,
    in_unit_test,
    is_repeated,
    report,
    training_runs,
)

RULE = Rule(
    code="BN501",
    name="small-batch",
    severity="warning",
    options=(Option("minimum", 8, "the smallest batch size that is not reported"),),
)
SMOKE_TEST = 10
ENOUGH = 8


def check(program: Program, options: Options) -> Iterator[Finding]:
    reported: set[Span] = set()
    for run in sorted(training_runs(program), key=lambda each: each.batch.value if each.batch is not None else 0):
        text = fault(run, int(options["minimum"]))
        place = run.place
        if text is None or place is None or place in reported or in_unit_test(run):
            continue
        reported.add(place)
        single = run.last == 1 or (run.batch is not None and run.batch.value == 1)
        layer = program.name(run.norms[0])
        related = tuple(Related(norm.site.span, "normalized here") for norm in run.norms[:1] if norm.site is not None)
        yield report(RULE, place, f"{layer} {text}", severity="error" if single else None, related=related)


def fault(run: Run, minimum: int) -> str | None:
    """What is wrong with the size of the batches, if anything."""
    batch = run.batch
    if batch is None or batch.value < 1:
        return None
    told = " by default" if batch.assumed or batch.default else ""
    if run.data_is_one_batch and (run.steps is None or run.steps < SMOKE_TEST) and not is_repeated(run):
        return None
    if batch.value == 1:
        return (
            f"is trained on single samples{told}, which are normalized with their own statistics; "
            "use a larger batch, or GroupNormalization or LayerNormalization"
        )
    if batch.value < minimum:
        share = " on each replica" if run.strategy is not None else ""
        return (
            f"is trained in batches of {batch.value}{share}{told}: their statistics are far from those it predicts with; "
            f"use {minimum} or more, or GroupNormalization or LayerNormalization"
        )
    if run.last == 1 and run.samples is not None:
        return (
            f"gets a last batch of a single sample ({run.samples.value} samples in batches of {batch.value}{told}), "
            "which upsets its moving statistics; use drop_remainder=True, or another batch size"
        )
    return None


def experiment(bench: Bench) -> Verdict:
    """Compares the gap between training mode and inference in batches of the size at the place with that in batches of 32.

    For independent samples the gap goes with one over the root of the size: 2 times that of 32 at the rule's minimum of 8, 1.4
    at 16. Convolutions make both gaps smaller, as they should, and leave the ratio. A last batch of one is measured as that.
    """
    model = bench.sizes.model()
    plan = bench.sizes.batch()
    if plan.batch is not None and plan.batch >= ENOUGH:
        bench.sizes.need_last(plan)
    size = 1 if plan.last == 1 else plan.batch or 1
    gaps = bench.observer.mode_gaps(model, size, 32)
    if gaps is None:
        return bench.decided(False, "no batch normalization in the model learns statistics", batch=size)
    gap, other = gaps
    text = (
        f"in {'a last batch' if size != plan.batch else 'batches'} of {size}, training mode and inference are {gap:.2f} "
        f"standard deviations apart; in batches of 32, {other:.2f}"
    )
    if gap > 1.75 * other and gap > 0.1:
        return bench.decided(True, text, batch=size, gap=gap, other=other)
    if gap > 1.25 * other or plan.last is None or "Strategy" in bench.stage.job.text:
        raise Inconclusive(text)
    return bench.decided(False, text, batch=size, gap=gap, other=other)
