"""The fixes of the rules on freezing: they leave code that has no finding of theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.config import Configurations
from bnlint.finding import Finding
from bnlint.run import Check, check
from bnlint.source import load

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
CODES = {"BN401", "BN402", "BN403", "BN404", "BN405"}


def findings(path: Path, version: str) -> list[Finding]:
    report = check([str(path)], Check(Configurations(isolated=True), lambda config: replace(config, keras_version=version)))
    assert not report.errors
    return [finding for finding in report.findings if finding.code in CODES]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("bn401/backbone_asked_by_name.py", "for layer in m.get_layer('mobilenetv2_1.00_224').layers:"),
        ("bn401/helper_with_flag.py", "layer.trainable = value and not isinstance(layer, layers.BatchNormalization)"),
        ("bn401/never_frozen_flat.py", 'if layer.__class__.__name__ == "BatchNormalization":'),
        ("bn402/keras2_parent_is_trainable_already.py", "if isinstance(layer, BatchNormalization):"),
        ("bn403/layer_by_index.py", 'model.compile("adam", "mse")\nmodel.fit'),
        ("bn404/argument_of_the_constructor.py", "layers.BatchNormalization()(x)"),
        ("bn405/custom_block.py", "enumerate(model._flatten_layers())"),
        ("bn405/other_keras.py", "isinstance(l, keras.layers.BatchNormalization)"),
    ],
)
def test_a_fix_leaves_nothing_to_report(name: str, written: str, tmp_path: Path) -> None:
    source = load(FIXTURES / name)
    version = "2" if "keras-version=2" in source.text else "auto"
    text = source.text
    found = findings(FIXTURES / name, version)
    edits = {(edit.span, edit.content) for finding in found if finding.fix for edit in finding.fix.edits}
    for span, content in sorted(edits, reverse=True):
        start, end = source.offset(span.line, span.column), source.offset(span.end_line, span.end_column)
        text = text[:start] + content + text[end:]
    assert written in text
    fixed = tmp_path / "fixed.py"
    fixed.write_text(text)
    assert found and not findings(fixed, version)
