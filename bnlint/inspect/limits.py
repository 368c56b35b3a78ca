"""How much a saved model may cost, and the errors of those that are no model or would cost more.

The bounds are far above what real models need: the configuration of EfficientNet-B7 is 0.6 MB of JSON, its 214 batch
normalizations have 640 000 numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MEMORY = 3 << 30
"""Bytes of addresses for the whole process; the libraries alone take about 0.5 GB of them."""
CPU_SECONDS = 20
WALL_SECONDS = 120
CONFIGURATION = 16 << 20
"""Bytes of JSON."""
UNPACKED = 512 << 20
"""Bytes of a compressed file of weights, which has to be unpacked in memory because it is read here and there."""
OBJECTS = 200_000
"""Groups and datasets of an HDF5 file, entries of a zip, variables of a checkpoint."""
DEPTH = 64
"""Levels of groups in an HDF5 file."""
VALUES = 4_000_000
"""Numbers of all batch normalizations together."""
CHUNK = 64 << 20
"""Bytes that a chunk of a dataset may take in memory."""


class Unreadable(Exception):
    """What is wrong with the file, and what to do; the file's name is put in front of it."""


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Whatever a library raises on a damaged file becomes :class:`Unreadable`, with ``what`` could not be read."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unreadable(f"{what} cannot be read ({reason or type(error).__name__}); save or copy the file again") from error


def parse_json(text: str | bytes, what: str) -> Any:
    """JSON from the file, within the bounds; raises Unreadable."""
    if len(text) > CONFIGURATION:
        raise Unreadable(f"{what} is {size(len(text))} of JSON, more than the {size(CONFIGURATION)} that bnlint reads")
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable(f"{what} is nested deeper than bnlint reads; this is no configuration that Keras wrote") from None
    except ValueError as error:
        raise Unreadable(f"{what} is no valid JSON ({str(error)[:100]}); save or copy the file again") from None


def size(count: float) -> str:
    """Bytes in words: ``512 MB``."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
    power = 0
    while count >= 1000 and power < len(units) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.3g} {units[power]}" if power else f"{count:.0f} bytes"
