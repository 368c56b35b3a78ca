"""The parent's hold on one worker: start it, hear it, end it, and say how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any, BinaryIO

import bnlint
from bnlint.verify import words
from bnlint.verify.jobs import Job
from bnlint.verify.worker import Orders, folders_of

Message = dict[str, Any]
_LONGEST_LINE = 1 << 20
_TAIL = 8192
_GARBAGE: Message = {"event": "end", "garbage": True}
# This bnlint and no other, without a folder in front of Python's own on the path.
_START = "import sys; sys.path[0] = {!r}; import bnlint; del sys.path[0]; from bnlint.verify.worker import main; main()"


class Child:
    """One process that does jobs; what it says comes as (child, message) in ``events``, last of all the event "end"."""

    def __init__(self, orders: Orders, threads: int, events: queue.Queue[tuple[Child, Message]]) -> None:
        self.environment, self.memory, self.ended = orders.environment, orders.memory, False
        self._folder, self._events, self._tail = orders.folder, events, b""
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-c", _START.format(os.path.dirname(os.path.dirname(bnlint.__file__))), orders.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=orders.folder,
            env=_environment(orders, threads),
            start_new_session=True,
        )
        assert self._process.stdout and self._process.stderr
        self._readers = [
            threading.Thread(target=work, args=(pipe,), daemon=True)
            for work, pipe in ((self._hear, self._process.stdout), (self._keep_tail, self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def give(self, number: int, job: Job, cpu: float) -> None:
        """Hand over a job; the child must have nothing else to do."""
        file = os.path.join(self._folder, f"{number}.json")
        assert self._process.stdin
        with contextlib.suppress(OSError):  # a child that is gone says so by its end
            with open(file, "w", encoding="utf-8") as target:
                target.write(job.to_json())
            self._process.stdin.write(json.dumps({"job": number, "file": file, "cpu": cpu}).encode() + b"\n")
            self._process.stdin.flush()

    def end(self, patience: float = 0.0) -> str:
        """Kill the process and all that it started, and remove its folder; how it had ended by itself, if it had, in words.

        ``patience`` is how many seconds it gets to end by itself.
        """
        self.ended = True
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(patience)
        _kill_group(self._process.pid)
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join(0.5)  # a process that left the group may hold the pipe; nobody waits for it
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        _remove(self._folder)
        return words.ended(code, self._tail.decode(errors="replace"), self.memory)

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended; something that it started may still hold its pipes open."""
        return self._process.poll() is not None

    @property
    def last_line(self) -> str:
        """The last line that it wrote to stderr, empty without one."""
        return (self._tail.decode(errors="replace").strip().splitlines() or [""])[-1]

    def _hear(self, pipe: BinaryIO) -> None:
        with pipe:
            for message in _messages(pipe):
                while not self.ended:
                    with contextlib.suppress(queue.Full):
                        self._events.put((self, message), timeout=0.5)
                        break
                if message["event"] == "end":
                    return

    def _keep_tail(self, pipe: BinaryIO) -> None:
        with pipe:
            while block := os.read(pipe.fileno(), 1 << 16):
                self._tail = (self._tail + block)[-_TAIL:]


def make_folder() -> str:
    """A new folder for a worker."""
    return os.path.realpath(tempfile.mkdtemp(prefix="bnlint-verify-"))


def _remove(folder: str) -> None:
    """Remove a folder, also one in which rights were taken away."""
    for parent, folders, _ in os.walk(folder):
        for path in (os.path.join(parent, name) for name in folders):
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _messages(pipe: BinaryIO) -> Any:
    """The messages on a pipe; what is none ends them."""
    rest = b""
    while block := os.read(pipe.fileno(), 1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            message = _parsed(line)
            yield message
            if message["event"] == "end":
                return
        if len(rest) > _LONGEST_LINE:
            yield _GARBAGE
            return
    yield {"event": "end"}


def _parsed(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return _GARBAGE
    return message if isinstance(message, dict) and isinstance(message.get("event"), str) else _GARBAGE


def _kill_group(process: int) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)


def _environment(orders: Orders, threads: int) -> dict[str, str]:
    """The environment variables of a worker: quiet, on the CPU unless asked otherwise, with so many threads at work."""
    changes = {
        "KERAS_BACKEND": orders.environment.backend,
        "TF_USE_LEGACY_KERAS": "1" if orders.environment.generation == "2" else "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "MPLBACKEND": "Agg",
        "SDL_VIDEODRIVER": "dummy",
        "PYTHONHASHSEED": "0",
        "HF_HUB_OFFLINE": "1",
    }
    if not orders.gpu:
        changes |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    return os.environ | folders_of(orders.folder, orders.folder) | changes
