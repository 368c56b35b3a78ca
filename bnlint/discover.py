"""From the paths a user names to the files to check."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from bnlint.ignore import DEFAULT_EXCLUDES, git_ignore_for

SUFFIXES = (".py", ".ipynb")


@dataclass
class Discovered:
    """Files in a fixed order, and what was met that could not be read.

    ``errors`` are about paths named outright; ``warnings`` about what lay in a folder; ``outright`` are the files named so.
    """

    files: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    outright: set[str] = field(default_factory=set)


def discover(paths: Iterable[str], default_excludes: Callable[[str], bool] = lambda folder: True) -> Discovered:
    """The files that are named, and those with a known suffix below the folders that are named, as absolute paths.

    ``default_excludes`` says of a named folder whether the default excludes hold below it.
    """
    found = Discovered()
    files: set[str] = set()
    for path in paths:
        absolute = os.path.abspath(path)
        try:
            mode = os.stat(absolute).st_mode
        except OSError as error:
            found.errors.append(f"{path}: {describe(error)}")
            continue
        if stat.S_ISDIR(mode):
            files.update(walk(absolute, found.warnings, DEFAULT_EXCLUDES if default_excludes(absolute) else frozenset()))
        elif stat.S_ISREG(mode):
            if not os.access(absolute, os.R_OK):
                found.errors.append(f"{path}: permission denied")
            else:
                found.outright.add(absolute)
        else:
            found.errors.append(f"{path}: neither a file nor a folder")
    found.files = sorted(files | found.outright)
    return found


def describe(error: OSError) -> str:
    """An operating system's error in lower case, without its path."""
    return (error.strerror or str(error)).lower()


def walk(folder: str, warnings: list[str] | None = None, excludes: frozenset[str] = DEFAULT_EXCLUDES) -> Iterator[str]:
    """Sources below a folder, without what ``.gitignore`` and the excludes leave out; links to folders are not followed."""
    ignore = git_ignore_for(folder)
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if warnings is not None:
                warnings.append(f"{error.filename}: {describe(error)}")
            continue
        for entry in entries:
            if entry.name in excludes:
                continue
            if entry.is_dir(follow_symlinks=False):
                if not ignore.ignores(entry.path, is_folder=True):
                    pending.append(entry.path)
            elif (
                entry.name.endswith(SUFFIXES)
                and not ignore.ignores(entry.path, is_folder=False)
                and _is_readable(entry, warnings)
            ):
                yield entry.path


def _is_readable(entry: os.DirEntry[str], warnings: list[str] | None) -> bool:
    if entry.is_file(follow_symlinks=False):
        return True
    try:
        return stat.S_ISREG(os.stat(entry.path).st_mode)
    except OSError as error:
        if warnings is not None:
            warnings.append(f"{entry.path}: {describe(error)}")
        return False
