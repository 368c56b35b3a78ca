"""Global learning phase.

## What it does
Reports the use of `set_learning_phase`, `learning_phase_scope` or `learning_phase` of Keras's backend.

## Why is this bad?
Keras 3 has none of them (`AttributeError: module 'keras.backend' has no attribute 'set_learning_phase'`). In Keras 2 they do
nothing that matters: after `set_learning_phase(0)` a `fit` still moves the statistics (measured: by 0.35, as without it), after
`set_learning_phase(1)` `predict` and `evaluate` do not change (0.00). The old recipes to freeze batch normalization with it do nothing.
Hence it is a warning for Keras 2, `tf_keras` and `tensorflow.python.keras`, which is TensorFlow's own copy of Keras 2 and still has it
(measured on TensorFlow 2.21).

## Bad
```python
import keras
from keras import backend as K

K.set_learning_phase(0)  # BN208
base = keras.applications.MobileNet(include_top=False)
```

## Good
```python
import keras

base = keras.applications.MobileNet(include_top=False)
base.trainable = False
```

## Limits
Silent in a `try` and where versions are tested.

## Verify
Runs the code up to the use: an AttributeError or ImportError about the name confirms the finding. Where the attribute exists, as in
Keras 2, a small model is fitted in phase 0, and predicts in phase 1: statistics that the former moves by more than 1e-7, and the latter by less,
confirm that the phase has no effect. A line that uses no phase refutes it.

## References
- <https://github.com/keras-team/keras/issues/7177>
- <https://github.com/keras-team/keras/pull/9965>
- <https://github.com/qjadud1994/CRNN-Keras/issues/15>
"""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.api import Bench, Finding, Program, Rule, Span, Verdict, report

RULE = Rule(code="BN208", name="global-learning-phase", severity="error", supersedes=("BN201",))
NAMES = tuple(f"keras.backend.{name}" for name in ("set_learning_phase", "learning_phase_scope", "learning_phase"))


def check(program: Program) -> Iterator[Finding]:
    reported: set[Span] = set()
    for reference in program.references("learning_phase"):
        if reference.kind == "import" or reference.span in reported:
            continue
        resolved = [program.resolve(name) for name in reference.names]
        if not all(found is not None and found.name in NAMES for found, _ in resolved):
            continue
        if program.is_guarded_node(reference.node, reference.span.path):
            continue
        reported.add(reference.span)
        name = reference.names[0].rpartition(".")[2]
        if any(generation == "2" for _, generation in resolved):
            text = f"fit, evaluate and predict of Keras 2 do not heed the global phase of {name}; pass training= to the call, or set trainable"
            yield report(RULE, reference.span, text, severity="warning")
        else:
            text = f"Keras 3 has no {name}: this raises; pass training= to the call, or set trainable"
            yield report(RULE, reference.span, text)


def experiment(bench: Bench) -> Verdict:
    """The use itself: it must raise, or leave a ``fit`` and a ``predict`` as they are without it.

    What is only read is equal bit by bit, so that anything above the smallest step of a float32 counts as moved (1e-7).
    """
    return bench.learning_phase()
