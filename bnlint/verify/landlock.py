"""Linux's own fence, where the kernel has it: what the audit hook cannot see, such as files written by C code, is refused too.

See https://docs.kernel.org/userspace-api/landlock.html, from which the numbers are.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_WRITE_FILE = 1 << 1
# By version of Landlock: remove, make and write (1), link and rename across folders (2), truncate (3).
_CHANGES = {1: _WRITE_FILE | sum(1 << bit for bit in range(4, 13)), 2: 1 << 13, 3: 1 << 14}
_BIND_AND_CONNECT = 3  # TCP only, from version 4
_SIGNALS = 2  # to processes outside, from version 6


def restrict(folders: list[str], files: list[str]) -> bool:
    """Let this process, its later threads and its children change nothing outside ``folders``, and write to ``files`` alone besides.

    Nor may they connect to anything by TCP or send signals to others. False where the kernel cannot do it. It cannot be undone,
    and holds for threads that are there already only if they do it themselves: call it first thing.
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return False
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
        return _restrict(call, folders, files)
    except (OSError, AttributeError):
        return False


def _restrict(call: ctypes._NamedFuncPointer, folders: list[str], files: list[str]) -> bool:
    version = call(_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    changes = sum(bits for since, bits in _CHANGES.items() if version >= since)
    rights = [changes, _BIND_AND_CONNECT if version >= 4 else 0, _SIGNALS if version >= 6 else 0]
    sizes = 8 * (1 if version < 4 else 2 if version < 6 else 3)
    rules = call(_CREATE, struct.pack("=QQQ", *rights), ctypes.c_size_t(sizes), 0)
    if rules < 0:
        return False
    try:
        for path, allowed in [(folder, changes) for folder in folders] + [(file, _WRITE_FILE) for file in files]:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_PATH", 0))
            try:
                if call(_ADD, rules, 1, struct.pack("=Qi", allowed & changes, handle), 0):
                    return False
            finally:
                os.close(handle)
        if ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            return False
        return not call(_RESTRICT, rules, 0)
    finally:
        os.close(rules)
