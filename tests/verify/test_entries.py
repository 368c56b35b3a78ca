"""Which functions and classes lead to a place, in which order, with which arguments; and what their parameters are given."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import dedent
from typing import Any

import pytest

from bnlint.finding import Span
from bnlint.verify import guesses
from bnlint.verify.entries import Entry, entries_for, entries_named, training_entries
from bnlint.verify.made_up import iterated, single, unpacked


def towards(text: str, configured: Any = None) -> list[Entry]:
    """The entries for the line ``# here`` of a source."""
    text = dedent(text).lstrip()
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "# here" in each)
    return list(entries_for(text, Span("f.py", line, 1, line + 1, 1), configured or {}))


def names(entries: Iterable[Entry]) -> list[tuple[str, str, bool]]:
    return [(each.name, each.within, each.outermost) for each in entries]


def test_the_function_around_a_place_comes_before_those_that_use_it() -> None:
    found = towards("""
        def block(x):
            return x  # here
        def unrelated():
            return 1
        def net(x):
            return block(x)
        class Trainer:
            def run(self):
                return net(self)
        """)
    assert names(found) == [("block", "", False), ("net", "", False), ("Trainer", "", True)]


def test_functions_that_use_each_other_end() -> None:
    found = towards("def a():\n    return b()  # here\ndef b():\n    return a()\n")
    assert names(found) == [("a", "", False), ("b", "", False)]


def test_a_function_that_calls_itself_is_still_outermost() -> None:
    assert names(towards("def a(n):\n    return a(n - 1)  # here\n"))[-1] == ("a", "", True)


def test_the_method_around_a_place_is_named() -> None:
    found = towards("""
        class Net(Model):
            def __init__(self):
                pass
            def build_net(self):
                return 1  # here
        """)
    assert names(found) == [("Net", "build_net", True)]


def test_a_place_in_the_body_leads_to_what_uses_its_names() -> None:
    found = towards("""
        layer = BatchNormalization()  # here
        other = 1
        def net(x):
            return layer(x)
        def else_where():
            return other
        """)
    assert names(found) == [("net", "", True)]


def test_definitions_below_a_condition_count() -> None:
    assert names(towards("if True:\n    def net():\n        return 1  # here\n")) == [("net", "", True)]


def test_the_arguments_of_calls_in_the_file_are_tried_first_where_some_are_required() -> None:
    found = towards("""
        def net(classes, width=4, deep=False):
            return classes  # here
        net(10, deep=True)
        net(20, unknown())
        """)
    assert [each.arguments for each in found] == [{"classes": 10, "deep": True}, {"classes": 20}, {}]


def test_the_defaults_are_tried_first_where_nothing_is_required() -> None:
    found = towards("def net(width=4):\n    return width  # here\nnet(5)\n")
    assert [each.arguments for each in found] == [{}, {"width": 5}]


def test_a_class_is_called_with_the_arguments_of_its_constructor() -> None:
    found = towards("""
        class Net:
            def __init__(self, classes):
                self.classes = classes  # here
        Net(7)
        """)
    assert [each.arguments for each in found] == [{"classes": 7}, {}]


def test_texts_that_a_required_parameter_is_compared_with_are_tried() -> None:
    found = towards("""
        def norm(x, kind):
            if kind == "batch":
                return 1  # here
            if kind in ("layer", "group"):
                return 2
        """)
    assert [each.arguments for each in found] == [{"kind": "batch"}, {"kind": "layer"}, {"kind": "group"}, {}]


def test_the_arguments_of_the_configuration_come_first_and_are_the_users_word() -> None:
    found = towards("def net(a, b):\n    return a  # here\ndef main():\n    net(1, 2)\n", {"f.py:net": {"a": 3, "b": 4}})
    assert found[0] == Entry("net", "", {"a": 3, "b": 4}, outermost=True)


def test_what_trains_and_is_used_by_nobody_is_an_entry() -> None:
    text = dedent("""
        def step(model):
            model.fit(1)
        def main():
            step(net())
        def net():
            return 1
        class Trainer:
            def __init__(self):
                pass
            def run(self):
                self.model.train_on_batch(1)
        """)
    assert names(training_entries(text)) == [("main", "", True), ("Trainer", "run", True)]


def test_an_entry_by_name_is_the_one_of_that_name() -> None:
    text = "def a():\n    return 1\ndef b(classes):\n    return a()\nb(3)\n"
    assert list(entries_named(text, "b", {})) == [Entry("b", "", {"classes": 3}), Entry("b", "", {})]
    assert list(entries_named(text, "c", {})) == []


def test_a_function_that_is_defined_again_is_tried_once() -> None:
    assert names(entries_named("def a():\n    return 1\ndef a():\n    return 2\n", "a", {})) == [("a", "", True)]


# What parameters are given


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_shape", (32, 32, 3)),
        ("inputShape", (32, 32, 3)),
        ("num_classes", 10),
        ("n_actions", 10),
        ("batch_size", 16),
        ("filters", 16),
        ("n_blocks", 2),
        ("kernel_size", 3),
        ("dropout_rate", 0.1),
        ("learning_rate", 1e-3),
        ("activation", "relu"),
        ("padding", "same"),
        ("weights", None),
        ("use_bn", True),
        ("hidden_units", 16),
        ("hidden_layers", (16, 16)),
        ("n_labels", 10),
        ("targets", guesses.TARGET),
        ("img_height", guesses.SIZE),
        ("x", guesses.INPUT),
        ("x_train", guesses.INPUT),
        ("images", guesses.INPUT),
        ("y_true", guesses.TARGET),
        ("labels", guesses.TARGET),
        ("base_model", guesses.MODEL),
        ("optimizer", guesses.OPTIMIZER),
        ("loss_fn", guesses.LOSS),
        ("args", guesses.OPTIONS),
    ],
)
def test_a_parameter_is_guessed_by_its_name(name: str, value: Any) -> None:
    assert guesses.guess(name) == value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [("int", 1), ("bool", False), ("float", 0.5), ("str", "bnlint"), ("keras.Model", guesses.MODEL), ("", guesses.INPUT)],
)
def test_a_parameter_whose_name_tells_nothing_is_guessed_by_its_annotation(annotation: str, value: Any) -> None:
    assert guesses.guess("qqq", annotation) == value


def test_the_name_of_a_parameter_beats_its_annotation() -> None:
    assert guesses.guess("num_classes", "str") == 10


def test_what_a_function_does_with_a_parameter_tells_what_it_is() -> None:
    import ast

    body = ast.parse(
        "for x in enumerate(data): pass\nfor i in range(n): pass\n(a, b), c = batch\nshow(image[None], image_2[0])\n"
    )
    assert {"data"} <= iterated(body) and "n" not in iterated(body)
    assert unpacked(body) == {"batch": (("a", "b"), "c")}
    assert single(body) == {"image"}
