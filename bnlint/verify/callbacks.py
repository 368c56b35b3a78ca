"""What the user's callbacks do to a model in the course of a long training, without the training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from bnlint.verify.objects import kerases
from bnlint.verify.places import is_user_code

_MOST_EPOCHS = 100
_BATCHES = 2
"""Epochs of which a callback also hears of one batch: what it does then it does in each."""


def driven(model: Any, callbacks: Any, epochs: Any) -> None:
    """Tell the user's own callbacks of so many epochs; those of Keras, which write files and stop trainings, hear of none."""
    own = [each for each in callbacks if _is_own(each)] if isinstance(callbacks, (list, tuple)) else []
    count = min(epochs, _MOST_EPOCHS) if isinstance(epochs, int) else 1
    for callback in own:
        with contextlib.suppress(Exception):
            callback.set_model(model)
            callback.on_train_begin({})
            for epoch in range(count):
                callback.on_epoch_begin(epoch, {})
                if epoch < _BATCHES:
                    callback.on_train_batch_begin(0, {})
                    callback.on_train_batch_end(0, {"loss": 1.0})
                callback.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 1.0})


def _is_own(callback: Any) -> bool:
    return any(map(_is_users, _functions(callback)))


def _functions(callback: Any) -> Iterable[Any]:
    """The functions that a callback runs: methods of its class, those that a LambdaCallback was given."""
    lambdas = tuple(keras.callbacks.LambdaCallback for keras in kerases())
    if isinstance(callback, lambdas):
        return [each for each in vars(callback).values() if callable(each)]
    return [each for name, each in vars(type(callback)).items() if name.startswith("on_") or name == "set_model"]


def _is_users(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and is_user_code(code.co_filename)
