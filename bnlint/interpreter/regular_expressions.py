"""Regular expressions: simple ones on short texts, such as the names of layers, are matched."""

from __future__ import annotations

import re

from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import settle
from bnlint.interpreter.values import NONE, Arguments, Const, Value, unknown

SIMPLE = re.compile(r"(?:[\w /^$.|()-]|\\[dwb._]|[\w.][*+?](?![*+?])|\\[dw][*+](?![*+?]))*")
"""Patterns of which no group is repeated, so that none takes long."""
LONGEST = 200
REPEATS = 3


class MatchV(Value):
    """A match: true, and of which nothing more is known."""


@native("re.match", "re.search", "re.fullmatch")
def match(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``re.search(pattern, text)``: None, or a match of which nothing more is known."""
    pattern, text = (settle(m, arguments.get(index, name) or NONE) for index, name in enumerate(("pattern", "string")))
    if (
        isinstance(pattern, Const)
        and isinstance(text, Const)
        and not (pattern.assumed or text.assumed)
        and len(arguments.values()) == 2
    ):
        found = _found(site.path.rpartition(".")[2], pattern.value, text.value)
        if found is not None:
            return MatchV() if found else NONE
    m.escape_all(arguments.values())
    return unknown("a match")


def _found(how: str, pattern: object, text: object) -> bool | None:
    """Whether a text matches; None where that is not tried."""
    if not isinstance(pattern, str) or not isinstance(text, str) or max(len(pattern), len(text)) > LONGEST:
        return None
    if not SIMPLE.fullmatch(pattern) or sum(map(pattern.count, "*+")) > REPEATS:
        return None
    try:
        return getattr(re, how)(pattern, text) is not None
    except re.error:
        return None
