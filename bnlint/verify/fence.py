"""A fence against accidents while the project's code runs: no network, no processes, nothing changed outside one folder.

It is no sandbox: code that means harm gets around it. What was tried is refused as an error of permission, as the system
would, and kept for the verdicts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_MOST = 20
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DEVICES = frozenset({os.devnull, "/dev/null", "/dev/zero", "/dev/full", "/dev/stdout", "/dev/stderr"})
_real, _absolute, _split, _join, _exists = os.path.realpath, os.path.abspath, os.path.split, os.path.join, os.path.lexists
_readlink, _decode, _own = os.readlink, os.fsdecode, os.getpid


class Refused(PermissionError):
    """What the project's code tried, and bnlint refused."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EACCES, f"the code tried to {what}, which bnlint refused")

    def __str__(self) -> str:
        return str(self.args[1])


class Fence:
    """What is refused while it is up, and what was tried so far, in words that follow "the code tried to"."""

    def __init__(self, folder: str) -> None:
        self.folder = _real(folder)
        self.tried: list[str] = []

    def refuse(self, what: str) -> None:
        """Keep what was tried, and raise :class:`Refused`."""
        what = what if len(what) < 300 else what[:300] + "..."
        if what not in self.tried and len(self.tried) < _MOST:
            self.tried.append(what)
        raise Refused(what)

    def write(self, path: object, what: str = "write", follow: bool = True) -> None:
        """Refuse to change a file outside, named or open; the link itself is meant where it is not followed."""
        named = _named(path, -1)
        if named is None:
            return
        real = _real(named) if follow else _real_parent(named)
        if real not in _DEVICES and not self._holds(real):
            self.refuse(f"{what} {named}")

    def change(self, path: object, folder: object, what: str) -> None:
        """Refuse to delete, to rename and the like outside; what is not there fails by itself."""
        named = _named(path, folder)
        if named is not None and _exists(named) and not self._holds(_real_parent(named)):
            self.refuse(f"{what} {named}")

    def make(self, path: object, folder: object, what: str) -> None:
        """Refuse to make something outside; what is there already fails by itself."""
        named = _named(path, folder)
        if named is not None and not _exists(named) and not self._holds(_real_parent(named)):
            self.refuse(f"{what} {named}")

    def _holds(self, path: str) -> bool:
        return path == self.folder or path.startswith(self.folder + os.sep)


def _named(path: object, folder: object) -> str | None:
    """The absolute path of a file given by name, by name in an open folder, or open; none where it cannot be told."""
    if isinstance(path, int):
        return _of_handle(path)
    if isinstance(path, os.PathLike):
        path = path.__fspath__()
    if not isinstance(path, str | bytes):
        return None
    name = _decode(path)
    if isinstance(folder, int) and folder >= 0:
        inside = _of_handle(folder)
        return None if inside is None else _join(inside, name)
    return _absolute(name)


def _of_handle(handle: int) -> str | None:
    try:
        return _readlink(f"/proc/self/fd/{handle}")
    except OSError:
        return None


def _real_parent(path: str) -> str:
    parent, name = _split(path.rstrip(os.sep) or os.sep)
    return _join(_real(parent), name)


def _open(fence: Fence, path: object, mode: object, flags: object) -> None:
    if isinstance(path, int):
        return
    if isinstance(flags, int) and flags & _WRITES:
        fence.write(path)


def _rename(fence: Fence, source: object, target: object, source_folder: object = -1, target_folder: object = -1) -> None:
    fence.change(source, source_folder, "rename")
    named = _named(target, target_folder)
    if named is not None:
        fence.write(named, "write", follow=False)


def _link(fence: Fence, source: object, target: object, source_folder: object = -1, target_folder: object = -1) -> None:
    fence.change(source, source_folder, "link to")
    fence.make(target, target_folder, "make the link")


def _kill(fence: Fence, process: object, number: object) -> None:
    if process != _own():
        with contextlib.suppress(ValueError, TypeError):
            number = signal.Signals(number).name  # type: ignore[arg-type]
        fence.refuse(f"send {number} to process {process}")


def _set_limit(fence: Fence, kind: object, *_: object) -> None:
    import resource

    if kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
        fence.refuse("change the limits of its process")


def _request(fence: Fence, url: object, *_: object) -> None:
    if not str(url).lower().startswith(("file:", "data:")):
        fence.refuse(f"open {url}")


def _spawn(fence: Fence, what: object = "", arguments: object = None, *_: object) -> None:
    shown = arguments if isinstance(arguments, list | tuple) and arguments else [what]
    try:
        command = " ".join(_decode(each) if isinstance(each, str | bytes | os.PathLike) else str(each) for each in shown)
    except Exception:  # noqa: BLE001 - what is handed over may be anything
        command = str(what)
    fence.refuse(f"start a process: {command}")


def _fork(fence: Fence, *_: object) -> None:
    fence.refuse("fork its process")


def _connection(verb: str) -> Callable[..., None]:
    def refuse(fence: Fence, _: object, address: object = None, *__: object) -> None:
        where = ":".join(map(str, address[:2])) if isinstance(address, tuple) else str(address)
        fence.refuse(f"{verb} {where}")

    return refuse


