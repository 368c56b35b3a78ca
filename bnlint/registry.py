"""The rules: found in the package :mod:`bnlint.rules`, named nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.own import OWN_PAGES, OWN_RULES
from bnlint.rule import Options, Rule

if TYPE_CHECKING:
    from bnlint.finding import Finding, Verdict
    from bnlint.page import Page
    from bnlint.verify.bench import Bench

_MODULE = re.compile(r"(bn\d{3})_(\w+)\.py")
_CODE = re.compile(r"BN\d{0,3}")


class RegistryError(Exception):
    """The rules cannot be loaded."""


class UnknownRule(Exception):
    """No rule has this code, code prefix or name; ``hint`` says what may have been meant."""

    def __init__(self, name: str) -> None:
        self.name = name
        close = did_you_mean(name, [*names(), *names().values()])
        super().__init__(f'no rule is called "{name}"{close or ";"} "bnlint rule" lists all')


@dataclass(frozen=True)
class LoadedRule:
    """A rule and where it comes from; bnlint's own codes have no check, and some rules no experiment."""

    rule: Rule
    docstring: str
    check: Callable[..., Iterable[Finding]] | None
    path: Path | None
    experiment: Callable[[Bench], Verdict] | None = None

    @property
    def page(self) -> Page:
        """The rule's page."""
        from bnlint.page import parse_page

        return parse_page(self.docstring)

    def run(self, program: object, options: Options) -> Iterator[Finding]:
        """The rule's findings; ``options`` are handed over where the rule declares any."""
        assert self.check
        yield from self.check(program, options) if self.rule.options else self.check(program)


def modules() -> dict[str, Path]:
    """Module names of all rules, in the order of their codes; nothing is imported but the package."""
    import bnlint.rules

    found: dict[str, Path] = {}
    for folder in bnlint.rules.__path__:
        if Path(folder).is_dir():
            for path in Path(folder).iterdir():
                if _MODULE.fullmatch(path.name):
                    found.setdefault(path.stem, path)
    if not found:
        raise RegistryError("no rule was found beside bnlint; install it again")
    return dict(sorted(found.items()))


@cache
def names() -> dict[str, str]:
    """The name of each code, bnlint's own codes included."""
    found = {rule.code: rule.name for rule in OWN_RULES}
    for module in modules():
        code, _, name = module.partition("_")
        found[code.upper()] = name.replace("_", "-")
    return dict(sorted(found.items()))


@cache
def load() -> dict[str, LoadedRule]:
    """All rules by code; raises RegistryError where one is broken."""
    loaded = [LoadedRule(rule, OWN_PAGES[rule.code], None, None) for rule in OWN_RULES]
    loaded += [_load(module, path) for module, path in modules().items()]
    return {each.rule.code: each for each in sorted(loaded, key=lambda each: each.rule.code)}


def _load(module: str, path: Path) -> LoadedRule:
    try:
        loaded = import_module(f"bnlint.rules.{module}")
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) else _line_of(error, path)
        raise RegistryError(f"{path}:{line}: the rule cannot be imported: {type(error).__name__}: {error}") from error
    rule, check = getattr(loaded, "RULE", None), getattr(loaded, "check", None)
    if not isinstance(rule, Rule) or not callable(check):
        raise RegistryError(f"{path}: a rule needs RULE and check")
    expected = f"{rule.code.lower()}_{rule.name.replace('-', '_')}"
    if module != expected:
        raise RegistryError(f"{path}: {rule.code} {rule.name} belongs in {expected}.py")
    return LoadedRule(rule, loaded.__doc__ or rule.name, check, path, getattr(loaded, "experiment", None))


def _line_of(error: Exception, path: Path) -> int:
    line, trace = 1, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def codes_named(selector: str) -> tuple[frozenset[str], int]:
    """The codes that a code, code prefix or name stands for, and how exactly; raises UnknownRule.

    The exactness is the length of the prefix, and 99 for a full code or a name.
    """
    known = names()
    for code, name in known.items():
        if selector in (code, name):
            return frozenset([code]), 99
    if _CODE.fullmatch(selector):
        found = frozenset(code for code in known if code.startswith(selector))
        if found:
            return found, len(selector)
    raise UnknownRule(selector)


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """``; did you mean x?`` for the closest candidate, if one is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(candidates), 1, 0.6) or get_close_matches(word.upper(), list(candidates), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""
