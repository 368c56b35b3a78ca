"""Path patterns as in .gitignore; the configuration's patterns are read the same way."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import count

_PIECES = re.compile(r"^\*\*/|/\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^]]*\]|\\.|.", re.DOTALL)
_STAR = "[^/]*"
_GROUPS = count()  # names of groups differ between all patterns, so that they can be joined to one

DEFAULT_EXCLUDES = frozenset({".git", ".venv", "venv", "node_modules", "build", "dist", "__pycache__", ".tox"})


class Patterns:
    """An ordered list of patterns of which the last that matches decides, relative to ``folder``."""

    def __init__(self, folder: str, lines: Iterable[str]) -> None:
        self.folder = folder
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        texts = []
        for line in lines:
            if translated := _translate(line):
                text, negated = translated
                texts.append(text)
                self._rules.append((re.compile(text, re.DOTALL), negated))
        self._any = re.compile("|".join(f"(?:{text})" for text in texts) or r"(?!)", re.DOTALL)

    def decide(self, path: str, is_folder: bool) -> bool | None:
        """True if the absolute path is matched, False if it is let in again by a ``!`` pattern, else None."""
        if not path.startswith(self.folder.rstrip(os.sep) + os.sep):
            return None
        relative = os.path.relpath(path, self.folder).replace(os.sep, "/") + ("/" if is_folder else "")
        if not self._any.match(relative):
            return None
        return next((not negated for rule, negated in reversed(self._rules) if rule.match(relative)), None)

    def covers(self, path: str) -> bool:
        """Whether the patterns match a file, or a folder that it is in."""
        if self.decide(path, is_folder=False):
            return True
        parent = os.path.dirname(path)
        while len(parent) > len(self.folder):
            if self.decide(parent, is_folder=True):
                return True
            parent = os.path.dirname(parent)
        return False


def _translate(line: str) -> tuple[str, bool] | None:
    line = re.sub(r"(?<!\\)[ \t\r\n]+$", "", line.rstrip("\r\n"))
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line[negated:]
    only_folders = line.endswith("/")
    line = line.rstrip("/")
    anchored = "/" in line
    line = line.lstrip("/")
    if not line:
        return None
    pieces = [_piece(match[0]) for match in _PIECES.finditer(re.sub(r"(?:\*\*/)+", "**/", line))]
    body = _without_backtracking(pieces)
    return f"{'' if anchored else '(?:.*/)?'}{body}{'/' if only_folders else '/?'}\\Z", negated


def _piece(text: str) -> str:
    special = {"**/": "(?:.*/)?", "/**/": "/(?:.*/)?", "/**": "/.*", "?": "[^/]"}.get(text)
    if special:
        return special
    if text.strip("*") == "":
        return _STAR
    if len(text) > 2 and text.startswith("["):
        inside = text[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return "(?!/)[" + ("^" + inside[1:] if inside[0] in "!^" else inside) + "]"
    return re.escape(text[1:] if len(text) == 2 and text[0] == "\\" else text)


def _without_backtracking(pieces: list[str]) -> str:
    """Join pieces so that each star but the last takes the first place where what follows it fits, and never another."""
    joined, *rest = "\0".join(pieces).split(_STAR)
    parts = [joined]
    for index, fixed in enumerate(rest):
        if index == len(rest) - 1:
            parts.append(_STAR + fixed)
        else:
            name = f"g{next(_GROUPS)}"
            parts.append(f"(?=(?P<{name}>[^/]*?{fixed}))(?P={name})")
    return "".join(parts).replace("\0", "")


class GitIgnore:
    """What the ``.gitignore`` files from a repository's top down to each folder say."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._of = lru_cache(maxsize=None)(self._read_folder)

    def ignores(self, path: str, is_folder: bool) -> bool:
        """Whether an entry is ignored by its own name; its folders are the caller's to ask about."""
        for patterns in reversed(self._of(os.path.dirname(path))):
            decision = patterns.decide(path, is_folder)
            if decision is not None:
                return decision
        return False

    def _read_folder(self, folder: str) -> tuple[Patterns, ...]:
        above: tuple[Patterns, ...] = ()
        parent = os.path.dirname(folder)
        if folder != self._top and parent != folder and folder.startswith(self._top):
            above = self._of(parent)
        try:
            with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as file:
                return (*above, Patterns(folder, file))
        except OSError:
            return above


def git_ignore_for(folder: str) -> GitIgnore:
    """The patterns that count below a folder: its repository's, or only those at and below it where the repository ignores it."""
    top = folder
    while not os.path.exists(os.path.join(top, ".git")):
        if os.path.dirname(top) == top:
            return GitIgnore(folder)
        top = os.path.dirname(top)
    ignore = GitIgnore(top)
    inner = folder
    while inner != top:
        if ignore.ignores(inner, is_folder=True):
            return GitIgnore(folder)
        inner = os.path.dirname(inner)
    return ignore
