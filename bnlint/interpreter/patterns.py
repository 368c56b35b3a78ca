"""Patterns of ``match`` statements."""

from __future__ import annotations

import ast

from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.operators import compare
from bnlint.interpreter.scope import Frame
from bnlint.interpreter.targets import bind
from bnlint.interpreter.terms import term_of
from bnlint.interpreter.values import FALSE, TRUE, Const, ListV, TupleV, Unknown, Value


def matches(m: Machine, pattern: ast.pattern, subject: Value, frame: Frame) -> Value:
    """Whether a subject matches, as a value that may be unknown; captures are bound."""
    site = CallSite(pattern, frame)
    if isinstance(pattern, ast.MatchValue):
        return compare(m, ast.Eq, subject, m.eval(pattern.value, frame), site)
    if isinstance(pattern, ast.MatchSingleton):
        return compare(m, ast.Is, subject, Const(pattern.value), site)
    if isinstance(pattern, ast.MatchAs):
        inner = matches(m, pattern.pattern, subject, frame) if pattern.pattern is not None else TRUE
        if pattern.name is not None:
            bind(m, pattern.name, subject, frame)
        return inner
    if isinstance(pattern, ast.MatchOr):
        results = [matches(m, each, subject, frame) for each in pattern.patterns]
        if any(m.known_truth(each) for each in results):
            return TRUE
        open_ = [term_of(each) for each in results if m.known_truth(each) is None]
        return Unknown(("or", *open_)) if len(open_) > 1 else Unknown(open_[0]) if open_ else FALSE  # type: ignore[arg-type]
    if isinstance(pattern, ast.MatchSequence) and isinstance(subject, (TupleV, ListV)) and not getattr(subject, "open", False):
        return _sequence(m, pattern, list(subject.items), frame)
    return Unknown(("match", term_of(subject), id(pattern)))


def _sequence(m: Machine, pattern: ast.MatchSequence, items: list[Value], frame: Frame) -> Value:
    if any(isinstance(each, ast.MatchStar) for each in pattern.patterns):
        return Unknown(("match", id(pattern)))
    if len(items) != len(pattern.patterns):
        return FALSE
    results = [matches(m, each, item, frame) for each, item in zip(pattern.patterns, items)]
    if any(m.known_truth(each) is False for each in results):
        return FALSE
    open_ = [each for each in results if m.known_truth(each) is None]
    return Unknown(("and", *map(term_of, open_))) if len(open_) > 1 else open_[0] if open_ else TRUE