def _lookup(fence: Fence, host: object = None, *_: object) -> None:
    fence.refuse(f"look up the address of {_decode(host) if isinstance(host, bytes) else host}")


def _changes(what: str, folder_at: int) -> Callable[..., None]:
    """The handler of an event whose first argument is a path, and another one the folder that it is in."""

    def check(fence: Fence, path: object, *others: object) -> None:
        folder = others[folder_at - 1] if len(others) >= folder_at else -1
        fence.change(path, folder, what)

    return check


def _makes(what: str, path_at: int, folder_at: int) -> Callable[..., None]:
    def check(fence: Fence, *arguments: object) -> None:
        fence.make(arguments[path_at], arguments[folder_at] if len(arguments) > folder_at else -1, what)

    return check


# The events of https://docs.python.org/3/library/audit_events.html that change something, start something or reach out.
_EVENTS: dict[str, Callable[..., None]] = {
    "open": _open,
    "os.remove": _changes("delete", 1),
    "os.rmdir": _changes("delete the folder", 1),
    "shutil.rmtree": _changes("delete the folder", 1),
    "os.rename": _rename,
    "os.link": _link,
    "os.symlink": _makes("make the link", 1, 2),
    "os.mkdir": _makes("make the folder", 0, 2),
    "os.truncate": lambda fence, path, *_: fence.write(path, "truncate"),
    "os.chmod": _changes("change the permissions of", 2),
    "os.chown": _changes("change the owner of", 3),
    "os.chflags": _changes("change the flags of", 2),
    "os.utime": _changes("change the times of", 3),
    "os.setxattr": _changes("change the attributes of", 4),
    "os.removexattr": _changes("change the attributes of", 2),
    "os.kill": _kill,
    "os.killpg": _kill,
    "resource.setrlimit": _set_limit,
    "resource.prlimit": lambda fence, _, kind, *__: _set_limit(fence, kind),
    "urllib.Request": _request,
    "socket.connect": _connection("connect to"),
    "socket.bind": _connection("listen at"),
    "socket.sendto": _connection("send to"),
    "socket.sendmsg": lambda fence, _, address=None: _connection("send to")(fence, _, address) if address is not None else None,
    "socket.getaddrinfo": _lookup,
    "socket.gethostbyname": _lookup,
    "socket.gethostbyaddr": _lookup,
    "socket.getnameinfo": _lookup,
    "subprocess.Popen": _spawn,
    "_winapi.CreateProcess": _spawn,
    "os.system": _spawn,
    "os.startfile": _spawn,
    "os.exec": _spawn,
    "os.posix_spawn": _spawn,
    "os.spawn": lambda fence, _, path, arguments=None, *__: _spawn(fence, path, arguments),
    "pty.spawn": lambda fence, arguments=None, *_: _spawn(fence, "pty", arguments),
    "os.fork": _fork,
    "os.forkpty": _fork,
}
_up: Fence | None = None


def install() -> None:
    """Add the audit hook to this process, for good; it does nothing until a fence is up."""
    sys.addaudithook(_hook)
    with contextlib.suppress(ImportError):
        import _posixsubprocess

        # multiprocessing starts its processes by this function, which raises no audit event.
        _guard(_posixsubprocess, "fork_exec", lambda fence, arguments, *_: _spawn(fence, "", arguments))


def guard_native() -> None:
    """Put the fence around what TensorFlow and HDF5, if they are loaded, change without Python's knowing."""
    if (files := sys.modules.get("tensorflow.python.lib.io._pywrap_file_io")) is not None:
        for name, what in (("DeleteFile", "delete"), ("DeleteRecursively", "delete the folder")):
            _guard(files, name, lambda fence, path, *_, what=what: fence.change(path, -1, what))
        for name in ("CreateDir", "RecursivelyCreateDir"):
            _guard(files, name, lambda fence, path, *_: fence.make(path, -1, "make the folder"))
        _guard(files, "RenameFile", lambda fence, source, target, *_: _rename(fence, source, target))
        _guard(files, "CopyFile", lambda fence, _, target, *__: fence.write(target))
        _guard(files, "WritableFile", lambda fence, path, *_: fence.write(path))
    if (h5f := sys.modules.get("h5py.h5f")) is not None:
        _guard(h5f, "create", lambda fence, path, *_, **__: fence.write(path))


def _guard(module: ModuleType, name: str, check: Callable[..., None]) -> None:
    """Have a function of a module ask the fence first."""
    original = getattr(module, name, None)
    if original is None:
        return

    def guarded(*arguments: Any, **options: Any) -> Any:
        if _up is not None:
            check(_up, *arguments)
        return original(*arguments, **options)

    setattr(module, name, guarded)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    fence = _up
    if fence is None:
        return
    handler = _EVENTS.get(event)
    if handler is None:
        return
    try:
        handler(fence, *arguments)
    except Refused:
        raise
    except Exception:  # noqa: BLE001 - an argument that the event's own function will complain about
        return


def up(folder: str) -> Fence:
    """Refuse to all threads of this process what leaves ``folder``, until :func:`down`."""
    global _up
    _up = Fence(folder)
    return _up


def down() -> None:
    """Refuse nothing."""
    global _up
    _up = None
