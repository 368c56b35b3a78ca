"""Every rule's page: complete, its examples run, and the README's table is made from it."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.config import Configurations
from bnlint.finding import Finding
from bnlint.names import NAMES
from bnlint.page import marks, parse_page, without_marks
from bnlint.registry import LoadedRule, load
from bnlint.run import Check, check
from bnlint.source import Source
from bnlint.source import load as load_source

CHECKOUT = Path(__file__).resolve().parent.parent
RULES = [each for each in load().values() if each.check]
EXAMPLES = [
    pytest.param(rule, section, text, id=f"{rule.rule.code}-{section}-{number}")
    for rule in load().values()
    for section in ("Bad", "Good")
    for number, text in enumerate(rule.page.examples(section), 1)
]


def findings(loaded: LoadedRule, text: str, folder: Path) -> tuple[list[Finding], Source]:
    path = folder / "example.py"
    path.write_text(text)
    (folder / "setup.cfg").touch()
    pedantic = (loaded.rule.code,) if loaded.rule.pedantic else ()
    options = Check(Configurations(isolated=True), lambda config: replace(config, extend_select=pedantic))
    report = check([str(path)], options)
    assert not report.errors
    return report.findings, load_source(path)


def fixed(found: list[Finding], source: Source) -> str:
    """The text after all fixes; of findings that share an edit it is made once."""
    text = source.text
    edits = {(edit.span, edit.content) for finding in found if finding.fix for edit in finding.fix.edits}
    for span, content in sorted(edits, reverse=True):
        start, end = source.offset(span.line, span.column), source.offset(span.end_line, span.end_column)
        text = text[:start] + content + text[end:]
    return text


@pytest.mark.parametrize(("loaded", "section", "text"), EXAMPLES)
def test_an_example_has_exactly_the_findings_that_it_is_marked_with(
    loaded: LoadedRule, section: str, text: str, tmp_path: Path
) -> None:
    expected = marks(text)
    assert (loaded.rule.code in {code for _, code in expected}) == (section == "Bad")
    found, _ = findings(loaded, text, tmp_path)
    assert {(finding.span.line, finding.code) for finding in found} == expected


@pytest.mark.parametrize(("loaded", "section", "text"), [each for each in EXAMPLES if each.values[1] == "Bad"])
def test_the_fixes_of_an_example_leave_it_clean(loaded: LoadedRule, section: str, text: str, tmp_path: Path) -> None:
    found, source = findings(loaded, text, tmp_path)
    own = [finding for finding in found if finding.code == loaded.rule.code]
    fixable = [finding for finding in own if finding.fix]
    assert not fixable or (loaded.rule.fix and "Fix safety" in loaded.page.sections)
    assert {finding.fix.applicability for finding in fixable if finding.fix} <= {loaded.rule.fix, "safe"}
    left, _ = findings(loaded, fixed(fixable, source), tmp_path)
    assert len([finding for finding in left if finding.code == loaded.rule.code]) == len(own) - len(fixable)


@pytest.mark.parametrize("loaded", RULES, ids=lambda loaded: loaded.rule.code)
def test_a_page_has_its_sections_in_order(loaded: LoadedRule) -> None:
    known = ["What it does", "Why is this bad?", "Bad", "Good", "Fix safety", "Limits", "Verify", "References"]
    sections = list(loaded.page.sections)
    assert [name for name in known if name in sections] == sections
    assert set(known) - {"Fix safety"} <= set(sections)
    assert ("Fix safety" in sections) == bool(loaded.rule.fix)
    assert re.search(r"https?://|\*\w", loaded.page.sections["References"])
    assert loaded.page.examples("Bad") and loaded.page.examples("Good")
    assert loaded.page.title and loaded.page.summary


@pytest.mark.parametrize("loaded", RULES, ids=lambda loaded: loaded.rule.code)
def test_a_rule_is_one_file_that_imports_the_api_alone(loaded: LoadedRule) -> None:
    assert loaded.path is not None
    imports = re.findall(r"^(?:from|import)\s+(bnlint[\w.]*)", loaded.path.read_text(), re.MULTILINE)
    assert imports == ["bnlint.api"]
    assert re.fullmatch(r"BN[1-6]\d\d", loaded.rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", loaded.rule.name)


def test_nothing_in_bnlint_imports_a_rule_by_name() -> None:
    texts = {path: path.read_text() for path in (CHECKOUT / "bnlint").rglob("*.py")}
    assert not [path for path, text in texts.items() if re.search(r"rules\.bn\d|import bn\d", text)]


def test_the_readme_s_table_is_current() -> None:
    spec = importlib.util.spec_from_file_location("update_readme", CHECKOUT / "scripts" / "update_readme.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (CHECKOUT / "README.md").read_text()
    assert "| BN301 |" in text
    assert script.updated(text) == text, "run python scripts/update_readme.py"


def test_a_page_is_taken_apart_and_shown_without_marks() -> None:
    page = parse_page(
        "Title.\n\n## What it does\nReports x: all of it. More.\n\n## Bad\n```python\nf()  # BN301 BN101\n```\n\n## Good\ntext\n"
    )
    assert (page.title, page.summary) == ("Title", "Reports x: all of it.")
    assert page.examples("Bad") == ["f()  # BN301 BN101\n"]
    assert (
        page.text() == "# Title\n\n## What it does\nReports x: all of it. More.\n\n## Bad\n```python\nf()\n```\n\n## Good\ntext\n"
    )


def test_marks_are_read_at_line_ends_only() -> None:
    text = "a  # BN301\nb # BN101, BN202\n# BN301 is one\nc  # x  # BN401\nd # later: BN304\ne  # BN101  later: BN502 BN510\n"
    assert marks(text) == {(1, "BN301"), (2, "BN101"), (2, "BN202"), (4, "BN401"), (6, "BN101")}
    assert without_marks(text) == "a\nb\n# BN301 is one\nc  # x\nd\ne\n"


def test_names_by_which_rules_guess_stand_in_one_place_and_on_the_pages() -> None:
    pages = {loaded.rule.code: loaded for loaded in RULES}
    text = "".join(loaded.docstring for loaded in RULES)
    assert set(re.findall(r"\{names:\s+([a-z -]+)\}", text)) == set(NAMES)
    assert "`psnr`, `ssim`" in pages["BN201"].page.sections["Limits"]
    assert not any("{names" in loaded.page.text() for loaded in RULES)
