"""The project's modules are found while a run lasts, its watched files instrumented, and nothing of it stays behind."""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bnlint.finding import Span
from bnlint.verify.instrument import RUNTIME
from bnlint.verify.jobs import Job, Question, Script
from bnlint.verify.loading import load, project
from bnlint.verify.recorder import Recording
from bnlint.verify.runtime import Runtime

NET = "from zz_parts import WIDTH\n\ndef net():\n    return WIDTH\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A script beside a module that it imports, and a package that has one, too."""
    for name, text in {
        "zz_script.py": "import sys\nimport zz_net\nvalue = zz_net.net()\nmain = sys.modules['__main__']\n",
        "zz_net.py": NET,
        "zz_parts.py": "WIDTH = 4\n",
        "zz_package/__init__.py": "",
        "zz_package/inner.py": "from .sibling import DEPTH\n1 / 0\ndef net():\n    return DEPTH\n",
        "zz_package/sibling.py": "DEPTH = 3\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def script(path: Path, module: str = "", packaged: bool = False) -> Script:
    return Script(str(path), path.read_text(), module or path.stem, packaged=packaged)


@contextmanager
def running(own: Script, run: Script, roots: tuple[str, ...] = (), line: int = 1) -> Iterator[tuple[Job, Recording]]:
    """A run of a script for a place in a file."""
    question = Question("BN301", Span(own.path, line, 1, line + 1, 1))
    job = Job(own.path, own.text, own.module, roots, (question,), packaged=own.packaged)
    recording = Recording()
    with project(job, run, Runtime(recording, lambda names: names)):
        yield job, recording


def state() -> tuple[Any, ...]:
    return set(sys.modules), list(sys.path), list(sys.meta_path), sys.modules.get("__main__"), hasattr(builtins, RUNTIME)


def test_a_script_runs_as_main_and_its_watched_import_goes_on_behind_what_fails(folder: Path) -> None:
    (folder / "zz_net.py").write_text(f"{NET}1 / 0\n")
    own, run = script(folder / "zz_net.py"), script(folder / "zz_script.py")
    with running(own, run, line=4) as (job, recording):
        names = load(job, run)
        assert names["value"] == 4 and names["__name__"] == "__main__" and vars(names["main"]) is names
        assert list(recording.reached) == [0]
        assert [type(each.error) for each in recording.failures] == [ZeroDivisionError]


def test_a_module_of_a_package_is_imported_with_its_siblings(folder: Path) -> None:
    own = script(folder / "zz_package/inner.py", "zz_package.inner", packaged=True)
    with running(own, own, (str(folder),), line=4) as (job, recording):
        names = load(job, own)
        assert names["net"]() == 3 and names["__name__"] == "zz_package.inner"
        assert list(recording.reached) == [0]


def test_the_projects_modules_and_paths_are_gone_behind_the_run(folder: Path) -> None:
    own = script(folder / "zz_script.py")
    before = state()[:4]
    with running(own, own, (str(folder / "zz_package"),)) as (job, _):
        load(job, own)
        sys.path.append("/by/the/code")
        assert "zz_net" in sys.modules and "zz_parts" in sys.modules and sys.path[0] == str(folder)
    assert state()[:4] == before
    assert not [each for each in sys.modules if each.startswith("zz_")]


def test_they_are_gone_behind_a_run_that_raises_too(folder: Path) -> None:
    own = script(folder / "zz_script.py")
    before = state()[:4]
    with pytest.raises(KeyboardInterrupt), running(own, own) as (job, _):
        load(job, own)
        raise KeyboardInterrupt
    assert state()[:4] == before


def test_libraries_that_the_code_imports_stay(folder: Path) -> None:
    sys.modules.pop("colorsys", None)
    (folder / "zz_script.py").write_text("import colorsys, zz_net\n")
    own = script(folder / "zz_script.py")
    with running(own, own) as (job, _):
        names = load(job, own)
    assert sys.modules["colorsys"] is names["colorsys"] and "zz_net" not in sys.modules


def test_what_was_there_before_the_run_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = types.ModuleType("zz_before")
    monkeypatch.setitem(sys.modules, "zz_before", before)
    own = script(folder / "zz_script.py")
    with running(own, own) as (job, _):
        load(job, own)
    assert sys.modules["zz_before"] is before


def test_an_installed_package_that_is_judged_itself_is_imported_anew() -> None:
    sys.modules.pop("colorsys", None)
    import colorsys

    own = script(Path(colorsys.__file__), packaged=True)
    del sys.modules["colorsys"]
    with running(own, own) as (job, _):
        assert load(job, own)["rgb_to_hsv"]
    assert "colorsys" not in sys.modules


def test_two_projects_with_a_module_of_the_same_name_do_not_mix(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "zz_parts.py").write_text("WIDTH = 9\n")
    for name in ("zz_net.py", "zz_script.py"):
        (other / name).write_text((folder / name).read_text())
    for where, width in ((folder, 4), (other, 9), (folder, 4)):
        own = script(where / "zz_script.py")
        with running(own, own) as (job, _):
            assert load(job, own)["value"] == width


def test_no_compiled_file_is_left_beside_a_watched_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    own, run = script(folder / "zz_net.py"), script(folder / "zz_script.py")
    with running(own, run) as (job, _):
        load(job, run)
    assert not [each for each in (folder / "__pycache__").glob("*") if each.name.startswith(("zz_net", "zz_script"))]
