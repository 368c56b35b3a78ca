"""What stands at the place of one finding, and what was recorded there."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bnlint.finding import Span, Status, Verdict
from bnlint.verify.places import nearest, overlaps
from bnlint.verify.undecided import Inconclusive

if TYPE_CHECKING:
    from types import FrameType

    from bnlint.verify.expressions import Written
    from bnlint.verify.jobs import Question
    from bnlint.verify.recorder import Happening
    from bnlint.verify.stage import Stage


class AtPlace:
    """The place of one question in one run. Whatever is asked for and is not there raises :class:`Inconclusive`."""

    def __init__(self, stage: Stage, index: int, question: Question) -> None:
        self.stage, self.question, self._index = stage, question, index
        self.recording, self.trainer = stage.recording, stage.trainer

    # Verdicts

    def decided(self, confirmed: bool, reason: str, **measured: float) -> Verdict:
        """Confirmed or refuted, with what was measured in words and numbers."""
        return self._verdict("confirmed" if confirmed else "refuted", reason, measured)

    def _verdict(self, status: Status, reason: str, measured: Mapping[str, float]) -> Verdict:
        notes = f" ({'; '.join(self.recording.notes)})" if self.recording.notes else ""
        return Verdict(status, reason + notes, {name: float(value) for name, value in measured.items()})

    # The place

    @property
    def span(self) -> Span:
        """The finding's place."""
        return self.question.span

    @property
    def reached(self) -> list[int]:
        """The times at which the code came to the place."""
        return self.recording.reached.get(self._index, [])

    def since(self) -> int:
        """The first time the code came to the place."""
        if not self.reached:
            raise Inconclusive("the code does not come to this place")
        return self.reached[0]

    def written(self, span: Span | None = None) -> Written:
        """What is written at the place, and what it is worth there."""
        from bnlint.verify.expressions import Written

        scopes = self.recording.scopes.get(self._index, []) if span is None else []
        return Written(self.stage.job.text, span or self.span, scopes or [self.stage.namespace])

    def value(self, node: ast.expr) -> Any:
        """What an expression at the place is worth; raises Inconclusive where it cannot be evaluated."""
        from bnlint.verify.expressions import Unknowable

        try:
            return self.written().value(node)
        except Unknowable as error:
            raise Inconclusive(str(error)) from error

    def happened(self, *kinds: str) -> list[Happening]:
        """What happened of the kinds at the place, in order; nothing where nothing did."""
        return self.at([each for each in self.recording.happenings if each.kind in kinds], self.span)

    def failure(self, span: Span | None = None) -> BaseException | None:
        """What was raised by the expression at the place, or below it."""
        where = span or self.span
        for failure in self.recording.failures:
            if any(overlaps(place, where) for place in failure.places):
                return failure.error
        return None

    def raised(self, test: Callable[[FrameType], bool], behind: bool = False) -> BaseException | None:
        """What was raised in the lines of the place or a related one, having passed a frame of a library of which something is true.

        ``behind``: also what was raised elsewhere after the code had come to the place.
        """
        from bnlint.verify.raised import passed

        lines = [Span(each.path, each.line, 1, each.end_line + 1, 1) for each in (self.span, *self.question.related)]
        for failure in self.recording.failures:
            near = any(overlaps(place, span) for place in failure.places for span in lines)
            later = behind and self.reached and failure.time > self.reached[0]
            if (near or later) and passed(failure.error, test):
                return failure.error
        return None

    @staticmethod
    def said(error: BaseException) -> str:
        """An exception in one line; of one that Keras tells about in another, the inner one."""
        text = " ".join(str(error).rpartition("Error encountered:")[2].split())
        return f"{type(error).__name__}: {text[:160]}"

    def because(self, span: Span | None) -> str:
        """What was raised at the place, behind a colon; nothing where nothing was."""
        from bnlint.verify.words import raised

        error = self.failure(span)
        return "" if error is None else f": {raised(error)}"

    def at(self, records: Iterable[Any], span: Span) -> list[Any]:
        """The records whose innermost places come nearest to a span; records deeper below the place where none does.

        Where the place itself raised, what was made on the way to that is not what the place stands for.
        """
        known = list(records)
        for depth in range(8 if self.failure(span) is None else 1):
            places = nearest((each.stack[depth] for each in known if len(each.stack) > depth), span)
            found = [each for each in known if len(each.stack) > depth and each.stack[depth] in places]
            if found:
                return found
        return []
