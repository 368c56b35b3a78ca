"""What a child process may use: memory, CPU time, sizes of files. POSIX only; elsewhere time alone is limited."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import time

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

GIGABYTE = 1 << 30
MEMORY = 4 * GIGABYTE
FILE_SIZE = 2 * GIGABYTE
OUT_OF_MEMORY = "bnlint: out of memory"
_GLANCE = 0.25
_allowed = MEMORY


def missing() -> str | None:
    """What cannot be limited on this system, as a sentence; none where everything can be."""
    if resource is None:
        return f"{sys.platform} cannot limit the memory and the CPU time of a process; only --timeout ends what runs away"
    return None


def limit(memory: int) -> None:
    """Limit this process for good: bytes of memory, size of the files it writes; no core dumps.

    Limited is what the process can write to (``RLIMIT_DATA``), not its address space: TensorFlow reserves 1.4 GB of addresses when
    it is imported, and uses a fifth of them. Of that, too, a part is reserved alone, as are the stacks of threads, and native code
    that is refused memory crashes without a word. So the system's limit is one and a half times what may be used, and
    :func:`watch` sees to the rest.
    """
    global _allowed
    _allowed = memory
    if resource is None:
        return
    reserved = memory + memory // 2
    for kind, value in ((resource.RLIMIT_DATA, reserved), (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # a lower limit is there already
            resource.setrlimit(kind, (value, value))


def allowed_memory() -> int:
    """Bytes of memory that this process may use."""
    return _allowed


def limit_cpu(seconds: float) -> None:
    """Let the system end this process when it has used so many seconds of CPU time from now on: the backstop of the time limit."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def memory_in_use() -> int:
    """Bytes of memory that this process holds now, or held at most where only that can be told; 0 where neither can."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        if resource is None:
            return 0
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def watch(memory: int) -> None:
    """Start a thread that ends this process when it holds too much memory, or when its parent is gone."""
    parent = os.getppid()
    look, sleep, in_use, end, write = os.getppid, time.sleep, memory_in_use, os._exit, os.write

    def run() -> None:
        while look() == parent:
            if in_use() > memory:
                write(2, OUT_OF_MEMORY.encode())
                end(1)
            sleep(_GLANCE)
        end(1)

    _thread.start_new_thread(run, ())
