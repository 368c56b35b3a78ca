"""The shape rule of every layer family.

A rule takes a :class:`Request` and gives the shape of the output, or a list of shapes for a layer with several outputs. The
arguments in :data:`ALTERNATIVES` are never :data:`UNKNOWN` in a request: the caller tries every value they may have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from bnlint.keras_api import shapes_operations as operations
from bnlint.keras_api.shapes_einsum import einsum_dense_shape
from bnlint.keras_api.shapes_size import (
    UNKNOWN,
    Dim,
    Number,
    Shape,
    as_shape,
    axis_of,
    number,
    numbers,
    pairs,
    product,
    transposed_window,
    window,
)

Output: TypeAlias = Shape | list[Shape]

ALTERNATIVES: Final[Mapping[str, tuple[object, ...]]] = {
    "data_format": ("channels_last", "channels_first"),
    "keepdims": (False, True),
    "return_sequences": (False, True),
    "return_state": (False, True),
    "return_attention_scores": (False, True),
    "merge_mode": ("concat", "sum", None),
}
PADDINGS: Final = ("valid", "same")


class Placed(NamedTuple):
    """An input's shape taken apart at its channel axis."""

    lead: tuple[Dim, ...]
    spatial: tuple[Dim, ...]
    channels: Dim
    first: bool

    def with_(self, spatial: Sequence[Dim], channels: Dim) -> Shape:
        """Put the shape together again."""
        return (*self.lead, channels, *spatial) if self.first else (*self.lead, *spatial, channels)


@dataclass(frozen=True, slots=True)
class Request:
    """What a shape rule may look at."""

    rank: int | None
    arguments: Mapping[str, object]
    inputs: tuple[Shape, ...]
    generation: str = "3"

    @property
    def shape(self) -> Shape:
        """The first input's shape."""
        return self.inputs[0] if self.inputs else None

    @property
    def legacy(self) -> bool:
        """Whether this is Keras 1 or 2."""
        return self.generation[:1] in ("1", "2")

    @property
    def first(self) -> bool:
        """Whether the channels come before the space."""
        return self.arguments.get("data_format") == "channels_first"

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a yes-or-no argument."""
        return bool(self.arguments.get(name, default))

    def number(self, name: str) -> Number:
        """Return an argument that is one number."""
        return number(self.arguments.get(name, UNKNOWN))

    def numbers(self, name: str, default: object, count: int) -> tuple[Number, ...]:
        """Return an argument that holds a number for each spatial axis, or one for all."""
        return numbers(self.arguments.get(name, default), count)

    def padding(self) -> str:
        """Return the padding's name in lower case."""
        return str(self.arguments.get("padding", "valid")).lower()

    def placed(self, more: int = 0) -> Placed | None:
        """Take the first input apart; with an unknown rank it has the fewest axes the layer takes, plus ``more``."""
        rank, shape = self.rank, self.shape
        if rank is None:
            rank = None if shape is None else len(shape) - 2 - more
        if rank is None or rank < 1:
            return None
        if shape is None:
            shape = (UNKNOWN,) * (rank + 2 + more)
        lead = len(shape) - rank - 1
        if lead < 1:
            return None
        if self.first:
            return Placed(shape[:lead], shape[lead + 1 :], shape[lead], True)
        return Placed(shape[:lead], shape[lead:-1], shape[-1], False)


def _dense(request: Request) -> Output:
    return None if not request.shape else (*request.shape[:-1], request.number("units"))


def _windows(request: Request, spatial: tuple[Dim, ...]) -> list[Dim]:
    count = len(spatial)
    kernels = request.numbers("kernel_size", UNKNOWN, count)
    strides = request.numbers("strides", 1, count)
    dilations = request.numbers("dilation_rate", 1, count)
    return [window(*sizes, request.padding()) for sizes in zip(spatial, kernels, strides, dilations, strict=True)]


def _conv(request: Request) -> Output:
    placed = request.placed()
    return placed and placed.with_(_windows(request, placed.spatial), request.number("filters"))


def _depthwise_conv(request: Request) -> Output:
    placed = request.placed()
    if placed is None:
        return None
    multiplier = number(request.arguments.get("depth_multiplier", 1))
    return placed.with_(_depthwise_windows(request, placed.spatial), product((placed.channels, multiplier)))


