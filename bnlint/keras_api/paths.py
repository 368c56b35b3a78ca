"""Dotted names under which Keras can be imported, taken apart: ``tensorflow.python.keras.layers.core.Dense``."""

from __future__ import annotations

from typing import NamedTuple

BEFORE = frozenset({"compat", "v1", "v2", "_api", "python", "contrib"})
"""What may stand between ``tensorflow`` and ``keras``."""

BEHIND = frozenset({"src", "api", "_api", "_v1", "_v2", "v1", "v2", "python", "keras", "_tf_keras", "_impl", "_legacy"})
"""What may stand between ``keras`` and the namespaces that users know."""

LEGACY = frozenset({"python", "contrib", "v1", "_v1"})


class KerasPath(NamedTuple):
    """A dotted name below ``keras``."""

    parts: tuple[str, ...]
    generation: str | None
    """``"2"`` or ``"3"`` where the name exists in that generation alone."""
    plain: bool
    """Whether it goes through public modules only."""


def split(dotted: str) -> KerasPath | None:
    """Take a dotted name apart; None if it is none of Keras's."""
    root, *parts = dotted.split(".")
    generation: str | None = None
    plain = True
    if root == "tensorflow":
        while parts and parts[0] in BEFORE:
            if parts[0] in LEGACY:
                generation = "2"
            plain = plain and parts[0] not in ("python", "contrib", "_api")
            del parts[0]
        if not parts or parts.pop(0) != "keras":
            return None
    elif root == "tf_keras":
        generation = "2"
    elif root == "keras_core":
        generation = "3"
    elif root != "keras":
        return None
    while parts and parts[0] in BEHIND:
        if parts[0] in LEGACY:
            generation = "2"
        elif parts[0] == "_tf_keras":
            generation = "3"
        plain = False
        del parts[0]
    return KerasPath(tuple(parts), generation, plain)


def leads_to_keras(dotted: str) -> bool:
    """Whether Keras lies below this name: ``tensorflow``, ``tensorflow.compat.v1``."""
    root, *parts = dotted.split(".")
    return root == "tensorflow" and all(part in BEFORE for part in parts)
