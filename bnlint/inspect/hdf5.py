"""HDF5 files, of which only what lies in the file itself is read: no external link or storage, no virtual dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import h5py
import numpy as np

from bnlint.inspect.limits import CHUNK, CONFIGURATION, DEPTH, OBJECTS, VALUES, Unreadable, guarded, size
from bnlint.inspect.saved import Vector, from_bfloat16


@dataclass
class Tree:
    """The groups and datasets of a file by their paths (no slash in front; the root is "")."""

    groups: dict[str, Any] = field(default_factory=dict)
    datasets: dict[str, Any] = field(default_factory=dict)
    values_read: int = 0

    def vector(self, path: str) -> Vector | None:
        """The numbers of a dataset of one axis; None where it is no such thing, Unreadable where it cannot be had."""
        dataset = self.datasets.get(path)
        if dataset is None:
            return None
        with guarded(f"the dataset {path!r}"):
            kind = dataset.dtype
            if len(dataset.shape or ()) != 1 or not (kind.kind in "fiu" or _is_bfloat16(kind)):
                return None
            count = int(dataset.shape[0])
        self.values_read += count
        if self.values_read > VALUES:
            raise Unreadable(f"{path!r} says that it holds {count} numbers; this is no batch normalization that Keras wrote")
        with guarded(f"the dataset {path!r}"):
            _refuse_elsewhere(dataset, path)
            values = np.asarray(dataset[()])
            return from_bfloat16(values.view(np.uint16)) if _is_bfloat16(kind) else values.astype(np.float64)

    def scalar(self, path: str) -> int | None:
        """The number of a dataset that holds one whole number."""
        dataset = self.datasets.get(path)
        if dataset is None:
            return None
        with guarded(f"the dataset {path!r}"):
            if dataset.shape not in ((), (1,)) or dataset.dtype.kind not in "iu":
                return None
            _refuse_elsewhere(dataset, path)
            return int(np.asarray(dataset[()]).reshape(-1)[0])

    def text(self, path: str, name: str) -> str | None:
        """An attribute of a group that holds a text."""
        value = self._attribute(path, name)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return value if isinstance(value, str) else None

    def texts(self, path: str, name: str) -> list[str]:
        """An attribute of a group that holds a list of texts; Keras 2 splits a long one in parts, "name0", "name1" and so on."""
        found = self._attribute(path, name)
        parts = [found] if found is not None else []
        while not parts or found is None:
            part = self._attribute(path, f"{name}{len(parts)}")
            if part is None:
                break
            parts.append(part)
        flat = [each for part in parts for each in np.asarray(part).reshape(-1).tolist()]
        return [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in flat]

    def has(self, path: str, name: str) -> bool:
        """Whether a group has an attribute."""
        with guarded(f"the attributes of {path or 'the file'!r}"):
            return path in self.groups and name in self.groups[path].attrs

    def _attribute(self, path: str, name: str) -> Any:
        if not self.has(path, name):
            return None
        what = f"the attribute {name!r}"
        with guarded(what):
            kind = self.groups[path].attrs.get_id(name)
            declared = int(np.prod(kind.shape or (1,), dtype=object)) * kind.dtype.itemsize
        if declared > CONFIGURATION:
            raise Unreadable(f"{what} is {size(declared)}, more than the {size(CONFIGURATION)} that bnlint reads")
        with guarded(what):
            return self.groups[path].attrs[name]


def _is_bfloat16(kind: Any) -> bool:
    """Whether numbers are bfloat16, which HDF5 does not know: Keras 3 writes them as two bytes of no type."""
    return bool(kind.kind == "V" and kind.itemsize == 2 and kind.names is None)


def _refuse_elsewhere(dataset: Any, path: str) -> None:
    if dataset.external or dataset.is_virtual:
        kind = "other files" if dataset.external else "a virtual dataset"
        raise Unreadable(
            f"the dataset {path!r} takes its numbers from {kind}, which bnlint does not follow; save the model again"
        )
    if dataset.chunks is not None:
        chunk = int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize
        if chunk > CHUNK:
            raise Unreadable(f"the dataset {path!r} has chunks of {size(chunk)}; this is no file that Keras wrote")


def read_tree(file: BinaryIO) -> Tree:
    """All groups and datasets of a file that lies open; raises Unreadable."""
    try:
        root = h5py.File(file, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        if "truncated" in reason:
            raise Unreadable("the HDF5 file is cut off; copy or download it again") from error
        raise Unreadable(f"the HDF5 file cannot be opened ({reason[:200]}); copy or save it again") from error
    tree = Tree()
    for path, found in _walk(root):
        (tree.groups if isinstance(found, h5py.Group) else tree.datasets)[path] = found
    return tree


def _walk(root: Any) -> Iterator[tuple[str, Any]]:
    pending: list[tuple[str, Any, int]] = [("", root, 0)]
    seen: set[int] = set()
    while pending:
        path, found, depth = pending.pop()
        with guarded(f"the group {path!r}"):
            address = h5py.h5o.get_info(found.id).addr
        if isinstance(found, h5py.Group) and address in seen:
            continue  # a group that holds itself, or is held twice
        seen.add(address)
        yield path, found
        if len(seen) + len(pending) > OBJECTS or depth > DEPTH:
            raise Unreadable("the HDF5 file has more groups, or deeper ones, than any model; this is no file that Keras wrote")
        if isinstance(found, h5py.Group):
            with guarded(f"the group {path!r}"):
                children = list(_children(path, found))
            pending += [(name, child, depth + 1) for name, child in reversed(children)]


def _children(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    if len(group) > OBJECTS:
        raise Unreadable(f"the group {path!r} has {len(group)} members; this is no file that Keras wrote")
    for name in group:
        below = f"{path}/{name}" if path else name
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            kind = "another file" if isinstance(link, h5py.ExternalLink) else "another place"
            raise Unreadable(f"{below!r} is a link to {kind}, which bnlint does not follow; save the model again")
        child = group[name]
        if isinstance(child, (h5py.Group, h5py.Dataset)):
            yield below, child
