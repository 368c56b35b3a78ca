"""How much a call of fit would train on, read off what it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

_DEFAULT_BATCH = 32
_POSITIONS = {
    "fit": ("x", "y", "batch_size", "epochs"),
    "fit_generator": ("x", "steps_per_epoch", "epochs"),
    "train_on_batch": ("x", "y"),
}
_SHORT = 200
"""Batches of a data set that are gone through to see how large the last one is."""
_FREE = (str, bytes, int, float, type(None))


@dataclass(frozen=True)
class Plan:
    """One call: the samples of a batch, those of an epoch's last batch, and the updates in all; None where it cannot be told.

    ``told`` tells whether the size of the batch is an argument of the call, and does not come from the data.
    """

    batch: int | None = None
    last: int | None = None
    steps: int | None = None
    told: bool = False


def planned(kind: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Plan:
    """What a call of ``fit``, ``fit_generator`` or ``train_on_batch`` asks for."""
    given = {**dict(zip(_POSITIONS[kind], args, strict=False)), **kwargs}
    data = given.get("x", given.get("generator"))
    rows = _rows(data)
    if kind == "train_on_batch":
        return Plan(rows, rows, 1)
    epochs = _integer(given.get("epochs", 1))
    if rows is not None:
        split = given.get("validation_split") or 0.0
        batch = _integer(given.get("batch_size") or _DEFAULT_BATCH)
        if batch is None or not isinstance(split, (int, float)):
            return Plan()
        rows = int(rows * (1 - split))
        each_epoch = _integer(given.get("steps_per_epoch")) or math.ceil(rows / batch)
        in_all = None if epochs is None else each_epoch * epochs
        return Plan(min(batch, rows), rows % batch or batch, in_all, given.get("batch_size") is not None)
    steps_given = _integer(given.get("steps_per_epoch"))
    length = steps_given if steps_given is not None else _batches(data)
    told = _integer(given.get("batch_size"))
    last = _last_batch(data) if steps_given is None else None
    steps = None if length is None or epochs is None else length * epochs
    return Plan(told or _first_batch(data), last, steps, told is not None)


def _integer(value: Any) -> int | None:
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0 else None


def _rows(data: Any) -> int | None:
    """The samples in arrays; None for what makes batches by itself, and for what is not there."""
    if isinstance(data, dict):
        data = next(iter(data.values()), None)
    if isinstance(data, (list, tuple)) and data:
        return len(data) if isinstance(data[0], _FREE) else _rows(data[0])
    is_array = hasattr(data, "shape") and (hasattr(data, "dtype") or hasattr(data, "iloc"))
    return int(data.shape[0]) if is_array and len(data.shape) and data.shape[0] is not None else None


def _batches(data: Any) -> int | None:
    try:
        return len(data)
    except (TypeError, NotImplementedError, ValueError):
        return None


def _last_batch(data: Any) -> int | None:
    """The samples in the last batch of a data set that ends soon."""
    try:
        if not hasattr(data, "cardinality") or not 0 < int(data.cardinality()) <= _SHORT:
            return None
        last = None
        for last in data:
            pass
        return _rows(last if isinstance(last, dict) or not isinstance(last, (list, tuple)) else last[0])
    except Exception:  # noqa: BLE001 - the user's code may raise anything where its files are not here
        return None


def _first_batch(data: Any) -> int | None:
    """The samples in the first batch of a data set, sequence or generator, which is taken from it."""
    try:
        if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
            first = data[0]
        else:
            first = next(iter(data))
    except Exception:  # noqa: BLE001 - the user's code may raise anything where its files are not here
        return None
    return _rows(first if isinstance(first, dict) or not isinstance(first, (list, tuple)) else first[0])
