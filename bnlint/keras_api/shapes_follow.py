"""Where a constant per channel comes out of a layer: the question behind a bias that a later normalization cancels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from bnlint.keras_api import shapes_einsum
from bnlint.keras_api.shapes_size import Dim, Shape, as_shape, axis_of, number, product


@dataclass(frozen=True, slots=True)
class _Question:
    rank: int | None
    arguments: Mapping[str, object]
    input: Shape
    output: Shape
    axis: int

    @property
    def channels(self) -> int | None:
        """The input's channel axis, of a layer with a data format."""
        if self.input is None:
            return None
        data_format = self.arguments.get("data_format")
        if data_format == "channels_first":
            return 1 if self.rank is None else len(self.input) - self.rank - 1
        return len(self.input) - 1 if data_format in (None, "channels_last") else None

    @property
    def last(self) -> int | None:
        """The output's last axis."""
        return None if self.output is None else len(self.output) - 1


def follow_channels(
    family: str, rank: int | None, arguments: Mapping[str, object], input_shape: Shape, output_shape: Shape, axis: int
) -> int | None:
    """Return the output axis along which a constant added to the input shows as a constant, or ``None``.

    The constant is the same for every sample and depends on the index along the input's ``axis`` (counted from the front)
    alone. On the axis returned the output moves by a constant that depends on that index alone, so that a batch normalization
    over it cancels it. That the layer's arithmetic commutes with adding a constant (which ``Multiply``, ``Maximum`` or a
    dropout does not) is for the caller to know; everything about axes, windows and shapes is answered here.

    Of a layer with several inputs, ``input_shape`` is that of the one the constant was added to. A time-distributed layer
    gives the inner layer's ``inner_family``, ``inner_rank``, ``inner_arguments`` and output shape ``inner`` among its arguments.
    """
    rule = _RULES.get(family)
    if rule is None or axis < 1 or (input_shape is not None and axis >= len(input_shape)):
        return None
    return rule(_Question(rank, arguments, as_shape(input_shape), as_shape(output_shape), axis))


def _kept(question: _Question) -> int | None:
    return question.axis


def _kept_on_channels(question: _Question) -> int | None:
    return question.axis if question.axis == question.channels else None


def _linear(question: _Question) -> bool:
    return question.arguments.get("activation") in (None, "linear")


def _dense(question: _Question) -> int | None:
    if question.input is None or question.axis != len(question.input) - 1 or not _linear(question):
        return None
    return question.last


def _conv(question: _Question) -> int | None:
    # With padding the border windows see less of the constant than the others do.
    padding = question.arguments.get("padding", "valid")
    whole = isinstance(padding, str) and padding.lower() == "valid"
    if not _linear(question) or not (whole or _ones(question.arguments.get("kernel_size"))):
        return None
    return _kept_on_channels(question)


def _conv_transpose(question: _Question) -> int | None:
    pointwise = _ones(question.arguments.get("kernel_size")) and _ones(question.arguments.get("strides", 1))
    unpadded = question.arguments.get("output_padding") is None
    return _kept_on_channels(question) if pointwise and unpadded and _linear(question) else None


def _ones(value: object) -> bool:
    items = value if isinstance(value, (tuple, list)) else [value]
    return bool(items) and all(number(item) == 1 for item in items)


def _global_pool(question: _Question) -> int | None:
    if question.axis != question.channels or question.output is None:
        return None
    return 1 if len(question.output) == 2 else question.axis


def _resize(question: _Question) -> int | None:
    # Every interpolation's weights sum to one, at the borders too; the fill of a padded picture knows nothing of the constant.
    padded = question.arguments.get("pad_to_aspect_ratio", False)
    return _kept_on_channels(question) if padded is False else None


def _flatten(question: _Question) -> int | None:
    # Every position gets a channel of its own, so that any constant is one per channel.
    return 1


def _reshape(question: _Question) -> int | None:
    if question.input is None or question.output is None:
        return None
    return follow_reshape(question.input, question.output, question.axis)


