"""The graphs that bnlint reads from the sources of keras.applications are those that Keras builds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bnlint.keras_api.table import table

SCRIPT = Path(__file__).parent.parent / "scripts" / "compare_applications.py"


def smallest_of_each_family() -> list[str]:
    """The constructor with the fewest layers of every module of keras.applications."""
    import keras

    families: dict[str, list[str]] = {}
    for name in dir(keras.applications):
        constructor = getattr(keras.applications, name)
        if name[0].isupper() and callable(constructor):
            families.setdefault(constructor.__module__, []).append(name)

    def size(name: str) -> int:
        application = table().application(f"keras.applications.{name}", "3")
        assert application is not None, name
        return len(application.layers())

    return [min(names, key=size) for names in families.values()]


@pytest.mark.needs_keras
def test_one_model_of_each_family_has_the_graph_that_keras_builds(tmp_path: Path) -> None:
    names = smallest_of_each_family()
    command = [sys.executable, str(SCRIPT), *names, "--one-process", "--cache", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(names)} of {len(names)} equal" in done.stdout
