"""Every fixture: exactly the findings that the marks at its line ends ask for.

A line that must be reported ends in ``# BN301``, or several codes; ``# later: BN304`` is for a rule that does not exist yet. Options
stand at the top, as in ``# bnlint-fixture: keras-version=2``; ``select=BN407`` selects a pedantic rule, too, and ``pedantic=NAME``
reports the cases that the rule of that name leaves out without its option ``pedantic``. A folder in ``fixtures/projects`` is one project.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.config import Config, Configurations
from bnlint.page import later_marks, marks
from bnlint.registry import load as load_rules
from bnlint.registry import names
from bnlint.run import Check, Report, check
from bnlint.source import load

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
OPTION = re.compile(r"^# bnlint-fixture: *(.*)$", re.MULTILINE)


def sources(folder: Path) -> list[Path]:
    return sorted(path for suffix in ("*.py", "*.ipynb") for path in folder.rglob(suffix))


PROJECTS = sorted(path for path in (FIXTURES / "projects").glob("*") if path.is_dir())
FILES = [path for path in sources(FIXTURES) if FIXTURES / "projects" not in path.parents]


def options(text: str) -> dict[str, str]:
    found: dict[str, str] = dict(part.split("=", 1) for line in OPTION.findall(text) for part in line.split())
    assert found.keys() <= {"keras-version", "select", "pedantic"}, "a fixture has an option that the test does not know"
    return found


def run(paths: Iterable[Path], isolated: bool = True, given: dict[str, str] | None = None) -> Report:
    given = given or {}

    def changed(config: Config) -> Config:
        if "select" in given:
            config = replace(config, extend_select=tuple(given["select"].split(",")))
        if "pedantic" in given:
            config = replace(config, rule_options={given["pedantic"]: {"pedantic": True}})
        return replace(config, keras_version=given.get("keras-version", "auto"))

    report = check([str(path) for path in paths], Check(Configurations(isolated=isolated), changed))
    assert not report.errors
    return report


def found(report: Report, path: Path) -> set[tuple[int, str]]:
    return {(finding.span.line, finding.code) for finding in report.findings if finding.span.path == str(path)}


def name_of(path: Path) -> str:
    return str(path.relative_to(FIXTURES))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_fixture_has_exactly_the_findings_it_asks_for(path: Path) -> None:
    text = load(path).text
    assert found(run([path], given=options(text)), path) == marks(text)


@pytest.mark.parametrize("folder", PROJECTS, ids=name_of)
def test_a_project_has_exactly_the_findings_it_asks_for_however_its_files_are_named(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    if not any((copy / name).exists() for name in ("pyproject.toml", "setup.py", "setup.cfg", "bnlint.toml")):
        (copy / "setup.cfg").touch()
    paths = sources(copy)
    together = run(paths, isolated=False)
    short = {path: str(path.relative_to(copy)) for path in paths}
    assert {short[path]: found(together, path) for path in paths} == {short[path]: marks(load(path).text) for path in paths}
    for path in paths:
        assert found(run([path], isolated=False), path) == found(together, path)


def test_all_fixtures_at_once_have_the_findings_that_each_has_alone() -> None:
    plain = [path for path in FILES if not options(load(path).text)]
    together = run(plain)
    assert {name_of(path): found(together, path) for path in plain} == {name_of(path): marks(load(path).text) for path in plain}


def test_the_marks_of_rules_that_exist_by_now_are_switched_on() -> None:
    waiting = {(name_of(path), *mark) for path in sources(FIXTURES) for mark in later_marks(load(path).text)}
    assert not [mark for mark in sorted(waiting) if mark[2] in names()]


@pytest.mark.parametrize("code", [code for code, each in load_rules().items() if each.check])
def test_a_rule_has_three_fixtures_that_it_reports_and_three_look_alikes(code: str) -> None:
    own = sources(FIXTURES / code.lower())
    reported = {path for path in own if any(mark == code for _, mark in marks(load(path).text))}
    assert len(reported) >= 3
    assert len(set(own) - reported) >= 3
