"""One cause, one finding: which rules run, and which findings yield to another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bnlint.finding import Finding, Span
from bnlint.registry import LoadedRule


def with_superseding(wanted: Iterable[str], rules: Mapping[str, LoadedRule]) -> list[str]:
    """The rules to run, in order: those wanted, and those to which a wanted one may have to yield."""
    codes = {code for code in wanted if code in rules}
    grown = True
    while grown:
        more = {code for code, each in rules.items() if not each.rule.pedantic and codes & set(each.rule.supersedes)}
        grown = not more <= codes
        codes |= more
    return [code for code in sorted(codes) if rules[code].check]


def without_superseded(found: Iterable[Finding], rules: Mapping[str, LoadedRule]) -> list[Finding]:
    """The findings, each once, that no finding of a superseding rule with the same cause replaces."""
    unique = list(dict.fromkeys(found))
    winners: dict[str, list[Finding]] = {}
    for finding in unique:
        for code in rules[finding.code].rule.supersedes:
            winners.setdefault(code, []).append(finding)
    return [finding for finding in unique if not any(have_one_cause(finding, winner) for winner in winners.get(finding.code, ()))]


def have_one_cause(one: Finding, other: Finding) -> bool:
    """Whether two findings speak of the same fault: one stands within the other, or at a related place of the other."""
    return any(_overlap(one.span, span) for span in _places(other)) or any(_overlap(other.span, span) for span in _places(one))


def _places(finding: Finding) -> list[Span]:
    return [finding.span, *(related.span for related in finding.related)]


def _overlap(one: Span, other: Span) -> bool:
    return _contains(one, other) or _contains(other, one)


def _contains(outer: Span, inner: Span) -> bool:
    return (
        outer.path == inner.path
        and (outer.line, outer.column) <= (inner.line, inner.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )
