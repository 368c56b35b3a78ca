"""Watch the batch normalizations of a model while it runs eagerly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from bnlint.verify.live import Live, to_array
from bnlint.verify.reference import Moments, moments
from bnlint.verify.synthetic import leaves
from bnlint.verify.unchanged import Undo, keep

NOT_GIVEN = object()

_KEEPS_CHANNELS = frozenset(
    {
        *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "Softmax"),
        *("Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Rescaling"),
        *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
    }
)
"""Layers whose output has its channels on the axis of their input. Those with a ``data_format`` say it themselves."""


@dataclass(frozen=True)
class NormCall:
    """One call of a batch normalization.

    ``given`` is the ``training`` that the call itself passed, or NOT_GIVEN; ``training`` what reached the layer.
    ``moments`` are those of its input along its axis, where they were asked for and the input had a value.
    ``channels`` is the axis on which the layer before put its channels, where that is known.
    """

    layer: Any
    given: object
    training: bool
    shape: tuple[int, ...]
    moments: Moments | None
    channels: int | None


@dataclass
class Recorder:
    """A context in which every call of a batch normalization of the model's Keras is noted.

    ``measured`` asks for the moments of the inputs. With ``axes`` the axis of the channels is followed from layer to layer,
    for which all tensors are kept until the end. Variables of layers that the model does not track, and which nobody else
    puts back, get back their values at the end.
    """

    live: Live
    measured: bool = False
    axes: bool = False
    calls: list[NormCall] = field(default_factory=list)
    tracked: set[int] = field(default_factory=set)
    strays: list[Undo] = field(default_factory=list)
    _given: list[object] = field(default_factory=list)
    _channels: dict[int, tuple[int, Any]] = field(default_factory=dict)
    _patched: list[tuple[Any, str, Any]] = field(default_factory=list)

    def __enter__(self) -> Recorder:  # noqa: PYI034 - Self is not in Python 3.10
        self.tracked = {id(layer) for layer in self.live.layers()}
        layer_class = self.live.keras.layers.Layer
        self._patch(next(kind for kind in layer_class.__mro__ if "__call__" in vars(kind)), "__call__", self._call_of_layer)
        self._patch(self.live.norm_class, "call", self._call_of_norm)
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, original in reversed(self._patched):
            setattr(owner, name, original)
        for undo in self.strays:
            undo()
        self._patched.clear()
        self._channels.clear()

    def _patch(self, owner: Any, name: str, replacement: Callable[[Any], Any]) -> None:
        original = vars(owner)[name]
        self._patched.append((owner, name, original))
        setattr(owner, name, replacement(original))

    def _call_of_layer(self, original: Any) -> Any:
        @wraps(original)
        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if self.live.is_norm(layer):
                self._given.append(kwargs.get("training", args[1] if len(args) > 1 else NOT_GIVEN))
                try:
                    result = original(layer, *args, **kwargs)
                finally:
                    self._given.pop()
            else:
                result = original(layer, *args, **kwargs)
            if self.axes:
                self._note_channels(layer, args[0] if args else None, result)
            return result

        return call

    def _call_of_norm(self, original: Any) -> Any:
        @wraps(original)
        def call(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            self._note(layer, inputs, kwargs.get("training", args[0] if args else None))
            return original(layer, inputs, *args, **kwargs)

        return call

    def _note(self, layer: Any, inputs: Any, training: Any) -> None:
        if id(layer) not in self.tracked:
            self.tracked.add(id(layer))
            self.strays += [keep(variable) for variable in layer.variables]
        seen = None
        if self.measured:
            try:
                axis = layer.axis if isinstance(layer.axis, int) else tuple(layer.axis)
                seen = moments(to_array(inputs), axis)
            except Exception:  # noqa: BLE001 - each backend has its own error for a symbolic tensor, which has no value
                seen = None
        given = self._given[-1] if self._given else NOT_GIVEN
        channels = self._channels.get(id(inputs), (None, None))[0]
        try:
            mode = bool(training)
        except Exception:  # noqa: BLE001 - likewise for a symbolic mode
            mode = False
        self.calls.append(NormCall(layer, given, mode and bool(layer.trainable), tuple(inputs.shape), seen, channels))

    def _note_channels(self, layer: Any, inputs: Any, result: Any) -> None:
        rank = len(getattr(result, "shape", ()))
        form = getattr(layer, "data_format", None)
        if rank < 3 or type(layer).__name__ == "Flatten":
            return
        if form in ("channels_last", "channels_first") and len(getattr(inputs, "shape", ())) == rank:
            self._channels[id(result)] = (rank - 1 if form == "channels_last" else 1, result)
        elif type(layer).__name__ in _KEEPS_CHANNELS and id(inputs) in self._channels:
            self._channels[id(result)] = (self._channels[id(inputs)][0], result)


def tensors_of(result: Any) -> list[Any]:
    """The arrays of a model's outputs, in order."""
    return [to_array(each) for each in leaves(result)]
