"""Remembers which line of the source made and called which layer, and what was compiled, trained and frozen.

Keras is wrapped in the child process only, and only for as long as a stage runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bnlint.verify.places import Place, user_stack
from bnlint.verify.plans import Plan

_MOST = 20_000
TRAINING = ("fit", "fit_generator", "train_on_batch")
EVALUATION = ("evaluate", "evaluate_generator", "predict", "predict_generator", "predict_on_batch", "test_on_batch")


@dataclass(eq=False)
class Construction:
    """A layer or model and the places, innermost first, that it was made at."""

    instance: Any
    stack: tuple[Place, ...]
    time: int


@dataclass(eq=False)
class LayerCall:
    """One application of a layer or model; ``training`` is what the caller gave by keyword, ``symbolic`` a graph's tensors."""

    layer: Any
    stack: tuple[Place, ...]
    time: int
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    output: Any = None


@dataclass(eq=False)
class Flags:
    """A normalization or other layer with weights when something happened: its flag, the statistics and trainable weights moved."""

    layer: Any
    trainable: bool
    statistics_moved: float | None = None
    weights_moved: float | None = None


@dataclass(eq=False)
class Happening:
    """compile, fit and the like of one model, or a write of ``trainable`` (``value``); a training has its ``plan``."""

    kind: str
    model: Any
    stack: tuple[Place, ...]
    time: int
    value: Any = None
    flags: list[Flags] = field(default_factory=list)
    error: BaseException | None = None
    plan: Plan | None = None


@dataclass(eq=False)
class Failure:
    """A statement of the code that raised; the code went on behind it."""

    error: BaseException
    places: tuple[Place, ...]
    time: int


@dataclass
class Recording:
    """Everything seen while a stage ran, in the order of ``time``."""

    constructions: list[Construction] = field(default_factory=list)
    calls: list[LayerCall] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    reached: dict[int, list[int]] = field(default_factory=dict)
    scopes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    clock: int = 0

    def tick(self) -> int:
        """The next point in time."""
        self.clock += 1
        return self.clock

    def note(self, text: str) -> None:
        """Something that a verdict has to say beside its number, once."""
        if text not in self.notes:
            self.notes.append(text)


Handler = Callable[..., Any]


class Recorder:
    """Wraps one Keras's classes; ``handlers`` take over the training and evaluation methods that the user's code calls."""

    def __init__(self, keras: Any, recording: Recording, handlers: dict[str, Handler]) -> None:
        self.keras, self.recording, self.handlers = keras, recording, handlers
        self._inside = self._paused = 0
        self._undo: list[Callable[[], None]] = []

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Record while the block runs."""
        layer, model = self.keras.layers.Layer, self.keras.Model
        self._replace(layer, "__new__", self._new(layer))
        self._replace(layer, "__call__", self._call(layer))
        self._replace(layer, "trainable", self._trainable(layer))
        for name in ("compile", *TRAINING, *EVALUATION):
            if hasattr(model, name):
                self._replace(model, name, self._method(getattr(model, name), name))
        try:
            yield
        finally:
            for undo in reversed(self._undo):
                undo()
            self._undo.clear()

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        if name in vars(owner):
            old = vars(owner)[name]
            self._undo.append(lambda: setattr(owner, name, old))
        else:
            self._undo.append(lambda: delattr(owner, name))
        setattr(owner, name, value)

    def _new(self, layer: Any) -> Any:
        original, recording = layer.__new__, self.recording

        def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:
            instance = original(cls, *args, **kwargs)
            if not self._paused and len(recording.constructions) < _MOST and isinstance(instance, layer):
                recording.constructions.append(Construction(instance, user_stack(2), recording.tick()))
            return instance

        return staticmethod(__new__)

    def _call(self, layer: Any) -> Any:
        original, recording = layer.__call__, self.recording

        def __call__(instance: Any, *args: Any, **kwargs: Any) -> Any:
            if self._paused or len(recording.calls) >= _MOST:
                return original(instance, *args, **kwargs)
            call = LayerCall(instance, user_stack(2), recording.tick(), args, kwargs)
            recording.calls.append(call)
            call.output = original(instance, *args, **kwargs)
            return call.output

        return __call__

    def _trainable(self, layer: Any) -> property:
        original, recording = layer.trainable, self.recording

        def write(instance: Any, value: Any) -> None:
            stack = user_stack(2)
            if stack and not self._paused and len(recording.happenings) < _MOST:
                recording.happenings.append(Happening("trainable", instance, stack, recording.tick(), value))
            original.fset(instance, value)

        return property(original.fget, write)

    def _method(self, original: Any, name: str) -> Any:
        def method(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self._inside or self._paused:
                return original(model, *args, **kwargs)
            self._inside += 1
            try:
                happening = Happening(name, model, user_stack(2), self.recording.tick())
                self.recording.happenings.append(happening)
                handler = self.handlers.get(name)
                if handler is None:
                    result = original(model, *args, **kwargs)
                    happening.flags = [Flags(each, bool(each.trainable)) for each in layers_with_weights(model)]
                    return result
                return handler(happening, original, *args, **kwargs)
            except BaseException as error:
                happening.error = error
                raise
            finally:
                self._inside -= 1

        method.__name__ = name
        return method

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let everything pass unrecorded and unhandled while the block runs."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1


def layers_with_weights(model: Any) -> list[Any]:
    """The layers of a model at any depth that are not containers themselves."""
    try:
        layers = list(model._flatten_layers(include_self=False))
    except (AttributeError, ValueError):
        return []
    return [each for each in layers if not list(each._flatten_layers(include_self=False))]
