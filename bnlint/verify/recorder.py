"""Remembers which line of the source made and called which layer, and what was compiled, trained and frozen.

Keras is wrapped in the child process only, and only for as long as a stage runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from bnlint.finding import Span
from bnlint.verify.effects import Effect, watched_call
from bnlint.verify.methods import EVALUATION, TRAINING
from bnlint.verify.objects import difference, layers_of, learnt, norms_of, statistics
from bnlint.verify.places import Place, is_user_code, overlaps, user_stack
from bnlint.verify.plans import Plan
from bnlint.verify.raised import frames as frames_of
from bnlint.verify.weight_records import Assignment, ListRead, watch

_MOST = 20_000
_MOST_EFFECTS = 12
_WRAPPERS = ("__call__", "error_handler")
"""Functions of Keras that stand between a caller and the ``__call__`` of a layer."""


@dataclass(eq=False)
class Construction:
    """A layer or model and the places, innermost first, that it was made at; ``during`` are the layers in whose calls that was."""

    instance: Any
    stack: tuple[Place, ...]
    time: int
    during: tuple[Any, ...] = ()


@dataclass(eq=False)
class LayerCall:
    """One application of a layer or model.

    ``parent`` is the application inside which it happens, ``direct`` tells whether the user's own code makes it, rather than a
    layer of Keras that holds this one, and ``effect`` is what it did, for calls at a place that a question is about.
    """

    layer: Any
    stack: tuple[Place, ...]
    time: int
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    output: Any = None
    parent: LayerCall | None = None
    direct: bool = True
    effect: Effect | None = None


@dataclass(eq=False)
class Flags:
    """A normalization or other layer with weights when something happened: its flag, the statistics and trainable weights moved."""

    layer: Any
    trainable: bool
    statistics_moved: float | None = None
    weights_moved: float | None = None


@dataclass(eq=False)
class Happening:
    """compile, fit and the like of one model, a write of ``trainable`` (``value``), loaded weights, or an optimizer's ``update``.

    ``flags`` are those behind it, with what moved; ``before`` those in front of it, of the model and all that it holds, of a write
    the normalizations' alone. A training has its ``plan``.
    """

    kind: str
    model: Any
    stack: tuple[Place, ...]
    time: int
    value: Any = None
    flags: list[Flags] = field(default_factory=list)
    before: list[Flags] = field(default_factory=list)
    error: BaseException | None = None
    plan: Plan | None = None


@dataclass(eq=False)
class Failure:
    """A statement of the code that raised; the code went on behind it."""

    error: BaseException
    places: tuple[Place, ...]
    time: int


@dataclass(eq=False)
class Recomputed:
    """A function that is computed again for the gradient, what runs it so, and the arguments of its latest call."""

    function: Callable[..., Any]
    wrapped: Callable[..., Any]
    stack: tuple[Place, ...]
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None


@dataclass
class Recording:
    """Everything seen while a stage ran, in the order of ``time``."""

    constructions: list[Construction] = field(default_factory=list)
    calls: list[LayerCall] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    variables: list[tuple[Any, tuple[Place, ...]]] = field(default_factory=list)
    recomputed: list[Recomputed] = field(default_factory=list)
    lists: list[ListRead] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    reached: dict[int, list[int]] = field(default_factory=dict)
    scopes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    spans: tuple[Span, ...] = ()
    clock: int = 0
    invented: bool = False
    """Data were made up for the code, so that how many there are says nothing."""

    def tick(self) -> int:
        """The next point in time."""
        self.clock += 1
        return self.clock

    def unfinished(self) -> set[int]:
        """The identities of what no constructor has finished, for it raised: no layer has come of that."""
        frames = (frame for each in self.failures for frame in frames_of(each.error) if frame.f_code.co_name == "__init__")
        return {id(frame.f_locals["self"]) for frame in frames if "self" in frame.f_locals}

    def note(self, text: str) -> None:
        """Something that a verdict has to say beside its number, once."""
        if text not in self.notes:
            self.notes.append(text)


Handler = Callable[..., Any]


class Recorder:
    """Wraps one Keras's classes; ``handlers`` take over the training and evaluation methods that the user's code calls."""

    def __init__(self, keras: Any, recording: Recording, handlers: dict[str, Handler]) -> None:
        self.keras, self.recording, self.handlers = keras, recording, handlers
        self._inside = self._paused = self._effects = 0
        self._writing = False
        self._at_tape: dict[int, Any] = {}
        self._active: list[LayerCall] = []
        self._undo: list[Callable[[], None]] = []

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Record while the block runs."""
        layer, model = self.keras.layers.Layer, self.keras.Model
        self._replace(layer, "__new__", self._new(layer))
        self._replace(layer, "__call__", self._call(layer))
        self._replace(layer, "__setattr__", self._set(layer))
        self._watch_updates()
        watch(self.keras, self.recording, self._replace, lambda: bool(self._paused))
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
                recording.constructions.append(
                    Construction(instance, user_stack(2), recording.tick(), tuple(each.layer for each in self._active))
                )
            return instance

        return staticmethod(__new__)

    def _call(self, layer: Any) -> Any:
        original, recording = layer.__call__, self.recording

        def __call__(instance: Any, *args: Any, **kwargs: Any) -> Any:
            if self._paused or len(recording.calls) >= _MOST:
                return original(instance, *args, **kwargs)
            parent = self._active[-1] if self._active else None
            direct = _by_user(sys._getframe(1))
            call = LayerCall(instance, user_stack(2), recording.tick(), args, kwargs, None, parent, direct)
            recording.calls.append(call)
            self._active.append(call)
            try:
                if self._asked(call):
                    call.output, call.effect = watched_call(instance, lambda: original(instance, *args, **kwargs))
                else:
                    call.output = original(instance, *args, **kwargs)
            finally:
                self._active.remove(call)
            return call.output

        return __call__

    def _asked(self, call: LayerCall) -> bool:
        """Whether a question is about a call, so that its effect is of interest; of the first few at least."""
        if not call.direct or not any(overlaps(place, span) for place in call.stack for span in self.recording.spans):
            return False
        self._effects += 1
        return self._effects <= _MOST_EFFECTS

    def _set(self, layer: Any) -> Any:
        original, recording = layer.__setattr__, self.recording

        def __setattr__(instance: Any, name: str, value: Any) -> None:
            if name != "trainable" or self._writing or self._paused or len(recording.happenings) >= _MOST:
                original(instance, name, value)
                return
            stack = user_stack(2)
            if not stack:
                original(instance, name, value)
                return
            happening = Happening("trainable", instance, stack, recording.tick(), value, before=_norm_flags(instance))
            recording.happenings.append(happening)
            self._writing = True
            try:
                original(instance, name, value)
            finally:
                self._writing = False
            happening.flags = _norm_flags(instance)

        return __setattr__

    def _method(self, original: Any, name: str) -> Any:
        def method(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self._inside or self._paused:
                return original(model, *args, **kwargs)
            self._inside += 1
            try:
                happening = Happening(
                    name,
                    model,
                    user_stack(2),
                    self.recording.tick(),
                    before=[Flags(each, bool(each.trainable)) for each in layers_of(model)],
                )
                self.recording.happenings.append(happening)
                handler = self.handlers.get(name)
                if handler is None:
                    result = original(model, *args, **kwargs)
                    happening.flags = _flags_of(model)
                    return result
                return handler(happening, original, *args, **kwargs)
            except BaseException as error:
                happening.error = error
                raise
            finally:
                self._inside -= 1

        method.__name__ = name
        return method

    def _watch_updates(self) -> None:
        """Note each step of an own loop: what the statistics have moved by between its tape's start and its update."""
        if (tensorflow := sys.modules.get("tensorflow")) is not None:
            enter = tensorflow.GradientTape.__enter__

            def __enter__(tape: Any) -> Any:
                if not self._inside and not self._paused:
                    self._at_tape = {id(each): (statistics(each), learnt(each)) for each in self._norms()}
                return enter(tape)

            self._replace(tensorflow.GradientTape, "__enter__", __enter__)
        optimizer = self.keras.optimizers.Optimizer
        for name in ("apply_gradients", "apply"):
            if hasattr(optimizer, name):
                self._replace(optimizer, name, self._update(getattr(optimizer, name)))

    def _update(self, original: Any) -> Any:
        def update(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            if self._inside or self._paused:
                return original(optimizer, *args, **kwargs)
            happening = Happening("update", optimizer, user_stack(2), self.recording.tick())
            self._inside += 1
            try:
                result = original(optimizer, *args, **kwargs)
            finally:
                self._inside -= 1
            before = self._at_tape
            happening.flags = [
                Flags(
                    each,
                    bool(each.trainable),
                    difference(before[id(each)][0], statistics(each)),
                    difference(before[id(each)][1].values(), learnt(each).values()),
                )
                for each in self._norms()
                if id(each) in before
            ]
            self.recording.happenings.append(happening)
            return result

        return update

    def _norms(self) -> list[Any]:
        """The built normalizations of this Keras."""
        norm = self.keras.layers.BatchNormalization
        made = (each.instance for each in self.recording.constructions)
        return [each for each in made if isinstance(each, norm) and statistics(each)]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record the calls of layers while the block runs, and nothing else; fits and the like are left alone."""
        layer = self.keras.layers.Layer
        self._replace(layer, "__call__", self._call(layer))
        try:
            yield
        finally:
            self._undo.pop()()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let trainings and evaluations pass unhandled while the block runs; calls of layers are recorded."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let everything pass unrecorded and unhandled while the block runs."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1


def _by_user(frame: FrameType | None) -> bool:
    """Whether a layer is called by the user's code itself, not by Keras on its behalf."""
    while frame is not None and not is_user_code(frame.f_code.co_filename) and frame.f_code.co_name in _WRAPPERS:
        frame = frame.f_back
    return frame is not None and is_user_code(frame.f_code.co_filename)


def layers_with_weights(model: Any) -> list[Any]:
    """The layers of a model at any depth that are not containers themselves."""
    try:
        layers = list(model._flatten_layers(include_self=False))
    except (AttributeError, ValueError):
        return []
    return [each for each in layers if not list(each._flatten_layers(include_self=False))]


def _flags_of(model: Any) -> list[Flags]:
    return [Flags(each, bool(each.trainable)) for each in layers_with_weights(model)]


def _norm_flags(layer: Any) -> list[Flags]:
    return [Flags(each, bool(each.trainable)) for each in norms_of(layer)]
