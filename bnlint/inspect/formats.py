"""Which format a file has, by its first bytes and never by its name alone."""

from __future__ import annotations

import os
from typing import BinaryIO

from bnlint.inspect.archive import WEIGHTS, read_archive, read_folder
from bnlint.inspect.checkpoint import MAGIC
from bnlint.inspect.hdf5 import read_tree
from bnlint.inspect.legacy import read_hdf5
from bnlint.inspect.limits import Unreadable
from bnlint.inspect.opening import open_file
from bnlint.inspect.saved import Saved
from bnlint.inspect.saved_model import read_checkpoint, read_saved_model

_HDF5 = b"\x89HDF\r\n\x1a\n"
_OTHERS = (
    (b"PK\x05\x06", "an empty zip"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"GGUF", "a model of llama.cpp"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first, and it is not what Keras writes"),
    (b"version https://git-lfs", "a pointer of Git LFS, without the model it stands for; run git lfs pull"),
    (b"{", "JSON, without weights; those of a sharded model are in the .weights.h5 files beside it"),
    (b"<", "a page of text, such as a failed download leaves behind"),
)
_GIVE = "give a .keras, .weights.h5 or .h5 file or a SavedModel folder that Keras wrote"


def read(path: str) -> Saved:
    """What a saved model holds; raises Unreadable."""
    if os.path.isdir(path):
        is_keras = os.path.lexists(os.path.join(path, "config.json")) and os.path.lexists(os.path.join(path, WEIGHTS))
        return read_folder(path) if is_keras else read_saved_model(path)
    if not os.path.lexists(path) and os.path.lexists(f"{path}.index"):
        return read_checkpoint(path)
    with open_file(path, "the file cannot be read") as file:
        head = file.read(64)
        file.seek(0)
        if head[:4] == b"PK\x03\x04":
            return read_archive(file)
        if _is_hdf5(file):
            return read_hdf5(read_tree(file))
        if path.endswith(".index") and _tail(file) == MAGIC:
            return read_checkpoint(path[: -len(".index")])
    raise Unreadable(_other(head))


def _is_hdf5(file: BinaryIO) -> bool:
    """Whether the signature stands at the start, or at 512 and its doublings, as the format has it."""
    size = file.seek(0, os.SEEK_END)
    at = 0
    while at < size:
        file.seek(at)
        if file.read(len(_HDF5)) == _HDF5:
            file.seek(0)
            return True
        at = at * 2 or 512
    return False


def _tail(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(MAGIC)))
    return file.read(len(MAGIC))


def _other(head: bytes) -> str:
    if not head:
        return f"the file is empty; {_GIVE}"
    if head[0] == 0x80 and head[1:2] and head[1] < 6:
        return f"it is a Python pickle, which can run any code when it is loaded, and bnlint does not read it; {_GIVE}"
    if head[4:8] == b"TFL3":
        return f"it is a model of TensorFlow Lite, in which batch normalizations are folded away; {_GIVE}"
    kind = next((text for magic, text in _OTHERS if head.startswith(magic)), None)
    return f"it is {kind}; {_GIVE}" if kind else f"its first bytes are those of no format that Keras saves in; {_GIVE}"
