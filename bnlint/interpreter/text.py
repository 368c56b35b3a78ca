"""Strings and the other constants: their methods, attributes and formatting."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any

from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import METHODS, NATIVES, CallSite
from bnlint.interpreter.iteration import items_of
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.operators import fitting_format, text_size
from bnlint.interpreter.pure import Meter, apply, charge, cut, derive, evaluate, part, raised, settle, words
from bnlint.interpreter.values import (
    Arguments,
    Const,
    InstanceV,
    ListV,
    NotPlain,
    SymbolV,
    Unknown,
    Value,
    unknown,
)

TEXT_METHODS = words("""capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii
    isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip partition
    removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase
    title upper zfill""")

PURE_METHODS: dict[type, frozenset[str]] = {
    str: TEXT_METHODS,
    bytes: frozenset(name for name in TEXT_METHODS | {"decode", "hex"} if hasattr(bytes, name)),
    int: frozenset({"bit_length", "conjugate"}),
    bool: frozenset({"bit_length", "conjugate"}),
    float: frozenset({"is_integer", "hex", "as_integer_ratio", "conjugate"}),
    complex: frozenset({"conjugate"}),
    range: frozenset({"count", "index"}),
}

UNKNOWN_METHODS = TEXT_METHODS | {"keys", "values", "items", "get", "copy"}
"""Methods that change nothing, whatever they are methods of: two calls of one on the same unknown value are equal."""

ENCODINGS = frozenset({"utf-8", "utf8", "ascii", "latin-1", "latin1"})


def _width(text: Any, width: Any = 0, *rest: Any) -> bool:
    return int(width) <= budget.TEXT


def _tabs(text: Any, tabsize: Any = 8) -> bool:
    return len(text) * max(1, int(tabsize)) <= 50 * budget.TEXT


def _replace(text: Any, old: Any, new: Any, *rest: Any) -> bool:
    return bool((text.count(old) + 1) * len(new) <= budget.TEXT)


def _join(text: Any, items: Any) -> bool:
    return sum(len(each) + len(text) for each in items) <= budget.TEXT


NESTED = re.compile(r"[:!][^{}:!]*\{")


def _format(pattern: str, *objects: Any, **keywords: Any) -> bool:
    values = [*objects, *keywords.values()]
    longest = max((text_size(each) for each in values), default=0)
    wide = NESTED.search(pattern) and any(isinstance(each, int) and abs(each) > budget.TEXT for each in values)
    texts = [each for each in values if isinstance(each, str)] if NESTED.search(pattern) else []
    return (
        not wide
        and "__" not in "".join(re.findall(r"\{[^{}]*\}", pattern))
        and fitting_format(pattern, *(each for each in values if isinstance(each, int)))
        and all(fitting_format(each) for each in texts)
        and len(pattern) + pattern.count("{") * longest <= 50 * budget.TEXT
    )


GUARDS: dict[str, Callable[..., bool]] = {
    "center": _width,
    "ljust": _width,
    "rjust": _width,
    "zfill": _width,
    "expandtabs": _tabs,
    "replace": _replace,
    "join": _join,
    "format": _format,
    "format_map": lambda pattern, values: _format(pattern, **values),
    "encode": lambda text, encoding="utf-8", errors="strict": encoding.lower() in ENCODINGS,
    "decode": lambda text, encoding="utf-8", errors="strict": encoding.lower() in ENCODINGS,
    "index": lambda value, *rest: not isinstance(value, range) or all(isinstance(each, int) for each in rest),
    "count": lambda value, *rest: not isinstance(value, range) or all(isinstance(each, int) for each in rest),
}


def _constant_method(name: str) -> Callable[[Machine, CallSite, Any, Arguments], Value]:
    def run(m: Machine, site: CallSite, self: Const, arguments: Arguments) -> Value:
        if name not in PURE_METHODS.get(type(self.value), frozenset()):
            raise raised("AttributeError", f"'{type(self.value).__name__}' object has no attribute '{name}'")
        if isinstance(self.value, (str, bytes)):
            charge(m, len(self.value))
        if name == "join":
            return _joined(m, site, self, arguments)
        full = Arguments([self, *arguments.positional], arguments.keywords, arguments.open_positional, arguments.open_keywords)
        if name == "format":
            full = _described(m, full)
        return apply(m, site, name, getattr(type(self.value), name), full, GUARDS.get(name))

    return run


def _joined(m: Machine, site: CallSite, self: Const, arguments: Arguments) -> Value:
    parts = arguments.positional[0] if arguments.positional else unknown()
    items = items_of(m, settle(m, parts), site)
    if items is None:
        return derive(m, "join", part(self), part(parts))
    return apply(m, site, "join", type(self.value).join, Arguments([self, ListV(items)], {}), _join)


def _described(m: Machine, arguments: Arguments) -> Arguments:
    """Classes and functions among the arguments of ``format`` are unknown texts, each its own."""
    return Arguments(
        [settle(m, each) for each in arguments.positional],
        {name: settle(m, each) for name, each in arguments.keywords.items()},
        arguments.open_positional,
        arguments.open_keywords,
    )


for _name in frozenset().union(*PURE_METHODS.values()):
    METHODS[Const, _name] = _constant_method(_name)


def _unbound(name: str) -> Callable[[Machine, CallSite, Arguments], Value]:
    """``str.lower``, as it is given to ``map`` and ``sorted``."""

    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        if not arguments.positional:
            raise raised("TypeError", f"unbound method str.{name}() needs an argument")
        self = settle(m, arguments.positional[0])
        rest = Arguments(arguments.positional[1:], arguments.keywords, arguments.open_positional, arguments.open_keywords)
        if isinstance(self, Const):
            return METHODS[Const, name](m, site, self, rest)
        if isinstance(self, Unknown):
            return unknown_method(m, self, name, rest) or unknown(name)
        raise raised("TypeError", f"descriptor '{name}' requires a 'str' object")

    return run


for _name in TEXT_METHODS:
    NATIVES[f"builtins.str.{_name}"] = _unbound(_name)


def unknown_method(m: Machine, value: Unknown, name: str, arguments: Arguments) -> Value | None:
    """The result of a method call on an unknown value, for methods that change nothing: equal for equal calls.

    None where nothing is known about the method, so that its arguments escape.
    """
    if name not in UNKNOWN_METHODS or arguments.open_positional or arguments.open_keywords:
        return None
    if not all(isinstance(each, (Const, Unknown, SymbolV)) for each in arguments.values()):
        return None
    if name in ("items", "keys", "values") and not arguments.values():
        return derive(m, name, value.term)
    named: list[Hashable] = [(key, part(each)) for key, each in sorted(arguments.keywords.items())]
    return derive(m, name, value.term, *map(part, arguments.positional), *named)


def _item(m: Machine, site: CallSite, self: Const, arguments: Arguments) -> Value:
    return self


METHODS[Const, "item"] = _item


def unknown_call(m: Machine, function: Unknown, arguments: Arguments) -> Value | None:
    """The result of calling an attribute of an unknown value, where it is a method that changes nothing; else None."""
    term = function.term
    if len(term) == 3 and term[0] == "attribute" and isinstance(term[1], tuple) and isinstance(term[2], str):
        return unknown_method(m, Unknown(term[1]), term[2], arguments)
    return None


# -- formatting --------------------------------------------------------------------------------------------------

CONVERSIONS: dict[int, Callable[[Any], str]] = {ord("r"): repr, ord("s"): str, ord("a"): ascii}


def format_value(m: Machine, value: Value, conversion: int, spec: Value, site: CallSite) -> Value:
    """One ``{value!conversion:spec}`` of an f-string."""
    value, spec = settle(m, value), settle(m, spec)
    if isinstance(value, InstanceV):
        value = _own_text(m, value, conversion, site)
    meter = Meter(m)
    try:
        obj = meter.plain(value)
    except NotPlain:
        if isinstance(spec, Const) and not spec.value and conversion in (-1, ord("s")):
            return derive(m, "str", part(value))
        return derive(m, "format", part(value), conversion, part(spec))
    if not isinstance(spec, Const) or not isinstance(spec.value, str):
        return derive(m, "format", part(value), conversion, part(spec))
    if isinstance(value, ListV) and value.kind != "list":
        return derive(m, "str", part(value))
    if text_size(obj) > 50 * budget.TEXT or not fitting_format(spec.value, obj):
        return cut(m, site, "a formatted text is too long")
    charge(m, text_size(obj))
    convert = CONVERSIONS.get(conversion)
    wanted = spec.value
    return evaluate(m, site, lambda: format(convert(obj) if convert else obj, wanted), assumed=meter.assumed or spec.assumed)


def _own_text(m: Machine, value: InstanceV, conversion: int, site: CallSite) -> Value:
    """What a project's class makes of its instance as a text."""
    names = ("__repr__",) if conversion == ord("r") else ("__str__", "__repr__")
    for name in names:
        special = m.special_method(value, name)
        if special is not None:
            return settle(m, m.call(special, Arguments([], {}), site))
    return value


def text_of(m: Machine, value: Value, site: CallSite, representation: bool = False) -> Value:
    """``str(value)`` or ``repr(value)``."""
    return format_value(m, value, ord("r") if representation else ord("s"), Const(""), site)
