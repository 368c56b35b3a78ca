"""Shapes of tensors, as Keras works them out, without Keras.

:func:`output_shape` answers for a layer, the functions taken from :mod:`bnlint.keras_api.shapes_operations` for operators and
functions, :func:`channel_axis` and :func:`follow_channels` for the axis a bias is added on. Nothing here raises, whatever
code Keras would refuse: what cannot be told is an :data:`UNKNOWN` size or a shape of unknown rank, ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product as every

from bnlint.keras_api import shapes_einsum
from bnlint.keras_api.shapes_follow import follow_channels, follow_reshape
from bnlint.keras_api.shapes_layers import ALTERNATIVES, PADDINGS, RULES, Output, Request
from bnlint.keras_api.shapes_operations import (
    Index,
    broadcast,
    concatenate,
    expand_dims,
    matmul,
    reduce,
    reshape,
    slice_shape,
    split,
    squeeze,
    stack,
    transpose,
)
from bnlint.keras_api.shapes_size import UNKNOWN, Dim, Shape, UnknownSize, as_shape, join

__all__ = [
    "FAMILIES",
    "UNKNOWN",
    "Dim",
    "Index",
    "Shape",
    "UnknownSize",
    "as_shape",
    "broadcast",
    "channel_axis",
    "concatenate",
    "expand_dims",
    "follow_channels",
    "follow_reshape",
    "join",
    "matmul",
    "output_shape",
    "reduce",
    "reshape",
    "slice_shape",
    "split",
    "squeeze",
    "stack",
    "transpose",
]

FAMILIES = frozenset(RULES)
"""The names of the families that :func:`output_shape` knows."""

_PADDED = ("conv", "conv_transpose", "depthwise_conv", "separable_conv", "locally_connected", "pool", "conv_rnn")
_ON_FORMAT = (*_PADDED, "global_pool", "adaptive_pool", "crop", "pad", "upsample", "resize")
_ON_LAST = ("dense", "embedding", "rnn", "bidirectional", "attention")


def output_shape(
    family: str, rank: int | None, arguments: Mapping[str, object], inputs: Sequence[Shape], generation: str = "3"
) -> Shape | list[Shape]:
    """Return the shape of a layer's output, or a list of shapes for a layer with several outputs.

    ``rank`` is the number of spatial axes of the layer's class (2 for ``Conv2D``), ``None`` where it has no such number.
    ``arguments`` are the constructor's arguments under Keras's present names, :data:`UNKNOWN` where bnlint cannot tell them; a
    missing one has its default. Beyond those: ``inner`` is the output shape of a wrapped layer (a list for one with several
    outputs), ``states`` the number of a recurrent layer's states, ``return_attention_scores`` what the call asked for.
    ``generation`` begins with Keras's major version.
    """
    rule = RULES.get(family)
    if rule is None:
        return None
    shapes = tuple(as_shape(shape) for shape in inputs)
    depth = rank if isinstance(rank, int) and 0 < rank < 4 else None
    choices = dict(ALTERNATIVES, padding=PADDINGS) if family in _PADDED else ALTERNATIVES
    open_names = [name for name in choices if arguments.get(name) is UNKNOWN]
    outputs = [
        rule(Request(depth, {**arguments, **dict(zip(open_names, values, strict=True))}, shapes, generation))
        for values in every(*(choices[name] for name in open_names))
    ]
    return outputs[0] if len(outputs) == 1 else _joined(outputs)


def _joined(outputs: Sequence[Output]) -> Output:
    lists = [output for output in outputs if isinstance(output, list)]
    if not lists:
        return join([output for output in outputs if not isinstance(output, list)])
    if len(lists) < len(outputs) or len({len(output) for output in lists}) > 1:
        return None
    return [join(shapes) for shapes in zip(*lists, strict=True)]


def channel_axis(family: str, arguments: Mapping[str, object], data_format: str | None = None) -> int | None:
    """Return the axis of the output that holds the channels: 1 or more from the front, negative from the end.

    ``data_format`` is the one configured for Keras, used where the layer does not say; ``None`` is ``channels_last``. The
    answer is ``None`` for a family without channels of its own, and where the format is not known.
    """
    if family in _ON_LAST:
        return -1
    if family == "einsum_dense":
        return shapes_einsum.bias_axis(arguments.get("equation"), arguments.get("bias_axes"))
    if family == "time_distributed":
        return _inner_channel_axis(arguments, data_format)
    if family not in _ON_FORMAT:
        return None
    own = arguments.get("data_format")
    used = own if own is not None else data_format
    if used not in (None, "channels_last", "channels_first"):
        return None
    if used != "channels_first":
        return -1
    if family == "global_pool" and arguments.get("keepdims") is UNKNOWN:
        return 1
    if family == "conv_rnn":
        returned = arguments.get("return_sequences", False)
        return None if returned is UNKNOWN else 2 if returned else 1
    return 1


def _inner_channel_axis(arguments: Mapping[str, object], data_format: str | None) -> int | None:
    family, inner = arguments.get("inner_family"), arguments.get("inner_arguments")
    if not isinstance(family, str) or not isinstance(inner, Mapping):
        return None
    axis = channel_axis(family, inner, data_format)
    return axis if axis is None or axis < 0 else axis + 1
