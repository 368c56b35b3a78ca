"""One rule's experiment at one place, whether a rule has found something there or not."""

from __future__ import annotations

import os

from bnlint.config import Configurations
from bnlint.finding import Span, Verdict


class NoSuchPlace(Exception):
    """The site does not name a place in a file that can be read; the message says what is wrong."""


def measure(code: str, site: str | Span, *, keras_version: str = "auto", timeout: float = 60.0) -> Verdict:
    """What a rule's experiment says of a place.

    ``code`` is a rule's code or name, ``site`` a place such as ``"model.py:12"``, ``"model.py:12:5"`` or a span; in a notebook the
    lines are those of its joined code cells. ``timeout`` is in seconds. The code that leads to the place is run in a child process,
    as ``bnlint verify`` does.

    Raises :class:`bnlint.registry.UnknownRule` and :class:`NoSuchPlace`.
    """
    from bnlint.registry import UnknownRule, codes_named
    from bnlint.verify.pool import run_jobs
    from bnlint.verify.slices import job_at

    codes, exactness = codes_named(code)
    if exactness != 99:
        raise UnknownRule(code)
    span = site if isinstance(site, Span) else _span(site)
    config = Configurations().of_file(span.path)
    version = config.keras_version if keras_version == "auto" else keras_version
    job = job_at(span, next(iter(codes)), version, config.verify.arguments)
    return next(verdict for _, _, verdict in run_jobs([job], timeout=timeout, workers=1))


def _span(site: str) -> Span:
    """The rest of the line from a column on, or the whole line."""
    path, *numbers = _parts(site)
    if not numbers or not os.path.isfile(path):
        raise NoSuchPlace(f'{site}: name a file and a line in it, as in "model.py:12"')
    line, column = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 1
    return Span(os.path.abspath(path), line, column, line + 1, 1)


def _parts(site: str) -> list[str]:
    parts = site.rsplit(":", 2)
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return parts
    path, _, line = site.rpartition(":")
    return [path, line] if line.isdigit() else [site]
