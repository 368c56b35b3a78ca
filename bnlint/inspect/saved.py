"""A saved model as its reader found it, before anything is said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def from_bfloat16(halves: NDArray[np.uint16]) -> Vector:
    """Numbers of which the upper half of float32 is given."""
    return (halves.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


@dataclass
class Norm:
    """A batch normalization: where the file has it, its variables by name, its configuration where there is one.

    ``frozen`` is None where the file does not tell.
    """

    name: str
    path: str
    variables: Mapping[str, Vector]
    config: Mapping[str, Any] | None = None
    frozen: bool | None = None

    @property
    def channels(self) -> int:
        """How many channels it normalizes."""
        return max((len(each) for each in self.variables.values()), default=0)


@dataclass
class Saved:
    """What a reader found: ``models`` are the configurations of the functional and sequential models, the outermost first."""

    format: str
    norms: list[Norm]
    models: list[Mapping[str, Any]] = field(default_factory=list)
    keras_version: str | None = None
    steps: int | None = None
    notes: list[str] = field(default_factory=list)