def _separable_conv(request: Request) -> Output:
    placed = request.placed()
    return placed and placed.with_(_depthwise_windows(request, placed.spatial), request.number("filters"))


def _depthwise_windows(request: Request, spatial: tuple[Dim, ...]) -> list[Dim]:
    sizes = _windows(request, spatial)
    dilations = request.numbers("dilation_rate", 1, len(spatial))
    return _all_or_none(spatial, sizes) if request.legacy and dilations != (1,) * len(spatial) else sizes


def _all_or_none(spatial: tuple[Dim, ...], sizes: list[Dim]) -> list[Dim]:
    # Some of the operations under Keras 2 forget every size of the space as soon as one is free.
    if None in spatial:
        return [None] * len(sizes)
    return [UNKNOWN] * len(sizes) if UNKNOWN in spatial else sizes


def _conv_transpose(request: Request) -> Output:
    placed = request.placed()
    if placed is None:
        return None
    count = len(placed.spatial)
    kernels = request.numbers("kernel_size", UNKNOWN, count)
    strides = request.numbers("strides", 1, count)
    dilations = request.numbers("dilation_rate", 1, count)
    if request.legacy and count == 3:
        dilations = (1, 1, 1)  # Keras 2 takes the argument and does nothing with it.
    extra: tuple[Number | None, ...] = (None,) * count
    if request.arguments.get("output_padding") is not None:
        extra = request.numbers("output_padding", UNKNOWN, count)
    sizes = zip(placed.spatial, kernels, strides, dilations, extra, strict=True)
    spatial = [transposed_window(size, k, s, d, request.padding(), e) for size, k, s, d, e in sizes]
    return placed.with_(spatial, request.number("filters"))


def _pool(request: Request) -> Output:
    placed = request.placed()
    if placed is None:
        return None
    count = len(placed.spatial)
    pools = request.numbers("pool_size", 2, count)
    strides = pools if request.arguments.get("strides") is None else request.numbers("strides", UNKNOWN, count)
    padding = request.padding()
    spatial = [window(size, p, s, 1, padding) for size, p, s in zip(placed.spatial, pools, strides, strict=True)]
    return placed.with_(spatial, placed.channels)


def _global_pool(request: Request) -> Output:
    placed = request.placed()
    keep = request.flag("keepdims")
    if placed is None:
        return None if keep else (UNKNOWN, UNKNOWN)
    return placed.with_((1,) * len(placed.spatial) if keep else (), placed.channels)


def _adaptive_pool(request: Request) -> Output:
    placed = request.placed()
    return placed and placed.with_(request.numbers("output_size", UNKNOWN, len(placed.spatial)), placed.channels)


def _flatten(request: Request) -> Output:
    shape = request.shape
    if shape is None:
        return (UNKNOWN, UNKNOWN)
    return (shape[0], product(shape[1:])) if shape else None


def _reshape(request: Request) -> Output:
    shape = request.shape
    target = as_shape(request.arguments.get("target_shape", UNKNOWN))
    if target is None or shape == ():
        return None
    batch, rest = (UNKNOWN, None) if shape is None else (shape[0], shape[1:])
    inner = operations.reshape(rest, target)
    return None if inner is None else (batch, *inner)


def _permute(request: Request) -> Output:
    dims = request.arguments.get("dims", UNKNOWN)
    if not isinstance(dims, (tuple, list)):
        return None if request.shape is None else (request.shape[:1] + (UNKNOWN,) * (len(request.shape) - 1))
    return operations.transpose(request.shape, (0, *dims))


def _repeat_vector(request: Request) -> Output:
    batch, features = request.shape if request.shape is not None and len(request.shape) == 2 else (UNKNOWN, UNKNOWN)
    return (batch, request.number("n"), features)


def _crop(request: Request) -> Output:
    placed = request.placed()
    if placed is None:
        return None
    default = {1: (1, 1), 2: ((0, 0), (0, 0))}.get(len(placed.spatial), 1)
    cuts = pairs(request.arguments.get("cropping", default), len(placed.spatial))
    return placed.with_([_resized(s, c, -1) for s, c in zip(placed.spatial, cuts, strict=True)], placed.channels)


