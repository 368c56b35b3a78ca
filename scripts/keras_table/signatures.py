"""Parameters of constructors, calls and functions, ready for JSON."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: 0,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: 1,
    inspect.Parameter.VAR_POSITIONAL: 2,
    inspect.Parameter.KEYWORD_ONLY: 3,
    inspect.Parameter.VAR_KEYWORD: 4,
}

Encoded = list[Any]
"""``[name, kind]`` of a parameter without a default, ``[name, kind, default]`` of one with, ``[name]`` of the commonest kind.

A default that JSON cannot hold is ``{"repr": text}``.
"""


def parameters(function: Callable[..., Any], bound: bool = False) -> list[Encoded] | None:
    """Return the parameters of a function, without the first one if ``bound``; None where Python cannot tell them."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    return [_encode(each) for each in (found[1:] if bound else found)]


def _encode(parameter: inspect.Parameter) -> Encoded:
    kind = KINDS[parameter.kind]
    if parameter.default is not inspect.Parameter.empty:
        return [parameter.name, kind, plain(parameter.default)]
    return [parameter.name] if kind == 1 else [parameter.name, kind]


def plain(value: Any) -> Any:
    """Return the value as JSON holds it; a tuple becomes a list."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if isinstance(value, dict) and not value:
        return {}
    text = getattr(value, "__name__", None) or repr(value)
    return {"repr": text if " at 0x" not in text else type(value).__name__}


def members(cls: type, names: list[str]) -> dict[str, list[Encoded]]:
    """Return the parameters of a class's public methods: of all, or of ``names``."""
    found: dict[str, list[Encoded]] = {}
    for name in names or sorted(dir(cls)):
        value = inspect.getattr_static(cls, name, None)
        if name.startswith("_") or value is None:
            continue
        if isinstance(value, (staticmethod, classmethod)):
            encoded = parameters(value.__func__, bound=isinstance(value, classmethod))
        elif inspect.isfunction(value) or hasattr(value, "__wrapped__"):
            encoded = parameters(value, bound=True)
        else:
            continue
        if encoded is not None:
            found[name] = encoded
    return found
