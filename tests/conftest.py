"""What several test modules share."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

import bnlint.rules
from bnlint import registry
from bnlint.cli import main
from bnlint.finding import Finding, Related
from bnlint.index import Project

KERAS_IS_THERE = all(find_spec(name) for name in ("keras", "tf_keras", "numpy"))
# Modules that compare bnlint with Keras from their first line on; they end in _keras.
LEFT_OUT = [] if KERAS_IS_THERE else sorted(path.name for path in Path(__file__).parent.rglob("*_keras.py"))
collect_ignore_glob = LEFT_OUT


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_keras: runs only where Keras 2 and 3 are installed, on Python 3.11 and newer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not KERAS_IS_THERE and item.get_closest_marker("needs_keras"):
            item.add_marker(pytest.mark.skip(reason="Keras is not installed; it needs Python 3.11"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name in LEFT_OUT:
        terminalreporter.write_line(f"LEFT OUT {name}: Keras is not installed; it needs Python 3.11")


FAULTY_CALL = '''"""Faulty call

## What it does
Reports calls of `faulty`: they stand for any fault.
"""
from bnlint.rule import Option, Rule

RULE = Rule(code="BN901", name="faulty-call", severity="warning", options=(Option("marker", "faulty"),))


def check(program, options):
    yield from program.calls_of(options["marker"], RULE)
'''
WORSE_CALL = '''"""Worse call

## What it does
Reports calls of `worse`, in whose arguments a faulty call does not matter.
"""
from bnlint.rule import Rule

RULE = Rule(code="BN902", name="worse-call", severity="error", supersedes=("BN901",))


def check(program):
    yield from program.calls_of("worse", RULE)
'''
PICKY_CALL = '''"""Picky call

## What it does
Reports calls of `picky`.
"""
from bnlint.rule import Rule

RULE = Rule(code="BN911", name="picky-call", severity="info", pedantic=True)


def check(program):
    yield from program.calls_of("picky", RULE)
'''


@dataclass
class CallsProgram:
    """Stands in for the program where a test is about what surrounds it: it knows the calls of names."""

    project: Project
    files: Sequence[Path]
    cuts: list[Any] = field(default_factory=list)

    def calls_of(self, name: str, rule: Any) -> Iterator[Finding]:
        for path in self.files:
            source = self.project.source(path)
            for node in ast.walk(self.project.parsed(path).tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                    span = source.span(node)
                    related = tuple(Related(source.span(each), "with this") for each in node.args[1:])
                    yield Finding(rule.code, rule.name, rule.severity, span, f"{name} is called; do not", related)


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def places(self) -> list[tuple[str, int, str]]:
        """File name, row and code of each finding."""
        return [(Path(each["filename"]).name, each["location"]["row"], each["code"]) for each in self.json]


@dataclass
class Linter:
    """A folder to check, and bnlint's command line with rules that know nothing of Keras."""

    folder: Path
    rules: Path
    capture: pytest.CaptureFixture[str]
    interpreted: list[list[str]] = field(default_factory=list)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return path

    def __call__(self, *arguments: str | Path) -> Result:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        out, err = self.capture.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, out, err)

    def check(self, *arguments: str | Path) -> Result:
        return self("check", "--output-format", "json", *arguments)


@pytest.fixture
def linter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Linter]:
    """bnlint in an empty folder, which is the current one, with the rules above in place of its own."""
    rules = tmp_path / "rules"
    rules.mkdir()
    for name, text in (("bn901_faulty_call", FAULTY_CALL), ("bn902_worse_call", WORSE_CALL), ("bn911_picky_call", PICKY_CALL)):
        (rules / f"{name}.py").write_text(text)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "setup.cfg").touch()
    made = Linter(folder, rules, capsys)

    def analyse(project: Project, files: Sequence[Path], keras_version: str) -> CallsProgram:
        made.interpreted.append([str(path.relative_to(folder)) for path in files])
        return CallsProgram(project, files)

    monkeypatch.setattr(bnlint.rules, "__path__", [str(rules)])
    monkeypatch.setattr("bnlint.interpreter.analyse", analyse, raising=False)
    monkeypatch.chdir(folder)
    _forget_rules()
    yield made
    _forget_rules()


def _forget_rules() -> None:
    registry.names.cache_clear()
    registry.load.cache_clear()
    for name in [name for name in sys.modules if name.startswith("bnlint.rules.bn9")]:
        del sys.modules[name]
