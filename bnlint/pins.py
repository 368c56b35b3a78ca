"""The Keras generation that a project's requirements pin."""

from __future__ import annotations

import re
from pathlib import Path

FILES = ("pyproject.toml", "setup.py", "setup.cfg", "environment.yml", "environment.yaml", "Pipfile")
REQUIREMENT = re.compile(
    r"""(?ix) (?<![\w.-]) (?P<name> tf[-_]nightly | tensorflow (?:[-_](?:gpu|cpu|macos|intel|rocm|aarch64))? | keras )
    (?:\[[\w,\s-]*\])? ["']? \s* (?: = \s* ["']? | \( )? \s* (?P<bounds> (?:===?|~=|<=?|>=?|!=|\^|=) \s* v?\d [\w.*]* (?: \s*,\s* (?:==|~=|<=?|>=?|!=) \s* \d [\w.*]* )* )
    """
)
BOUND = re.compile(r"(===?|~=|<=?|>=?|!=|\^|=)\s*v?(\d+)(?:\.(\d+))?")
LAST_WITH_KERAS_2 = (2, 15)


def pinned_generation(root: Path) -> str | None:
    """Return "2" or "3" where the requirements under ``root`` allow only that generation of Keras, else None.

    TensorFlow up to 2.15 brings Keras 2, later releases Keras 3.
    """
    found: set[str] = set()
    for path in (
        [root / name for name in FILES] + sorted(root.glob("*requirements*.txt")) + sorted(root.glob("requirements/*.txt"))
    ):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for match in REQUIREMENT.finditer(text):
            generation = _generation(match["name"].lower(), match["bounds"])
            if generation is not None:
                found.add(generation)
    return found.pop() if len(found) == 1 else None


def _generation(name: str, bounds: str) -> str | None:
    """The generation that all versions within some bounds have, None where both are allowed."""
    is_keras = name == "keras"
    limit = (3, 0) if is_keras else (LAST_WITH_KERAS_2[0], LAST_WITH_KERAS_2[1] + 1)
    for operator, major, minor in BOUND.findall(bounds):
        version = (int(major), int(minor or 0))
        if operator in ("==", "===", "=", "~=", "^"):
            return "2" if version < limit else "3"
        if operator == "<" and version <= limit:
            return "2"
        if operator == "<=" and version < limit:
            return "2"
        if operator in (">", ">=") and version >= limit:
            return "3"
    return None
