"""TensorFlow's checkpoints (``variables.index`` and its data files), read without TensorFlow.

TensorFlow's own reader is native code that ends the process on some damaged files, takes seconds to import, and is not there
on every machine; the format is small and has been the same since 2016: the index is a table of sorted keys in blocks
(``tensorflow/core/lib/io/format.cc``), its values are ``BundleEntryProto`` (``tensorflow/core/protobuf/tensor_bundle.proto``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bnlint.inspect.limits import CONFIGURATION, OBJECTS, VALUES, Unreadable, size
from bnlint.inspect.opening import open_file
from bnlint.inspect.protobuf import fields, messages, numbers, varint
from bnlint.inspect.saved import Vector, from_bfloat16

MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_TRAILER = 5
_INDEX = "the index"
_ENTRY = "an entry of the index"
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 14: "<u2", 19: "<f2"}
_BFLOAT16 = 14
_STRING = 7


@dataclass(frozen=True)
class Entry:
    """Where a variable lies: its type, shape, data file, and bytes in it."""

    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    sliced: bool


@dataclass
class Bundle:
    """A checkpoint's variables by key; ``prefix`` is the path in front of ``.index``."""

    prefix: str
    entries: dict[str, Entry]
    shards: int
    values_read: int = field(default=0)

    def vector(self, key: str) -> Vector | None:
        """The numbers of a variable of one axis; None where it is none."""
        entry = self.entries.get(key)
        if entry is None or len(entry.shape) != 1 or entry.kind not in _TYPES or entry.sliced:
            return None
        self.values_read += entry.shape[0]
        if self.values_read > VALUES:
            raise Unreadable(f"{key!r} says that it holds {entry.shape[0]} numbers; this is no model that Keras wrote")
        kind = np.dtype(_TYPES[entry.kind])
        if entry.size != entry.shape[0] * kind.itemsize:
            raise Unreadable(f"the index contradicts itself about {key!r}; copy or save the model again")
        data = np.frombuffer(self._bytes(entry, key), dtype=kind)
        return from_bfloat16(data) if entry.kind == _BFLOAT16 else data.astype(np.float64)

    def number(self, key: str) -> int | None:
        """The number of a variable that holds one whole number."""
        entry = self.entries.get(key)
        if entry is None or entry.shape not in ((), (1,)) or entry.kind not in (3, 9) or entry.size not in (4, 8):
            return None
        return int.from_bytes(self._bytes(entry, key), "little", signed=True)

    def text(self, key: str) -> bytes | None:
        """The bytes of a variable that holds one text."""
        entry = self.entries.get(key)
        if entry is None or entry.kind != _STRING or entry.shape not in ((), (1,)):
            return None
        data = self._bytes(entry, key)
        length, at = varint(data, 0, _ENTRY)
        return data[at + 4 : at + 4 + length]  # a checksum of the lengths is between

    def _bytes(self, entry: Entry, key: str) -> bytes:
        if entry.size > CONFIGURATION * 4:
            raise Unreadable(f"{key!r} takes {size(entry.size)}, more than bnlint reads; this is no model that Keras wrote")
        path = f"{self.prefix}.data-{entry.shard:05d}-of-{self.shards:05d}"
        name = os.path.basename(path)
        with open_file(path, f"the data file {name} cannot be read") as file:
            file.seek(entry.offset)
            data = file.read(entry.size)
        if len(data) < entry.size:
            raise Unreadable(f"the data file {name} is cut off; copy or save the model again")
        return data


def read_bundle(prefix: str) -> Bundle:
    """A checkpoint's index; raises Unreadable."""
    with open_file(f"{prefix}.index", f"{os.path.basename(prefix)}.index cannot be read") as file:
        data = file.read(CONFIGURATION * 4 + 1)
    if len(data) > CONFIGURATION * 4:
        raise Unreadable(f"the index is bigger than {size(CONFIGURATION * 4)}; this is no model that Keras wrote")
    if len(data) < _FOOTER or data[-8:] != MAGIC:
        raise Unreadable("the index is damaged or cut off, its last bytes are not those of a checkpoint; copy or save it again")
    entries: dict[str, Entry] = {}
    shards = 1
    for key, value in _table(data):
        if not key:
            shards = numbers(value, _ENTRY).get(1, 1)
            continue
        entries[key.decode("utf-8", "replace")] = _entry(value)
        if len(entries) > OBJECTS:
            raise Unreadable(f"the index has more than {OBJECTS} variables; this is no model that Keras wrote")
    return Bundle(prefix, entries, shards)


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of all blocks: the footer leads to a block that has the place of each block."""
    at = len(data) - _FOOTER
    for _ in range(2):  # the first place is that of an index of names for filters, which is empty
        _, at = varint(data, at, _INDEX)
    offset, at = varint(data, at, _INDEX)
    length, at = varint(data, at, _INDEX)
    for _, handle in _block(data, offset, length):
        start, at = varint(handle, 0, _INDEX)
        length, at = varint(handle, at, _INDEX)
        yield from _block(data, start, length)


def _block(data: bytes, offset: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    if offset + length + _TRAILER > len(data) or length < 4:
        raise Unreadable("the index is damaged: a block lies outside of it; copy or save the model again")
    if data[offset + length]:
        raise Unreadable("the index is compressed, which TensorFlow's checkpoints are not; save the model again")
    block = data[offset : offset + length]
    end = length - 4 - 4 * int.from_bytes(block[-4:], "little")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at, _INDEX)
        own, at = varint(block, at, _INDEX)
        size_of_value, at = varint(block, at, _INDEX)
        if shared > len(key) or at + own + size_of_value > end or own > 1 << 16:
            raise Unreadable("the index is damaged: a key leads outside of its block; copy or save the model again")
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + size_of_value]
        at += size_of_value


def _entry(value: bytes) -> Entry:
    found = numbers(value, _ENTRY)
    shapes = messages(value, 2, _ENTRY)
    sizes = [numbers(axis, _ENTRY).get(1, 0) for axis in messages(shapes[-1], 2, _ENTRY)] if shapes else []
    sliced = any(number == 7 for number, _ in fields(value, _ENTRY))
    return Entry(found.get(1, 0), tuple(sizes), found.get(3, 0), found.get(4, 0), found.get(5, 0), sliced)
