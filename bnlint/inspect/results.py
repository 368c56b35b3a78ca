"""What is said about a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bnlint.finding import Severity

VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")
"""The variables of a batch normalization, in the order in which Keras keeps them."""

FEW = 8
"""How many channels or layers a message names."""


def count(number: int, what: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


class InspectionError(Exception):
    """A file cannot be inspected; the message is one sentence that says which file, what is wrong and what to do."""


@dataclass(frozen=True)
class Spread:
    """How the finite values of one variable are spread over its channels; all None where none is finite."""

    minimum: float | None
    median: float | None
    mean: float | None
    maximum: float | None
    not_finite: int = 0
    """How many values are NaN or infinite."""


@dataclass(frozen=True)
class SavedNorm:
    """One batch normalization of a saved model.

    ``frozen``, ``momentum`` and ``epsilon`` are None where the file does not say, as in files of weights alone. ``values`` and
    ``spread`` have the variables by name (:data:`VARIABLES`, as far as the layer has them).
    """

    name: str
    path: str
    channels: int
    frozen: bool | None
    momentum: float | None
    epsilon: float | None
    spread: Mapping[str, Spread]
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class FileFinding:
    """One fault of a saved model; ``message`` says what is wrong and what to do, ``measured`` has the numbers by name."""

    name: str
    severity: Severity
    layer: str
    message: str
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Inspection:
    """All that a saved model tells about its batch normalizations.

    ``format`` is "keras", "weights", "legacy-h5", "legacy-weights", "saved-model" or "checkpoint". ``steps`` is how many
    training steps the optimizer saved with it has made, None where there is none. ``notes`` say what is worth knowing without
    being a fault, and what this file cannot tell.
    """

    path: str
    format: str
    keras_version: str | None
    steps: int | None
    norms: tuple[SavedNorm, ...]
    findings: tuple[FileFinding, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 without findings, 1 with."""
        return int(bool(self.findings))

    def to_json(self) -> dict[str, Any]:
        """The inspection as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Inspection:
        """The inspection that :meth:`to_json` wrote."""
        norms = [
            SavedNorm(
                **each
                | {
                    "spread": {name: Spread(**spread) for name, spread in each["spread"].items()},
                    "values": {name: tuple(values) for name, values in each["values"].items()},
                }
            )
            for each in data["norms"]
        ]
        findings = [FileFinding(**each) for each in data["findings"]]
        lists = {"norms": tuple(norms), "findings": tuple(findings), "notes": tuple(data["notes"])}
        return Inspection(**dict(data) | lists)
