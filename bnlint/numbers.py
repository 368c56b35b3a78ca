"""Numbers among the arguments of batch normalization that no one can mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeGuard

from bnlint.finding import Span
from bnlint.interpreter.records import LayerV
from bnlint.program import Program
from bnlint.purpose import expects_an_error


def wrong_numbers(program: Program, name: str, is_right: Callable[[float], bool]) -> Iterator[tuple[LayerV, float, Span]]:
    """The batch normalizations whose argument is a known number that is not right, with its place; none in a test of errors."""
    for layer in program.layers("keras.layers.BatchNormalization"):
        value, place = program.made(layer).get(name), program.place(layer, name)
        if place is None or not _is_number(value) or is_right(value):
            continue
        if layer.context is None or not expects_an_error(layer.context):
            yield layer, value, place


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
