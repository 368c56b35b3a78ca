"""Remembers where variables were made, and which functions are computed again for the gradient: TensorFlow's part of a recording."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bnlint.verify.places import user_stack
from bnlint.verify.recorder import Recomputed, Recording

_MOST = 5000


@contextmanager
def recorded(recording: Recording) -> Iterator[None]:
    """Record while the block runs, where TensorFlow is loaded."""
    tensorflow: Any = sys.modules.get("tensorflow")
    if tensorflow is None:
        yield
        return

    def create(following: Any, **keywords: Any) -> Any:
        variable = following(**keywords)
        if len(recording.variables) < _MOST:
            recording.variables.append((variable, user_stack(2)))
        return variable

    original = tensorflow.recompute_grad

    def recompute_grad(function: Any) -> Any:
        wrapped = original(function)
        known = Recomputed(function, wrapped, user_stack(2))
        recording.recomputed.append(known)

        def call(*args: Any, **kwargs: Any) -> Any:
            known.arguments = (args, kwargs)
            return wrapped(*args, **kwargs)

        return call

    tensorflow.recompute_grad = recompute_grad
    try:
        with tensorflow.variable_creator_scope(create):
            yield
    finally:
        tensorflow.recompute_grad = original
