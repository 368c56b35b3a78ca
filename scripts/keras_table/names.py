"""Every public name of the installed Keras, and what stands behind it. Runs where Keras can be imported."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

ROOTS = {"3": ("keras", "keras._tf_keras.keras"), "2": ("tf_keras", "tf_keras.api._v1.keras")}
"""Where each generation exports its names; on a name that two of them have, the first one wins."""

NOT_NAMESPACES = {"src", "api", "protobuf"}


def objects(generation: str, private: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return every class and function of a generation by its path below ``keras``.

    ``private`` adds what Keras does not export but models consist of: path to generation to the place of the definition.
    """
    found: dict[str, Any] = {}
    for root in ROOTS[generation]:
        for path, value in _walk(importlib.import_module(root), "", set()):
            found.setdefault(path, value)
    for path, places in private.items():
        if generation in places:
            module, _, name = places[generation].rpartition(".")
            found.setdefault(path, getattr(importlib.import_module(module), name))
    return dict(sorted(found.items()))


def _walk(module: ModuleType, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(module) in seen:
        return
    seen.add(id(module))
    for name in sorted(vars(module)):
        value = getattr(module, name)
        if name.startswith("_") or name in NOT_NAMESPACES:
            continue
        if isinstance(value, ModuleType):
            package = module.__name__.partition(".")[0]
            if value.__name__.startswith(package) and ".src" not in value.__name__:
                yield from _walk(value, f"{prefix}{name}.", seen)
        elif inspect.isclass(value) or inspect.isroutine(value):
            yield prefix + name, value


def home(value: Any) -> str:
    """Return the place of an object's definition."""
    return f"{value.__module__}.{getattr(value, '__qualname__', value.__name__)}"


def module_words(generation: str) -> set[str]:
    """Return the words that the names of the generation's own modules consist of."""
    words: set[str] = set()
    package = importlib.import_module(f"{ROOTS[generation][0]}.src")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None):
        parts = module.name.split(".")[2:]
        if not parts[-1].endswith("_test"):
            words.update(parts)
    return words


def describe(generation: str, private: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return names, definitions and public ancestors, ready for JSON: ``names`` maps a path to the number of its object."""
    found = objects(generation, private)
    numbers: dict[int, int] = {}
    things: list[dict[str, Any]] = []
    names: dict[str, int] = {}
    for path, value in found.items():
        if id(value) not in numbers:
            numbers[id(value)] = len(things)
            things.append(
                {"kind": "class" if inspect.isclass(value) else "function", "name": value.__name__, "home": home(value)}
            )
        names[path] = numbers[id(value)]
    for value in found.values():
        if inspect.isclass(value):
            ancestors = [numbers[id(each)] for each in value.__mro__[1:] if id(each) in numbers]
            things[numbers[id(value)]]["ancestors"] = ancestors
    return {"names": names, "things": things, "words": sorted(module_words(generation))}
