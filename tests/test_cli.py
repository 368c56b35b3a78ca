"""The command line: options in, report on stdout, everything else on stderr, exit code out."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Linter

FAULT = "import keras\nkeras.layers.BatchNormalization()\nfaulty(1)\n"


@pytest.fixture
def model(linter: Linter) -> Any:
    return linter.write("model.py", FAULT)


def test_findings_end_with_1_and_none_with_0(linter: Linter, model: Path) -> None:
    assert linter.check("model.py").code == 1
    model.write_text("import keras\nkeras.layers.BatchNormalization()\n")
    result = linter.check("model.py")
    assert (result.code, result.out, result.err) == (0, "[]\n", "")


def test_json_has_every_key_and_ruffs_shape(linter: Linter, model: Path) -> None:
    (finding,) = linter.check("model.py").json
    assert finding == {
        "code": "BN901",
        "name": "faulty-call",
        "severity": "warning",
        "message": "faulty is called; do not",
        "filename": str(model),
        "cell": None,
        "location": {"row": 3, "column": 1},
        "end_location": {"row": 3, "column": 10},
        "fix": None,
        "related": [],
        "verdict": None,
        "url": None,
    }


def test_concise_is_a_line_a_finding_and_a_summary(linter: Linter, model: Path) -> None:
    result = linter("check", "--output-format", "concise")
    assert result.out == "model.py:3:1: BN901 [faulty-call] faulty is called; do not\n1 finding in 1 file.\n"


def test_full_shows_the_source_with_a_caret_and_the_related_places(linter: Linter) -> None:
    linter.write("model.py", 'import keras\n"BatchNorm"\nif 1:\n\tfaulty("é漢", related)\n')
    assert linter("check", "model.py").out == (
        "model.py:4:2: BN901 [faulty-call] faulty is called; do not\n"
        '  4 |     faulty("é漢", related)\n'
        "    |     ^^^^^^^^^^^^^^^^^^^^^^\n"  # the second character in quotes is two columns wide
        "  model.py:4:15: with this\n"
        '  4 |     faulty("é漢", related)\n'
        "    |                   ^^^^^^^\n"
        "\n"
        "1 finding in 1 file.\n"
    )


def test_text_cannot_steer_the_terminal(linter: Linter) -> None:
    linter.write("model.py", 'import keras\n"batch_norm"\nfaulty("\x1b[2J")\n')
    assert "\x1b" not in linter("check").out


def test_a_line_of_a_megabyte_is_cropped_around_the_finding(linter: Linter) -> None:
    linter.write("model.py", f'import keras\n"batch_norm"\nx = "{"a" * 10**6}" + faulty(1) + "{"b" * 10**6}"\n')
    snippet = linter("check").out.splitlines()[1:3]
    assert max(map(len, snippet)) < 200
    assert snippet[1].index("^") == snippet[0].index("faulty")


def test_colour_only_where_it_is_wanted(linter: Linter, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in linter("check").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;33mBN901" in linter("check").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in linter("check").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["check", "--select", "BN99"],
            'bnlint: --select: no rule is called "BN99"; did you mean BN911? "bnlint rule" lists all\n',
        ),
        (["check", "--ignore", "faulty-cal"], '--ignore: no rule is called "faulty-cal"; did you mean faulty-call?'),
        (["check", "--keras-version", "four"], '--keras-version: "four" is no Keras version; write "auto", "2", "3"'),
        (["check", "--output-format", "xml"], "Invalid value for '--output-format': 'xml' is not one of"),
        (["check", "--colour"], "No such option"),
        (["check", "--config", "nowhere.toml"], "nowhere.toml: no such file or directory\n"),
        (["check", "--config", "setup.cfg", "--isolated"], "--config and --isolated exclude each other"),
        (["check", "--stdin-filename", "x.py"], "--stdin-filename goes with the path -"),
        (["rule", "BN123"], 'no rule is called "BN123"'),
        (["rule", "BN9"], 'no rule is called "BN9"'),
        (["chek"], "No such command 'chek'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_and_ends_with_2(linter: Linter, arguments: list[str], sentence: str) -> None:
    result = linter(*arguments)
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err
    assert result.err.count("\n") == 1


def test_a_missing_path_ends_with_2_and_the_others_are_checked(linter: Linter, model: Path) -> None:
    result = linter.check("model.py", "nowhere.py")
    assert result.code == 2
    assert result.places == [("model.py", 3, "BN901")]
    assert result.err == "error: nowhere.py: no such file or directory\n"


def test_a_broken_link_in_a_folder_is_a_warning_only(linter: Linter, model: Path) -> None:
    (linter.folder / "gone.py").symlink_to("nowhere")
    (linter.folder / "loop.py").symlink_to("loop.py")
    result = linter.check()
    assert result.code == 1
    assert "warning: gone.py: no such file or directory" in result.err


def test_an_empty_file_is_no_finding(linter: Linter) -> None:
    linter.write("empty.py", "")
    linter.write("empty.ipynb", "")
    assert linter.check().code == 0
    assert linter.check("empty.py", "empty.ipynb").code == 0


def test_something_that_is_no_file_ends_with_2(linter: Linter) -> None:
    os.mkfifo(linter.folder / "pipe.py")
    assert linter.check("pipe.py").err == "error: pipe.py: neither a file nor a folder\n"
    assert linter.check(".").code == 0


def test_stdin_stands_for_the_file_it_names(linter: Linter, monkeypatch: pytest.MonkeyPatch) -> None:
    linter.write("model.py", "")
    linter.write("train.py", "from model import build\n")
    stdin = io.TextIOWrapper(io.BytesIO(FAULT.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    result = linter.check("-", "--stdin-filename", "model.py")
    assert result.places == [("model.py", 3, "BN901")]
    assert linter.interpreted == [["model.py", "train.py"]]


def test_stdin_without_a_name_is_a_file_in_the_current_folder(linter: Linter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FAULT.encode())))
    assert linter.check("-").places == [("stdin.py", 3, "BN901")]


def test_a_file_that_cannot_be_parsed_is_bn000_and_the_others_go_on(linter: Linter, model: Path) -> None:
    linter.write("broken.py", "import keras\nBatchNormalization(\n")
    linter.write("irrelevant.py", "print 'no word in it'\n")
    result = linter.check()
    assert result.code == 1
    assert [place for place in result.places if place[2] != "BN901"] == [("broken.py", 2, "BN000")]
    assert ("model.py", 3, "BN901") in result.places


def test_bn000_is_reported_whatever_is_selected_unless_it_is_ignored(linter: Linter) -> None:
    linter.write("broken.py", "import keras\nBatchNormalization(\n")
    assert linter.check("--select", "BN902").places == [("broken.py", 2, "BN000")]
    assert linter.check("--ignore", "BN000").code == 0
    assert linter.check("--ignore", "unparsable-file").code == 0


def test_an_unknown_encoding_is_bn000(linter: Linter) -> None:
    linter.write("broken.py", b"# coding: klingon\nimport keras; BatchNormalization()\n")
    (finding,) = linter.check().json
    assert (finding["code"], finding["location"]) == ("BN000", {"row": 1, "column": 1})
    assert "klingon" in finding["message"]


def test_a_rule_that_fails_is_named_with_the_file_and_the_others_go_on(linter: Linter, model: Path) -> None:
    rule = linter.rules / "bn903_broken_rule.py"
    rule.write_text(
        '"""Broken"""\nfrom bnlint.rule import Rule\nRULE = Rule("BN903", "broken-rule", "error")\n'
        "def check(program):\n    for site in program.calls_of('faulty', RULE):\n        raise ValueError('oh')\n    yield\n"
    )
    result = linter.check()
    assert result.code == 2
    assert result.places == [("model.py", 3, "BN901")]
    assert (
        result.err
        == f"error: internal error in rule BN903 broken-rule of {model}:3: ValueError: oh (bn903_broken_rule.py:6)\n".replace(
            f"{linter.folder}{os.sep}", "", 0
        )
    )


def test_a_file_whose_interpretation_fails_is_named_and_the_others_go_on(
    linter: Linter, model: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    linter.write("bad.py", FAULT)
    analyse = sys.modules["bnlint.interpreter"].analyse

    def failing(project: Any, files: Any, keras_version: Any) -> Any:
        if any(path.name == "bad.py" for path in files):
            raise RuntimeError("lost")
        return analyse(project, files, keras_version)

    monkeypatch.setattr("bnlint.interpreter.analyse", failing)
    result = linter.check()
    assert result.code == 2
    assert result.places == [("model.py", 3, "BN901")]
    assert "internal error in the interpretation of" in result.err
    assert "bad.py: RuntimeError: lost" in result.err


def test_a_rule_that_cannot_be_imported_ends_with_2_and_is_named_with_its_line(linter: Linter, model: Path) -> None:
    rule = linter.rules / "bn903_broken_rule.py"
    rule.write_text("import bnlint\nimport no_such_module\n")
    result = linter.check()
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"bnlint: {rule}:2: the rule cannot be imported: ModuleNotFoundError")


def test_a_rule_under_another_name_than_its_file_ends_with_2(linter: Linter, model: Path) -> None:
    rule = linter.rules / "bn903_some_rule.py"
    rule.write_text(
        'from bnlint.rule import Rule\nRULE = Rule("BN903", "other-rule", "error")\ndef check(program):\n    return iter(())\n'
    )
    assert linter.check().err == f"bnlint: {rule}: BN903 other-rule belongs in bn903_other_rule.py\n"


def test_without_any_rule_nothing_is_called_clean(linter: Linter, model: Path) -> None:
    for rule in linter.rules.glob("*.py"):
        rule.unlink()
    result = linter.check()
    assert (result.code, result.out) == (2, "")
    assert "no rule was found" in result.err


def test_where_the_analysis_was_cut_off_is_said_on_request_and_never_counts(
    linter: Linter, monkeypatch: pytest.MonkeyPatch
) -> Any:
    path = linter.write("model.py", "import keras\nBatchNormalization()\n")
    analyse = sys.modules["bnlint.interpreter"].analyse

    def cutting(project: Any, files: Any, keras_version: Any) -> Any:
        from bnlint.finding import Span

        program = analyse(project, files, keras_version)
        program.cuts.append((Span(str(path), 2, 1, 2, 21), "too many steps"))
        return program

    monkeypatch.setattr("bnlint.interpreter.analyse", cutting)
    assert (linter.check().code, linter.check().out) == (0, "[]\n")
    result = linter.check("--verbose")
    assert (result.code, result.places) == (0, [("model.py", 2, "BN002")])


def test_the_list_of_rules_is_a_table_and_json(linter: Linter) -> None:
    result = linter("rule")
    assert result.code == 0
    assert "BN901  faulty-call" in result.out
    assert "BN000  unparsable-file" in result.out
    listed = linter("rule", "--output-format", "json").json
    assert [each["code"] for each in listed] == ["BN000", "BN001", "BN002", "BN901", "BN902", "BN911"]
    assert listed[3]["options"] == [{"name": "marker", "default": "faulty", "choices": [], "help": ""}]


def test_a_rules_page_is_found_by_code_and_name(linter: Linter) -> None:
    page = linter("rule", "BN902").out
    assert page.startswith("# Worse call (BN902, worse-call)\n\nseverity: error; fix: none\n\n## What it does\n")
    assert linter("rule", "worse-call").out == page
    assert '`marker = "faulty"`' in linter("rule", "BN901").out
    assert "pedantic: runs only when selected" in linter("rule", "picky-call").out


def test_the_module_runs_as_a_process_with_the_same_exit_codes(tmp_path: Path) -> None:
    clean = tmp_path / "clean.py"
    clean.write_text("print('nothing to see')\n")
    done = subprocess.run([sys.executable, "-m", "bnlint", "check", str(clean)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "No findings in 1 file.\n", "")
    done = subprocess.run(
        [sys.executable, "-m", "bnlint", "check", str(tmp_path / "gone")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2


def test_a_run_without_a_relevant_file_imports_neither_ast_nor_the_interpreter(tmp_path: Path) -> None:
    (tmp_path / "clean.py").write_text("print('nothing to see')\n")
    script = (
        "import sys\nfrom bnlint.cli import main\n"
        f"try:\n    main(['check', {str(tmp_path)!r}])\n"
        "except SystemExit as end:\n    code = end.code\n"
        "print([name for name in sys.modules if name == 'bnlint.parse' or name.startswith('bnlint.interpreter')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "No findings in 1 file.\n[]\n"


def test_a_reader_that_goes_away_is_no_traceback(linter: Linter, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("print(1)\n")
    command = f"{sys.executable} -m bnlint check {path} | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert done.stderr == ""


def test_help_and_version_end_with_0(linter: Linter) -> None:
    for arguments in (["--help"], ["check", "--help"], ["--version"]):
        assert linter(*arguments).code == 0


BUILDER = """\
import keras
from keras import layers

