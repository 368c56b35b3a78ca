"""The project around a file, seen by its bytes: which files can concern a rule, and which import which.

Nothing here parses; a run that ends here costs the reading of the files.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.discover import describe, walk
from bnlint.ignore import DEFAULT_EXCLUDES, git_ignore_for

if TYPE_CHECKING:
    from bnlint.parse import Parsed, ParseError
    from bnlint.source import Source

_MARKERS = ("pyproject.toml", "bnlint.toml", "setup.py", "setup.cfg", ".git")
_PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})
_INIT = os.sep + "__init__.py"
_LOOSE_FILES = 2_000  # how many files count below a folder that nothing marks as a project

# All in lower case. A file concerns a rule if it holds one of these words, or is connected by imports to one that does.
_WORDS = (b"batchnorm", b"batch_norm")
# These count only where Keras is named in the same file.
_KERAS = (b"keras", b"tensorflow", b"tf_slim")
_KERAS_WORDS = (
    b"applications",
    b"load_model",
    b"from_preset",
    b"from_pretrained",
    b"tensorflow_hub",
    b"keras_hub",
    b"tfhub",
    b"hub.load",
    b"learning_phase",
    b"moving_mean",
    b"moving_var",
    b"running_mean",
    b"running_var",
    b"pop_mean",
    b"pop_var",
)
# Never a project's own module where the importing file is part of a package, whatever lies beside it.
_FOREIGN = frozenset(
    [
        "absl",
        "cv2",
        "h5py",
        "jax",
        "keras",
        "keras_applications",
        "matplotlib",
        "mxnet",
        "numpy",
        "pandas",
        "PIL",
        "pytest",
        "scipy",
        "six",
        "skimage",
        "sklearn",
        "tensorflow",
        "tensorflow_addons",
        "tensorflow_datasets",
        "tensorflow_hub",
        "tf_keras",
        "theano",
        "torch",
        "torchvision",
        "tqdm",
        "yaml",
    ]
) | frozenset(sys.stdlib_module_names)

_IMPORT = re.compile(rb"\bimport\b")
_HEAD = re.compile(rb'(?:.*[;:]|[ \t]*")?[ \t\f]*(?:from[ \t\\]+(\.*)[ \t]*([\w.]*)[ \t\\]*)?', re.DOTALL)
_TARGETS = re.compile(rb"[\w.]+(?:[ \t]+as[ \t]+\w+)?")


def is_relevant(data: bytes) -> bool:
    """Whether a file's bytes hold a word that can concern a rule."""
    data = data.lower()
    return any(word in data for word in _WORDS) or (
        any(word in data for word in _KERAS) and any(word in data for word in _KERAS_WORDS)
    )


def names_keras(data: bytes) -> bool:
    """Whether a file's bytes name Keras or what it comes with."""
    data = data.lower()
    return any(word in data for word in _KERAS)


def imports_of(data: bytes) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """The imports in a file: level, module, and the names taken from it (none for ``import module``).

    It errs on the side of too many: an import in a string counts.
    """
    if b"\\n" in data:
        data = data.replace(b"\\n", b"\n")  # a notebook whose cells are single strings
    if b"\r" in data:
        data = data.replace(b"\r", b"\n")
    for match in _IMPORT.finditer(data):
        start = data.rfind(b"\n", 0, match.start()) + 1
        if data[start - 2 : start] == b"\\\n":
            start = data.rfind(b"\n", 0, start - 1) + 1
        head = _HEAD.fullmatch(data[start : match.start()].replace(b"\\\n", b" "))
        if not head:
            continue
        names = tuple(_targets(data, match.end()))
        if head[2] is None:
            for name in names:
                yield 0, name, ()
        else:
            yield len(head[1]), head[2].decode("utf-8", "replace"), names


