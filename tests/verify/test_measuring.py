"""``measure`` says what is wrong with a place before anything is run, and asks about the place that was named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bnlint.finding import Span, Verdict
from bnlint.registry import UnknownRule
from bnlint.verify import NoSuchPlace, measure
from bnlint.verify.jobs import Environment, Job

CODE = "import keras\nx = keras.Input((4,))\ny = keras.layers.BatchNormalization()(x)\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Job, dict[str, Any]]]:
    """The jobs that would be run, each with the limits; all questions are confirmed."""
    found: list[tuple[Job, dict[str, Any]]] = []

    def run_jobs(jobs: Iterable[Job], **limits: Any) -> Iterator[tuple[Job, int, Verdict]]:
        for job in jobs:
            found.append((job, limits))
            yield job, 0, Verdict("confirmed", "it moves by 3", {"moves": 3.0})

    monkeypatch.setattr("bnlint.verify.pool.run_jobs", run_jobs)
    return found


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "setup.cfg").touch()
    (tmp_path / "model.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "model.py"


Asked = list[tuple[Job, dict[str, Any]]]


@pytest.mark.parametrize("code", ["BN301", "redundant-bias"])
def test_a_rule_is_named_by_its_code_or_name(code: str, file: Path, asked: Asked) -> None:
    assert measure(code, "model.py:3") == Verdict("confirmed", "it moves by 3", {"moves": 3.0})
    job, limits = asked[0]
    assert [each.code for each in job.questions] == ["BN301"] and job.text == CODE and limits == {"timeout": 60.0, "workers": 1}


@pytest.mark.parametrize(
    ("site", "place"),
    [("model.py:3", (3, 1, 4, 1)), ("model.py:3:5", (3, 5, 4, 1)), (Span("", 3, 5, 3, 39), (3, 5, 3, 39))],
)
def test_a_site_is_a_line_or_the_rest_of_it_or_a_span(site: str | Span, place: Any, file: Path, asked: Asked) -> None:
    measure("BN301", Span(str(file), *site[1:]) if isinstance(site, Span) else site)
    assert tuple(asked[0][0].questions[0].span) == (str(file), *place)


def test_a_path_may_have_colons_in_it(file: Path, asked: Asked) -> None:
    (file.parent / "a:1.py").write_text(CODE)
    measure("BN301", "a:1.py:3")
    assert asked[0][0].path == str(file.parent / "a:1.py")


def test_the_generation_is_the_one_given_where_the_code_does_not_tell(file: Path, asked: Asked) -> None:
    file.write_text("from tensorflow import keras\nlayer = keras.layers.BatchNormalization()\n")
    for version in ("2", "3"):
        measure("BN301", "model.py:2", keras_version=version)
    assert [job.environment for job, _ in asked] == [Environment("2"), Environment("3")]


@pytest.mark.parametrize("code", ["BN999", "BN3", "BN", "", "no-such-rule", "ALL"])
def test_a_rule_that_there_is_not_is_no_rule(code: str, file: Path, asked: Asked) -> None:
    with pytest.raises(UnknownRule):
        measure(code, "model.py:3")
    assert not asked


@pytest.mark.parametrize(
    "site",
    [
        "other.py:3",
        "model.py",
        "model.py:",
        "model.py:x",
        ":3",
        "3",
        "model.py:0",
        "model.py:4",
        "model.py:99",
        "model.py:3:0",
        "model.py:-1",
    ],
)
def test_a_place_that_there_is_not_is_no_place(site: str, file: Path, asked: Asked) -> None:
    with pytest.raises(NoSuchPlace):
        measure("BN301", site)
    assert not asked


def test_a_span_beyond_its_file_is_no_place(file: Path, asked: Asked) -> None:
    for span in (Span(str(file), 9, 1, 9, 5), Span(str(file.parent / "other.py"), 1, 1, 1, 2)):
        with pytest.raises(NoSuchPlace):
            measure("BN301", span)
    assert not asked


def test_a_file_that_cannot_be_read_is_no_place(file: Path, asked: Asked) -> None:
    for content in (b"def f(:\n", b"x = '\xff'\n"):
        file.write_bytes(content)
        with pytest.raises(NoSuchPlace, match="model.py: the file cannot be read"):
            measure("BN301", "model.py:1")
    assert not asked
