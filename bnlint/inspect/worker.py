"""The child process that reads: started here, ended at its limits; what it says is handed on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bnlint.inspect.limits import CPU_SECONDS, WALL_SECONDS
from bnlint.inspect.results import Inspection, InspectionError

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from bnlint.inspect.child import main; main()"
_MISSING = 'bnlint inspect needs {name}, which is not installed; run: pip install "bnlint[inspect]"'
_TIME_SIGNALS = (9, 24)
"""SIGKILL and SIGXCPU (Linux, macOS), which the limit on processor time sends."""
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def inspect_file(path: str | os.PathLike[str]) -> Inspection:
    """What a saved model tells about its batch normalizations.

    ``path`` is a .keras file, a file of weights or a whole model in HDF5 (Keras 2 or 3), a SavedModel folder, or a checkpoint
    of TensorFlow (its .index file, or the path without it). Nothing in it is run, and nothing is written. Raises
    InspectionError where it cannot be read within bnlint's limits, or where h5py and numpy are not installed.
    """
    name = os.fspath(path)
    if "\0" in name:
        raise InspectionError(f"{name!r}: no path has a NUL character; give the path of a saved model")
    answer = _answer(os.path.abspath(name), name)
    if "missing" in answer:
        raise InspectionError(_MISSING.format(name=answer["missing"]))
    if "error" in answer:
        raise InspectionError(f"{name}: {answer['error']}")
    return Inspection.from_json(answer["inspection"] | {"path": name})


def _answer(path: str, name: str) -> dict[str, Any]:
    command = [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT, json.dumps(_search_path()), path]
    environment = {**os.environ, **dict.fromkeys(_THREADS, "1"), "HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WALL_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise InspectionError(
            f"{name}: reading it took longer than {WALL_SECONDS} s; this is no model that Keras wrote"
        ) from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise InspectionError(f"{name}: {_ending(done)}") from None
    assert isinstance(answer, dict)
    return answer


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    if -done.returncode in _TIME_SIGNALS:
        return f"reading it took more than {CPU_SECONDS} s of processor time: it is damaged or made to; save or copy it again"
    if done.returncode < 0:
        return (
            f"reading it crashed the library for its format (signal {-done.returncode}), which ended nothing but the reader: the "
            "file is damaged or made to; save or copy it again"
        )
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f"bnlint made a mistake while reading it ({last or f'exit code {done.returncode}'}); please report it"


def _search_path() -> list[str]:
    """Where the child imports from: as here, but never from the current folder, which may be the one that holds the model."""
    home = str(Path(__file__).resolve().parents[2])
    current = os.path.realpath(os.getcwd())
    kept = [each for each in sys.path if each and (os.path.realpath(each) == home or os.path.realpath(each) != current)]
    return kept if home in map(os.path.realpath, kept) else [home, *kept]
