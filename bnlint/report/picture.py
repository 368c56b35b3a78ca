"""The statistics of a saved model as a picture, drawn with matplotlib."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from bnlint.inspect.results import VARIABLES, Inspection, SavedNorm

FORMATS = (".png", ".svg")
_PER_PAGE = 400
"""More layers than these cannot be told apart in a picture of a size that programs open."""
_NAME = 40
_SMALLEST = 1e-9
"""Variances below are counted instead of drawn, or the others would be one line."""


class PictureError(Exception):
    """The picture cannot be drawn or written; the message is one sentence that says what to do."""


def check_picture(path: str) -> None:
    """Raise PictureError where a picture could not be drawn here, before any work is done for it."""
    if not path.lower().endswith(FORMATS):
        raise PictureError(f"--picture {path}: pictures are written as .png or .svg; give a name that ends so")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise PictureError(
            f'--picture needs {error.name or "matplotlib"}, which is not installed; run: pip install "bnlint[picture]"'
        ) from error
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise PictureError(f"--picture {path}: its folder does not exist; make it first")


def draw_inspection(inspection: Inspection, path: str) -> None:
    """Write a picture with a row a layer, a column a variable, and a point a channel; raises PictureError.

    Layers with findings are red. Variances have a logarithmic axis.
    """
    check_picture(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    norms = inspection.norms[:_PER_PAGE]
    figure = Figure(figsize=(14, 1.6 + 0.32 * max(1, len(norms))), layout="constrained")
    FigureCanvasAgg(figure)
    faulty = {finding.layer for finding in inspection.findings}
    axes = figure.subplots(1, len(VARIABLES), sharey=True)
    for axis, name in zip(axes, VARIABLES):
        _draw(axis, name, norms, faulty)
    axes[0].set_yticks(range(len(norms)), [_label(norm.name) for norm in norms], parse_math=False)
    axes[0].set_ylim(len(norms) - 0.5, -0.5)
    rest = f" (the first {_PER_PAGE} of {len(inspection.norms)} layers)" if len(inspection.norms) > _PER_PAGE else ""
    figure.suptitle(f"{_label(os.path.basename(inspection.path))}{rest}", parse_math=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters in names that the font does not have
            figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise PictureError(f"--picture {path}: the picture cannot be written: {reason}; give another place") from error


def _draw(axis: Any, name: str, norms: Sequence[SavedNorm], faulty: set[str]) -> None:
    for row, norm in enumerate(norms):
        values = [value for value in norm.values.get(name, ()) if math.isfinite(value)]
        if name == "moving_variance":
            values = [value for value in values if value >= _SMALLEST]
        colour = "tab:red" if norm.name in faulty else "tab:blue"
        axis.plot(values, [row] * len(values), "|", color=colour, alpha=0.5, markersize=9)
        bad = len(norm.values.get(name, ())) - len(values)
        if bad:
            axis.annotate(
                f"{bad} not finite or below {_SMALLEST:g}" if name == "moving_variance" else f"{bad} not finite",
                (1, row),
                xycoords=("axes fraction", "data"),
                ha="right",
                color="tab:red",
                fontsize=7,
            )
    if name == "moving_variance" and _positive(norms):
        axis.set_xscale("log")
    axis.set_title(name)
    axis.grid(axis="y", alpha=0.3)


def _positive(norms: Sequence[SavedNorm]) -> bool:
    values: list[Mapping[str, tuple[float, ...]]] = [norm.values for norm in norms]
    return any(value > 0 and math.isfinite(value) for each in values for value in each.get("moving_variance", ()))


def _label(text: str) -> str:
    """A name that matplotlib can draw: printable, and not too long."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _NAME else f"...{shown[-_NAME:]}"
