"""Where a frame stands in the user's source, and which of several places a span means."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from bnlint.finding import Span
from bnlint.verify.places import WHOLE_LINE, Place, is_user_code, nearest, overlaps, place_of, trace_places, user_stack

PATH = "/project/script.py"
EXACT = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 knows no columns")


class CodeOf310:
    """A code object as Python 3.10 has it, without positions."""

    co_filename = PATH


def run(text: str, **names: Any) -> dict[str, Any]:
    exec(compile(text, PATH, "exec", dont_inherit=True), names)  # noqa: S102 - as the stage does it
    return names


@EXACT
def test_the_stack_has_the_places_of_calls_innermost_first() -> None:
    found: list[tuple[Place, ...]] = []
    run("def f():\n    return note(1)\nx = 1, f()\n", note=lambda _: found.append(user_stack(2)))
    ours = [each for each in found[0] if each.path == PATH]
    assert ours == [Place(PATH, 2, 12, 2, 19), Place(PATH, 3, 8, 3, 11)]


@EXACT
def test_a_failure_has_the_places_it_passed_innermost_first() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("def f():\n    return 1 + (\n        1 / 0)\nf()\n")
    ours = [each for each in trace_places(caught.value) if each.path == PATH]
    assert ours == [Place(PATH, 3, 9, 3, 14), Place(PATH, 4, 1, 4, 4)]


def test_without_columns_a_place_is_its_whole_line() -> None:
    place = place_of(CodeOf310(), 10, 7)
    assert place == Place(PATH, 7, 1, 7, WHOLE_LINE)
    assert overlaps(place, Span(PATH, 7, 30, 7, 40)) and overlaps(place, Span(PATH, 5, 3, 7, 2))
    assert not overlaps(place, Span(PATH, 8, 1, 8, 5)) and not overlaps(place, Span(PATH, 6, 1, 6, 99))


def test_on_whole_lines_the_line_that_a_span_starts_on_is_nearest() -> None:
    lines = [Place(PATH, line, 1, line, WHOLE_LINE) for line in (3, 4, 5, 6)]
    assert nearest(lines, Span(PATH, 4, 9, 4, 20)) == {lines[1]}


def test_a_place_that_only_touches_a_span_does_not_overlap_it() -> None:
    span = Span(PATH, 2, 5, 2, 10)
    assert overlaps(Place(PATH, 2, 9, 2, 12), span) and overlaps(Place(PATH, 1, 1, 3, 1), span)
    assert not overlaps(Place(PATH, 2, 10, 2, 12), span) and not overlaps(Place(PATH, 2, 1, 2, 5), span)
    assert not overlaps(Place("/project/other.py", 2, 5, 2, 10), span)


def test_the_nearest_place_is_the_one_whose_ends_are_closest() -> None:
    span = Span(PATH, 2, 5, 2, 25)
    exact, inner, outer, elsewhere = (
        Place(PATH, 2, 5, 2, 26),
        Place(PATH, 2, 12, 2, 20),
        Place(PATH, 1, 1, 4, 2),
        Place(PATH, 9, 5, 9, 25),
    )
    assert nearest([outer, inner, exact, elsewhere], span) == {exact}
    assert nearest([outer, inner, elsewhere], span) == {inner}
    assert nearest([elsewhere], span) == set()


def test_lines_count_before_columns() -> None:
    span = Span(PATH, 2, 1, 3, 1)
    assert nearest([Place(PATH, 2, 90, 3, 90), Place(PATH, 2, 1, 2, 2)], span) == {Place(PATH, 2, 90, 3, 90)}


def test_places_that_are_equally_near_are_all_meant() -> None:
    span = Span(PATH, 2, 1, 3, 1)
    both = [Place(PATH, 2, 1, 2, 10), Place(PATH, 2, 2, 2, 9)]
    assert len(nearest(both, span)) == 2


def test_libraries_and_bnlint_are_nobodys_code() -> None:
    import numpy

    assert is_user_code(PATH) and is_user_code(os.path.dirname(numpy.__file__) + "_of_mine" + os.sep + "net.py")
    for path in (numpy.__file__, is_user_code.__wrapped__.__code__.co_filename, os.__file__.replace("os.py", "contextlib.py")):
        assert not is_user_code(path), path
    assert not is_user_code("<frozen importlib._bootstrap>")
