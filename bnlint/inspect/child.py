"""In the child process: limits first, then the file."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from bnlint.inspect.limits import CPU_SECONDS, MEMORY, Unreadable, size

_RECURSION = "it is nested deeper than any model; this is no file that Keras wrote"
_MEMORY = f"it takes more than the {size(MEMORY)} of memory that bnlint allows; this is no model that Keras wrote"


def main() -> None:
    """Read the file named by the last argument; print one JSON object: an inspection, an error, or what is not installed."""
    answers, sys.stdout = os.fdopen(os.dup(1), "w", encoding="ascii"), sys.stderr
    answer = answer_for(sys.argv[-1])
    json.dump(answer, answers)
    answers.flush()
    os._exit(0)  # what a damaged file left in the HDF5 library is not to be tidied up


def answer_for(path: str) -> dict[str, Any]:
    """An inspection, an error, or what is not installed."""
    try:
        import h5py  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as error:
        return {"missing": error.name or "h5py"}
    limit()
    from bnlint.inspect.formats import read
    from bnlint.inspect.judge import judge

    try:
        return {"inspection": judge(path, read(path)).to_json()}
    except Unreadable as error:
        return {"error": str(error)}
    except RecursionError:
        return {"error": _RECURSION}
    except MemoryError:
        return {"error": _MEMORY}


def limit() -> None:
    """Bound this process's memory and processor time, and keep it from writing files; where the system can do that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, bound in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
        except (ValueError, OSError):
            continue  # a system that does not have this limit (macOS and RLIMIT_AS)
