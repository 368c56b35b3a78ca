"""How an experiment says that it cannot decide, or that it needs another run."""

from __future__ import annotations


class Inconclusive(Exception):
    """An experiment cannot decide; the message says why.

    ``shape`` tells whether another input shape may help, ``final`` that nothing will, so that no other run is tried.
    """

    def __init__(self, message: str, shape: bool = False, final: bool = False) -> None:
        super().__init__(message)
        self.shape, self.final = shape, final


class NeedsCourse(Exception):
    """An experiment asks how the user's code trains, in a run in which it did not."""


class NeedsData(Exception):
    """An experiment asks for the user's data, in a run that left them out."""
