"""``inspect`` without Keras: what the statistics say, what the command prints and draws, and what it does without its libraries."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
h5py = pytest.importorskip("h5py")

import bnlint
from bnlint.cli import main
from bnlint.inspect import Inspection, InspectionError, inspect_file, worker

CHANNELS = 16
RANDOM = np.random.default_rng(0)
HEALTHY = {
    "gamma": RANDOM.uniform(0.5, 1.5, CHANNELS),
    "beta": RANDOM.normal(0, 0.3, CHANNELS),
    "moving_mean": RANDOM.normal(0, 1, CHANNELS),
    "moving_variance": RANDOM.uniform(0.2, 3, CHANNELS),
}


def write(path: Path, values: dict[str, Any] | None = None, name: str = "norm", **changes: Any) -> Path:
    """A file of weights of Keras 3 with one layer; changes are (channel, value) by variable."""
    variables = {key: np.array(each, "float32") for key, each in (values or HEALTHY).items()}
    for key, (channel, value) in changes.items():
        variables[key][channel] = value
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/batch_normalization/vars")
        group.attrs["name"] = name
        for index, each in enumerate(variables.values()):
            group[str(index)] = each
    return path


def faults(path: Path) -> list[str]:
    return [finding.name for finding in inspect_file(path).findings]


def test_a_healthy_layer_has_no_findings(tmp_path: Path) -> None:
    inspection = inspect_file(write(tmp_path / "m.weights.h5"))
    assert (inspection.findings, inspection.exit_code) == ((), 0)
    (norm,) = inspection.norms
    assert (norm.name, norm.channels) == ("norm", CHANNELS)
    assert norm.spread["gamma"].maximum == pytest.approx(HEALTHY["gamma"].max())
    assert Inspection.from_json(json.loads(json.dumps(inspection.to_json()))) == inspection


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"moving_mean": (2, np.nan)}, ["not-finite"]),
        ({"gamma": (2, np.inf)}, ["not-finite"]),
        ({"moving_variance": (2, -0.1)}, ["negative-variance"]),
        ({"moving_variance": (2, 1e-36)}, ["dead-channels"]),
        ({"moving_variance": (2, 0.0)}, ["dead-channels"]),
        ({"gamma": (2, 1e-5)}, ["dead-channels"]),
        ({"gamma": (2, 0.0)}, ["dead-channels"]),
        ({"moving_mean": (2, 1e5)}, ["dead-channels"]),
        ({"moving_variance": (2, 1e13)}, ["exploding-channels"]),
        ({"gamma": (2, 1e3)}, ["exploding-channels"]),
        ({"moving_mean": (2, 3.3), "moving_variance": (3, 9e3)}, []),
        ({"gamma": (slice(None), 0.0)}, ["dead-channels"]),
        ({"gamma": (2, -0.5)}, []),
    ],
)
def test_one_channel_is_judged(changes: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    path = write(tmp_path / "m.weights.h5", **changes)
    inspection = inspect_file(path)
    assert [finding.name for finding in inspection.findings] == expected
    if expected and changes != {"gamma": (slice(None), 0.0)}:
        assert f"channel 2 of {CHANNELS}" in inspection.findings[0].message


def test_a_live_channel_near_death_stays_alive(tmp_path: Path) -> None:
    """The weakest channel that was measured: 3e-3 of the median, in a network with weight decay."""
    assert faults(write(tmp_path / "m.weights.h5", gamma=(2, 3e-3))) == []


def test_a_layer_of_small_variance_is_not_dead_as_a_whole(tmp_path: Path) -> None:
    small = HEALTHY | {"moving_variance": HEALTHY["moving_variance"] * 1e-6, "moving_mean": HEALTHY["moving_mean"] * 1e-3}
    assert faults(write(tmp_path / "m.weights.h5", small)) == []


def test_initial_statistics_are_reported_alone(tmp_path: Path) -> None:
    fresh = {"gamma": np.zeros(4), "beta": np.zeros(4), "moving_mean": np.zeros(4), "moving_variance": np.ones(4)}
    assert faults(write(tmp_path / "m.weights.h5", fresh)) == ["initial-statistics"]


def test_layers_of_other_kinds_are_no_batch_normalizations(tmp_path: Path) -> None:
    others: dict[str, list[tuple[int, ...]]] = {
        "layer_normalization": [(8,), (8,)],
        "normalization": [(8,), (8,), ()],
        "dense": [(8, 8), (8,)],
        "p_re_lu": [(8,)],
        "lstm": [(8, 32), (8, 32), (32,)],
        "my_layer": [(8,), (8,), (8,)],
    }
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for name, shapes in others.items():
            for index, shape in enumerate(shapes):
                file[f"layers/{name}/vars/{index}"] = np.full(shape, 0.5, "float32")
        for index in range(4):
            file[f"layers/quartet/vars/{index}"] = np.full(8, -0.5, "float32")
    inspection = inspect_file(tmp_path / "m.weights.h5")
    assert (inspection.norms, inspection.exit_code) == ((), 0)


def test_a_layer_without_gamma_or_beta_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "m.weights.h5"
    for count in (2, 3):
        write(path, dict(list(HEALTHY.items())[4 - count :]), moving_variance=(3, 0.0))
        inspection = inspect_file(path)
        assert len(inspection.norms[0].values) == count
        assert [finding.name for finding in inspection.findings] == ["dead-channels"]


def test_layers_of_tensorflow_2_12_and_2_13_are_matched_with_their_configuration(tmp_path: Path) -> None:
    """They call the group of the layers otherwise, and count those that have weights twice, as files of 2.13.1 show."""

    def serialized(kind: str, name: str, **config: Any) -> dict[str, Any]:
        return {"class_name": kind, "config": {"name": name, **config}}

    def norm(name: str, momentum: float) -> dict[str, Any]:
        return serialized("BatchNormalization", name, momentum=momentum, moving_mean_initializer="zeros", trainable=name != "b")

    inner = serialized("Sequential", "inner", layers=[serialized("Dense", "d", kernel_initializer="zeros"), norm("b", 0.7)])
    layers = [norm("a", 0.6), serialized("ReLU", "r"), inner, norm("c", 0.8)]
    group = "_layer_checkpoint_dependencies"
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        for place in ("batch_normalization", f"sequential/{group}/batch_normalization", "batch_normalization_2"):
            for index, values in enumerate(HEALTHY.values()):
                file[f"{group}/{place}/vars/{index}"] = values
    (tmp_path / "config.json").write_text(json.dumps(serialized("Sequential", "s", layers=layers)))
    (tmp_path / "metadata.json").write_text('{"keras_version": "2.13.1"}')
    inspection = inspect_file(tmp_path)
    assert inspection.keras_version == "2.13.1"
    assert [(each.name, each.momentum, each.frozen) for each in inspection.norms] == [
        ("a", 0.6, False), ("inner/b", 0.7, True), ("c", 0.8, False),
    ]  # fmt: skip


def run(*arguments: str | Path, capture: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    out, err = capture.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def test_the_text_has_a_row_a_layer_and_a_line_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "m.weights.h5", moving_variance=(2, np.nan))
    code, out, err = run("inspect", "m.weights.h5", capture=capsys)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == "m.weights.h5: a file of weights"
    assert re.fullmatch(r"  layer +channels +frozen +moving_mean +moving_variance +gamma", lines[1])
    assert re.fullmatch(r"  norm +16 +\? .* 1 not finite .*", lines[2])
    assert lines[4].startswith("m.weights.h5: norm: not-finite: moving_variance holds NaN or infinity in channel 2 of 16: ")
    assert lines[-1] == "1 finding in 1 batch normalization."


def test_json_is_strict_and_has_every_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "m.weights.h5", moving_variance=(slice(None), np.nan))
    code, out, _ = run("inspect", path, "--output-format", "json", capture=capsys)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    data = json.loads(out, parse_constant=refuse)
    assert code == 1
    assert set(data) == {"path", "format", "keras_version", "steps", "norms", "findings", "notes"}
    assert set(data["findings"][0]) == {"name", "severity", "layer", "message", "measured"}
    assert data["norms"][0]["spread"]["moving_variance"] == {
        "minimum": None, "median": None, "mean": None, "maximum": None, "not_finite": CHANNELS,
    }  # fmt: skip


def test_a_file_that_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.keras").write_bytes(b"\x80\x04K\x01.")
    code, out, err = run("inspect", tmp_path / "m.keras", capture=capsys)
    assert (code, out) == (2, "")
    assert err.startswith(f"bnlint: {tmp_path}/m.keras: it is a Python pickle") and err.count("\n") == 1


@pytest.mark.parametrize("missing", ["h5py", "numpy"])
def test_without_its_libraries_it_says_what_to_install(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_BOOT", f"import sys; sys.modules[{missing!r}] = None\n{worker._BOOT}")
    with pytest.raises(InspectionError, match=f'{missing}, which is not installed; run: pip install "bnlint\\[inspect\\]"'):
        inspect_file(write(tmp_path / "m.weights.h5"))


def test_neither_check_nor_the_interface_imports_the_libraries(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("import keras\nkeras.layers.BatchNormalization()\n")
    path = write(tmp_path / "m.weights.h5")
    for code, first in (
        (f"from bnlint.cli import cli; cli(['check', {str(tmp_path / 'm.py')!r}], standalone_mode=False)", "bnlint.inspect"),
        (f"from bnlint.inspect import inspect_file; inspect_file({str(path)!r})", "bnlint.interpreter"),
    ):
        names = [first, "h5py", "numpy", "matplotlib"]
        program = f"import sys; sys.path.insert(0, {str(Path(bnlint.__file__).parents[1])!r}); {code}"
        program += f"; print([name for name in {names!r} if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_drawn_whatever_the_names_and_numbers(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    path = write(
        tmp_path / "m$_$.weights.h5", name="bn$\\frac{$\x1b\u4e2d" * 9, moving_variance=(slice(0, 3), np.nan), gamma=(4, 1e30)
    )
    picture = tmp_path / f"picture.{ending}"
    code, _, err = run("inspect", path, "--picture", picture, capture=capsys)
    assert (code, err) == (1, "")
    assert picture.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, picture.name])


def test_a_picture_of_no_layers_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((2, 2))
    assert run("inspect", tmp_path / "m.weights.h5", "--picture", tmp_path / "p.png", capture=capsys)[0] == 0


def test_a_picture_that_cannot_be_drawn_ends_with_2_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nothing.keras"
    code, _, err = run("inspect", nowhere, "--picture", tmp_path / "p.jpg", capture=capsys)
    assert code == 2 and ".png or .svg" in err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = run("inspect", nowhere, "--picture", tmp_path / "p.png", capture=capsys)
    assert code == 2 and 'matplotlib, which is not installed; run: pip install "bnlint[picture]"' in err
    monkeypatch.delitem(sys.modules, "matplotlib")
    pytest.importorskip("matplotlib")
    code, _, err = run("inspect", nowhere, "--picture", tmp_path / "no/p.png", capture=capsys)
    assert code == 2 and "folder does not exist" in err