def _pad(request: Request) -> Output:
    placed = request.placed()
    if placed is None:
        return None
    pads = pairs(request.arguments.get("padding", 1), len(placed.spatial))
    return placed.with_([_resized(s, p, 1) for s, p in zip(placed.spatial, pads, strict=True)], placed.channels)


def _resized(size: Dim, change: tuple[Number, Number], sign: int) -> Dim:
    before, behind = change
    if size is None:
        return None
    if size is UNKNOWN or before is UNKNOWN or behind is UNKNOWN:
        return UNKNOWN
    new = size + sign * (before + behind)
    return new if new > 0 else UNKNOWN


def _upsample(request: Request) -> Output:
    placed = request.placed()
    if placed is None:
        return None
    factors = request.numbers("size", 2, len(placed.spatial))
    sizes = [product(both) for both in zip(placed.spatial, factors, strict=True)]
    if request.legacy and len(sizes) == 2:
        sizes = _all_or_none(placed.spatial, sizes)
    return placed.with_(sizes, placed.channels)


def _resize(request: Request) -> Output:
    shape = request.shape
    if shape is None or len(shape) < 3:
        return None
    size = (request.number("height"), request.number("width"))
    return (*shape[:-2], *size) if request.first else (*shape[:-3], *size, shape[-1])


def _merge(request: Request) -> Output:
    known = [shape for shape in request.inputs if shape]
    if not known or len(known) < len(request.inputs):
        return None
    if len(known) == 1:
        return known[0]
    rank = max(map(len, known))
    padded = [(1,) * (rank - len(shape)) + shape[1:] for shape in known]
    if request.legacy:
        batch = operations.broadcast_sizes([shape[0] for shape in known])
        return (batch, *(operations.broadcast_sizes(column) for column in zip(*padded, strict=True)))
    return (_merged_batch([shape[0] for shape in known]), *(_merged(column) for column in zip(*padded, strict=True)))


def _merged(sizes: Sequence[Dim]) -> Dim:
    # Keras 3 declares the size free as soon as one of the inputs' is.
    wide = {size for size in sizes if size != 1}
    return None if None in sizes else UNKNOWN if UNKNOWN in wide else operations.broadcast_sizes(sizes)


def _merged_batch(sizes: Sequence[Dim]) -> Dim:
    given = {size for size in sizes if size is not None}
    if UNKNOWN in given:
        return UNKNOWN
    return given.pop() if len(given) == 1 else None


def _concatenate(request: Request) -> Output:
    axis = request.arguments.get("axis", -1)
    shape = operations.concatenate(request.inputs, axis)
    along = None if shape is None else axis_of(axis, len(shape))
    if not request.legacy or shape is None or along is None or None in request.inputs:
        return shape
    columns = zip(*(known for known in request.inputs if known is not None), strict=True)
    return tuple(shape[i] if i == along else _agreed(column) for i, column in enumerate(columns))


def _agreed(sizes: Sequence[Dim]) -> Dim:
    fixed = {size for size in sizes if isinstance(size, int)}
    if len(fixed) == 1:
        return fixed.pop()
    return None if set(sizes) == {None} else UNKNOWN


def _dot(request: Request) -> Output:
    if len(request.inputs) != 2:
        return None
    left, right = request.inputs
    if not left or not right:
        return None
    axes = request.arguments.get("axes", UNKNOWN)
    first, second = axes if isinstance(axes, (tuple, list)) and len(axes) == 2 else (axes, axes)
    one, two = axis_of(first, len(left)), axis_of(second, len(right))
    count = max(2, len(left) + len(right) - 3)
    if one is None or two is None:
        return (UNKNOWN,) * count
    rest = right[:two] + right[two + 1 :]
    shape = left[:one] + left[one + 1 :] + rest[1:]
    return shape if len(shape) != 1 else (*shape, 1)


def _embedding(request: Request) -> Output:
    return None if request.shape is None else (*request.shape, request.number("output_dim"))


def _rnn(request: Request) -> Output:
    shape = request.shape
    if shape is None or len(shape) < 3:
        shape = (UNKNOWN,) * 3
    units = request.number("units")
    batch = shape[1] if request.flag("time_major") else shape[0]
    output: Shape = (*shape[:2], units) if request.flag("return_sequences") else (batch, units)
    if not request.flag("return_state"):
        return output
    count = _state_count(request.arguments)
    return None if count is None else [output, *[(batch, units)] * count]


