"""The .keras format: a zip with metadata.json, config.json and model.weights.h5, read in place and never unpacked to disk."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from typing import Any, BinaryIO

from bnlint.inspect.hdf5 import read_tree
from bnlint.inspect.layout import read_layout
from bnlint.inspect.limits import CONFIGURATION, OBJECTS, UNPACKED, Unreadable, guarded, parse_json, size
from bnlint.inspect.opening import open_file
from bnlint.inspect.saved import Saved

METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
_PICKLES = (".pkl", ".pickle", ".joblib")
_LOCAL_HEADER = 30


class Window(io.RawIOBase):
    """A stretch of an open file, as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._file, self._start, self._length, self._at = file, start, length, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As for any file; the end is that of the stretch."""
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def tell(self) -> int:
        """The place within the stretch."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As for any file."""
        wanted = max(0, min(len(buffer), self._length - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def read_archive(file: BinaryIO) -> Saved:
    """A model in the .keras format; raises Unreadable."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise Unreadable(f"the zip is damaged or cut off ({str(error)[:100]}); copy or save it again") from error
    entries = {entry.filename: entry for entry in archive.infolist()}
    _refuse(entries)
    if WEIGHTS not in entries:
        raise Unreadable(f"it has no {WEIGHTS}, so that there are no statistics to look at; save the model with its weights")
    config = _member(archive, entries["config.json"])
    metadata = _member(archive, entries[METADATA]) if METADATA in entries else b"{}"
    return _read(_weights(file, archive, entries[WEIGHTS]), config, metadata)


def read_folder(folder: str) -> Saved:
    """A model in the .keras format that was not zipped, or has been unpacked; raises Unreadable."""
    texts = []
    for name in ("config.json", METADATA):
        with open_file(os.path.join(folder, name), f"{name} in the folder cannot be read") as file:
            texts.append(file.read(CONFIGURATION + 1))
    with open_file(os.path.join(folder, WEIGHTS), f"{WEIGHTS} in the folder cannot be read") as file:
        return _read(file, *texts)


def _read(weights: BinaryIO, config_text: bytes, metadata_text: bytes) -> Saved:
    config, metadata = parse_json(config_text, "config.json"), parse_json(metadata_text, METADATA)
    if not isinstance(config, dict):
        raise Unreadable("config.json is not the configuration of a model; save the model again")
    saved = read_layout(read_tree(weights), config)
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    saved.format, saved.keras_version = "keras", version if isinstance(version, str) else None
    return saved


def _refuse(entries: dict[str, zipfile.ZipInfo]) -> None:
    """What no .keras file holds."""
    if len(entries) > OBJECTS:
        raise Unreadable(f"the zip has {len(entries)} entries; this is no model that Keras wrote")
    for name, entry in entries.items():
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
            raise Unreadable(f"the zip has an entry called {name!r}, which leads out of it; do not unpack or load this file")
        if name.lower().endswith(_PICKLES) and not parts[0] == "assets":
            raise Unreadable(f"the zip has a pickle, {name!r}, which can run any code when loaded; do not load this file")
        if entry.external_attr >> 16 & 0o170000 == 0o120000:
            raise Unreadable(f"the zip has an entry {name!r} that is a symbolic link; do not unpack or load this file")
    if "config.json" not in entries:
        other = "; it looks like one of NumPy" if any(name.endswith(".npy") for name in entries) else ""
        raise Unreadable(f"it is a zip without config.json, so not in the .keras format{other}; give a model saved by Keras")


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, bound: int = CONFIGURATION) -> bytes:
    """An entry, unpacked in memory up to a bound that holds whatever the zip declares."""
    too_big = f"{entry.filename} takes {{}} unpacked, more than the {size(bound)} that bnlint reads into memory"
    if entry.file_size > bound:
        raise Unreadable(_advised(too_big.format(size(entry.file_size)), entry))
    if entry.flag_bits & 1:
        raise Unreadable(f"{entry.filename} is encrypted, which no file of Keras is; decrypt it first")
    try:
        with archive.open(entry) as member:
            data = member.read(bound + 1)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError, EOFError, zlib.error) as error:
        raise Unreadable(f"{entry.filename} in the zip is damaged ({str(error)[:100]}); copy or save it again") from error
    if len(data) > bound:
        raise Unreadable(_advised(too_big.format("more"), entry))
    return data


def _advised(message: str, entry: zipfile.ZipInfo) -> str:
    advice = "unpack it and inspect it by itself, if you trust it" if entry.filename == WEIGHTS else "this is no model of Keras"
    return f"{message}; {advice}"


def _weights(file: BinaryIO, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BinaryIO:
    """The weights as a file: a window on the zip where they are stored as they are, as Keras does it."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        return io.BytesIO(_member(archive, entry, UNPACKED))
    with guarded(f"{entry.filename} in the zip"):
        file.seek(entry.header_offset)
        header = file.read(_LOCAL_HEADER)
        if header[:4] != b"PK\x03\x04" or len(header) < _LOCAL_HEADER:
            raise ValueError("its header is missing")
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start = entry.header_offset + _LOCAL_HEADER + lengths
        if start + entry.compress_size > file.seek(0, io.SEEK_END):
            raise ValueError("it is cut off")
    return io.BufferedReader(Window(file, start, entry.compress_size))
