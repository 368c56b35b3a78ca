"""``import keras`` means Keras 2, as the package tf_keras has it, in the process that calls :func:`install`."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

# Modules that earlier releases of Keras 2 had, and tf_keras has not, or with less in them.
_GONE = {
    "keras": ["engine"],
    "keras.layers": [
        "core",
        "convolutional",
        "convolutional_recurrent",
        "recurrent",
        "pooling",
        "merge",
        "embeddings",
        "local",
        "noise",
        "wrappers",
        "normalization",
        "advanced_activations",
        "cudnn_recurrent",
        "normalization_v2",
    ],
    "keras.engine": ["topology", "network", "saving", "training_utils"],
    "keras.utils": ["training_utils", "multi_gpu_utils"],
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self) -> None:
        self._specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if name.partition(".")[0] != "keras":
            return None
        if _legacy(name) is None and not _gone(name):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        found = _legacy(spec.name)
        if found is not None and not _gone(spec.name):
            self._specs[spec.name] = found.__spec__
            return found
        module = ModuleType(spec.name)
        module.__dict__["__getattr__"] = _looker(*([] if found is None else [found]), *_parents(spec.name))
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave a module of tf_keras its own name for itself."""
        name = module.__spec__.name if module.__spec__ else ""
        if name in self._specs:
            module.__spec__ = self._specs[name]


def _gone(name: str) -> bool:
    parent, _, module = name.rpartition(".")
    return module in _GONE.get(parent, ())


def _legacy(name: str) -> ModuleType | None:
    """The module of tf_keras that stands for one of keras, if there is one."""
    for parent in ("tf_keras", "tf_keras.src") if name != "keras" else ("tf_keras",):
        full = parent + name.removeprefix("keras")
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as error:
            if not (error.name and full.startswith(error.name)):
                raise
    return None


def _parents(name: str) -> list[ModuleType]:
    import tf_keras

    parent = _legacy(name.rpartition(".")[0])
    return [each for each in (parent, tf_keras.layers, tf_keras.models, tf_keras.utils) if each is not None]


def _looker(*modules: ModuleType) -> Any:
    def look(name: str) -> Any:
        for module in modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"Keras 2 has no {name} in {' or '.join(module.__name__ for module in modules)}")

    return look


def install() -> None:
    """Have ``keras`` and what is below it imported from tf_keras; whatever of Keras 3 was imported is forgotten."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "keras"]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder())
    sys.modules["keras"] = importlib.import_module("tf_keras")
