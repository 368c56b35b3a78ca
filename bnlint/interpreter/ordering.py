"""Sorting, and the smallest and largest of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import PYTHON_ERRORS, Meter, as_raised, settle
from bnlint.interpreter.values import Arguments, Const, NotPlain, Value


def keys(m: Machine, site: CallSite, items: list[Value], key: Value | None) -> tuple[list[Any], bool] | None:
    """The Python objects that items are ordered by, and whether one was assumed; None where one is not known."""
    meter = Meter(m)
    found: list[Any] = []
    for item in items:
        value = settle(m, item)
        if key is not None and not (isinstance(key, Const) and key.value is None):
            value = settle(m, m.call(key, Arguments([value], {}), site))
        try:
            found.append(meter.plain(value))
        except NotPlain:
            return None
    return found, meter.assumed


def sorted_items(m: Machine, site: CallSite, items: list[Value], arguments: Arguments) -> list[Value] | None:
    """The items in order, None where it is not known."""
    ordered = keys(m, site, items, arguments.keywords.get("key"))
    backwards = settle(m, arguments.keywords.get("reverse", Const(False)))
    if ordered is None or not isinstance(backwards, Const):
        return None
    objects = ordered[0]
    order = _attempt(lambda: sorted(range(len(items)), key=objects.__getitem__, reverse=bool(backwards.value)))
    return [items[position] for position in order]


def extreme(m: Machine, site: CallSite, items: list[Value], key: Value | None, largest: bool) -> Value | None:
    """The smallest or largest of items (at least one); None where it is not known."""
    ordered = keys(m, site, items, key)
    if ordered is None:
        return None
    objects, assumed = ordered
    choose = max if largest else min
    found = items[_attempt(lambda: choose(range(len(items)), key=objects.__getitem__))]
    value = settle(m, found)
    return Const(value.value, True) if assumed and isinstance(value, Const) else value


def _attempt(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except PYTHON_ERRORS as error:
        raise as_raised(error) from None