def follow_reshape(before: tuple[Dim, ...], after: tuple[Dim, ...], axis: int, batch: bool = True) -> int | None:
    """Return the axis of ``after`` whose index alone decides the index along ``axis`` before, or ``None``.

    With ``batch`` the first axis is the batch in both shapes and is left alone.
    """
    old = _block(before, axis, int(batch))
    if old.size is not None and old.size == 1:
        return len(after) - 1 if len(after) > int(batch) else None
    for position in reversed(range(int(batch), len(after))):
        if _covers(_block(after, position, int(batch)), old):
            return position
    return None


@dataclass(frozen=True, slots=True)
class _Block:
    """An axis among the flattened positions: the product of the sizes outside it, its own size, that of those inside it."""

    outer: int | None
    size: int | None
    inner: int | None


def _block(shape: tuple[Dim, ...], axis: int, start: int) -> _Block:
    sizes = (product(shape[start:axis]), shape[axis], product(shape[axis + 1 :]))
    outer, size, inner = (value if isinstance(value, int) and value > 0 else None for value in sizes)
    return _Block(outer, size, inner)


def _covers(new: _Block, old: _Block) -> bool:
    # The old index is (flat // old.inner) % old.size. It is decided by the new one, (flat // new.inner) % new.size, where the
    # new block starts no higher and ends no lower; either can be told from the sizes inside or, as the number of elements is
    # the same, from those outside.
    starts = _divides(new.inner, old.inner) or _divides(_times(old.outer, old.size), _times(new.outer, new.size))
    ends = _divides(new.outer, old.outer) or _divides(_times(old.inner, old.size), _times(new.inner, new.size))
    return starts and ends


def _divides(divisor: int | None, value: int | None) -> bool:
    return divisor == 1 or (divisor is not None and value is not None and value % divisor == 0)


def _times(one: int | None, two: int | None) -> int | None:
    return None if one is None or two is None else one * two


def _permute(question: _Question) -> int | None:
    dims = question.arguments.get("dims")
    if not isinstance(dims, (tuple, list)) or question.axis not in dims:
        return None
    return dims.index(question.axis) + 1


def _repeat_vector(question: _Question) -> int | None:
    return 2 if question.axis == 1 else None


def _merge(question: _Question) -> int | None:
    if question.input is None or question.output is None:
        return None
    axis = question.axis - len(question.input) + len(question.output)
    return axis if axis > 0 else None


def _concatenate(question: _Question) -> int | None:
    if question.input is None:
        return None
    joined = axis_of(question.arguments.get("axis", -1), len(question.input))
    return question.axis if question.axis == joined else None


def _einsum_dense(question: _Question) -> int | None:
    if question.input is None or not _linear(question):
        return None
    return shapes_einsum.follow(question.arguments.get("equation"), len(question.input), question.axis)


def _time_distributed(question: _Question) -> int | None:
    arguments, rank = question.arguments.get("inner_arguments"), question.arguments.get("inner_rank")
    family = question.arguments.get("inner_family")
    if question.input is None or question.axis < 2 or not isinstance(family, str) or not isinstance(arguments, Mapping):
        return None
    inner = follow_channels(
        family,
        rank if isinstance(rank, int) else None,
        arguments,
        question.input[:1] + question.input[2:],
        as_shape(question.arguments.get("inner")),
        question.axis - 1,
    )
    return None if inner is None else inner + 1


_Rule: TypeAlias = Callable[[_Question], int | None]

_RULES: Final[Mapping[str, _Rule]] = {
    "same": _kept,
    "crop": _kept,
    "dense": _dense,
    "conv": _conv,
    "depthwise_conv": _conv,
    "separable_conv": _conv,
    "conv_transpose": _conv_transpose,
    "pool": _kept_on_channels,
    "adaptive_pool": _kept_on_channels,
    "global_pool": _global_pool,
    "upsample": _kept,
    "resize": _resize,
    "flatten": _flatten,
    "reshape": _reshape,
    "permute": _permute,
    "repeat_vector": _repeat_vector,
    "merge": _merge,
    "concatenate": _concatenate,
    "einsum_dense": _einsum_dense,
    "time_distributed": _time_distributed,
}
