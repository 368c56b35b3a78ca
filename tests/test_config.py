"""The configuration: where it is found, what it says, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Linter

FAULTS = "import keras\nkeras.layers.BatchNormalization()\nfaulty(1)\nworse(1)\npicky(1)\n"


@pytest.fixture
def codes(linter: Linter) -> Any:
    linter.write("model.py", FAULTS)

    def check(*arguments: Any, config: str = "") -> Any:
        linter.write("bnlint.toml", config)
        result = linter.check("model.py", *arguments)
        assert result.code in (0, 1), result.err
        return [each["code"] for each in result.json]

    return check


def test_by_default_all_rules_run_but_the_pedantic_ones(codes: Callable[..., list[str]]) -> None:
    assert codes() == ["BN901", "BN902"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('select = ["BN902"]', ["BN902"]),
        ('select = ["faulty-call"]', ["BN901"]),
        ('select = ["BN9"]', ["BN901", "BN902"]),
        ('select = ["BN91"]', []),
        ('select = ["BN911"]', ["BN911"]),
        ("select = []", []),
        ('extend-select = ["picky-call"]', ["BN901", "BN902", "BN911"]),
        ('ignore = ["BN901"]', ["BN902"]),
        ('ignore = ["BN9"]', []),
        ('select = ["BN901"]\nignore = ["BN9"]', ["BN901"]),
        ('select = ["BN9"]\nignore = ["BN901"]', ["BN902"]),
        ('select = ["BN901"]\nignore = ["faulty-call"]', []),
        ('[per-file-ignores]\n"*.py" = ["BN901"]', ["BN902"]),
        ('[per-file-ignores]\n"other.py" = ["BN901"]', ["BN901", "BN902"]),
        ('[faulty-call]\nmarker = "worse"', ["BN902"]),
        ('[BN901]\nmarker = "picky"', ["BN902", "BN901"]),
    ],
)
def test_rules_are_chosen_by_code_prefix_and_name(codes: Callable[..., list[str]], config: str, expected: Any) -> None:
    assert codes(config=config) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--select", "BN901"], ["BN901"]),
        (["--select", "BN901,worse-call"], ["BN901", "BN902"]),
        (["--extend-select", "BN911"], ["BN902", "BN911"]),
        (["--extend-select", "BN901"], ["BN902"]),
        (["--ignore", "BN902"], []),
        (["--isolated"], ["BN901", "BN902"]),
    ],
)
def test_the_command_line_beats_the_configuration(codes: Callable[..., list[str]], arguments: list[str], expected: Any) -> None:
    assert codes(*arguments, config='ignore = ["BN901"]') == expected


def test_the_nearest_configuration_wins_and_nothing_is_merged(linter: Linter) -> None:
    linter.write("pyproject.toml", '[tool.bnlint]\nselect = ["BN901"]\n')
    linter.write("a/b/model.py", FAULTS)
    linter.write("a/pyproject.toml", "[tool.ruff]\nline-length = 9\n")
    assert [each["code"] for each in linter.check(".").json] == ["BN901"]
    linter.write("a/pyproject.toml", '[tool.bnlint]\nignore = ["BN902"]\nextend-select = ["BN911"]\n')
    assert [each["code"] for each in linter.check(".").json] == ["BN901", "BN911"]
    linter.write("a/bnlint.toml", 'select = ["BN902"]\n')
    assert [each["code"] for each in linter.check(".").json] == ["BN902"]
    linter.write("given.toml", 'select = ["BN911"]\n')
    assert [each["code"] for each in linter.check(".", "--config", "given.toml").json] == ["BN911"]


def test_each_file_has_its_own_rules_and_options(linter: Linter) -> None:
    for folder, config in (("a", '[faulty-call]\nmarker = "picky"\n'), ("b", 'select = ["BN901"]\n')):
        linter.write(f"{folder}/model.py", FAULTS)
        linter.write(f"{folder}/bnlint.toml", config)
    found = [(each["filename"][-10], each["location"]["row"], each["code"]) for each in linter.check(".").json]
    assert found == [("a", 4, "BN902"), ("a", 5, "BN901"), ("b", 3, "BN901")]


def test_excludes_hold_for_files_named_outright_and_are_relative_to_the_configuration(linter: Linter) -> None:
    linter.write("pyproject.toml", '[tool.bnlint]\nextend-exclude = ["old", "/sub/gen_*.py"]\n')
    for name in ("old/model.py", "sub/gen_a.py", "gen_b.py"):
        linter.write(name, FAULTS)
    for arguments in ([], ["old/model.py", "sub/gen_a.py", "gen_b.py"]):
        assert {place[0] for place in linter.check(*arguments).places} == {"gen_b.py"}
    assert linter.check("--exclude", "gen_*").json == []


def test_exclude_replaces_the_default_excludes(linter: Linter) -> None:
    linter.write("build/model.py", FAULTS)
    linter.write("other/model.py", FAULTS)
    assert {each["filename"].split("/")[-2] for each in linter.check().json} == {"other"}
    linter.write("bnlint.toml", 'exclude = ["other"]\n')
    assert {each["filename"].split("/")[-2] for each in linter.check().json} == {"build"}


def test_the_output_format_may_be_configured(linter: Linter) -> None:
    linter.write("model.py", FAULTS)
    linter.write("bnlint.toml", 'output-format = "concise"\nselect = ["BN901"]\n')
    assert linter("check").out == "model.py:3:1: BN901 [faulty-call] faulty is called; do not\n1 finding in 1 file.\n"


@pytest.mark.parametrize("version", ["auto", "2", "3", "3.8", "2.15.0"])
def test_keras_versions(linter: Linter, version: str) -> None:
    linter.write("model.py", FAULTS)
    linter.write("bnlint.toml", f'keras-version = "{version}"\n')
    assert linter.check().code == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('selct = ["BN901"]', "selct: unknown key; did you mean select?"),
        ("faulty-call = 3", "faulty-call: unknown key; did you mean faulty-call?"),
        ("[faulty-cal]\nmarker = 'x'", "faulty-cal: unknown key; did you mean faulty-call?"),
        ("[faulty-call]\nmaker = 'x'", "faulty-call.maker: unknown key; did you mean marker?"),
        ("[faulty-call]\nx = 'x'", "faulty-call.x: unknown key; faulty-call has marker"),
        ("[worse-call]\nx = 'x'", "worse-call.x: unknown key; worse-call has no options"),
        ("[faulty-call]\nmarker = 3", "faulty-call.marker: must be a string"),
        ('select = "BN901"', "select: must be a list of strings"),
        ("ignore = [3]", "ignore: must be a list of strings"),
        ('select = ["BN99"]', 'select: no rule is called "BN99"; did you mean BN911? "bnlint rule" lists all'),
        ('extend-select = ["zzz"]', 'extend-select: no rule is called "zzz"; "bnlint rule" lists all'),
        ('per-file-ignores = ["BN901"]', "per-file-ignores: must be a table"),
        ('[per-file-ignores]\n"a.py" = "BN901"', 'per-file-ignores: "a.py" must have a list of rules'),
        ('[per-file-ignores]\n"a.py" = ["BN99"]', 'per-file-ignores "a.py": no rule is called "BN99"'),
        ("keras-version = 3", "keras-version: must be a string"),
        ('keras-version = "4"', 'keras-version: "4" is no Keras version'),
        ('output-format = "xml"', 'output-format: "xml" is not one of concise, full, json'),
        ("verify = 3", "verify: must be a table"),
        ("[verify]\ntimeout = 0", "verify.timeout: must be a number above 0, of seconds"),
        ("[verify]\nmemory = true", "verify.memory: must be a number above 0, of gigabytes"),
        ("[verify]\nmemory = nan", "verify.memory: must be a number above 0, of gigabytes"),
        ("[verify]\ntimeuot = 1", "verify.timeuot: unknown key; did you mean timeout?"),
        ("[verify]\nbuild = {n = 1}", 'verify.build: unknown key; a function or class is written as "package.module:name"'),
        ('[verify]\n"a.b:c" = 1', 'verify "a.b:c": must be a table of arguments, such as {num_classes = 10}'),
        ('[verify]\n"a.b:c" = {d = 2020-01-01}', 'verify "a.b:c": must be a table of arguments'),
        ("select = [", "not valid TOML"),
    ],
)
@pytest.mark.parametrize("name", ["bnlint.toml", "pyproject.toml"])
def test_what_is_wrong_ends_with_2_and_names_file_and_key(linter: Linter, config: str, message: str, name: str) -> None:
    linter.write("model.py", FAULTS)
    inner = config.replace("\n[", "\n[tool.bnlint.").replace("[faulty", "[tool.bnlint.faulty", config.startswith("[f"))
    inner = inner.replace("[worse", "[tool.bnlint.worse", config.startswith("[w"))
    inner = inner.replace("[verify", "[tool.bnlint.verify", config.startswith("[v"))
    inner = inner.replace("[per", "[tool.bnlint.per", config.startswith("[p"))
    linter.write(name, config if name == "bnlint.toml" else f"[tool.bnlint]\n{inner}")
    result = linter.check()
    assert (result.code, result.out) == (2, "")
    section = "" if name == "bnlint.toml" or "TOML" in message else "[tool.bnlint] "
    assert f"{linter.folder / name}: {section}{message}" in result.err
    assert result.err.count("\n") == 1


def test_options_have_types_ranges_and_choices() -> None:
    from bnlint.config import _fault
    from bnlint.rule import Option

    assert _fault(Option("minimum", 8), 4) is None
    assert _fault(Option("minimum", 8), True) == "must be an integer"
    assert _fault(Option("rate", 0.5), 1) is None
    assert _fault(Option("rate", 0.5), "1") == "must be a number"
    assert _fault(Option("pedantic", False), 1) == "must be true or false"
    assert _fault(Option("order", "after", choices=("before", "after")), "last") == '"last" is not one of before, after'