def _targets(data: bytes, start: int) -> Iterator[str]:
    """The names behind ``import``, to the end of the logical line."""
    if data[start : start + 40].lstrip(b" \t\\\n").startswith(b"("):
        end = data.find(b")", start)
        text = re.sub(rb"#[^\n]*", b"", data[start : end if end >= 0 else start + 4_000])
    else:
        end = data.find(b"\n", start)
        while end > 0 and data[end - 1 : end] == b"\\":
            end = data.find(b"\n", end + 1)
        text = re.split(rb"[#;\"]", data[start : end if end >= 0 else len(data)], maxsplit=1)[0]
    for target in _TARGETS.finditer(text):
        yield target[0].split(maxsplit=1)[0].decode("utf-8", "replace")


class Project:
    """The unit of analysis: the files around a root, and the imports between them.

    ``overlay`` gives files another text than the disk does (what an editor sends on stdin).
    """

    def __init__(self, root: str | Path, package: str | None = None, overlay: Mapping[str, bytes] | None = None) -> None:
        self.root = Path(root)
        self.package = package
        self.on_parsed: Callable[[str], None] | None = None
        self.unreadable: dict[str, str] = {}
        self._top = str(root)
        self._overlay = dict(overlay or {})
        self._named: set[str] = set(self._overlay)
        self._data: dict[str, bytes] = {}
        self._sources: dict[str, Source] = {}
        self._parsed: dict[str, Parsed | ParseError] = {}
        self._names: dict[str, str] = {}
        self._packages: dict[str, tuple[str, ...]] = {}
        self._resolved: dict[tuple[str, str, int], str | None] = {}

    @classmethod
    def around(cls, path: str | Path, overlay: Mapping[str, bytes] | None = None) -> Project:
        """The project that a file belongs to."""
        return cls(*project_root(str(path)), overlay=overlay)

    # Which files there are

    @cached_property
    def _walked(self) -> frozenset[str]:
        if self.package is not None:
            start = os.path.join(self._top, self.package)
            return frozenset(walk(start)) if os.path.isdir(start) else frozenset([start])
        if any(os.path.exists(os.path.join(self._top, marker)) for marker in _MARKERS):
            return frozenset(walk(self._top))
        found = []
        for path in walk(self._top):
            found.append(path)
            if len(found) == _LOOSE_FILES:
                break
        return frozenset(found)

    @cached_property
    def files(self) -> frozenset[str]:
        """All files of the project: those found below its root, and those named."""
        return self._walked | self._named

    @cached_property
    def _folders(self) -> frozenset[str]:
        """Folders that hold a module, directly or further below."""
        found: set[str] = set()
        for path in self.files:
            folder = os.path.dirname(path)
            while folder not in found and len(folder) >= len(self._top):
                found.add(folder)
                folder = os.path.dirname(folder)
        return frozenset(found)

    def add(self, paths: Iterable[str | Path]) -> None:
        """Count files to the project although an exclude or ``.gitignore`` leaves them out."""
        missing = {str(path) for path in paths} - self.files
        if missing:
            self._named |= missing
            self._packages.clear()
            self._resolved.clear()
            for cached in ("files", "_folders", "_graph", "_importers", "_relevant"):
                self.__dict__.pop(cached, None)

    def data(self, path: str | Path) -> bytes:
        """A file's bytes; none where it cannot be read."""
        name = str(path)
        if name in self._overlay:
            return self._overlay[name]
        if name not in self._data:
            try:
                with open(name, "rb", buffering=0) as file:
                    self._data[name] = file.read()
            except OSError as error:
                self.unreadable[name] = describe(error)
                self._data[name] = b""
        return self._data[name]

    # Who imports whom

    def module_path(self, dotted: str, importer: str | Path, level: int = 0) -> Path | None:
        """The file of the project that an import names, a package's ``__init__.py`` included; none for a foreign or missing one."""
        found = self._resolve(dotted, str(importer), level)
        return Path(found) if found else None

    def _resolve(self, dotted: str, importer: str, level: int) -> str | None:
        key = (dotted, os.path.dirname(importer), level)
        if key not in self._resolved:
            self._resolved[key] = self._find(dotted, importer, level)
        return self._resolved[key]

    def _find(self, dotted: str, importer: str, level: int) -> str | None:
        parts = dotted.split(".") if dotted else []
        if level:
            base = os.path.dirname(importer)
            for _ in range(level - 1):
                base = os.path.dirname(base)
            return self._module_below(base, parts)
        if not parts:
            return None
        for base in self._roots(importer, parts[0]):
            if found := self._module_below(base, parts):
                return found
        return None

    def _roots(self, importer: str, first: str) -> Iterator[str]:
        """Import roots: the project's, ``src``, the importing file's folder and, as if started from there, those above it."""
        yield self._top
        source = self._top + os.sep + "src"
        if source in self._folders:
            yield source
        folder = os.path.dirname(importer)
        if first in _FOREIGN and folder + _INIT in self.files:
            return
        while len(folder) > len(self._top):
            yield folder
            folder = os.path.dirname(folder)

    def import_roots(self, importer: str) -> list[str]:
        """The folders that a file's absolute imports are looked for in."""
        return list(self._roots(importer, ""))

    def _module_below(self, base: str, parts: list[str]) -> str | None:
        for index, part in enumerate(parts):
            package = base + os.sep + part
            if package not in self._folders:
                module = package + ".py"
                return module if index == len(parts) - 1 and module in self.files else None
            base = package
        init = base + _INIT
        if init in self.files:
            return init
        module = base + ".py"  # a folder that is no package does not hide the module beside it
        return module if parts and module in self.files else None

    def module_name(self, path: str | Path) -> str:
        """The dotted name of a file in its project."""
        name = str(path)
        if name not in self._names:
            relative = os.path.relpath(name, self._top)
            parts = os.path.splitext(relative)[0].split(os.sep)
            if parts[0] == "src" and len(parts) > 1 and not os.path.exists(os.path.join(self._top, "src", "__init__.py")):
                del parts[0]
            if parts[-1] == "__init__" and len(parts) > 1:
                del parts[-1]
            self._names[name] = ".".join(part for part in parts if part != os.pardir)
        return self._names[name]

    def imported_by(self, path: str) -> tuple[str, ...]:
        """The project's files that a file imports, with the packages that hold them."""
        found: dict[str, None] = {}
        for level, dotted, names in imports_of(self.data(path)):
            first = dotted.split(".", 1)[0]
            if not level and first in _FOREIGN and not self._module_below(self._top, [first]):
                continue
            for target in (dotted, *(f"{dotted}.{name}" if dotted else name for name in names)):
                if module := self._resolve(target, path, level):
                    found[module] = None
                    found.update(dict.fromkeys(self._packages_above(module)))
        found.pop(path, None)
        return tuple(found)

    def _packages_above(self, module: str) -> tuple[str, ...]:
        """The ``__init__.py`` files that run before a module does."""
        folder = os.path.dirname(module)
        if folder not in self._packages:
            inits = []
            while (init := folder + _INIT) in self.files:
                inits.append(init)
                folder = os.path.dirname(folder)
            self._packages[os.path.dirname(module)] = tuple(inits)
        return self._packages[os.path.dirname(module)]

    @cached_property
    def _graph(self) -> dict[str, tuple[str, ...]]:
        return {path: self.imported_by(path) for path in sorted(self.files)}

    @cached_property
    def _importers(self) -> dict[str, list[str]]:
        importers: dict[str, list[str]] = {}
        for path, imported in self._graph.items():
            for module in imported:
                importers.setdefault(module, []).append(path)
        return importers

    @cached_property
    def _relevant(self) -> frozenset[str]:
        return frozenset(path for path in self.files if is_relevant(self.data(path)))

    def live(self, named: Iterable[str | Path]) -> list[str]:
        """Those of the named files that can concern a rule: they, or what they are connected to, hold such a word, and name Keras."""
        names = [str(path) for path in named]
        if not any(is_relevant(self.data(path)) for path in names) and not self._relevant:
            return []
        return [path for path in names if self._is_live(path)]

    def _is_live(self, path: str) -> bool:
        data = self.data(path)
        if is_relevant(data) and names_keras(data):
            return True
        around = self._around([path])
        return not self._relevant.isdisjoint(around) and any(names_keras(self.data(each)) for each in around)

    def _around(self, paths: Iterable[str]) -> dict[str, None]:
        above = _reachable(paths, lambda path: self._importers.get(path, ()))
        return _reachable(above, lambda path: self._graph.get(path, ()))

    def context(self, named: Iterable[str | Path]) -> list[Path]:
        """The files to interpret for the named ones: each that can concern a rule, what imports it, and what all those import.

        Empty where no named file can concern a rule. Which files matter to a named one depends on the project alone.
        """
        names = sorted(str(path) for path in named)
        self.add(names)
        live = self.live(names)
        return [Path(path) for path in sorted(self._around(live))] if live else []

    def components(self, files: Iterable[Path]) -> list[list[Path]]:
        """Files parted so that no import leads from one part to another: what one part does, the others cannot see."""
        rest = dict.fromkeys(map(str, files))
        parts = []
        while rest:
            first = next(iter(rest))
            part = _reachable([first], lambda path: (*self._graph.get(path, ()), *self._importers.get(path, ())), within=rest)
            parts.append([Path(path) for path in sorted(part)])
            for path in part:
                del rest[path]
        return parts

    # Their texts

    def source(self, path: str | Path) -> Source:
        """A file's text; raises OSError or :class:`bnlint.source.SourceError`."""
        name = str(path)
        if name not in self._sources:
            from bnlint.source import from_bytes, load

            known = self._overlay if name in self._overlay else self._data
            self._sources[name] = load(name) if name in self.unreadable or name not in known else from_bytes(name, known[name])
        return self._sources[name]

    def read_source(self, path: str) -> Source | None:
        """A file's text, if it has been asked for before."""
        return self._sources.get(path)

    def parsed(self, path: str | Path) -> Parsed:
        """A file's syntax tree; raises what :meth:`source` does, and :class:`bnlint.parse.ParseError`."""
        from bnlint.parse import ParseError, parse

        name = str(path)
        if name not in self._parsed:
            if self.on_parsed:
                self.on_parsed(name)
            source = self.source(name)
            try:
                self._parsed[name] = parse(source)
            except ParseError as error:
                self._parsed[name] = error
        found = self._parsed[name]
        if isinstance(found, Exception):
            raise found
        return found


