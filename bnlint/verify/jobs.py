"""What goes to the child process and what comes back, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bnlint.finding import Span, Verdict


@dataclass(frozen=True)
class Question:
    """One finding to be decided: its rule, its place, and its related places."""

    code: str
    span: Span
    related: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Environment:
    """What a child process is made for: the generation of Keras ("2" or "3") that the code gets, and its backend."""

    generation: str = "3"
    backend: str = "tensorflow"


@dataclass(frozen=True)
class Script:
    """A file to be run: its text (a notebook's code cells joined) and its dotted name.

    ``lines`` are the first lines of the statements to be kept (all where empty), ``entry`` the function or class that leads on.
    ``packaged`` tells whether it is a module of a package, to be imported rather than run, ``outermost`` whether nobody calls
    the entry.
    """

    path: str
    text: str
    module: str
    lines: tuple[int, ...] = ()
    entry: str = ""
    packaged: bool = False
    outermost: bool = True


@dataclass(frozen=True)
class Job:
    """A part of a file to be run, and the findings to be decided on what it builds.

    ``text`` is the file's text, a notebook's code cells joined; ``lines`` are the first lines of the statements to be kept.
    ``roots`` are the folders that imports are looked for in. ``arguments`` are those that the configuration gives for
    functions and classes, by qualified name. ``others`` are files whose code leads to this one.
    """

    path: str
    text: str
    module: str
    roots: tuple[str, ...]
    questions: tuple[Question, ...]
    lines: tuple[int, ...] = ()
    environment: Environment = Environment()
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    others: tuple[Script, ...] = ()
    packaged: bool = False

    def scripts(self) -> list[Script]:
        """What is to be run, in turn, until a question is decided: the file itself, then those that lead to it."""
        return [Script(self.path, self.text, self.module, self.lines, "", self.packaged), *self.others]

    def to_json(self) -> str:
        """The job as a line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> Job:
        """The job that :meth:`to_json` wrote."""
        data = json.loads(line)
        questions = tuple(
            Question(each["code"], Span(*each["span"]), tuple(Span(*span) for span in each["related"]))
            for each in data["questions"]
        )
        return Job(
            **data
            | {
                "questions": questions,
                "roots": tuple(data["roots"]),
                "lines": tuple(data["lines"]),
                "environment": Environment(**data["environment"]),
                "others": tuple(Script(**each | {"lines": tuple(each["lines"])}) for each in data["others"]),
            }
        )


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON has it."""
    return {"status": verdict.status, "measured": dict(verdict.measured), "reason": verdict.reason}


def verdict_from_json(data: Mapping[str, Any]) -> Verdict:
    """The verdict that :func:`verdict_to_json` wrote."""
    return Verdict(data["status"], data["reason"], data["measured"])
