"""Which of the imported modules are the project's, so that the next run imports them anew."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Collection
from typing import Any


def forget_imports(before: Collection[str], packages: Collection[str]) -> None:
    """Forget the modules imported since the names in ``before`` were noted: those of some top-level packages, and of no library.

    Libraries stay, some of them cannot be loaded twice.
    """
    for name, module in list(sys.modules.items()):
        if name not in before and (name.partition(".")[0] in packages or not _of_library(module)):
            del sys.modules[name]


def _of_library(module: Any) -> bool:
    """Whether a module belongs to Python or to what is installed beside it."""
    origin = getattr(getattr(module, "__spec__", None), "origin", None) or getattr(module, "__file__", None)
    if origin in ("built-in", "frozen"):
        return True
    return isinstance(origin, str) and os.path.abspath(origin).startswith(_LIBRARIES)


def _library_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths.update(site.getsitepackages() if hasattr(site, "getsitepackages") else ())
    return tuple(path.rstrip(os.sep) + os.sep for path in paths if path)


_LIBRARIES = _library_folders()
