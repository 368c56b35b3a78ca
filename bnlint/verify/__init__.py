"""Proof of findings: models are built and measured. The only package that runs the code it judges.

For programs and tests: :func:`audit` checks a live model, :class:`BatchNormMonitor` is a callback that watches a training,
:func:`measure` runs one rule's experiment at a place in a source. They are imported when they are asked for; the first two need numpy
and the Keras of the model, the last what ``pip install "bnlint[verify]"`` brings.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnlint.verify.auditing import AuditWarning, audit
    from bnlint.verify.measuring import NoSuchPlace, measure
    from bnlint.verify.monitor import BatchNormMonitor, BatchNormWarning

__all__ = ["AuditWarning", "BatchNormMonitor", "BatchNormWarning", "NoSuchPlace", "audit", "measure"]

_HOMES = {
    "AuditWarning": "bnlint.verify.auditing",
    "BatchNormMonitor": "bnlint.verify.monitor",
    "BatchNormWarning": "bnlint.verify.monitor",
    "NoSuchPlace": "bnlint.verify.measuring",
    "audit": "bnlint.verify.auditing",
    "measure": "bnlint.verify.measuring",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
