"""Brings a project's modules in: the script that is run, and what it imports, with the places of the questions watched."""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import os
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from bnlint.verify.imported import forget_imports
from bnlint.verify.instrument import RUNTIME, instrumented
from bnlint.verify.jobs import Job, Script
from bnlint.verify.runtime import Runtime


@contextmanager
def project(job: Job, script: Script, runtime: Runtime) -> Iterator[None]:
    """The project's folders on the search path and its instrumented sources, while the block runs; its modules go behind it."""
    before, path, main = set(sys.modules), list(sys.path), sys.modules.get("__main__")
    finder = _Finder(job, script)
    sys.meta_path.insert(0, finder)
    sys.path[:0] = [os.path.dirname(script.path), *job.roots] if not script.packaged else list(job.roots)
    setattr(builtins, RUNTIME, runtime)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.path[:] = path
        if main is not None:
            sys.modules["__main__"] = main
        forget_imports(before, {each.module.partition(".")[0] for each in (job, script)})


def load(job: Job, script: Script) -> dict[str, Any]:
    """The names of a script that was run, or of a package's module that was imported; raises whatever its code raises."""
    if script.packaged:
        return vars(import_module(script.module))
    module = types.ModuleType("__main__")
    module.__file__ = script.path
    sys.modules["__main__"] = module
    exec(_code(job, script), vars(module))  # noqa: S102 - running the user's code is what this process is for
    return vars(module)


def _code(job: Job, script: Script) -> types.CodeType:
    linecache.cache[script.path] = (len(script.text), None, script.text.splitlines(keepends=True), script.path)
    tree = instrumented(script.text, script.path, script.lines, [each.span for each in job.questions])
    return compile(tree, script.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the watched files among the project's modules, and has them instrumented."""

    def __init__(self, job: Job, script: Script) -> None:
        own = Script(job.path, job.text, job.module, job.lines)
        self.job = job
        self.watched = {each.path: each for each in (own, script)}

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.origin not in self.watched:
            return None
        loader = _Loader(name, spec.origin, self.job, self.watched[spec.origin])
        return importlib.util.spec_from_file_location(
            name, spec.origin, loader=loader, submodule_search_locations=spec.submodule_search_locations
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, job: Job, script: Script) -> None:
        super().__init__(name, path)
        self.job, self.script = job, script

    def get_code(self, fullname: str) -> types.CodeType:
        """The instrumented code; nothing is cached."""
        return _code(self.job, self.script)
