"""Control flow of the interpreted program, as exceptions of the interpreter."""

from __future__ import annotations

from bnlint.interpreter.values import Value


class Signal(Exception):
    """Control flow of the interpreted program."""


class ReturnSignal(Signal):
    def __init__(self, value: Value) -> None:
        self.value = value


class BreakSignal(Signal):
    pass


class ContinueSignal(Signal):
    pass


class Raised(Signal):
    """The interpreted program raises; ``value`` is the exception, as far as known."""

    def __init__(self, value: Value) -> None:
        self.value = value


class StopGenerator(Signal):
    """A generator has yielded as many items as are followed."""


class Exhausted(Signal):
    """A budget ran out: the rest of this course is not interpreted."""
