"""Where in the user's source a frame stands, and which of the recorded places a span means."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import NamedTuple

from bnlint.finding import Span

_LIBRARIES = ("keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "tree", "optree", "wrapt", "absl")
_DEPTH = 40


class Place(NamedTuple):
    """The expression that a frame is evaluating; lines and columns are 1-based, the end is just behind the last character.

    Without exact positions (Python 3.10) it is the whole line.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


WHOLE_LINE = 1 << 20


def user_stack(depth: int = 1) -> tuple[Place, ...]:
    """The places in code that is neither a library's nor bnlint's own, innermost first."""
    frame: FrameType | None = sys._getframe(depth)
    found: list[Place] = []
    while frame is not None and len(found) < _DEPTH:
        if is_user_code(frame.f_code.co_filename):
            found.append(place_of(frame.f_code, frame.f_lasti, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def trace_places(error: BaseException) -> tuple[Place, ...]:
    """The places in the user's code that an exception passed, innermost first."""
    found: list[Place] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_user_code(code.co_filename):
            found.append(place_of(code, trace.tb_lasti, trace.tb_lineno))
        trace = trace.tb_next
    return tuple(reversed(found))


@lru_cache(maxsize=4096)
def place_of(code: CodeType, instruction: int, line: int) -> Place:
    """The place of an instruction; columns count code points, as spans do, for lines of ASCII."""
    positions = getattr(code, "co_positions", None)
    if positions is not None and instruction >= 0:
        start, end, column, end_column = next(islice(positions(), instruction // 2, None), (None,) * 4)
        if start is not None and end is not None and column is not None and end_column is not None:
            return Place(code.co_filename, start, column + 1, end, end_column + 1)
    return Place(code.co_filename, line, 1, line, WHOLE_LINE)


@lru_cache(maxsize=4096)
def is_user_code(path: str) -> bool:
    """Whether a file is part of the code that is judged."""
    return not path.startswith("<") and not path.startswith(_library_folders())


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [own, os.path.dirname(os.__file__) + os.sep + "contextlib", os.path.dirname(os.__file__) + os.sep + "importlib"]
    folders += [os.path.dirname(os.__file__) + os.sep + name for name in ("runpy", "functools", "threading", "copy", "inspect")]
    for entry in sys.path:
        folders += [os.path.join(entry, name) + os.sep for name in _LIBRARIES if os.path.isdir(os.path.join(entry, name))]
    return tuple(folders)


def overlaps(place: Place, span: Span) -> bool:
    """Whether a place and a span share any source."""
    return (
        place.path == span.path
        and (place.line, place.column) < (span.end_line, span.end_column)
        and (span.line, span.column) < (place.end_line, place.end_column)
    )


def nearest(places: Iterable[Place], span: Span) -> set[Place]:
    """Of the places that overlap a span, those whose extent is closest to it."""
    found = {place for place in places if overlaps(place, span)}
    if not found:
        return set()
    best = min(difference(place, span) for place in found)
    return {place for place in found if difference(place, span) == best}


def difference(place: Place, span: Span) -> tuple[int, int]:
    """How far the ends are from those of the span, in lines, then in columns."""
    lines = abs(place.line - span.line) + abs(place.end_line - span.end_line)
    return lines, abs(place.column - span.column) + abs(place.end_column - span.end_column)
