"""Legacy import.

## What it does
Reports a path or a class from which batch normalization can no longer be had: `keras.layers.normalization`, `tensorflow.python.keras`,
`keras.layers.BatchNormalizationV1`, `experimental.SyncBatchNormalization`, `tf.contrib`.

## Why is this bad?
The import raises `ImportError`, or the attribute `AttributeError` (measured on TensorFlow 2.21 with Keras 3.15:
`tensorflow.keras.layers.experimental.SyncBatchNormalization` is gone). In code that is rarely reached, nobody sees it until then.

## Bad
```python
from keras.layers import Dense
from keras.layers.normalization import BatchNormalization  # BN510
from keras.models import Sequential

model = Sequential([Dense(8, use_bias=False), BatchNormalization(), Dense(1)])
```

## Good
```python
from keras.layers import BatchNormalization, Dense
from keras.models import Sequential

model = Sequential([Dense(8, use_bias=False), BatchNormalization(), Dense(1)])
```

## Limits
Silent for Keras 2, for other layers on such a path, in a `try`, where versions are tested, and for private paths that still work
(`keras.src`). The path is reported where it is written: in the import, or where the attribute is read.

## Verify
Imports the name: an exception confirms the finding.

## References
- <https://github.com/tensorflow/tensorflow/issues/58947>
- <https://github.com/google/automl/issues/384>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Finding, Program, Rule, Span, report

RULE = Rule(code="BN510", name="legacy-import", severity="error")
NORM = "keras.layers.BatchNormalization"
SYNC = "keras.layers.experimental.SyncBatchNormalization"
CONTRIB = ("tensorflow.contrib.layers.batch_norm", "tensorflow.contrib.slim.batch_norm")
PRIVATE = {"src", "_tf_keras", "api", "_api", "_impl"}
"""Words of paths that are nobody's business, but work."""


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for reference in program.references("BatchNorm", "batch_norm"):
        if reference.kind == "name" or reference.span in reported:
            continue
        found = [advice(program, name) for name in reference.names]
        if None in found or program.is_guarded_node(reference.node, reference.span.path):
            continue
        reported.add(reference.span)
        yield report(RULE, reference.span, f"{reference.names[0]} no longer exists: importing it raises; {found[0]}")


def advice(program: Program, dotted: str) -> str | None:
    """What to use in place of a name that is gone; None for any other name."""
    resolved, generation = program.resolve(dotted)
    if generation == "2":
        return None
    if dotted in CONTRIB:
        return f"use {NORM}"
    if resolved is None or resolved.name not in (NORM, SYNC) or "3" in resolved.importable:
        return None
    parts = set(dotted.split("."))
    if dotted.startswith("keras_core") or (parts & PRIVATE and resolved.name == NORM and not parts & {"_v1", "_v2"}):
        return None
    root = "tensorflow.keras" if dotted.startswith("tensorflow") else "keras"
    path = f"use {root}.layers.BatchNormalization"
    return path if resolved.name == NORM else f"{path} with synchronized=True"
