"""What an exception tells about where in Keras it comes from, by the frames it passed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from bnlint.verify.places import is_user_code


def frames(error: BaseException) -> Iterator[FrameType]:
    """The frames that an exception passed, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def let_go(error: BaseException) -> None:
    """Drop what the training loops of Keras hold in the frames that an exception passed.

    A tf.data iterator has threads of its own, each with a stack of megabytes that counts as the process's memory. Some hundred
    fits that failed, kept as long as their exceptions are, would end it: by a refused thread, or inside native code.
    """
    for frame in frames(error):
        if _is_keras(frame) and {"trainer", "training", "epoch_iterator"} & set(str(frame.f_globals["__name__"]).split(".")):
            with contextlib.suppress(RuntimeError):  # a frame that is running holds on to what it needs
                frame.clear()


def raised_in_keras(error: BaseException) -> bool:
    """Whether Keras, or what it uses, raised an exception, rather than the user's own code or a library that is not here."""
    known = list(frames(error))
    return bool(known) and not is_user_code(known[-1].f_code.co_filename) and any(map(_is_keras, known))


def passed(error: BaseException, test: Callable[[FrameType], bool]) -> bool:
    """Whether an exception passed a frame of a library of which something is true."""
    return any(test(each) for each in frames(error) if not is_user_code(each.f_code.co_filename))


def constructs_a_norm(frame: FrameType) -> bool:
    """Whether a frame is the constructor of a batch normalization."""
    from bnlint.verify.objects import is_norm

    return frame.f_code.co_name == "__init__" and is_norm(frame.f_locals.get("self"))


def holds_the_class(frame: FrameType) -> bool:
    """Whether Keras was handed a class of batch normalizations itself, where it works on layers."""
    held = [value for name, value in frame.f_locals.items() if name not in ("cls", "__class__")]
    return _is_keras(frame) and any(map(_is_norm_class, held))


def refuses_its_input(frame: FrameType) -> bool:
    """Whether Keras finds in a frame that a batch normalization was built for other inputs."""
    from bnlint.verify.objects import is_norm

    held = (value for value in frame.f_locals.values() if getattr(value, "built", False))
    before = frame.f_code.co_name in ("__call__", "_assert_input_compatibility")
    return before and any(map(is_norm, held)) and _is_keras(frame)


def adds_state(frame: FrameType) -> bool:
    """Whether Keras keeps account in a frame of the layers that another layer has got."""
    return str(frame.f_globals.get("__name__", "")).endswith(".utils.tracking")


def _is_norm_class(value: Any) -> bool:
    from bnlint.verify.objects import kerases

    return isinstance(value, type) and any(issubclass(value, each.layers.BatchNormalization) for each in kerases())


def _is_keras(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in ("keras", "tf_keras")
