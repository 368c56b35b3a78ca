"""Suppression comments, and those that suppress nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Linter

HEAD = "import keras  # BatchNormalization\n"


@pytest.fixture
def remaining(linter: Linter) -> Any:
    """The (row, code) pairs that are left of a text's findings, its head not counted."""

    def check(text: str, *arguments: Any) -> Any:
        linter.write("model.py", HEAD + text)
        result = linter.check("model.py", *arguments)
        assert result.code in (0, 1), result.err
        return [(each["location"]["row"] - 1, each["code"]) for each in result.json]

    return check


def fixed(linter: Linter, text: str, *arguments: Any) -> Any:
    """The text after the fixes of its BN001 findings."""
    lines = (HEAD + text).split("\n")
    path = linter.write("model.py", HEAD + text)
    for finding in reversed(linter.check("model.py", *arguments).json):
        if finding["code"] == "BN001":
            assert finding["fix"]["applicability"] == "safe"
            (edit,) = finding["fix"]["edits"]
            start, end = edit["location"], edit["end_location"]
            before = "\n".join([*lines[: start["row"] - 1], lines[start["row"] - 1][: start["column"] - 1]])
            behind = "\n".join([lines[end["row"] - 1][end["column"] - 1 :], *lines[end["row"] :]])
            lines = (before + edit["content"] + behind).split("\n")
    path.write_text("\n".join(lines))
    return "\n".join(lines).removeprefix(HEAD)


@pytest.mark.parametrize(
    "text",
    [
        "faulty()  # bnlint: ignore[BN901]",
        "faulty()  # bnlint: ignore[faulty-call]  because",
        "faulty()  # bnlint: ignore[BN902, faulty-call]",
        "faulty()  # bnlint:ignore[BN9]",
        "faulty()  # bnlint: ignore",
        "faulty()  # noqa",
        "faulty()  # NoQA: BN901",
        "faulty()  # noqa:E501,BN901",
        "faulty()  # noqa: E501 BN901",
        "faulty()  # type: ignore  # bnlint: ignore[BN901]",
        "faulty(  # bnlint: ignore[BN901]\n  1,\n)",
        "faulty(\n  1,  # bnlint: ignore[BN901]\n)",
        "faulty(\n  1,\n)  # bnlint: ignore[BN901]",
        "x = f(  # bnlint: ignore[BN901]\n  1,\n  faulty(2),\n  3)",
        "x = f(\n  1,\n  faulty(2),\n  3)  # bnlint: ignore[BN901]",
        "# bnlint: ignore[BN901]\nfaulty()",
        "# bnlint: ignore[BN901]\nx = f(\n  faulty(2))",
        "# bnlint: ignore[BN901]\n# as it has always been\nfaulty()",
        "if x:\n    # bnlint: ignore[BN901]\n    faulty()",
        "# bnlint: ignore[BN901]\nif faulty():\n    pass",
        "if f(\n  faulty(),\n):  # bnlint: ignore[BN901]\n    pass",
        "# bnlint: ignore[BN901]\n@faulty()\ndef f(): pass",
        "@faulty()\ndef f():  # bnlint: ignore[BN901]\n    pass",
        "@faulty()\n# bnlint: ignore[BN901]\ndef f():\n    pass",
        "# bnlint: ignore-file\n\n\nfaulty()",
        "faulty()\n\n\n# bnlint: ignore-file[faulty-call]  generated",
    ],
)
def test_held_back(remaining: Callable[..., list[tuple[int, str]]], text: str) -> None:
    assert remaining(text, "--ignore", "BN001") == []


@pytest.mark.parametrize(
    "text",
    [
        "faulty()  # bnlint: ignore[BN902]",
        "faulty()  # noqa: E501",
        "faulty()  # flake8: noqa",
        "s = '# bnlint: ignore[BN901]'; faulty()",
        "# bnlint: ignore[BN901]\n\nfaulty()",
        "# bnlint: ignore[BN901]\npass\nfaulty()",
        "pass  # bnlint: ignore[BN901]\nfaulty()",
        "if x:  # bnlint: ignore[BN901]\n    faulty()",
        "def f():  # bnlint: ignore[BN901]\n    return faulty()",
        "faulty()\n# bnlint: ignore[BN901]",
        "faulty()  # bnlint: ignore-file[BN902]",
        "faulty()  # bnlint: ignored[BN901]",
    ],
)
def test_not_held_back(remaining: Callable[..., list[tuple[int, str]]], text: str) -> None:
    assert [code for _, code in remaining(text, "--ignore", "BN001")] == ["BN901"]


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("x = 1  # bnlint: ignore[BN901]", "x = 1"),
        ("x = 1  # bnlint: ignore[BN901]  because", "x = 1"),
        ("x = 1  # bnlint: ignore", "x = 1"),
        ("    # bnlint: ignore[BN901]\nx = 1", "x = 1"),
        ("# bnlint: ignore-file\nx = 1", "x = 1"),
        ("x = 1  # bnlint: ignore-file[BN901]  # why", "x = 1  # why"),
        ("faulty()  # bnlint: ignore[BN901, BN902]", "faulty()  # bnlint: ignore[BN901]"),
        ("faulty()  # bnlint: ignore[worse-call, BN901] so", "faulty()  # bnlint: ignore[BN901] so"),
        ("x = 1  # noqa: BN901", "x = 1"),
        ("x = 1  # noqa: E501, BN901", "x = 1  # noqa: E501"),
        ("x = 1  # noqa: BN901,E501", "x = 1  # noqa: E501"),
        ("x = 1  # type: ignore  # noqa: BN901", "x = 1  # type: ignore"),
        ("x = 1  # bnlint: ignore[BN999]", "x = 1"),
        ("x = 1  # bnlint: ignored", "x = 1"),
        ("x = 1  # a\ny = 'é'  # bnlint: ignore[BN901]\n", "x = 1  # a\ny = 'é'\n"),
    ],
)
def test_a_suppression_that_suppresses_nothing_is_reported_and_its_fix_removes_it(
    linter: Linter, remaining: Callable[..., list[tuple[int, str]]], text: str, without: str
) -> None:
    assert [code for _, code in remaining(text)] == ["BN001"]
    assert fixed(linter, text) == without
    assert remaining(without) == []


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: E501",
        "x = 1  # bnlint: ignore[picky-call]",
        "x = 1  # noqa: BN911",
        "faulty()  # bnlint: ignore[BN9]",
        "faulty()  # bnlint: ignore[BN901]  # noqa: BN901",
        "x = 1  # bnlint: ignore[BN901]  # bnlint: ignore[BN001]",
        "# bnlint: ignore-file[unused-suppression]\nx = 1  # bnlint: ignore[BN901]",
    ],
)
def test_no_word_about_what_is_used_not_selected_or_not_ours(remaining: Callable[..., list[tuple[int, str]]], text: str) -> None:
    assert remaining(text) == []


