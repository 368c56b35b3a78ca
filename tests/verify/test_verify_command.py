"""``bnlint verify``: what is asked for is measured, and what was measured is shown and counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bnlint.cli import main
from bnlint.finding import Verdict
from bnlint.verify import run
from bnlint.verify.jobs import Job

ROOT = Path(__file__).parent.parent.parent
MODEL = """\
from keras import Input, Model, layers

def build(filters=8):
    inputs = Input((32, 32, 3))
    x = layers.Conv2D(filters, 3)(inputs)
    x = layers.BatchNormalization()(x)
    return Model(inputs, layers.ReLU()(x))
"""


@dataclass
class Verifier:
    """The command line in an empty folder; jobs are not done but noted, and answered with one verdict."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    verdict: Verdict = field(default_factory=lambda: Verdict("confirmed", "it moves by 3", {"moves": 3.0}))
    installed: set[str] = field(default_factory=lambda: {"keras", "tensorflow"})
    jobs: list[Job] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["verify", *arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *self.capture.readouterr()

    def run_jobs(self, jobs: Iterable[Job], **options: Any) -> Iterator[tuple[Job, int, Verdict]]:
        self.options.append(options)
        for job in jobs:
            self.jobs.append(job)
            for index in range(len(job.questions)):
                yield job, index, self.verdict

    def find_spec(self, name: str) -> object | None:
        return name if name in self.installed else None


@pytest.fixture
def verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verifier:
    made = Verifier(tmp_path, capsys)
    (tmp_path / "setup.cfg").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run_jobs", made.run_jobs)
    monkeypatch.setattr(run, "find_spec", made.find_spec)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return made


def test_a_confirmed_finding_is_shown_with_its_measurement(verifier: Verifier) -> None:
    verifier.write("model.py", MODEL)
    code, out, err = verifier()
    assert code == 1
    assert "model.py:5:9: BN301" in out and "\n  confirmed: it moves by 3\n" in out
    assert out.endswith("1 finding in 1 file: 1 confirmed.\n")
    assert "runs the code" in err and "not a sandbox" in err


def test_a_refuted_finding_is_shown_and_does_not_count(verifier: Verifier) -> None:
    verifier.write("model.py", MODEL)
    verifier.verdict = Verdict("refuted", "it moves")
    code, out, _ = verifier()
    assert code == 0
    assert "refuted: it moves" in out and out.endswith("1 finding in 1 file: 1 refuted.\n")


def test_an_inconclusive_finding_counts(verifier: Verifier) -> None:
    verifier.write("model.py", MODEL)
    verifier.verdict = Verdict("inconclusive", "it does not run\x1b[2J")
    code, out, _ = verifier("--output-format", "concise")
    assert code == 1
    assert out.splitlines()[0].endswith("(inconclusive)")
    assert "\\x1b[2J" in verifier()[1]


def test_the_verdict_is_in_the_json(verifier: Verifier) -> None:
    verifier.write("model.py", MODEL)
    (finding,) = json.loads(verifier("--output-format", "json")[1])
    assert finding["verdict"] == {"status": "confirmed", "measured": {"moves": 3.0}, "reason": "it moves by 3"}


def test_a_finding_without_an_experiment_is_not_asked_about(verifier: Verifier) -> None:
    verifier.write("broken.py", "import keras\nkeras.layers.BatchNormalization(\n")
    code, out, err = verifier()
    assert code == 1 and verifier.jobs == []
    assert "inconclusive: there is no experiment for this rule" in out
    assert "runs the code" not in err


def test_without_findings_nothing_is_run(verifier: Verifier) -> None:
    verifier.write("model.py", "import keras\n")
    assert verifier() == (0, "No findings in 1 file.\n", "")


@pytest.mark.parametrize("installed", [set(), {"tensorflow"}, {"keras"}])
def test_without_keras_it_says_what_to_install(verifier: Verifier, installed: set[str]) -> None:
    verifier.write("model.py", MODEL)
    verifier.installed = installed
    code, out, err = verifier()
    assert (code, out) == (2, "")
    assert 'pip install "bnlint[verify]"' in err and err.count("\n") == 1


def test_tensorflow_is_the_backend_unless_another_is_asked_for_or_alone(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier.write("model.py", MODEL)
    verifier()
    verifier.installed |= {"jax"}
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    verifier()
    monkeypatch.delenv("KERAS_BACKEND")
    verifier.installed -= {"tensorflow"}
    verifier()
    assert [job.environment.backend for job in verifier.jobs] == ["tensorflow", "jax", "jax"]


def test_limits_and_arguments_are_configured(verifier: Verifier) -> None:
    verifier.write("model.py", MODEL)
    verifier.write("bnlint.toml", '[verify]\ntimeout = 5\nmemory = 1.5\n"model:build" = {filters = 3}\n')
    verifier()
    assert (verifier.options[0]["timeout"], verifier.options[0]["memory"]) == (5, 3 << 29)
    assert verifier.jobs[0].arguments == {"model:build": {"filters": 3}}


def test_the_command_line_beats_the_configuration(verifier: Verifier) -> None:
    verifier.write("model.py", MODEL)
    verifier.write("bnlint.toml", "[verify]\ntimeout = 5\n")
    verifier("--timeout", "7.5", "--gpu")
    assert (verifier.options[0]["timeout"], verifier.options[0]["gpu"]) == (7.5, True)


def test_a_timeout_must_be_above_0(verifier: Verifier) -> None:
    code, _, err = verifier("--timeout", "0")
    assert code == 2 and "timeout" in err


def test_each_file_is_measured_with_its_own_limits(verifier: Verifier) -> None:
    for name, text in (("slow", "[verify]\ntimeout = 100\n"), ("quick", "[verify]\ntimeout = 1\n")):
        (verifier.folder / name).mkdir()
        verifier.write(f"{name}/bnlint.toml", text)
        verifier.write(f"{name}/model.py", MODEL)
    code, out, _ = verifier()
    assert code == 1 and out.endswith("2 findings in 2 of 2 files: 2 confirmed.\n")
    assert sorted(each["timeout"] for each in verifier.options) == [1, 100]


def test_text_on_stdin_is_measured(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MODEL.encode())))
    code, out, _ = verifier("-")
    assert code == 1 and "confirmed" in out and verifier.jobs[0].text == MODEL


def test_check_stays_free_of_it(tmp_path: Path) -> None:
    probe = "import sys; from bnlint.cli import cli; cli(['check', '--isolated', sys.argv[1]], standalone_mode=False)"
    probe += "; print([name for name in sys.modules if name.startswith(('numpy', 'keras', 'tensorflow', 'bnlint.verify.run'))])"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    (tmp_path / "model.py").write_text(MODEL)
    done = subprocess.run(
        [sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.needs_keras
def test_findings_of_both_generations_are_measured(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(MODEL)
    (tmp_path / "old.py").write_text(MODEL.replace("from keras", "from tf_keras"))
    command = [sys.executable, "-m", "bnlint", "verify", "--isolated", "--select", "BN301", "--output-format", "json", "."]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1, done.stderr
    verdicts = [finding["verdict"] for finding in json.loads(done.stdout)]
    assert [verdict["status"] for verdict in verdicts] == ["confirmed"] * 2
    assert all(verdict["measured"]["change"] < 1e-3 for verdict in verdicts)
