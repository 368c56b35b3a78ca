"""What of the user's code runs, how it goes on behind what fails, and that everything keeps its place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Sequence
from textwrap import dedent
from typing import Any

import pytest

from bnlint.finding import Span
from bnlint.verify.instrument import RUNTIME, instrumented
from bnlint.verify.recorder import LayerCall, Recording
from bnlint.verify.runtime import MISSING, Runtime

PATH = "/project/script.py"
Names = Callable[[Recording], dict[str, Any]]


class Model:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))


class Run:
    """A source that was run as a stage does, with ``log`` to write to and a ``model`` to train."""

    def __init__(
        self,
        text: str,
        kept: Sequence[int] = (),
        spans: Sequence[Span] = (),
        made_up: Any = "made up",
        names: Names = lambda recording: {},
    ) -> None:
        self.recording = Recording()
        self.log: list[Any] = []
        self.model = Model()
        self.names: dict[str, Any] = {"log": self.log.append, "model": self.model, "__name__": "__main__"}
        self.names[RUNTIME] = Runtime(self.recording, lambda names: (made_up,))
        self.names |= names(self.recording)
        self.names["data"] = self.names[RUNTIME].made_up()
        self.text = dedent(text).lstrip()
        exec(compile(instrumented(self.text, PATH, kept, spans), PATH, "exec", dont_inherit=True), self.names)  # noqa: S102 - as the stage does it

    @property
    def failures(self) -> list[str]:
        return [type(each.error).__name__ for each in self.recording.failures]


# What runs


def test_statements_of_the_module_outside_the_slice_are_left_out() -> None:
    run = Run("log(1)\nlog(2)\nif True:\n    log(4)\n    log(5)\nlog(6)\n", kept=[2, 5])
    assert run.log == [2, 5]


def test_everything_runs_where_nothing_says_what_is_kept() -> None:
    assert Run("log(1)\nlog(2)\n").log == [1, 2]


def test_imports_and_definitions_run_in_any_case() -> None:
    run = Run(
        """
        "docstring"
        from __future__ import annotations
        import math
        x = 1
        try:
            import json
        except ImportError:
            pass
        def f() -> Missing:
            log(1)
            return 2
        class C:
            width = f()
        log(3)
        """,
        kept=[99],
    )
    assert run.log == [1] and run.names["C"].width == 2 and {"math", "json"} <= set(run.names)
    assert run.names["__doc__"] == "docstring" and "x" not in run.names


def test_a_function_that_does_not_train_runs_as_it_is() -> None:
    run = Run("def f():\n    log(1)\n    raise KeyError\nf()\nlog(2)\n", kept=[4, 5])
    assert run.log == [1, 2] and run.failures == ["KeyError"]


def test_the_slice_holds_inside_a_function_that_trains() -> None:
    text = "def main():\n    log(1)\n    log(2)\n    model.fit(1)\nmain()\n"
    run = Run(text, kept=[3, 4, 5])
    assert run.log == [2] and [each[0] for each in run.model.calls] == ["fit"]


# What fails


def test_a_failing_statement_of_the_module_stops_nothing() -> None:
    run = Run("log(1)\n1 / 0\nimport not_there_at_all\nraise SystemExit(1)\nlog(2)\n")
    assert run.log == [1, 2] and run.failures == ["ZeroDivisionError", "ModuleNotFoundError", "SystemExit"]


def test_what_interrupts_the_process_is_not_caught() -> None:
    with pytest.raises(KeyboardInterrupt):
        Run("raise KeyboardInterrupt\n")


def test_blocks_go_on_behind_a_failing_statement() -> None:
    run = Run(
        "if True:\n    1 / 0\n    log(1)\nfor i in range(2):\n    log(i)\n    [][0]\nwith open('/dev/null'):\n    {}[0]\n    log(2)\n"
    )
    assert run.log == [1, 0, 1, 2] and run.failures == ["ZeroDivisionError", "IndexError", "IndexError", "KeyError"]


def test_a_try_of_the_user_sees_its_own_exceptions() -> None:
    run = Run("try:\n    {}[0]\n    log(1)\nexcept KeyError:\n    log(2)\nelse:\n    log(3)\nfinally:\n    log(4)\n")
    assert run.log == [2, 4] and run.failures == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 knows no groups")
def test_a_try_for_groups_of_exceptions_sees_them_too() -> None:
    run = Run("try:\n    {}[0]\n    log(1)\nexcept* KeyError:\n    log(2)\n")
    assert run.log == [2] and run.failures == []


def test_break_and_continue_and_return_work_inside_guarded_blocks() -> None:
    run = Run("""
        for i in range(5):
            if i == 1:
                continue
            if i == 3:
                break
            log(i)
        def main():
            model.fit(1)
            for i in range(3):
                if i == 1:
                    return i
        log(main())
        """)
    assert run.log == [0, 2, 1] and run.failures == []


def test_a_function_that_trains_goes_on_and_one_step_of_it_does_not() -> None:
    run = Run("""
        def main():
            1 / 0
            model.fit(1)
            log(1)
        def step():
            with tf.GradientTape() as tape:
                pass
            main()
            log(2)
        main()
        step()
        """)
    assert run.log == [1] and run.failures == ["ZeroDivisionError", "NameError"]
    assert len(run.model.calls) == 1


def test_a_function_with_a_loop_that_trains_goes_on_though_it_has_a_tape() -> None:
    run = Run("""
        def main():
            1 / 0
            for i in range(9):
                with open("/dev/null") as tape:
                    log(i)
                optimizer.apply_gradients([])
            log("over")
        main()
        """)
    assert run.log == [0, 1, "over"]


# Loops


def test_loops_that_train_run_two_rounds_and_others_all() -> None:
    run = Run("for i in range(9):\n    model.fit(i)\nfor i in range(9):\n    log(i)\n")
    assert [each[1] for each in run.model.calls] == [(0,), (1,)] and len(run.log) == 9


def test_an_endless_loop_that_trains_ends_also_when_it_is_entered_again() -> None:
    run = Run("for epoch in range(3):\n    while True:\n        model.train_on_batch(1)\nlog('over')\n")
    assert [each[0] for each in run.model.calls] == ["train_on_batch"] * 2 and run.log == ["over"]


def test_each_endless_loop_has_rounds_of_its_own() -> None:
    run = Run("while True:\n    model.train_on_batch(1)\nwhile True:\n    model.train_on_batch(2)\n")
    assert [each[1] for each in run.model.calls] == [(1,), (1,), (2,), (2,)]


def test_a_loop_trains_through_functions_of_the_module() -> None:
    run = Run("def inner(i):\n    model.fit(i)\ndef outer(i):\n    inner(i)\nfor i in range(9):\n    outer(i)\n")
    assert len(run.model.calls) == 2


def test_a_loop_without_its_data_gets_made_up_batches_of_its_structure() -> None:
    run = Run("for step, (x, y) in enumerate(not_here):\n    model.fit(x, y)\n    log(step)\n")
    assert [each[1] for each in run.model.calls] == [("made up", "made up")] * 2
    assert run.recording.notes == ["the batches are made up"]


def test_a_made_up_data_set_gives_what_the_loop_takes_apart() -> None:
    run = Run("""
        for step, (x, y) in enumerate(data):
            log((step, x, y))
        for (a, b), c in zip(data.batch(4), data):
            log((a, b, c))
        log([x for x in data])
        """)
    made = "made up"
    assert run.log == [(0, made, made), (1, made, made), (made, made, made), (made, made, made), [made, made]]


def test_rows_that_cannot_be_taken_apart_are_replaced() -> None:
    run = Run("for x, y in [[1, 2, 3]] * 4:\n    model.fit(x, y)\n")
    assert [each[1] for each in run.model.calls] == [("made up", "made up")] * 2


def test_the_users_own_batches_are_taken_where_they_are_there() -> None:
    run = Run("for x, y in [(1, 2)] * 4:\n    model.fit(x, y)\n")
    assert [each[1] for each in run.model.calls] == [(1, 2)] * 2


# Arguments


def test_an_argument_of_training_that_cannot_be_evaluated_is_left_out() -> None:
    run = Run("model.fit(not_here, 1, epochs=2, validation_data=(not_here, 1))\n")
    assert run.model.calls == [("fit", (MISSING, 1), {"epochs": 2})] and run.failures == []


def test_arguments_of_evaluation_wait_and_those_of_other_methods_do_not() -> None:
    run = Run("model.predict(not_here)\nmodel.summary(not_here)\n")
    assert run.model.calls == [("predict", (MISSING,), {})] and run.failures == ["NameError"]


def test_a_function_that_trains_gets_a_stand_in_for_each_argument() -> None:
    run = Run("def train(data, rate):\n    model.fit(data)\n    log((data, rate))\ntrain(data=not_here, rate=0.1)\n")
    assert run.log == [(MISSING, 0.1)]


def test_arguments_are_evaluated_once_and_in_order() -> None:
    run = Run("def f(x):\n    log(x)\n    return x\nmodel.fit(f(1), f(2), a=f(3), b=f(4))\n")
    assert run.log == [1, 2, 3, 4] and run.model.calls == [("fit", (1, 2), {"a": 3, "b": 4})]


@pytest.mark.parametrize("call", ["model.fit(*rows)", "model.fit(**names)", "model.fit(x := 3)"])
def test_arguments_that_cannot_wait_are_left_as_they_are(call: str) -> None:
    run = Run(f"rows, names = [1, 2], {{'x': 1}}\n{call}\n")
    assert len(run.model.calls) == 1 and run.failures == []
    assert MISSING not in run.model.calls[0][1] and run.names.get("x", 3) == 3
    assert ("x" in run.names) == (":=" in call)


# Places


def spans_of(tree: ast.AST) -> list[tuple[str, int, int, int, int]]:
    """The calls of Python functions of the user in a tree with their exact places."""
    return sorted(
        (ast.unparse(each.func), each.lineno, each.col_offset, each.end_lineno or 0, each.end_col_offset or 0)
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and not ast.unparse(each.func).startswith(RUNTIME)
    )


PLACES = """\
import keras
def net(x, width=f(1)):
    for i in range(3):
        x = layer(x,
                  i)
    return g(x)