def test_a_code_that_this_run_does_not_select_is_no_unused_one(remaining: Callable[..., list[tuple[int, str]]]) -> None:
    assert remaining("x = 1  # bnlint: ignore[BN901]", "--select", "BN902,BN001") == []
    assert remaining("x = 1  # bnlint: ignore[BN901]", "--select", "BN901") == []
    assert remaining("x = 1  # bnlint: ignore[BN901]", "--select", "BN901,BN001") == [(1, "BN001")]


def test_a_file_that_concerns_no_rule_is_looked_at_for_unused_suppressions_without_being_interpreted(linter: Linter) -> None:
    linter.write("model.py", "x = 1  # bnlint: ignore[BN901]\ny = 2  # noqa: BN902\n")
    assert linter.check("model.py").places == [("model.py", 1, "BN001"), ("model.py", 2, "BN001")]
    assert linter.interpreted == []


def test_a_file_that_does_not_parse_can_be_suppressed_as_a_whole(remaining: Callable[..., list[tuple[int, str]]]) -> None:
    assert remaining("x = (") == [(1, "BN000")]
    assert remaining("x = (\n# bnlint: ignore-file") == []


def test_what_is_not_known_is_named(linter: Linter) -> None:
    linter.write("model.py", HEAD + "x = 1  # bnlint: ignore[BN999]\nx = 1  # bnlint: ignore[BN901, BN902]\n")
    first, second = linter.check("model.py").json
    assert first["message"] == "BN999 is no rule of bnlint; remove the suppression"
    assert first["location"] == {"row": 2, "column": 8}
    assert second["message"] == "BN901 and BN902 are not reported here; remove the suppression"


def test_ignoring_the_winner_does_not_raise_the_loser(remaining: Callable[..., list[tuple[int, str]]]) -> None:
    assert remaining("worse(faulty())") == [(1, "BN902")]
    assert remaining("worse(faulty())", "--ignore", "BN902") == []
    assert remaining("worse(faulty())", "--select", "BN901") == []
    assert remaining("worse(faulty())  # bnlint: ignore[BN902]") == []
    assert remaining("worse()\nfaulty()") == [(1, "BN902"), (2, "BN901")]


def test_a_related_place_is_part_of_the_cause(linter: Linter) -> Any:
    from bnlint.finding import Finding, Related, Span
    from bnlint.supersede import have_one_cause

    def finding(line: int, *related: Any) -> Any:
        spans = [Span("a.py", each, 1, each, 9) for each in (line, *related)]
        return Finding("BN901", "x", "error", spans[0], "", tuple(Related(span, "") for span in spans[1:]))

    assert have_one_cause(finding(1), finding(3, 2, 1))
    assert have_one_cause(finding(3, 2, 1), finding(1))
    assert not have_one_cause(finding(1, 4), finding(3, 4))


def test_suppressions_in_a_notebook_speak_for_their_cell(linter: Linter) -> None:
    import json

    cells = [
        {"cell_type": "markdown", "source": "# bnlint: ignore-file"},
        {"cell_type": "code", "source": "import keras\nkeras.layers.BatchNormalization()\n# bnlint: ignore[BN901]"},
        {"cell_type": "code", "source": "!ls\nfaulty()  # bnlint: ignore[BN901]\nfaulty(1)\nx = 1  # noqa: BN901"},
    ]
    linter.write("a.ipynb", json.dumps({"cells": cells}))
    found = [
        (each["code"], each["cell"], each["location"]["row"], each["location"]["column"]) for each in linter.check("a.ipynb").json
    ]
    assert found == [("BN001", 2, 3, 1), ("BN901", 3, 3, 1), ("BN001", 3, 4, 8)]
    (edit,) = linter.check("a.ipynb").json[0]["fix"]["edits"]
    assert edit == {"content": "", "cell": 2, "location": {"row": 3, "column": 1}, "end_location": {"row": 3, "column": 24}}
