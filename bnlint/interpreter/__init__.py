"""The abstract interpreter: Keras code in, the models that Keras would build out, nothing run."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnlint.index import Project
    from bnlint.interpreter.machine import Machine
    from bnlint.program import Program


def new_machine(project: Project, keras_version: str = "auto") -> Machine:
    """A machine for a project, with everything registered that it can interpret."""
    from bnlint.interpreter import (  # noqa: F401  each registers what it interprets
        array_math,
        configuration,
        datasets,
        expressions,
        natives,
        numpy_arrays,
        numpy_natives,
        phases,
        readers,
        reflection,
        regular_expressions,
        sample_sets,
        scalers,
        splits,
        statements,
        stdlib,
        strategies,
        training,
    )
    from bnlint.interpreter.machine import Machine
    from bnlint.interpreter.modules import Modules
    from bnlint.interpreter.natives import KerasHooks
    from bnlint.keras_api.table import table
    from bnlint.pins import pinned_generation

    pinned = pinned_generation(Path(project.root)) if keras_version == "auto" else keras_version[:1]
    generation = pinned or "3"
    machine = Machine(table(), Modules(project), generation, KerasHooks())
    parts = keras_version.split(".")
    machine.release = tuple(int(part) for part in parts if part.isdigit()) if len(parts) > 1 else None
    return machine


def analyse(project: Project, files: Sequence[Path], keras_version: str = "auto") -> Program:
    """Interpret some files of a project.

    ``keras_version`` is "auto", "2", "3" or a release such as "3.8": what ``keras`` and ``tf.keras`` mean.
    """
    from bnlint.interpreter.entries import Entries
    from bnlint.program import Program

    machine = new_machine(project, keras_version)
    with collecting_rarely():
        Entries(machine).run(files)
    return Program(machine)


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Most of what is made is kept: Python's collector would look at it again and again."""
    thresholds = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
