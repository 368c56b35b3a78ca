"""What the table tells about a name, a layer, a function, a model of ``keras.applications``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["class", "function", "value"]
ParameterKind = Literal["positional", "var_positional", "keyword", "var_keyword"]
Shift = Literal["commutes", "linear", "merge", "reshape", "breaks"]
BiasAxis = Literal["channels", "last", "special"]

PARAMETER_KINDS: tuple[ParameterKind, ...] = ("positional", "positional", "var_positional", "keyword", "var_keyword")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a dotted name stands for."""

    name: str
    """The canonical name, ``keras.layers.Conv2D``."""
    kind: Kind
    generation: str | None
    """``"2"`` or ``"3"`` where the way it was named, or the name itself, exists in that generation alone; Keras 2 only by import."""
    generations: str
    """The generations that have the thing under any name: ``"2"``, ``"3"``, ``"23"``; empty for names of Keras 1."""
    importable: str
    """The generations in which just this path works; empty for legacy and private paths."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a constructor, a call or a function."""

    name: str
    kind: ParameterKind
    has_default: bool
    default: object
    """None without a default; sequences are tuples; an object is an :class:`Opaque`."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A default that is no plain value."""

    text: str


@dataclass(frozen=True, slots=True)
class Bias:
    """The bias of a linear layer."""

    parameter: str
    """The constructor's parameter that switches it: ``use_bias``, or ``bias_axes`` of EinsumDense (None is off)."""
    axis: BiasAxis
    """``channels``: by the layer's data format; ``last``; ``special``: not one number a channel, or on axes that must be asked."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer or model class."""

    name: str
    generations: str
    family: str
    """A family of :mod:`bnlint.keras_api.shapes`; ``unknown`` for classes without a rule."""
    rank: int | None
    """Spatial axes: 2 for Conv2D."""
    linear: bool
    """A linear map with trainable weights (Dense, convolutions), as long as its ``activation`` is none or linear."""
    bias: Bias | None
    elementwise: bool
    """The same scalar function for every element."""
    shift: Shift
    """What becomes of a constant added to each channel of an input, in training mode and with default arguments.

    ``commutes``: a constant on each channel again. ``linear``: the same, through a linear layer's weights (convolutions:
    without padding). ``merge``: the same, for a constant on any one of several inputs. ``reshape``: depends on where the
    channels go. ``breaks``: anything else, dropout and padding included.
    """
    dropout: str | None
    """The parameter that holds the rate (``rate``) or strength (``stddev``) of noise added in training."""
    normalization: bool
    activation: bool
    ancestors: frozenset[str]
    signatures: Mapping[str, Sequence[Any]]
    since: Mapping[str, str]
    """Keras 3 versions from which a parameter of the constructor exists, where the newest but not every one has it."""
    _decoded: dict[str, tuple[Parameter, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def parameters(self, generation: str = "3") -> tuple[Parameter, ...]:
        """Return the constructor's parameters; those of the other generation where this one lacks the class."""
        found = self._decoded.get(generation)
        if found is None:
            found = self._decoded[generation] = decode(chosen(self.signatures, generation, ((), ()))[0])
        return found

    def call_parameters(self, generation: str = "3") -> tuple[Parameter, ...]:
        """Return the parameters of ``call``, without ``self``."""
        return decode(chosen(self.signatures, generation, ((), ()))[1])

    def default(self, parameter: str, generation: str = "3") -> object:
        """Return the default of a constructor's parameter, None if it has none."""
        return next((each.default for each in self.parameters(generation) if each.name == parameter), None)

    def issubclass(self, other: str) -> bool:
        """Whether the class is, or derives from, the class of this canonical name."""
        return other == self.name or other in self.ancestors


@dataclass(frozen=True)
class OperationInfo:
    """A function of tensors."""

    name: str
    operation: str | None
    """The last word of the class of the node that Keras 3 makes for a symbolic call: ``Add``, ``Relu``, ``Resize``."""
    layer: str | None
    """The layer that ``keras.layers.add`` and the like make: ``keras.layers.Add``."""
    tensors: tuple[str, ...]
    """The parameters that take tensors."""
    family: str
    """``elementwise``, ``broadcast``, ``reduce``, ``reshape``, ``transpose``, ``concatenate``, ``same`` (shape) or ``unknown``."""
    elementwise: bool


@dataclass(frozen=True)
class Application:
    """A constructor of ``keras.applications``, as it is with ``weights=None``."""

    name: str
    generation: str
    parameters: tuple[Parameter, ...]
    input_shape: tuple[int | None, ...]
    """With the batch, for the arguments' defaults."""
    batchnorms: int
    """How many BatchNormalization layers the whole model has, at any depth."""
    variants: Mapping[str, tuple[tuple[str, str], ...]]

    def layers(self, include_top: bool = True, pooling: str | None = None) -> tuple[tuple[str, str], ...]:
        """Return ``model.layers`` in order: canonical class name (a private class by its own name) and layer name.

        Names that Keras numbers are those of the first model in a process.
        """
        return self.variants["top" if include_top else pooling if pooling in ("avg", "max") else "none"]


def chosen(values: Mapping[str, Any], generation: str, default: Any = None) -> Any:
    """Return the entry of a generation, else that of the newest one that there is."""
    for key, value in values.items():
        if generation[:1] in key:
            return value
    return values[max(values)] if values else default


def decode(encoded: Sequence[Any] | None) -> tuple[Parameter, ...]:
    """Return parameters as the data holds them: ``[name]``, ``[name, kind]`` or ``[name, kind, default]``."""
    return tuple(
        Parameter(
            each[0], PARAMETER_KINDS[each[1] if len(each) > 1 else 1], len(each) > 2, _value(each[2]) if len(each) > 2 else None
        )
        for each in encoded or ()
    )


def _value(value: Any) -> object:
    if isinstance(value, list):
        return tuple(_value(each) for each in value)
    if isinstance(value, dict):
        return Opaque(value["repr"]) if "repr" in value else {}
    return value
