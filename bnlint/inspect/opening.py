"""Files as they are opened: regular ones only, so that a pipe or a device cannot hang or flood the reader."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from bnlint.inspect.limits import Unreadable

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
)


def open_file(path: str, what: str) -> BinaryIO:
    """A regular file, opened for reading, through symbolic links too; raises Unreadable, which begins with ``what``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise Unreadable(f"{what}: {reason}; check the path") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((name for test, name in _KINDS if test(mode)), "no regular file")
        raise Unreadable(f"{what}: it is {kind}; give a file that Keras saved a model in")
    return os.fdopen(descriptor, "rb")
