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

## Fix safety
Today's path takes the place of the old one (`synchronized=True` is passed in place of `SyncBatchNormalization`); the original raises,
so that this is safe. There is no fix for the functions of `tf.contrib`, and where the old module is bound to a name of its own.

## Limits
Silent for Keras 2, for other layers on such a path, in a `try`, where versions are tested, and for private paths that still work
(`keras.src`). `tensorflow.python.keras` is TensorFlow's own copy of Keras 2: most of it can still be imported, only batch normalization
is gone from it (measured on TensorFlow 2.21). The path is reported where it is written: in the import, or where the attribute is read.

## Verify
Imports the name, or reads the attribute: `ImportError` or `AttributeError` confirms the finding, anything that is there refutes it. The
installed Keras and TensorFlow decide.

## References
- <https://github.com/tensorflow/tensorflow/issues/58947>
- <https://github.com/google/automl/issues/384>
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.api import (
    Bench,
    Edit,
    Finding,
    Fix,
    Program,
    Reference,
    Rule,
    Span,
    Verdict,
    is_within_tensorflow,
    report,
    with_keyword,
)

RULE = Rule(code="BN510", name="legacy-import", severity="error", fix="safe")
NORM = "keras.layers.BatchNormalization"
SYNC = "keras.layers.experimental.SyncBatchNormalization"
CONTRIB = ("tensorflow.contrib.layers.batch_norm", "tensorflow.contrib.slim.batch_norm")
PRIVATE = {"src", "_tf_keras", "api", "_api", "_impl"}
"""Words of paths that are nobody's business, but work."""
ROOTS = {
    "tensorflow": "keras.layers.",
    "tensorflow.keras": "layers.",
    "keras": "layers.",
    "tensorflow.keras.layers": "",
    "keras.layers": "",
}
"""What may be bound to a name, and the way from there to the layers."""


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for reference in program.references("BatchNorm", "batch_norm"):
        if reference.kind == "name" or reference.span in reported:
            continue
        found = [advice(program, name) for name in reference.names]
        if None in found or program.is_guarded_node(reference.node, reference.span.path):
            continue
        reported.add(reference.span)
        message = f"{reference.names[0]} no longer exists: importing it raises; {found[0]}"
        yield report(RULE, reference.span, message, fix=fix(program, reference))


def advice(program: Program, dotted: str) -> str | None:
    """What to use in place of a name that is gone; None for any other name."""
    resolved, generation = program.resolve(dotted)
    if generation == "2" and not (program.target == "3" and is_within_tensorflow(dotted)):
        return None
    if dotted in CONTRIB:
        return f"use {NORM}"
    if resolved is None or resolved.name not in (NORM, SYNC) or "3" in resolved.importable:
        return None
    parts = set(dotted.split("."))
    if dotted.startswith("keras_core") or (parts & PRIVATE and resolved.name == NORM and not parts & {"_v1", "_v2"}):
        return None
    path = f"use {root(dotted)}.layers.BatchNormalization"
    return path if resolved.name == NORM else f"{path} with synchronized=True"


def root(dotted: str) -> str:
    return "tensorflow.keras" if dotted.startswith("tensorflow") else "keras"


def fix(program: Program, reference: Reference) -> Fix | None:
    """Today's path in place of the old one, in an import or where the class is used."""
    name = reference.names[0]
    resolved, _ = program.resolve(name)
    if name in CONTRIB or len(reference.names) > 1 or resolved is None:
        return None
    if isinstance(reference.node, ast.ImportFrom):
        edits = in_import(program, reference, reference.node) if resolved.name == NORM else None
    else:
        edits = in_use(program, reference, resolved.name == SYNC)
    return Fix("Use today's path", "safe", tuple(edits)) if edits else None


def in_import(program: Program, reference: Reference, node: ast.ImportFrom) -> list[Edit] | None:
    """The import taken apart: what is not at home in ``keras.layers`` stays where it is."""
    source = reference.source
    old = [each for each in node.names if advice(program, f"{node.module}.{each.name}") is None]
    new = [ast.alias(NORM.rpartition(".")[2], each.asname or each.name) for each in node.names if each not in old]
    for each in new:
        each.asname = None if each.asname == each.name else each.asname
    lines = [ast.ImportFrom(f"{root(reference.names[0])}.layers", new, 0)]
    lines += [ast.ImportFrom(node.module, old, 0)] if old else []
    place = source.span(node)
    if "#" in source.segment(place):
        return None
    return [Edit(place, f"\n{' ' * node.col_offset}".join(ast.unparse(each) for each in lines))]


def in_use(program: Program, reference: Reference, synchronized: bool) -> list[Edit] | None:
    """The chain of attributes from the name that an import binds."""
    source, node = reference.source, reference.node
    if not isinstance(node, ast.Attribute):
        return None
    written = source.segment(source.span(node))
    bound = reference.names[0].removesuffix(written[written.find(".") :])
    if bound not in ROOTS or f"{bound}{written[written.find('.') :]}" != reference.names[0]:
        return None
    edits = [Edit(source.span(node), f"{written.partition('.')[0]}.{ROOTS[bound]}BatchNormalization")]
    if synchronized:
        last = with_keyword(source, reference.call, "synchronized=True") if reference.call is not None else None
        return [*edits, last] if last is not None else None
    return edits


def experiment(bench: Bench) -> Verdict:
    """Imports the name once more, or reads the attribute from what the imports of the module bind.

    Only an exception of importing counts, and none where the library itself is not installed.
    """
    error = bench.making.import_error()
    if error is None:
        return bench.decided(False, "the name can be imported")
    return bench.decided(True, f"importing it raises {bench.making.said(error)}")
