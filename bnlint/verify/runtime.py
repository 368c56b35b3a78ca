"""What the instrumented code calls while it runs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bnlint.verify.made_up import MadeUp, Structure, expectations
from bnlint.verify.objects import is_symbolic
from bnlint.verify.places import trace_places
from bnlint.verify.recorder import Failure, LayerCall, Recording
from bnlint.verify.synthetic import leaves

ROUNDS = 2
"""Rounds of a loop that trains: one to move what is moved, one to see what is done again."""
_ALIKE = 3
"""Rounds that apply a model just as the one before did, behind which no further one tells more."""
_COUNTED = (range, list, tuple)
_SCOPES = 4
"""Times at which the names at a place are kept: those of the first passes, for what is made there does not change."""


class Missing:
    """Stands for an argument that could not be evaluated."""

    def __repr__(self) -> str:
        return "<not available>"


MISSING = Missing()


class Runtime:
    """Known to the instrumented code as ``__bnlint__``."""

    Caught = (Exception, SystemExit)

    def __init__(self, recording: Recording, batch: Callable[[tuple[Any, ...]], Any]) -> None:
        self.recording, self._batch = recording, batch
        self._rounds: dict[int, int] = {}
        self.expected: list[Structure] = []

    def reach(self, index: int) -> None:
        """The code has come to the place of a question."""
        self.recording.reached.setdefault(index, []).append(self.recording.tick())
        scopes = self.recording.scopes.setdefault(index, [])
        if len(scopes) < _SCOPES:
            frame = sys._getframe(1)
            scopes.append({**frame.f_globals, **frame.f_locals})

    def failed(self) -> None:
        """A statement has raised what is being handled."""
        error = sys.exc_info()[1]
        assert error
        self.recording.failures.append(Failure(error, trace_places(error), self.recording.tick()))

    def again(self, loop: int) -> bool:
        """Whether a ``while`` that trains may run once more; one round more each time the loop is entered anew would be endless."""
        self._rounds[loop] = self._rounds.get(loop, 0) + 1
        return self._rounds[loop] <= ROUNDS

    def few(self, iterable: Iterable[Any]) -> Iterator[Any]:
        """The first rounds of a loop that trains."""
        return itertools.islice(iter(iterable), ROUNDS)

    def expect(self, wanted: Structure, functions: str) -> None:
        """What a loop wants of the data sets in its iterable, which is evaluated next."""
        self.expected[:] = expectations(wanted, functions)

    def over(self, expected: None, iterable: Iterable[Any]) -> Iterable[Any]:
        """What a loop runs over; no more rounds than are needed where these only apply a model."""
        if isinstance(iterable, MadeUp):
            return iter(iterable)
        return self._bounded(iterable) if isinstance(iterable, _COUNTED) and len(iterable) > _ALIKE else iterable

    def data(self, iterable: Callable[[], Iterable[Any]], wanted: Structure, functions: str = "") -> Iterator[Any]:
        """What a loop runs over that gives data to something; made-up batches where there are none, or none that can be read."""
        self.expect(wanted, functions)
        try:
            batches = iter(self._bounded(iterable()))
            first = next(batches, MISSING)
        except Exception:  # noqa: BLE001 - whatever the data needs is not here
            self.failed()
            self.recording.note("the batches are made up")
            yield from (self.structured(wanted) for _ in range(ROUNDS))
            return
        if first is not MISSING:
            yield first
            yield from batches

    def _bounded(self, iterable: Iterable[Any]) -> Iterator[Any]:
        """The rounds of a loop until some in a row did no more than to apply the same layers to values."""
        recording, alike = self.recording, 0
        before: frozenset[int] = frozenset()
        for each in iterable:
            made, called = len(recording.constructions), len(recording.calls)
            yield each
            outer = [call for call in recording.calls[called:] if call.parent is None]
            applied = frozenset(id(call.layer) for call in outer)
            idle = not outer or len(recording.constructions) > made or any(_is_symbolic(call) for call in outer)
            alike = 0 if idle or applied != before else alike + 1
            before = frozenset() if idle else applied
            if alike >= _ALIKE:
                recording.note("of a loop that applies the same model again and again the first rounds have run")
                return

    def made_up(self) -> MadeUp:
        """A data set for a function that loops over it."""
        self.recording.note("the batches are made up")
        return MadeUp(self.structured, self.expected)

    def rounds(self, iterable: Callable[[], Iterable[Any]], wanted: Structure, functions: str = "") -> Iterator[Any]:
        """The first rounds of a loop that trains; made-up batches where there are none, or none of such a structure."""
        self.expect(wanted, functions)
        try:
            found = list(self.few(iterable()))
        except Exception:  # noqa: BLE001 - whatever the data needs is not here
            found = []
        if found and all(_fits(each, wanted) for each in found):
            yield from found
            return
        self.recording.note("the batches are made up")
        for _ in range(ROUNDS):
            yield self.structured(wanted)

    def structured(self, wanted: Structure) -> Any:
        """Made-up values for names, nested as they are."""
        if isinstance(wanted, tuple):
            return tuple(self.structured(each) for each in wanted)
        return self._batch((wanted,))[0]

    def arguments(self, *values: Callable[[], Any]) -> list[Any]:
        """The arguments, as far as they can be evaluated."""
        return [_value(each) for each in values]

    def keywords(self, **values: Callable[[], Any]) -> dict[str, Any]:
        """The keyword arguments that can be evaluated."""
        found = {name: _value(each) for name, each in values.items()}
        return {name: value for name, value in found.items() if value is not MISSING}

    def all_keywords(self, **values: Callable[[], Any]) -> dict[str, Any]:
        """The keyword arguments of a function that trains, a stand-in for each that cannot be evaluated."""
        return {name: _value(each) for name, each in values.items()}


def _is_symbolic(call: LayerCall) -> bool:
    return any(map(is_symbolic, leaves([*call.arguments, *call.keywords.values()])))


def _fits(item: Any, wanted: Structure) -> bool:
    """Whether what a loop yields can be unpacked into its variables; rows of made-up data may not."""
    return isinstance(wanted, str) or (isinstance(item, (tuple, list)) and len(item) == len(wanted))


def _value(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception:  # noqa: BLE001 - whatever the argument needs is not here
        return MISSING
