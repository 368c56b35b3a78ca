"""The pytest plug-in as a user's project sees it, and what importing it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

USERS_TESTS = """\
import keras

def model(**options):
    layers = keras.layers
    return keras.Sequential([layers.Input((3,)), layers.Dense(4), layers.BatchNormalization(**options), layers.Dense(1)])

def test_ignored_by_the_configuration(bn_audit):
    bn_audit(model())

def test_faulty(bn_audit):
    bn_audit(model(momentum=0.1))
"""


def test_the_plug_in_gives_the_fixture_and_reads_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "test_model.py").write_text(USERS_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nbn_audit_ignore = BN301\n")
    environment = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", "pytest", "-p", "bnlint.pytest_plugin", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout
    assert "BN503 [suspicious-momentum] test_model.py:11" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_plug_in_and_the_package_import_nothing_heavy() -> None:
    code = (
        "import sys, bnlint.pytest_plugin, bnlint.verify; from bnlint.verify import *\n"
        "print([name for name in ('tensorflow', 'keras', 'tf_keras', 'matplotlib', 'bnlint.interpreter') if name in sys.modules])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    light = "import sys, bnlint.pytest_plugin; assert 'numpy' not in sys.modules and 'bnlint.verify' not in sys.modules"
    subprocess.run([sys.executable, "-c", light], env=environment, check=True)
