"""Stands in for what is not here: downloads, pretrained weights, data sets, modules that are not installed."""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from bnlint.verify import directories, guesses
from bnlint.verify.objects import kerases

_SAMPLES = 64
_TRUE_SIZES = {
    "mnist": (60_000, 10_000),
    "fashion_mnist": (60_000, 10_000),
    "cifar10": (50_000, 10_000),
    "cifar100": (50_000, 10_000),
    "boston_housing": (404, 102),
    "california_housing": (16_512, 4_128),
    "imdb": (25_000, 25_000),
    "reuters": (8_982, 2_246),
}
"""Samples for training and for testing; the data made up hold as many only where their number is asked for."""
_IMAGES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3), "cifar100": (32, 32, 3)}
_REALS = {"boston_housing": 13, "california_housing": 8}
_SEQUENCES = {"imdb": 2, "reuters": 46}
_WEIGHTS = "weights-that-are-not-downloaded.h5"


@contextmanager
def in_place(
    note: Callable[[str], None],
    true_sizes: bool = False,
    loaded: Callable[[Any], None] = lambda model: None,
    invented: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """Patch the loaded Kerases while the block runs; ``note`` hears what was replaced, ``loaded`` of models that get weights.

    ``invented`` hears of data whose number nobody knows. With ``true_sizes``, made-up data sets have as many samples as those that they stand for.
    """
    with ExitStack() as stack:
        for keras in kerases():
            _patch_downloads(stack, keras, note, loaded)
            _patch_data_sets(stack, keras.__name__, note, true_sizes)
            directories.patch(stack, keras, invented)
        _patch_command_line(stack)
        finder = _Absent(note)
        sys.meta_path.append(finder)
        stack.callback(sys.meta_path.remove, finder)
        yield


def _replace(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    if (old := getattr(owner, name, None)) is not None:
        setattr(owner, name, value)
        stack.callback(setattr, owner, name, old)


def _patch_downloads(stack: ExitStack, keras: Any, note: Callable[[str], None], loaded: Callable[[Any], None]) -> None:
    def get_file(*args: Any, **kwargs: Any) -> str:
        note("downloaded files are left out")
        return _WEIGHTS

    def load_weights(model: Any, filepath: Any = None, *args: Any, **kwargs: Any) -> None:
        note("the weights are random instead of loaded")
        loaded(model)

    for name, module in list(sys.modules.items()):
        if name.startswith((f"{keras.__name__}.", "keras.", "tf_keras.")) and callable(getattr(module, "get_file", None)):
            _replace(stack, module, "get_file", get_file)
    _replace(stack, keras.Model, "load_weights", load_weights)


def _patch_command_line(stack: ExitStack) -> None:
    """The command line gives what is required, by likely values, and nothing else."""
    original = argparse.ArgumentParser.parse_known_args

    def parse_known_args(parser: Any, args: Any = None, namespace: Any = None) -> Any:
        if args is not None:
            return original(parser, args, namespace)
        found = argparse.Namespace() if namespace is None else namespace
        for action in parser._actions:
            if action.dest in (argparse.SUPPRESS, "help", "version") or action.default is argparse.SUPPRESS:
                continue
            value = action.default
            if isinstance(value, str) and callable(action.type):
                value = action.type(value)
            elif value is None and (action.required or action.choices):
                value = _option(action)
            setattr(found, action.dest, value)
        for name, value in parser._defaults.items():
            setattr(found, name, value)
        return found, []

    _replace(stack, argparse.ArgumentParser, "parse_known_args", parse_known_args)
    stack.callback(setattr, sys, "argv", sys.argv)
    sys.argv = sys.argv[:1]


def _option(action: argparse.Action) -> Any:
    """A likely value for an option without a default."""
    if action.choices:
        return next(iter(action.choices))
    value = guesses.guess(action.dest, getattr(action.type, "__name__", ""))
    value = 32 if value is guesses.SIZE else value
    if action.type in (int, float, str):
        try:
            return action.type(value)
        except (TypeError, ValueError):
            return action.type(1)
    return value if isinstance(value, (int, float, str, tuple)) else "bnlint"


def _patch_data_sets(stack: ExitStack, keras: str, note: Callable[[str], None], true_sizes: bool) -> None:
    from importlib import import_module

    for name in (*_IMAGES, *_REALS, *_SEQUENCES):
        for root in (f"{keras}.datasets", f"{keras}.src.datasets", f"{keras}._tf_keras.keras.datasets"):
            try:
                module = import_module(f"{root}.{name}")
            except ImportError:
                continue
            _replace(stack, module, "load_data", _loader(name, note, true_sizes))


def _loader(name: str, note: Callable[[str], None], true_sizes: bool) -> Callable[..., Any]:
    def load_data(*args: Any, **kwargs: Any) -> Any:
        note(f"{name} is made up")
        rng = np.random.default_rng(0)
        train, test = _TRUE_SIZES[name] if true_sizes else (_SAMPLES, _SAMPLES)
        return _data(name, train, rng), _data(name, test, rng)

    return load_data


def _data(name: str, samples: int, rng: np.random.Generator) -> tuple[Any, Any]:
    if name in _IMAGES:
        images = rng.integers(0, 256, (samples, *_IMAGES[name]), dtype="uint8")
        labels = rng.integers(0, 100 if name == "cifar100" else 10, samples).astype("uint8")
        return images, labels[:, None] if name.startswith("cifar") else labels
    if name in _REALS:
        return rng.normal(1.0, 2.0, (samples, _REALS[name])), rng.normal(20.0, 5.0, samples)
    texts = np.empty(samples, dtype=object)
    texts[:] = [list(map(int, rng.integers(1, 100, int(rng.integers(10, 40))))) for _ in range(samples)]
    return texts, rng.integers(0, _SEQUENCES[name], samples)


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives an empty module for one that is not installed, so that those who only import it go on."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.note = note

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        top = name.partition(".")[0]
        if not _asked_by_user() or (top in sys.modules and not isinstance(sys.modules[top], _AbsentModule)):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        self.note(f"{spec.name.partition('.')[0]} is not installed")
        return _AbsentModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to run."""


def _asked_by_user() -> bool:
    """Whether the import comes from the code that is judged, and not from a library that can do without."""
    from bnlint.verify.places import is_user_code

    frame = sys._getframe(2)
    while frame is not None and ("importlib" in frame.f_code.co_filename or frame.f_code.co_filename == __file__):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and is_user_code(frame.f_code.co_filename)


class _AbsentModule(types.ModuleType):
    """Has every public name, as a class of which no instance can be made."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AbsentClass(name, (_Absentee,), {"__module__": self.__name__})


class _AbsentClass(type):
    """What looks like a class may be a module; its members are such classes, too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AbsentClass(name, (_Absentee,), {"__module__": cls.__module__})


class _Absentee(metaclass=_AbsentClass):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ModuleNotFoundError(f"{type(self).__module__} is not installed")
