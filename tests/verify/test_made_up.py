"""What functions and steps take their arguments apart into, by their sources, and what names of numbers are worth."""

from __future__ import annotations

import ast
import linecache
from typing import Any

import pytest

from bnlint.verify.guesses import INPUT, guess, is_data
from bnlint.verify.made_up import indexed, unpacked
from bnlint.verify.steps import SINGLE, batch_structure

PATH = "/project/steps.py"


def test_names_are_paired_with_what_they_are_taken_apart_into() -> None:
    assert unpacked(ast.parse("(a, b), (c, d) = first, second")) == {"first": ("a", "b"), "second": ("c", "d")}
    assert unpacked(ast.parse("a, b = first, second")) == {}


@pytest.mark.parametrize(("source", "count"), [("f[0] + f[2]", 3), ("f[-1]", 2), ("f[i]", 3), ("g[4]", 0)])
def test_a_parameter_has_as_many_items_as_its_indices_ask_for(source: str, count: int) -> None:
    assert indexed(ast.parse(source), "f") == count


def model(body: str) -> Any:
    """A model whose step has a body, in a file of the user's."""
    text = f"class Net:\n    def train_step(self, data):\n        {body}\n"
    linecache.cache[PATH] = (len(text), None, text.splitlines(keepends=True), PATH)
    names: dict[str, Any] = {"__name__": "steps"}
    exec(compile(text, PATH, "exec"), names)  # noqa: S102 - as the stage does it
    return names["Net"]()


@pytest.mark.parametrize(
    ("body", "structure"),
    [
        ("return self(data)", SINGLE),
        ("x, y, w = data", ("x", "y", "w")),
        ("return data[0]", None),
        ("return isinstance(data, tuple)", None),
        ("return unpack_x_y_sample_weight(data)", None),
        ("return super().train_step(data)", None),
    ],
)
def test_a_step_tells_what_it_makes_of_its_batch(body: str, structure: object) -> None:
    assert batch_structure(model(body)) == structure


def test_a_step_of_no_user_tells_nothing() -> None:
    assert batch_structure(object()) is None


@pytest.mark.parametrize("name", ["n_obs", "num_inputs", "n_features"])
def test_names_that_count_are_numbers(name: str) -> None:
    assert isinstance(guess(name), int)


def test_an_annotated_number_is_no_tensor() -> None:
    assert (guess("inputs", "int"), guess("inputs")) == (16, INPUT)


@pytest.mark.parametrize(
    ("name", "data"), [("batch", True), ("images", True), ("x_batch", True), ("filters", False), ("layer", False)]
)
def test_names_tell_whether_they_stand_for_data(name: str, data: bool) -> None:
    assert is_data(name) is data
