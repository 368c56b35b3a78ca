"""The runs of a job's code that lead to a place, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from bnlint.verify.entries import Entry, entries_for, entries_named, training_entries
from bnlint.verify.jobs import Job, Question, Script
from bnlint.verify.known_shapes import shapes_in
from bnlint.verify.stage import Stage
from bnlint.verify.synthetic import shapes_to_try

_MOST_RUNS = 12
_MOST_KEPT = 3
_MOST_SECONDS = 40.0
"""No further run is begun after this time, so that a question that cannot be decided does not take the whole limit."""


@dataclass
class Needs:
    """What an experiment has asked for: that the user's code trains (``course``), that all of its statements run (``data``)."""

    course: bool = False
    data: bool = False


class Runs:
    """The runs of a job's code; those that an experiment has left as they were are kept for the next question."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._kept: dict[object, Stage] = {}

    def towards(self, question: Question, needs: Needs) -> Iterator[tuple[Stage, bool]]:
        """Runs of the module alone, then through the functions and classes that lead to the place.

        Each with whether it is the whole of the code that concerns the place. A run whose success may hang on the shape of its
        input is made again with others, once all ways have had the likeliest; so is one that needs more after all.
        """
        runs, started = 0, monotonic()
        ways = [(script, entry, whole, list(self._shapes(script))) for script, entry, whole in _ways(self.job, question)]
        axes = 0
        while ways:
            for way in list(ways):
                script, entry, whole, shapes = way
                if not shapes:
                    ways.remove(way)
                    continue
                shape = shapes.pop(next((index for index, each in enumerate(shapes) if len(each) == axes), 0))
                stage = self._run(script, shape, entry, needs)
                yield stage, whole
                while stage.again:
                    stage = self._run(script, shape, entry, needs)
                    yield stage, whole
                axes = axes_wanted(stage) or axes
                runs += 1
                if runs >= _MOST_RUNS or monotonic() - started > _MOST_SECONDS:
                    return
                if not stage.used_shape:
                    ways.remove(way)

    def _shapes(self, script: Script) -> Iterator[tuple[int, ...]]:
        """The shapes of one sample to be tried where the code does not say what it takes."""
        return shapes_to_try([*shapes_in(self.job.text), *shapes_in(script.text)])

    def _run(self, script: Script, shape: tuple[int, ...], entry: Entry | None, needs: Needs) -> Stage:
        """A run, or one of the last again where it is the same and no experiment has changed what it left."""
        key = (script, shape, entry and (entry.name, entry.within, repr(entry.arguments)), needs.course, needs.data)
        stage = self._kept.pop(key, None)
        if stage is None or not stage.is_untouched():
            job = replace(self.job, lines=()) if needs.data else self.job
            stage = Stage(job, replace(script, lines=()) if needs.data else script, shape, needs.course, whole=needs.data)
            stage.run(entry)
        stage.again = False
        self._kept[key] = stage
        if len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return stage


def axes_wanted(stage: Stage) -> int:
    """How many axes a sample should have, by what Keras says of one that has others; 0 where it says nothing."""
    for each in reversed(stage.recording.failures):
        if found := re.search(r"expected (?:min_)?ndim=(\d)", str(each.error)):
            return int(found[1]) - 1
        if found := re.search(
            r"Kernel shape must have the same length as input, but received kernel of shape \(([^)]*)\)", str(each.error)
        ):
            return found[1].count(",")
    return 0


def _ways(job: Job, question: Question) -> Iterator[tuple[Script, Entry | None, bool]]:
    """The ways to the place: the file's body, its functions and classes, then the files that lead to it, in the same manner.

    Each with whether it is the whole way. What is seen from a function that others call is not all that becomes of a layer.
    """
    for script in job.scripts():
        yield script, None, True
        try:
            if script.path == question.span.path:
                alone = not job.others
                yield from ((script, entry, entry.outermost and alone) for entry in _entries(job, question))
            elif script.entry:
                found = entries_named(script.text, script.entry, _configured(job, script.module))
                yield from ((script, entry, script.outermost) for entry in found)
        except SyntaxError:
            continue


def _configured(job: Job, module: str) -> dict[str, Mapping[str, Any]]:
    """The configuration's arguments for functions and classes of a module, which is named in whole or by its last parts."""
    named = ((name.rpartition(":")[0], name, each) for name, each in job.arguments.items())
    return {name: each for home, name, each in named if not home or f".{module}".endswith(f".{home}")}


def _entries(job: Job, question: Question) -> Iterator[Entry]:
    """The entries that lead to the place, then those that lead to the places related to it in the same file, each once.

    Where no place is related, what trains may belong to it.
    """
    seen: list[Entry] = []
    for span in (question.span, *question.related):
        if span.path == job.path:
            for entry in entries_for(job.text, span, _configured(job, job.module)):
                if entry not in seen:
                    seen.append(entry)
                    yield entry
    if not question.related:
        yield from (entry for entry in training_entries(job.text) if entry not in seen)