class C(base()):
    def call(self, x): return h(x)
while test():
    model.fit(data(1), epochs=n(2))
    for x, y in batches(3): step(x); model.fit(x)
"""


def test_every_call_keeps_its_place() -> None:
    assert spans_of(instrumented(PLACES, PATH, (), [])) == spans_of(ast.parse(PLACES))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 knows no columns")
def test_what_runs_stands_exactly_where_it_was_written() -> None:
    run = Run("""
        import sys
        def here():
            frame = sys._getframe(1)
            log(list(frame.f_code.co_positions())[frame.f_lasti // 2])
            return 1
        model.fit(1, y=[here(),
                        here()])
        """)
    assert run.log == [(6, 6, 16, 22), (7, 7, 16, 22)]


def test_coming_to_a_place_is_told_with_the_names_there() -> None:
    text = "def f(a):\n    b = a + 1\n    return b\nf(1)\nf(2)\n"
    run = Run(text, spans=[Span(PATH, 3, 12, 3, 13), Span("/project/other.py", 3, 1, 3, 2), Span(PATH, 99, 1, 99, 2)])
    assert set(run.recording.reached) == {0} and len(run.recording.reached[0]) == 2
    assert [each["b"] for each in run.recording.scopes[0]] == [2, 3]


def test_a_place_is_told_by_its_innermost_statement_alone() -> None:
    run = Run("if True:\n    if False:\n        log(1)\n    log(2)\n", spans=[Span(PATH, 3, 9, 3, 10), Span(PATH, 4, 5, 4, 6)])
    assert list(run.recording.reached) == [1]


def test_a_decorator_is_a_part_of_its_definition() -> None:
    text = "def d(f):\n    return f\n@d\ndef g():\n    log(1)\n"
    assert list(Run(text, spans=[Span(PATH, 3, 2, 3, 3)]).recording.reached) == [0]


def test_a_place_is_run_though_the_slice_has_it_not() -> None:
    assert Run("log(1)\nlog(2)\n", kept=[9], spans=[Span(PATH, 2, 1, 2, 7)]).log == [2]


def test_a_syntax_error_is_that_of_the_source() -> None:
    with pytest.raises(SyntaxError) as caught:
        instrumented("x = 1\ny = (\n", PATH, (), [])
    assert caught.value.filename == PATH and caught.value.lineno == 2


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", '"only a docstring"\n', "pass\n"])
def test_a_source_with_nothing_in_it_runs(text: str) -> None:
    assert Run(text, kept=[1]).failures == []


# What leads to a place, what is not here, what goes on and on


def test_calls_that_come_to_a_watched_place_are_kept_outside_the_slice() -> None:
    run = Run(
        """
        def freeze(model):
            log("place")
        def both(model):
            freeze(model)
        log("kept")
        log("left out")
        both(1)
        """,
        kept=[5],
        spans=[Span(PATH, 2, 5, 2, 17)],
    )
    assert run.log == ["kept", "place"]


def test_names_that_a_library_has_are_imported_beside_one_that_it_has_not() -> None:
    run = Run("from math import pi, no_such_name, tau\nlog(pi < tau)\n")
    assert (run.log, run.failures) == ([True], ["ImportError"])


def test_a_loop_that_gives_data_to_something_runs_over_made_up_batches_where_there_are_none() -> None:
    run = Run("for batch in missing:\n    log(batch)\n")
    assert (run.log, run.failures) == (["made up"] * 2, ["NameError"])


def test_a_loop_over_anything_else_that_is_missing_does_not_run() -> None:
    assert Run("for filters in missing:\n    log(filters)\n").log == []


def test_a_loop_that_only_applies_a_model_ends_early() -> None:
    run = Run(
        """
        def use(index):
            log(index)
            called(layer)
        for index in range(100):
            use(index)
        """,
        names=_calls_of(object()),
    )
    assert run.log == [0, 1, 2, 3]


def test_a_loop_that_applies_other_layers_each_time_goes_on() -> None:
    run = Run("for index in range(20):\n    log(index)\n    called(object() if index else layer)\n", names=_calls_of(object()))
    assert run.log == list(range(20))


def _calls_of(layer: object) -> Names:
    """``called`` notes a call of a layer, as a recorder does; what was called stays alive, and so has an identity of its own."""
    return lambda recording: {
        "layer": layer,
        "called": lambda each: recording.calls.append(LayerCall(each, (), recording.tick(), (1.0,), {})),
    }
