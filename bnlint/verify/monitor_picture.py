"""The course of moving statistics as a picture."""

from __future__ import annotations

from math import exp
from typing import Any

from bnlint.verify.monitor_course import GAP, LayerCourse, State

_MOST_LINES = 12


def draw(courses: list[LayerCourse]) -> Any:
    """A matplotlib Figure of two panels over the epochs: how far the moving mean is off, and the moving variance.

    They are compared with the batches where samples were given, else with the beginning of the training. Each layer is a
    line, or a row of a map where there are many. Raises ImportError without matplotlib, ValueError where there is nothing.
    """
    courses = [course for course in courses if len(course.states) > 1]
    if not courses:
        raise ValueError("nothing to draw: fit the model with this callback first")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('the picture is drawn by matplotlib, which is not installed: pip install "bnlint[picture]"') from error
    compared = courses[0].last.batch is not None
    figure = Figure(figsize=(11, 4.5 if len(courses) <= _MOST_LINES else 3 + 0.16 * len(courses)), layout="constrained")
    panels = figure.subplots(1, 2)
    other = "batches" if compared else "the beginning"
    titles = (f"moving mean: distance from {other} (standard deviations)", f"moving variance: factor from {other}")
    for part, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("epoch")
        rows = [[_value(course, state, part, compared) for state in course.states[1:]] for course in courses]
        epochs = [state.epoch + 1 for state in courses[0].states[1:]]
        if len(courses) <= _MOST_LINES:
            for course, row in zip(courses, rows, strict=True):
                panel.plot([state.epoch + 1 for state in course.states[1:]], row, marker=".", label=course.name)
            panel.axhline((GAP, 2)[part], color="grey", linestyle=":")
        else:
            _map(figure, panel, rows, epochs, [course.name for course in courses])
    if len(courses) <= _MOST_LINES:
        panels[0].legend(fontsize=7)
    return figure


def _value(course: LayerCourse, state: State, part: int, compared: bool) -> float:
    found = course.gap(state) if compared else course.drift(state)
    if found is None:
        return float("nan")
    return found[0] if part == 0 else exp(found[1])


def _map(figure: Any, panel: Any, rows: list[list[float]], epochs: list[int], names: list[str]) -> None:
    width = max(len(row) for row in rows)
    image = panel.imshow([row + [float("nan")] * (width - len(row)) for row in rows], aspect="auto", cmap="viridis")
    panel.set_yticks(range(len(names)), names, fontsize=6)
    panel.set_xticks(range(len(epochs)), [str(epoch) for epoch in epochs], fontsize=7)
    figure.colorbar(image, ax=panel)
