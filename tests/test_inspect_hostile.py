"""Files that are no honest models end ``inspect`` with one sentence, within bounds, and nothing in them is run."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("h5py")

from bnlint.inspect import Inspection, InspectionError, inspect_file, worker
from bnlint.inspect.limits import MEMORY


def _models() -> Any:
    spec = importlib.util.spec_from_file_location("hostile_models", Path(__file__).with_name("hostile_models.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODELS = _models()


def _contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and path.stat().st_size < 1 << 20 else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links are those of POSIX")
@pytest.mark.parametrize("name", MODELS.HOSTILE)
def test_a_hostile_file_ends_with_one_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker, words = MODELS.HOSTILE[name]
    path = maker(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = _contents(tmp_path)
    with pytest.raises(InspectionError) as caught:
        inspect_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and words in message, message
    assert "\n" not in message and "bnlint made a mistake" not in message and len(message) < 600
    assert _contents(tmp_path) == before


def test_a_group_that_holds_itself_is_read_once(tmp_path: Path) -> None:
    def edit(file: Any) -> None:
        file["layers/batch_normalization/again"] = file["layers"]

    path = tmp_path / "m.weights.h5"
    path.write_bytes(MODELS.weights(edit))
    assert len(inspect_file(path).norms) == 1


def test_names_that_are_none_and_that_steer_terminals_do_no_harm(tmp_path: Path) -> None:
    norm = {"momentum": float("nan"), "epsilon": 10**400, "axis": {"a": 1}, "trainable": "no", "name": float("nan")}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, "x", -1]}},
        {"class_name": "Dense", "config": {"name": "\x1b[2J", "units": float("inf")}},
        {"class_name": "BatchNormalization", "config": norm},
        {"class_name": 7, "config": []},
        None,
    ]
    config = json.dumps({"class_name": "Sequential", "config": {"name": [1], "layers": layers}})
    done = _command(
        MODELS.archive(tmp_path / "m.keras", {"config.json": config, "metadata.json": '{"keras_version": "\\u001b"}'})
    )
    assert done.returncode in (0, 1), done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_pickle_beside_an_honest_model_in_its_assets_is_not_read(tmp_path: Path) -> None:
    inspection = inspect_file(MODELS.archive(tmp_path / "m.keras", {"assets/table.pkl": b"cos\nsystem\n."}))
    assert len(inspection.norms) == 1


def test_python_code_of_a_lambda_layer_is_named_and_not_run(tmp_path: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wAAAA==\n", "defaults": None, "closure": None}}
    layer = {"class_name": "Lambda", "config": {"name": "mine", "function": code}}
    config = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}})
    inspection = inspect_file(MODELS.archive(tmp_path / "m.keras", {"config.json": config}))
    assert any("Lambda" in note and "mine" in note for note in inspection.notes)


def test_a_module_beside_the_model_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MODELS.archive(tmp_path / "m.keras", {})
    (tmp_path / "h5py.py").write_text("open('marker_of_execution', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(inspect_file("m.keras").norms) == 1
    assert not (tmp_path / "marker_of_execution").exists()


def test_a_reader_that_crashes_or_takes_too_long_ends_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = MODELS.archive(tmp_path / "m.keras", {})
    for code, words in (
        ("import os; os.kill(os.getpid(), 11)", "crashed"),
        ("import resource as r; r.setrlimit(r.RLIMIT_CPU, (1, 2))\nwhile True: pass", "processor time"),
        ("raise ValueError('surprise')", "please report"),
        ("import time; time.sleep(60)", "took longer"),
    ):
        monkeypatch.setattr(worker, "_BOOT", code)
        monkeypatch.setattr(worker, "WALL_SECONDS", 5)
        with pytest.raises(InspectionError, match=words):
            inspect_file(path)


def test_memory_beyond_the_limit_ends_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    boot = worker._BOOT.replace(
        "main()", f"import bnlint.inspect.formats as f; f.read = lambda p: bytearray({2 * MEMORY}); main()"
    )
    monkeypatch.setattr(worker, "_BOOT", boot)
    with pytest.raises(InspectionError, match="of memory that bnlint allows"):
        inspect_file(MODELS.archive(tmp_path / "m.keras", {}))


@pytest.mark.parametrize("seed", range(12))
def test_damaged_bytes_give_an_inspection_or_one_sentence(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    content = bytearray(MODELS.weights() if seed % 2 else MODELS.archive(tmp_path / "m.keras", {}).read_bytes())
    for _ in range(chance.choice((1, 5, 20))):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path = tmp_path / "damaged"
    path.write_bytes(content)
    try:
        assert isinstance(inspect_file(path), Inspection)
    except InspectionError as error:
        assert "bnlint made a mistake" not in str(error)


def _command(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bnlint", "inspect", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(worker.__file__).parents[2])}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
