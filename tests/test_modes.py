"""Rules on modes: what the option ``pedantic`` adds, and what the fixes write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bnlint.config import Configurations
from bnlint.finding import Finding
from bnlint.run import Check, check
from bnlint.source import load

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SILENT = FIXTURES / "bn203" / "silent_keras_passes_it_on.py"

SIGNATURES = """
from tensorflow import keras
from tensorflow.keras import layers


class {name}(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(8, use_bias=False), layers.BatchNormalization()]
        self.norm = layers.BatchNormalization()
        self.out = layers.Dense(1)

    def call({signature}):
        for part in self.parts:
            x = part(x)
        x = self.norm(
            keras.activations.relu(x),
        )
        return self.out(x)


model = {name}()
model.compile("adam", "mse")
"""


def findings(path: Path, **options: bool) -> list[Finding]:
    chosen = {"training-not-forwarded": options}
    report = check([str(path)], Check(Configurations(isolated=True), lambda config: replace(config, rule_options=chosen)))
    assert not report.errors
    return report.findings


def fixed(path: Path, found: list[Finding]) -> str:
    source = load(path)
    text = source.text
    edits = {(edit.span, edit.content) for finding in found if finding.fix for edit in finding.fix.edits}
    for span, content in sorted(edits, reverse=True):
        start, end = source.offset(span.line, span.column), source.offset(span.end_line, span.end_column)
        text = text[:start] + content + text[end:]
    return text


def test_the_option_pedantic_reports_what_keras_passes_on_by_itself_as_information() -> None:
    assert not findings(SILENT)
    found = findings(SILENT, pedantic=True)
    assert [(each.code, each.severity, each.span.line) for each in found] == [("BN203", "info", 13), ("BN203", "info", 23)]
    assert "self.norm(self.conv(x), training=training)" in fixed(SILENT, found)
    assert "unit(x, training=training)" in fixed(SILENT, found)


def test_the_parameter_is_added_where_python_allows_it(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").touch()
    wanted = {
        "self, x": "self, x, training=None",
        "self, x, mask=None": "self, x, mask=None, training=None",
        "self, x: object = None": "self, x: object = None, training=None",
        "self, x, *args": "self, x, *args, training=None",
        "self, x, *, mask=None": "self, x, training=None, *, mask=None",
        "self, x, **kwargs": "self, x, training=None, **kwargs",
    }
    for number, (signature, expected) in enumerate(wanted.items()):
        path = tmp_path / f"net{number}.py"
        path.write_text(SIGNATURES.format(name="Net", signature=signature))
        found = findings(path)
        assert [each.code for each in found] == ["BN202"]
        path.write_text(fixed(path, found))
        assert f"def call({expected}):" in path.read_text()
        assert path.read_text().count("training=training") == 2
        assert not findings(path)


def test_the_learning_phase_is_a_warning_where_keras_2_is_read_from_whatever_the_target() -> None:
    found = findings(FIXTURES / "bn208" / "within_tensorflow.py")
    assert {each.severity for each in found if each.code == "BN208"} == {"warning"}
    assert {each.severity for each in findings(FIXTURES / "bn208" / "straight.py") if each.code == "BN208"} == {"error"}
