"""What Keras is set to for a whole process, put back between one run of the user's code and the next."""

from __future__ import annotations

from typing import Any

from bnlint.verify.objects import kerases

_NAMES = ("floatx", "epsilon", "image_data_format")
_first: dict[str, dict[str, Any]] = {}


def reset() -> None:
    """Sets each loaded Keras to what it was set to when this was called first."""
    for keras in kerases():
        now = _settings(keras)
        before = _first.setdefault(keras.__name__, now)
        for name in _NAMES:
            if now[name] != before[name]:
                getattr(keras.backend, f"set_{name}")(before[name])
        # A policy that is set at all is followed no more by a later set_floatx: only one that was set is set back.
        if now["policy"] != before["policy"] and _settings(keras)["policy"] != before["policy"]:
            keras.mixed_precision.set_global_policy(before["policy"])


def _settings(keras: Any) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(keras.backend, name)() for name in _NAMES}
    policy = getattr(keras.mixed_precision, "dtype_policy", None) or keras.mixed_precision.global_policy
    return {**found, "policy": policy().name}
