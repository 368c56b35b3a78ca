"""Inspections of saved models as text and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from bnlint.inspect.results import FileFinding, Inspection, SavedNorm, Spread
from bnlint.report.text import Painter, count, visible

_FORMATS = {
    "keras": "a .keras file",
    "weights": "a file of weights",
    "legacy-h5": "a whole model in HDF5",
    "legacy-weights": "a file of weights in the layout of Keras 2",
    "saved-model": "a SavedModel",
    "checkpoint": "a checkpoint of TensorFlow",
}
_COLUMNS = ("layer", "channels", "frozen", "moving_mean", "moving_variance", "gamma")


def render_inspection_json(inspection: Inspection) -> str:
    """One object, as :meth:`Inspection.to_json` has it but for the numbers of the single channels; NaN and infinity are null."""
    data = inspection.to_json()
    for norm in data["norms"]:
        del norm["values"]
    return json.dumps(_finite(data), indent=2, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def render_inspection(inspection: Inspection, colour: bool = False) -> str:
    """A table with a row a layer, the findings, what else is to be said, and a summary."""
    paint = Painter(colour)
    blocks = ["\n".join(_head(inspection, paint))]
    if inspection.findings:
        blocks.append("\n".join(_finding(inspection, each, paint) for each in inspection.findings))
    if inspection.notes:
        blocks.append("\n".join(f"note: {visible(note)}" for note in inspection.notes))
    layers = count(len(inspection.norms), "batch normalization")
    found = count(len(inspection.findings), "finding") if inspection.findings else "No findings"
    return "\n\n".join([*blocks, f"{found} in {layers}."]) + "\n"


def _head(inspection: Inspection, paint: Painter) -> Iterator[str]:
    facts = [_FORMATS[inspection.format]]
    if inspection.keras_version:
        facts.append(f"Keras {inspection.keras_version}")
    if inspection.steps is not None:
        facts.append(f"{count(inspection.steps, 'step')} of its optimizer")
    yield f"{paint(visible(inspection.path), 'bold')}: {visible(', '.join(facts))}"
    if not inspection.norms:
        return
    rows = [_COLUMNS, *(_row(norm) for norm in inspection.norms)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for index, row in enumerate(rows):
        cells = [cell.rjust(width) if column == 1 else cell.ljust(width) for column, (cell, width) in enumerate(zip(row, widths))]
        line = f"  {'  '.join(cells)}".rstrip()
        yield line if index else paint(line, "dim")


def _row(norm: SavedNorm) -> tuple[str, ...]:
    frozen = {True: "yes", False: "no", None: "?"}[norm.frozen]
    spreads = [_range(norm.spread.get(name)) for name in _COLUMNS[3:]]
    return (visible(norm.name), str(norm.channels), frozen, *spreads)


def _range(spread: Spread | None) -> str:
    """Smallest, median and largest value."""
    if spread is None:
        return "-"
    if spread.minimum is None or spread.median is None or spread.maximum is None:
        return "not finite"
    text = f"{spread.minimum:.3g} / {spread.median:.3g} / {spread.maximum:.3g}"
    return f"{text}, {spread.not_finite} not finite" if spread.not_finite else text


def _finding(inspection: Inspection, finding: FileFinding, paint: Painter) -> str:
    place = paint(f"{visible(inspection.path)}: {visible(finding.layer)}", "bold")
    return f"{place}: {paint(finding.name, finding.severity)}: {visible(finding.message)}"
