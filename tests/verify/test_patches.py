"""What is not here is stood in for while a run lasts: modules that are not installed, and the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bnlint.verify.patches import in_place

PATH = "/project/script.py"


class Patched:
    """Code that is run as a project's or as a library's, and what is noted of it."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def run(self, text: str, path: str = PATH) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(compile(text, path, "exec", dont_inherit=True), names)  # noqa: S102 - as the stage does it
        return names


@pytest.fixture
def patched() -> Iterator[Patched]:
    made = Patched()
    with in_place(made.notes.append):
        yield made
    for name in [each for each in sys.modules if each.startswith("zz_")]:
        del sys.modules[name]


def test_a_module_that_is_not_installed_can_be_imported_with_all_in_it(patched: Patched) -> None:
    names = patched.run("import zz_gone\nimport zz_gone.deep.down as d\nfrom zz_gone.more import Thing, other\nimport json\n")
    assert set(patched.notes) == {"zz_gone is not installed"}
    assert isinstance(names["Thing"], type) and names["d"].__name__ == "zz_gone.deep.down"
    assert names["json"].loads("1") == 1


def test_nothing_can_be_made_of_what_is_not_installed(patched: Patched) -> None:
    with pytest.raises(ModuleNotFoundError, match="zz_gone is not installed"):
        patched.run("import zz_gone\nzz_gone.Thing(1)\n")
    with pytest.raises(ModuleNotFoundError):
        patched.run("from zz_gone import parts\nparts.inner.load('x')\n")


def test_a_class_may_derive_from_what_is_not_installed(patched: Patched) -> None:
    names = patched.run("import zz_gone\nclass Mine(zz_gone.Base):\n    width = 4\n")
    assert names["Mine"].width == 4


def test_a_library_that_can_do_without_a_module_does_not_get_it(patched: Patched) -> None:
    import numpy

    with pytest.raises(ModuleNotFoundError):
        patched.run("import zz_gone\n", numpy.__file__)
    assert not patched.notes


def test_a_part_that_a_module_lacks_is_not_made_up(patched: Patched) -> None:
    with pytest.raises(ModuleNotFoundError):
        patched.run("import json.zz_part\n")


def test_behind_the_run_a_missing_module_is_missing() -> None:
    with in_place(lambda note: None):
        pass
    with pytest.raises(ModuleNotFoundError):
        Patched().run("import zz_gone_again\n")


PARSER = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("--num-classes", type=int, required=True)
parser.add_argument("--arch", choices=["small", "large"])
parser.add_argument("--rate", type=float, default="0.5")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--resume")
parser.add_argument("--flag", action="store_true")
parser.set_defaults(mode="train")
args = parser.parse_args()
"""


def test_the_command_line_gives_likely_values_where_something_must_be_given(
    patched: Patched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", "--unknown"])
    args = patched.run(PARSER)["args"]
    assert (args.num_classes, args.arch, args.rate, args.epochs) == (10, "small", 0.5, 3)
    assert (args.resume, args.flag, args.mode) == (None, False, "train")
    assert isinstance(args.data, (str, int, float, tuple))


def test_arguments_that_the_code_gives_itself_are_parsed_as_ever(patched: Patched) -> None:
    args = patched.run(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int)\na = p.parse_args(['--n', '7'])\n"
    )["a"]
    assert args.n == 7


def test_behind_the_run_the_command_line_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", "--n", "5"])
    before = argparse.ArgumentParser.parse_known_args
    with in_place(lambda note: None):
        assert sys.argv == ["script.py"]
    assert sys.argv == ["script.py", "--n", "5"] and argparse.ArgumentParser.parse_known_args is before
