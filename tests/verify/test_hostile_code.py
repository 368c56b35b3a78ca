"""The run goes on, the verdict says what happened, and nothing outside changes, whatever the judged code does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnlint.finding import Span, Verdict
from bnlint.verify.jobs import Environment, Job, Question
from bnlint.verify.pool import run_jobs

sys.path.insert(0, str(Path(__file__).parent))
from hostile_runs import NAMES, Surroundings, surroundings, without_keras

sys.path.pop(0)
pytestmark = pytest.mark.needs_keras
HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# What is done to the whole of bnlint; the others are run by the worker alone, without Keras, and for the most part in a second.
THROUGH_THE_COMMAND = sorted(
    {
        *("allocates_a_tensor", "deletes_a_folder_by_tensorflow", "replaces_a_layer", "saves_its_weights_elsewhere"),
        *("allocates_an_array", "deletes_a_file", "deletes_a_file_quietly", "opens_a_socket", "starts_a_process", "forks"),
        *("loops", "exits", "exits_at_once", "raises_in_del", "prints_a_gigabyte", "replaces_print", "replaces_sys_exit"),
        *("crashes", "closes_all_descriptors", "kills_its_parent", "starts_threads_that_never_end", "handles_signals"),
    }
)
BY_THE_WORKER = [name for name in NAMES if name not in THROUGH_THE_COMMAND]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which workers' folders are made."""
    folder = tmp_path_factory.mktemp("workers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("TMPDIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def by_the_worker(workers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with pytest.MonkeyPatch.context() as patch, surroundings(tmp_path_factory.mktemp("around")) as around:
        patch.setenv("PYTHONPATH", str(HERE))
        question = (Question("BN301", Span("code.py", 1, 1, 1, 2)),)
        jobs = {
            name: Job("code.py", without_keras(around.text(name)), "code", (), question, environment=Environment(""))
            for name in BY_THE_WORKER
        }
        for job, _, verdict in run_jobs(jobs.values(), timeout=8, workers=2, memory=2 << 30, perform="stand_in:perform"):
            around.verdicts[next(name for name, each in jobs.items() if each is job)] = verdict
        yield around


@pytest.fixture(scope="module")
def through_the_command(workers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with surroundings(tmp_path_factory.mktemp("around")) as around:
        project = tmp_path_factory.mktemp("project")
        (project / "bnlint.toml").write_text("[verify]\ntimeout = 8\nmemory = 2\n")
        for name in THROUGH_THE_COMMAND:
            (project / f"{name}.py").write_text(around.text(name))
        command = [sys.executable, "-m", "bnlint", "verify", "--select", "BN301", "--output-format", "json", str(project)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 1 and "runs the code" in done.stderr, done.stderr
        for finding in json.loads(done.stdout):
            name, verdict = Path(finding["filename"]).stem, finding["verdict"]
            assert name not in around.verdicts
            around.verdicts[name] = Verdict(verdict["status"], verdict["reason"], verdict["measured"])
        yield around


@pytest.mark.parametrize("name", BY_THE_WORKER)
def test_the_worker_says_what_hostile_code_did(name: str, by_the_worker: Surroundings) -> None:
    by_the_worker.check(name)


@pytest.mark.parametrize("name", THROUGH_THE_COMMAND)
def test_the_command_says_what_hostile_code_did(name: str, through_the_command: Surroundings) -> None:
    through_the_command.check(name)


def test_nothing_outside_changed(by_the_worker: Surroundings, through_the_command: Surroundings, workers: Path) -> None:
    assert by_the_worker.are_untouched()
    assert through_the_command.are_untouched()
    assert [path.name for path in workers.iterdir() if path.name.startswith("bnlint")] == []


def test_every_kind_of_misbehaviour_has_words(by_the_worker: Surroundings, through_the_command: Surroundings) -> None:
    verdicts = by_the_worker.verdicts | through_the_command.verdicts
    assert sorted(verdicts) == NAMES
    assert not [
        name for name, verdict in verdicts.items() if re.fullmatch(r"\w*Error:?\s*", verdict.reason) or not verdict.reason
    ]
