"""Hostile sources end soon, within bounded memory, with a result or BN000, and none of their code is run.

Every source goes through a process of its own. Its time is limited in processor seconds, which do not depend on what else
the machine does; its memory is what was really in use at most (a limit on addresses would count what was only reserved).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bnlint

CPU_SECONDS = 10
MEMORY = 500_000_000
ADDRESSES = 8_000_000_000
"""Keeps a broken bnlint from taking the machine with it."""

RUN = """
import resource, runpy, sys
peak, seconds, addresses, *sys.argv[1:] = sys.argv[1:]
for kind, bound in ((resource.RLIMIT_CPU, int(seconds)), (resource.RLIMIT_AS, int(addresses)), (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(kind, (bound, resource.getrlimit(kind)[1]))
try:
    runpy.run_module("bnlint", run_name="__main__", alter_sys=True)
finally:
    try:
        with open("/proc/self/status") as status:
            kilobytes = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    except OSError:  # not Linux: the figure may hold the parent's memory, which makes it too big, never too small
        kilobytes = str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    with open(peak, "w") as file:
        file.write(kilobytes)
"""


def _sources() -> Any:
    spec = importlib.util.spec_from_file_location("hostile_sources", Path(__file__).with_name("hostile_sources.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SOURCES = _sources()
MARKER = "marker_of_execution"


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    peak = folder.parent / "peak"
    peak.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(bnlint.__file__).parents[1]), "PYTHONSAFEPATH": "1"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(peak), str(CPU_SECONDS), str(ADDRESSES), *arguments],
        check=False,
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=10 * CPU_SECONDS,
    )
    assert peak.exists(), f"ended by {result.returncode}: {result.stderr[-2000:]}"
    assert int(peak.read_text()) * 1024 < MEMORY, f"{int(peak.read_text()) // 1024} MB"
    return result


def _write(folder: Path, source: Any) -> Path:
    folder.mkdir()
    (folder / "bnlint.toml").write_text("")
    for name, text in source.files().items():
        (folder / name).write_text(text, "utf-8", "surrogatepass")
    return folder / "hostile.py"


def _check(folder: Path, source: Any) -> None:
    file = _write(folder, source)
    result = _run(folder, "check", "--output-format", "json", "--isolated", "--verbose", str(file))
    assert result.returncode in (0, 1), f"exit {result.returncode}: {result.stderr[-2000:]}"
    assert "Traceback" not in result.stderr and "internal error" not in result.stderr
    codes = {finding["code"] for finding in json.loads(result.stdout)}
    if source.found == "cut":
        assert codes & {"BN101", "BN002"}, result.stderr[-500:]
    elif source.found != "any":
        assert source.found in codes, (codes, result.stderr[-500:])


def _graph(folder: Path, source: Any) -> None:
    file = _write(folder, source)
    result = _run(folder, "graph", "--output-format", "json", str(file))
    assert "Traceback" not in result.stderr and "internal error" not in result.stderr
    if source.found == "BN000":
        assert result.returncode == 2
    elif source.found in ("BN101", "cut") or result.returncode == 0:
        assert result.returncode == 0, result.stderr[-2000:]
        assert "models" in json.loads(result.stdout)


def _named(sources: list[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("source", [pytest.param(each, id=each.name) for each in sources])


@_named(SOURCES.texts())
def test_text_that_is_hard_to_parse_is_checked_or_refused(tmp_path: Path, source: Any) -> None:
    _check(tmp_path / "project", source)


@_named(SOURCES.values())
def test_a_value_too_big_to_have_is_unknown(tmp_path: Path, source: Any) -> None:
    _check(tmp_path / "project", source)


@_named(SOURCES.programs())
def test_a_program_that_never_ends_is_cut_off(tmp_path: Path, source: Any) -> None:
    _check(tmp_path / "project", source)


@_named([*SOURCES.texts(), SOURCES.all_values(), *SOURCES.programs()])
def test_a_graph_of_hostile_code_is_drawn_or_refused(tmp_path: Path, source: Any) -> None:
    _graph(tmp_path / "project", source)


@_named(SOURCES.actions(MARKER))
@pytest.mark.parametrize("command", [_check, _graph])
def test_nothing_of_a_checked_file_is_run(tmp_path: Path, source: Any, command: Any) -> None:
    marker = tmp_path / MARKER
    source = next(each for each in SOURCES.actions(str(marker)) if each.name == source.name)
    command(tmp_path / "project", source)
    assert not marker.exists()
    assert all((tmp_path / "project" / name).exists() for name in source.files())
