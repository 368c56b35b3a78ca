"""Protocol buffers as far as TensorFlow's checkpoints need them: fields by number, bounds checked, no schema."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.inspect.limits import Unreadable

_FIXED = {1: 8, 5: 4}
DAMAGED = "it is damaged: {} ends in the middle; copy or save it again"


def varint(data: bytes, at: int, what: str) -> tuple[int, int]:
    """A number of variable length and where it ends; raises Unreadable."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise Unreadable(DAMAGED.format(what))


def fields(data: bytes, what: str) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in their order: number, and a number or bytes; raises Unreadable."""
    at = 0
    while at < len(data):
        key, at = varint(data, at, what)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at, what)
            yield number, value
            continue
        if kind == 2:
            length, at = varint(data, at, what)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise Unreadable(DAMAGED.format(what))
        if at + length > len(data):
            raise Unreadable(DAMAGED.format(what))
        yield number, data[at : at + length]
        at += length


def numbers(data: bytes, what: str) -> dict[int, int]:
    """The fields of a message that are numbers, the last of each."""
    return {number: value for number, value in fields(data, what) if isinstance(value, int)}


def messages(data: bytes, number: int, what: str) -> list[bytes]:
    """The fields of this number that are messages or texts."""
    return [value for each, value in fields(data, what) if each == number and isinstance(value, bytes)]


def text(data: bytes, number: int, what: str) -> str:
    """The last field of this number as a text; empty where there is none."""
    found = messages(data, number, what)
    return found[-1].decode("utf-8", "replace") if found else ""