def _state_count(arguments: Mapping[str, object]) -> int | None:
    count = number(arguments.get("states", UNKNOWN))
    if count is not UNKNOWN:
        return count if 0 <= count <= 100 else None
    if "unit_forget_bias" in arguments:
        return 2
    return 1 if "reset_after" in arguments else None


def _conv_rnn(request: Request) -> Output:
    placed = request.placed(more=1)
    if placed is None or len(placed.lead) != 2:
        return None
    batch, steps = placed.lead
    step = placed._replace(lead=(batch,)).with_(_windows(request, placed.spatial), request.number("filters"))
    if step is None:
        return None
    output: Shape = (batch, steps, *step[1:]) if request.flag("return_sequences") else step
    return [output, step, step] if request.flag("return_state") else output


def _bidirectional(request: Request) -> Output:
    inner = request.arguments.get("inner", UNKNOWN)
    several = isinstance(inner, list) and all(isinstance(part, (tuple, list)) or part is None for part in inner)
    first, *states = [as_shape(part) for part in inner] if several and isinstance(inner, list) and inner else [as_shape(inner)]
    mode = request.arguments.get("merge_mode", "concat")
    if mode is None:
        return [first, first, *states, *states]
    if mode == "concat" and first:
        first = (*first[:-1], product((2, first[-1])))
    return [first, *states, *states] if states else first


def _time_distributed(request: Request) -> Output:
    inner = as_shape(request.arguments.get("inner", UNKNOWN))
    if not inner:
        return None
    steps = request.shape[1] if request.shape is not None and len(request.shape) > 1 else UNKNOWN
    return (inner[0], steps, *inner[1:])


def _einsum_dense(request: Request) -> Output:
    return einsum_dense_shape(
        request.arguments.get("equation"), request.arguments.get("output_shape"), request.shape, request.legacy
    )


def _attention(request: Request) -> Output:
    query = request.shape
    value = request.inputs[1] if len(request.inputs) > 1 else None
    key = request.inputs[2] if len(request.inputs) > 2 else value
    heads = next((name for name in ("num_heads", "num_query_heads") if name in request.arguments), None)
    if not query:
        output: Shape = None
    elif heads is not None:
        output = query
        wanted = request.arguments.get("output_shape")
        if wanted is not None:
            sizes = as_shape(wanted if isinstance(wanted, (tuple, list)) else (wanted,))
            output = None if wanted is UNKNOWN or sizes is None else (*query[:-1], *sizes)
    else:
        output = (*query[:-1], value[-1] if value else UNKNOWN)
    if not request.flag("return_attention_scores"):
        return output
    return [output, _scores(request, query, key, heads)]


def _scores(request: Request, query: Shape, key: Shape, heads: str | None) -> Shape:
    if query is None or len(query) < 2:
        return None
    length = key[-2] if key is not None and len(key) > 1 else UNKNOWN
    if heads is None:
        return (*query[:-1], length)
    if heads == "num_heads" and not request.legacy:
        # Keras 3 declares the scores of MultiHeadAttention square, whatever the length of the keys.
        length = query[1]
    return (query[0], request.number(heads), query[1], length)


def _same(request: Request) -> Output:
    return request.shape


def _unknown(request: Request) -> Output:
    return None


Rule: TypeAlias = Callable[[Request], Output]

RULES: Final[Mapping[str, Rule]] = {
    "dense": _dense,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "depthwise_conv": _depthwise_conv,
    "separable_conv": _separable_conv,
    "locally_connected": _conv,
    "pool": _pool,
    "global_pool": _global_pool,
    "adaptive_pool": _adaptive_pool,
    "flatten": _flatten,
    "reshape": _reshape,
    "permute": _permute,
    "repeat_vector": _repeat_vector,
    "crop": _crop,
    "pad": _pad,
    "upsample": _upsample,
    "resize": _resize,
    "merge": _merge,
    "concatenate": _concatenate,
    "dot": _dot,
    "embedding": _embedding,
    "rnn": _rnn,
    "conv_rnn": _conv_rnn,
    "bidirectional": _bidirectional,
    "time_distributed": _time_distributed,
    "einsum_dense": _einsum_dense,
    "attention": _attention,
    "same": _same,
    "unknown": _unknown,
}