def _reachable(
    start: Iterable[str], step: Callable[[str], Iterable[str]], within: Container[str] | None = None
) -> dict[str, None]:
    found = dict.fromkeys(start)
    pending = deque(found)
    while pending:
        for path in step(pending.popleft()):
            if path not in found and (within is None or path in within):
                found[path] = None
                pending.append(path)
    return found


def project_root(path: str) -> tuple[str, str | None]:
    """The root of the project that a file is in, and the only entry of it that counts (none: all of it)."""
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    parts = path.split(os.sep)
    for index in range(len(parts) - 2, 0, -1):
        if parts[index] in _PACKAGE_FOLDERS:
            return os.sep.join(parts[: index + 1]), parts[index + 1]
    marked = _marked_root(folder)
    if marked and not _is_left_out(folder, marked):
        return marked, None
    top = folder
    while os.path.exists(top + _INIT):
        top = os.path.dirname(top)
    return (folder, None) if top == folder else (top, os.path.relpath(folder, top).split(os.sep)[0])


def _marked_root(folder: str) -> str | None:
    while not any(os.path.exists(os.path.join(folder, marker)) for marker in _MARKERS):
        if os.path.dirname(folder) == folder:
            return None
        folder = os.path.dirname(folder)
    return folder


@cache
def _is_left_out(folder: str, root: str) -> bool:
    """Whether a folder is no part of the project above it: excluded by its name or by ``.gitignore``."""
    if len(folder) <= len(root):
        return False
    parent, name = os.path.split(folder)
    return name in DEFAULT_EXCLUDES or git_ignore_for(root).ignores(folder, is_folder=True) or _is_left_out(parent, root)
