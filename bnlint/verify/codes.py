"""Findings about live models: those of the rules, and two that only a live model can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bnlint.finding import Finding, Related, Severity, Span, Verdict
from bnlint.registry import UnknownRule, codes_named, names

NON_FINITE = "BN701"
DEAD = "BN702"

LIVE_NAMES = {NON_FINITE: "non-finite-statistics", DEAD: "dead-channels"}
"""Codes that no rule about source code has."""


def finding(
    code: str,
    severity: Severity,
    span: Span,
    message: str,
    measured: Mapping[str, float],
    reason: str,
    related: Iterable[Related] = (),
) -> Finding:
    """A finding that was measured: its verdict is confirmed, with the numbers."""
    name = LIVE_NAMES.get(code) or names()[code]
    return Finding(code, name, severity, span, message, tuple(related), None, Verdict("confirmed", reason, dict(measured)))


def codes_of(selectors: Iterable[str]) -> frozenset[str]:
    """The codes that are meant by codes, prefixes or names; raises UnknownRule for any other word."""
    found: set[str] = set()
    for selector in selectors:
        live = {code for code, name in LIVE_NAMES.items() if selector == name or (selector and code.startswith(selector))}
        try:
            found |= live | codes_named(selector)[0]
        except UnknownRule:
            if not live:
                raise
            found |= live
    return frozenset(found)


def number(value: float) -> str:
    """A number as it stands in a sentence."""
    return "0" if value == 0 else f"{value:.2g}"
