"""The state of a worker's Python: noted once, put back after each job, and told where it cannot be put back."""

from __future__ import annotations

import builtins
import contextlib
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Iterator
from typing import Any

from bnlint.verify.imported import forget_imports
from bnlint.verify.limits import memory_in_use

_GROWTH = 1 << 30
_SYS = ("argv", "stdin", "stdout", "stderr", "excepthook", "unraisablehook", "displayhook", "dont_write_bytecode", "exit")
_LISTS = ("path", "meta_path", "path_hooks")
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, type)
# Whose functions and classes a project's code may replace, with an effect on the jobs behind it.
_WATCHED = ("keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "bnlint", "os", "sys", "json", "io", "builtins", "random")
_KERAS_SETTINGS = ("floatx", "epsilon", "image_data_format", "backend")


class State:
    """What a process looked like before any job."""

    def __init__(self) -> None:
        self.threads = {thread.ident for thread in threading.enumerate()}
        self.environment = dict(os.environ)
        self.folder = os.getcwd()
        self.temporary = tempfile.tempdir
        self.mask = _mask()
        self.modules = dict(sys.modules)
        self.builtins = dict(vars(builtins))
        self.sys = {name: getattr(sys, name) for name in _SYS}
        self.lists = {name: list(getattr(sys, name)) for name in _LISTS}
        self.recursion = sys.getrecursionlimit()
        self.signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self.warnings = list(warnings.filters)
        self.random, self.numpy_random = random.getstate(), _numpy_random().get_state()
        self.settings = _settings()
        self.functions = _functions()
        self.memory = memory_in_use()

    def restore_builtins(self) -> list[str]:
        """Put back Python's own functions, without which nothing works, and only them; the reasons as for :meth:`restore`."""
        now = vars(builtins)
        if now == self.builtins:
            return []
        replaced = [name for name, before in self.builtins.items() if name != "_" and now.get(name) is not before]
        for name in [name for name in now if name not in self.builtins]:
            del now[name]
        now.update(self.builtins)
        return [f"it replaced builtins.{name}" for name in replaced]

    def restore(self, package: str) -> list[str]:
        """Put back what can be; the reasons, if any, why this process is not as new. ``package`` is the one that was run."""
        faults = self.restore_builtins() + [f"it replaced {name}" for name in self._replaced()]
        if self.sys["stdout"].closed or self.sys["stderr"].closed:
            faults.append("it closed what it prints to")
        self._restore_python()
        self._forget_modules(package)
        faults += self._restore_keras()
        gc.collect()
        if any(thread.ident not in self.threads for thread in threading.enumerate()):
            faults.append("it left threads behind")
        if _has_children():
            faults.append("it left processes behind")
        if memory_in_use() > self.memory + _GROWTH:
            faults.append("it left much memory in use")
        return faults

    def _replaced(self) -> Iterator[str]:
        """The names of functions, classes and methods that are not what they were."""
        for owner, names in self.functions:
            now = vars(owner)
            for name, before in names.items():
                if now.get(name) is not before:
                    yield f"{owner.__name__}.{name}"
            if isinstance(owner, type) and len(_methods(owner)) > len(names):
                yield f"methods of {owner.__name__}"

    def _restore_python(self) -> None:
        os.chdir(self.folder)
        os.umask(self.mask)
        _restore_mapping(os.environ, self.environment)
        for name, value in self.sys.items():
            setattr(sys, name, value)
        for name, values in self.lists.items():
            setattr(sys, name, list(values))
        sys.setrecursionlimit(self.recursion)
        sys.settrace(None)
        sys.setprofile(None)
        threading.settrace(None)
        tempfile.tempdir = self.temporary
        warnings.filters[:] = self.warnings  # type: ignore[index]
        random.setstate(self.random)
        _numpy_random().set_state(self.numpy_random)
        self._restore_signals()

    def _restore_signals(self) -> None:
        for number, handler in self.signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                with contextlib.suppress(OSError, ValueError, TypeError):
                    signal.signal(number, handler)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _forget_modules(self, package: str) -> None:
        """Have the project's modules imported anew by the next job."""
        forget_imports(self.modules, [package])
        sys.modules.update(self.modules)

    def _restore_keras(self) -> list[str]:
        if (keras := _keras()) is None:
            return []
        keras.backend.clear_session()
        faults = []
        if _settings() != self.settings:
            faults.append("it changed settings of Keras or TensorFlow")
        return faults


def _restore_mapping(mapping: Any, values: dict[Any, Any]) -> None:
    for key in [key for key in mapping if key not in values]:
        del mapping[key]
    for key, value in values.items():
        if mapping.get(key) is not value:
            mapping[key] = value


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except (ChildProcessError, AttributeError):  # there are no children, or no way to tell
        return False
    return True


def _numpy_random() -> Any:
    import numpy

    return numpy.random


def _mask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _keras() -> Any:
    return sys.modules.get("tf_keras") if os.environ.get("TF_USE_LEGACY_KERAS") else sys.modules.get("keras")


def _settings() -> tuple[object, ...]:
    """What Keras and TensorFlow are set to for a whole process."""
    found: list[object] = []
    if (keras := _keras()) is not None:
        found += [getattr(keras.backend, name)() for name in _KERAS_SETTINGS if hasattr(keras.backend, name)]
        policies = getattr(keras, "mixed_precision", None)
        if policies is not None:
            policy = getattr(policies, "dtype_policy", None) or policies.global_policy
            found.append(policy().name)
    if (tensorflow := sys.modules.get("tensorflow")) is not None:
        found += [tensorflow.executing_eagerly(), tensorflow.config.functions_run_eagerly()]
    return tuple(found)


def _functions() -> list[tuple[Any, dict[str, Any]]]:
    """The functions and classes of the modules that matter, and the methods of these classes."""
    found: list[tuple[Any, dict[str, Any]]] = []
    classes: dict[int, type] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _WATCHED and isinstance(module, types.ModuleType):
            own = {key: value for key, value in vars(module).items() if isinstance(value, _FUNCTIONS)}
            found.append((module, own))
            classes.update((id(value), value) for value in own.values() if isinstance(value, type))
    for kind in classes.values():
        found.append((kind, _methods(kind)))
    return found


def _methods(kind: type) -> dict[str, Any]:
    return {key: value for key, value in vars(kind).items() if isinstance(value, types.FunctionType)}
