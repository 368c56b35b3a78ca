"""Terms: what stands for an unknown value, so that equal expressions are one condition."""

from __future__ import annotations

from collections.abc import Hashable

from bnlint.interpreter.values import Const, Term, Unknown, Value, key_of


def assumed_term(value: Const) -> Term | None:
    """What stands for an assumed constant where its place in the source is known."""
    if value.origin is None:
        return None
    module, node = value.origin
    return ("assumed", module.path, getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


NEGATIONS = {"!=": "==", "is not": "is", "not in": "in", "is not None": "is None"}


def normalise(term: Term) -> tuple[Term, bool]:
    """A condition without its negations, and whether it was negated."""
    negated = False
    while True:
        if term[0] == "not":
            term, negated = term[1], not negated  # type: ignore[assignment]
        elif term[0] in NEGATIONS:
            term, negated = (NEGATIONS[term[0]], *term[1:]), not negated
        elif term[0] == ">":
            term = ("<", term[2], term[1])
        elif term[0] == ">=":
            term, negated = ("<", term[1], term[2]), not negated
        elif term[0] == "<=":
            term, negated = ("<", term[2], term[1]), not negated
        else:
            return term, negated


def term_of(value: Value) -> Hashable:
    """What stands for a value inside a term."""
    if isinstance(value, Unknown):
        return value.term
    key = key_of(value)
    return key if isinstance(key, tuple) and key[0] in ("c", "s") else ("?", id(value))


def is_stable(term: Hashable) -> bool:
    """Whether a term means the same in every world: it holds no object of this one."""
    return not isinstance(term, tuple) or (not term or term[0] != "?") and all(is_stable(part) for part in term)