def build(width=3, pool=None):
    inputs = keras.Input((8,))
    x = layers.Dense(width, name="wide")(inputs)
    return keras.Model(inputs, layers.BatchNormalization()(x))
"""


def test_the_graph_of_a_file_and_of_one_name_in_it(linter: Linter) -> None:
    linter.write("model.py", BUILDER)
    whole = linter("graph", "model.py", "--output-format", "json")
    assert whole.code == 0
    named = linter("graph", "model.py:build", "--arg", "width=7", "--arg", "pool='avg'", "--output-format", "json").json
    nodes = named["models"][0]["nodes"]
    assert [node["layer"].rpartition(".")[2] for node in nodes] == ["InputLayer", "Dense", "BatchNormalization"]
    assert nodes[1]["arguments"]["units"] == 7
    assert 'Dense "wide"' in linter("graph", "model.py:build").out
    for output_format, start in (("mermaid", "flowchart TD"), ("dot", "digraph models {")):
        assert linter("graph", "model.py:build", "--output-format", output_format).out.startswith(start)


def test_a_file_without_models_has_an_empty_graph(linter: Linter) -> None:
    linter.write("model.py", "x = 1\n")
    assert linter("graph", "model.py", "--output-format", "json") == (0, '{\n  "models": []\n}\n', "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.py:biuld"], "model.py: no function or class is called biuld; did you mean build?"),
        (["gone.py"], "gone.py: no such file or directory"),
        (["broken.py:f"], "broken.py:1: the file cannot be read: "),
        (["model.py", "--arg", "width=3"], "--arg gives an argument for a function or class; name it behind the file"),
        (["model.py:build", "--arg", "width"], "--arg width: write NAME=LITERAL with a Python literal"),
        (["model.py:build", "--arg", "width=imagenet"], "--arg width=imagenet: write NAME=LITERAL with a Python literal"),
        (["model.py:build", "--keras-version", "x"], '--keras-version: "x" is no Keras version'),
    ],
)
def test_a_graph_that_cannot_be_had_ends_with_2(linter: Linter, arguments: list[str], sentence: str) -> None:
    linter.write("model.py", BUILDER)
    linter.write("broken.py", "def f(:\n")
    result = linter("graph", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"bnlint: {sentence}")
    assert result.err.count("\n") == 1
