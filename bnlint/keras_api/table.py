"""The reader of Keras's table: public names, layers, functions, applications, of Keras 2 and Keras 3.

The data come from ``scripts/make_keras_table.py``. Canonical names begin with ``keras.``; generations are ``"2"`` and ``"3"``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from bnlint.keras_api.paths import leads_to_keras, split
from bnlint.keras_api.records import (
    Application,
    Bias,
    BiasAxis,
    Kind,
    LayerInfo,
    Opaque,
    OperationInfo,
    Parameter,
    ParameterKind,
    Resolved,
    Shift,
    chosen,
    decode,
)

__all__ = [
    "Application",
    "Bias",
    "BiasAxis",
    "Kind",
    "LayerInfo",
    "Opaque",
    "OperationInfo",
    "Parameter",
    "ParameterKind",
    "Resolved",
    "Shift",
    "Table",
    "table",
]

DATA = Path(__file__).parent / "data"
KINDS: dict[str, Kind] = {"c": "class", "f": "function", "v": "value"}
PREFIX = "keras."


@cache
def table() -> Table:
    """Return the table; read once in a process."""
    return Table()


def _read(name: str) -> Any:
    return json.loads((DATA / name).read_bytes())


class Table:
    """All that bnlint knows of Keras's names."""

    def __init__(self) -> None:
        core = _read("core.json")
        self.versions: dict[str, str] = core["versions"]
        self._core: dict[str, Any] = core
        self._names: dict[str, str] = core["names"]
        self._aliases: dict[str, str] = core["aliases"]
        self._resolved: dict[str, Resolved | None] = {}
        self._above: dict[tuple[str, str], frozenset[str]] = {}
        self._layers: dict[str, LayerInfo | None] = {}
        self._index: dict[str, set[str]] = {}
        self._namespaces: dict[str, list[str]] = {}
        self._words: frozenset[str] = frozenset()
        self._signatures: dict[str, dict[str, Any]] | None = None
        self._applications: dict[str, Any] = {}

    # -- names ---------------------------------------------------------------------------------------------------

    def resolve(self, dotted: str) -> Resolved | None:
        """Return what a dotted name stands for, whatever the style of its import; None for names that are not public.

        A name that is reached through private or legacy modules is found by the first word of its path and its last:
        ``keras.src.layers.convolutional.conv2d.Conv2D``, ``keras.layers.core.Dense``.
        """
        if dotted not in self._resolved:
            self._resolved[dotted] = self._resolve(dotted)
        return self._resolved[dotted]

    def _resolve(self, dotted: str) -> Resolved | None:
        path = split(dotted)
        if path is None or not path.parts:
            return None
        name, importable = self._public(".".join(path.parts))
        if name is None:
            name, importable = self._private(path.parts), ""
        if name is None:
            return None
        code, _, exact = self._names[name].partition(" ")
        generations = code[1:]
        if not path.plain:
            importable = ""
        elif importable == "=":
            importable = exact or generations
        generation = path.generation or ("3" if "3" in (generations, importable) else None)
        return Resolved(PREFIX + name, KINDS[code[0]], generation, generations, importable)

    def _public(self, path: str) -> tuple[str | None, str]:
        if path in self._names:
            return path, "="
        alias = self._aliases.get(path)
        if alias is None:
            return None, ""
        importable, _, name = alias.partition(" ")
        return name, importable

    def _private(self, parts: tuple[str, ...]) -> str | None:
        while parts and parts[0] == "legacy":
            parts = parts[1:]
        if len(parts) < 2 or not all(part.islower() for part in parts[1:-1]):
            return None
        area = self._core["areas"].get(parts[0], parts[0])
        exact: str | None = self._core["paths"].get(".".join((area, *parts[1:])))
        if exact is not None:
            return exact
        key = f"{area}.{parts[-1]}"
        known: str | None = self._core["homes"].get(key)
        names = self._last_words().get(key, set())
        if not names:
            return known
        depth = min(name.count(".") for name in names)
        shallow = [name for name in names if name.count(".") == depth]
        return shallow[0] if len(shallow) == 1 else None

    def _last_words(self) -> dict[str, set[str]]:
        """Canonical names by first and last word of every public path."""
        if not self._index:
            for path in (*self._names, *self._aliases):
                area, _, rest = path.partition(".")
                if rest:
                    name, _ = self._public(path)
                    self._index.setdefault(f"{area}.{rest.rpartition('.')[2]}", set()).add(name or path)
        return self._index

    def is_namespace(self, dotted: str) -> bool:
        """Whether attributes of this name may be names of the table: ``tensorflow``, ``keras.layers``, ``keras.src.ops``.

        Private modules count by their words alone, and may hold names that are not in the table.
        """
        path = split(dotted)
        if path is None:
            return leads_to_keras(dotted)
        parts = path.parts
        if not parts or ".".join(parts) in self._public_namespaces():
            return True
        if ".".join(parts) in self._names or ".".join(parts) in self._aliases:
            return False
        if not self._words:
            self._words = frozenset(self._core["words"].split())
        return all(part in self._words for part in parts)

    def names(self, namespace: str) -> tuple[str, ...]:
        """Return the names that ``from namespace import *`` may bind, those of both generations, namespaces included."""
        path = split(namespace)
        if path is None:
            return ()
        found = self._public_namespaces().get(".".join(path.parts))
        if found is None and path.parts:
            found = self._public_namespaces().get(path.parts[0])
        return tuple(name for name in dict.fromkeys(found or ()) if not name.startswith("_"))

    def _public_namespaces(self) -> dict[str, list[str]]:
        if not self._namespaces:
            self._namespaces = {"": []}
            for path in (*self._names, *self._aliases):
                while path:
                    outer, _, last = path.rpartition(".")
                    members = self._namespaces.setdefault(outer, [])
                    members.append(last)
                    if len(members) > 1:
                        break
                    path = outer
        return self._namespaces

    # -- classes -------------------------------------------------------------------------------------------------

    def layer(self, canonical: str) -> LayerInfo | None:
        """Return what is known of a layer or model class."""
        if canonical not in self._layers:
            self._layers[canonical] = self._layer(canonical)
        return self._layers[canonical]

    def _layer(self, canonical: str) -> LayerInfo | None:
        name = canonical.removeprefix(PREFIX)
        entry = self._core["layers"].get(name)
        if entry is None or not canonical.startswith(PREFIX):
            return None
        bias = entry.get("bias")
        return LayerInfo(
            name=canonical,
            generations=self._names[name].partition(" ")[0][1:],
            family=entry["family"] or "unknown",
            rank=entry.get("rank"),
            linear=entry.get("linear", False),
            bias=Bias(*bias) if bias else None,
            elementwise=entry.get("elementwise", False),
            shift=entry.get("shift", "breaks"),
            dropout=entry.get("dropout"),
            normalization=entry.get("normalization", False),
            activation=entry.get("activation", False),
            ancestors=self._ancestors(name, None),
            signatures=entry["signatures"],
            since=self._core["since"].get(name, {}),
        )

    def issubclass(self, canonical: str, other: str, generation: str | None = None) -> bool:
        """Whether a public class is, or derives from, another: in this generation, else in the newest that has it."""
        if canonical == other:
            return canonical.removeprefix(PREFIX) in self._names
        return other in self._ancestors(canonical.removeprefix(PREFIX), generation)

    def _ancestors(self, name: str, generation: str | None) -> frozenset[str]:
        key = (name, generation or "3")
        if key not in self._above:
            above = chosen(self._core["ancestors"].get(name, {}), key[1], "")
            self._above[key] = frozenset(PREFIX + each for each in above.split())
        return self._above[key]

    def base_keywords(self, generation: str) -> frozenset[str]:
        """Return the keywords that every layer takes besides its own parameters."""
        return frozenset(self._core["base_keywords"][generation[:1]])

    # -- functions -----------------------------------------------------------------------------------------------

    def operation(self, canonical: str) -> OperationInfo | None:
        """Return what is known of a function of tensors: ``keras.ops``, activations, the backend, ``keras.layers.add``."""
        entry = self._core["operations"].get(canonical.removeprefix(PREFIX)) if canonical.startswith(PREFIX) else None
        if entry is None:
            return None
        layer = entry.get("layer")
        return OperationInfo(
            name=canonical,
            operation=entry.get("class"),
            layer=PREFIX + layer if layer else None,
            tensors=tuple(entry["tensors"]),
            family=entry.get("family", "unknown"),
            elementwise=entry.get("elementwise", False),
        )

    def operator(self, method: str) -> str | None:
        """Return the class of the node that a symbolic tensor's method makes: ``__add__`` is ``Add``."""
        found: str | None = self._core["operators"].get(method)
        return found

    def parameters(self, canonical: str, generation: str = "3") -> tuple[Parameter, ...] | None:
        """Return the parameters of a public function, or of a class's constructor; None where they are not known."""
        layer = self.layer(canonical)
        if layer is not None:
            return layer.parameters(generation)
        return self._signature(canonical.removeprefix(PREFIX), generation)

    def method_parameters(self, canonical: str, method: str, generation: str = "3") -> tuple[Parameter, ...] | None:
        """Return the parameters, without ``self``, of a method of a model, layer, generator or optimizer: ``Model.fit``."""
        for name in (canonical, *sorted(self._ancestors(canonical.removeprefix(PREFIX), generation))):
            found = self._signature(f"{name.removeprefix(PREFIX)}:{method}", generation)
            if found is not None:
                return found
        return None

    def _signature(self, key: str, generation: str) -> tuple[Parameter, ...] | None:
        if self._signatures is None:
            self._signatures = _read("signatures.json")["signatures"]
        found = self._signatures.get(key)
        return None if found is None else decode(chosen(found, generation))

    # -- applications --------------------------------------------------------------------------------------------

    def application(self, canonical: str, generation: str = "3") -> Application | None:
        """Return a constructor of ``keras.applications``; of the other generation where this one lacks it."""
        from bnlint.keras_api.applications import read

        if not canonical.startswith("keras.applications.") or not canonical.rpartition(".")[2][:1].isupper():
            return None
        name = canonical.rpartition(".")[2]
        if name not in self._applications:
            path = DATA / "applications" / f"{name}.json"
            self._applications[name] = _read(f"applications/{name}.json") if path.is_file() else {}
        found = self._applications[name]
        return read(canonical, found, generation) if found else None
