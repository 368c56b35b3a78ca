"""Every shape rule and every channel that is followed, compared with what installed Keras 3 and Keras 2 (tf_keras) do."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from bnlint.keras_api.shapes import FAMILIES, UNKNOWN, Shape, follow_channels, output_shape

Case = tuple[str, dict[str, Any], Sequence[Shape]]
"""A layer's class, its constructor's arguments, the shapes of its inputs."""

LAYERS_ABSENT = {("3", "locally_connected"), ("2", "adaptive_pool")}
FORMATS = ("channels_last", "channels_first", None)
ONE_CLASS = {1: "1D", 2: "2D", 3: "3D"}


@pytest.fixture(scope="module", params=["3", "2"])
def generation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def keras(generation: str) -> Any:
    return importlib.import_module("keras" if generation == "3" else "tf_keras")


def spaces(rank: int) -> list[tuple[int | None, ...]]:
    return [(9, 12, 7)[:rank], (None,) * rank, (8, None, 10)[:rank]]


def options(**values: Iterable[Any]) -> list[dict[str, Any]]:
    """Every combination of the values."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def each(names: Sequence[str], arguments: Sequence[dict[str, Any]], inputs: Sequence[Sequence[Shape]]) -> list[Case]:
    """Every layer with all the arguments on all the inputs."""
    return list(product(names, arguments, inputs))


def images(
    name: str,
    arguments: Sequence[dict[str, Any]],
    ranks: Sequence[int] = (1, 2, 3),
    formats: Sequence[str | None] = FORMATS,
    **more: Any,
) -> list[Case]:
    """The layer of every rank, with the arguments, in every data format."""
    cases: list[Case] = []
    for rank, chosen, data_format in product(ranks, arguments, formats):
        given = {**more, **chosen, **({"data_format": data_format} if data_format else {})}
        first = data_format == "channels_first"
        inputs = [[(None, 4, *space) if first else (None, *space, 4)] for space in spaces(rank)]
        cases += each([name + ONE_CLASS[rank]], [given], inputs)
    return cases


def sequences_of_images(arguments: Sequence[dict[str, Any]]) -> list[Case]:
    cases: list[Case] = []
    for chosen, data_format, steps, space in product(arguments, FORMATS, (5, None), spaces(2)[:2]):
        shape: Shape = (None, steps, 4, *space) if data_format == "channels_first" else (None, steps, *space, 4)
        cases.append(("ConvLSTM2D", {"filters": 6, "data_format": data_format, **chosen}, [shape]))
    return cases


STRIDED = options(kernel_size=[1, 2, 3], strides=[1, 2], padding=["valid", "same", "SAME"])
DILATED = options(kernel_size=[2, 3], dilation_rate=[2, 3], padding=["valid", "same"])
UNEVEN = options(kernel_size=[(3, 2)], strides=[1, (2, 1), (3, 2)], padding=["valid", "same"])
LENGTHENED = options(kernel_size=[2, 3, 4], strides=[3], padding=["same", "valid"], output_padding=[0, 1, 2])
SERIES: list[list[Shape]] = [[(None, 5, 3)], [(2, None, 3)], [(None, None, 3)]]
MERGED: list[list[Shape]] = [
    [(None, 4), (None, 4)],
    [(None, None, 4), (None, 3, 4)],
    [(2, 3, 4), (None, 3, 4)],
    [(None, 1, 4), (None, None, 4)],
    [(None, 3, 4), (None, 4)],
    [(None, None, None, 8), (None, 6, 6, 8)],
]
THREE: list[Shape] = [(None, 3, 4), (None, 1, 4), (None, 3, 1)]
JOINED: list[list[Shape]] = [
    [(None, 4, 4), (None, 4, 4)],
    [(None, None, 4), (None, None, 6)],
    [(2, 3, 4), (None, 3, 4), (None, 3, 4)],
    [(None, 3, 4), (None, None, 4)],
    [(None, None, 4), (None, 3, 4)],
]
DOTTED: list[tuple[Any, list[Shape]]] = [
    (1, [(None, 4), (None, 4)]),
    (-1, [(None, 3, 4), (None, 5, 4)]),
    ((2, 1), [(None, 3, 4), (None, 4, 5)]),
    ([1, 1], [(None, None, 4), (None, None, 5)]),
    ((1, 2), [(None, 4), (None, 3, 4)]),
]
PERMUTED: list[tuple[Any, Shape]] = [
    ((2, 1), (None, 3, 4)),
    ((3, 1, 2), (None, 3, None, 5)),
    ((2, 3, 1), (2, 3, 4, 5)),
    ([1], (None, 4)),
]
EQUATIONS: list[tuple[str, Any, Shape]] = [
    ("ab,bc->ac", 64, (None, 32)),
    ("abc,cd->abd", (None, 64), (None, 32, 128)),
    ("abc,cd->abd", (32, 64), (None, 32, 128)),
    ("...x,xy->...y", 64, (None, 32, 128)),
    ("...x,xy->...y", [64], (None, None, 7, 128)),
    ("abc,cde->abde", (None, 8, 16), (None, 32, 128)),
    ("abde,dec->abc", (None, 10), (None, 32, 8, 16)),
    ("ab...,bc->ac...", 5, (None, 4, 6, 7)),
]
PICTURES: list[list[Shape]] = [[(None, 12, 14, 16)], [(None, None, None, 16)], [(8, 12, 16)]]
ATTENDED: list[list[Shape]] = [[(None, 5, 8), (None, 7, 8)], [(None, None, 8), (None, 7, 6), (None, 7, 8)]]
TARGETS = options(target_shape=[(6, 4), (-1,), (-1, 4), (2, -1, 3), [24], (1, 1, 24)])

CASES: dict[str, list[Case]] = {
    "dense": each(["Dense"], [{"units": 5}], [[(None, 3)], [(2, 3)], [(None, None, 3)], [(None, 4, 5, 6)]]),
    "conv": images("Conv", [*STRIDED, *DILATED], filters=6)
    + images("Conv", [*UNEVEN, {"kernel_size": 3, "groups": 2}], ranks=[2], filters=6)
    + each(["Conv1D"], options(filters=[2], kernel_size=[3], padding=["causal"], strides=[1, 2]), SERIES)
    + each(["Conv1D"], options(filters=[2], kernel_size=[3], padding=["causal"], dilation_rate=[2]), SERIES),
    "conv_transpose": images("Conv", [*STRIDED, *LENGTHENED, *DILATED], filters=6),
    "depthwise_conv": images("DepthwiseConv", [*STRIDED, *DILATED], ranks=[1, 2])
    + images("DepthwiseConv", DILATED, ranks=[1, 2], depth_multiplier=3),
    "separable_conv": images("SeparableConv", [*STRIDED, *DILATED], ranks=[1, 2], filters=6),
    "locally_connected": images("LocallyConnected", options(kernel_size=[2, 3], strides=[1, 2]), ranks=[1, 2], filters=6),
    "pool": images("MaxPooling", [{}, *options(pool_size=[2, 3], strides=[None, 1, 2], padding=["valid", "same"])])
    + images("AveragePooling", [{"pool_size": (3, 2)}], ranks=[2]),
    "global_pool": images("GlobalAveragePooling", [{}, *options(keepdims=[True, False])]) + images("GlobalMaxPooling", [{}]),
    "adaptive_pool": images("AdaptiveAveragePooling", [{"output_size": 3}])
    + images("AdaptiveMaxPooling", [{"output_size": (3, 2)}], ranks=[2]),
    "flatten": each(
        ["Flatten"],
        [{}, {"data_format": "channels_first"}],
        [[(None, 3)], [(None, 3, 4, 5)], [(2, None, 4)], [(7, 2, 3)], [(None, 0, 3)]],
    ),
    "reshape": each(["Reshape"], TARGETS, [[(None, 24)], [(None, 2, 3, 4)], [(None, None, 4)], [(3, 24)]]),
    "permute": [("Permute", {"dims": dims}, [shape]) for dims, shape in PERMUTED],
    "repeat_vector": each(["RepeatVector"], [{"n": 3}], [[(None, 4)], [(2, None)]]),
    "crop": images("Cropping", [{}, {"cropping": 1}, {"cropping": 2}])
    + images("Cropping", options(cropping=[(1, 2), ((1, 2), (0, 3))]), ranks=[2])
    + images("Cropping", [{"cropping": (1, 2)}], ranks=[1], formats=[None])
    + images("Cropping", options(cropping=[(1, 2, 1), ((1, 1), (0, 3), (2, 0))]), ranks=[3]),
    "pad": images("ZeroPadding", [{}, {"padding": 1}, {"padding": 2}])
    + images("ZeroPadding", options(padding=[(1, 2), ((1, 2), (0, 3))]), ranks=[2])
    + images("ZeroPadding", [{"padding": (1, 2)}], ranks=[1], formats=[None])
    + images("ZeroPadding", options(padding=[(1, 2, 1), ((1, 1), (0, 3), (2, 0))]), ranks=[3]),
    "upsample": images("UpSampling", [{}, {"size": 3}], ranks=[1], formats=[None])
    + images("UpSampling", [{}, {"size": 3}, {"size": (2, 3)}], ranks=[2])
    + images("UpSampling", [{}, {"size": 3}, {"size": (2, 3, 1)}], ranks=[3]),
    "resize": each(["Resizing", "CenterCrop", "RandomCrop"], [{"height": 5, "width": 6}], PICTURES)
    + each(["Resizing", "CenterCrop", "RandomCrop"], [{"height": 5, "width": 6, "data_format": "channels_first"}], PICTURES),
    "merge": each(["Add", "Multiply", "Average", "Maximum", "Minimum"], [{}], [*MERGED, THREE])
    + each(["Subtract"], [{}], MERGED),
    "concatenate": each(["Concatenate"], [{}, *options(axis=[-1, 1, 2])], JOINED),
    "dot": [("Dot", {"axes": axes}, shapes) for axes, shapes in DOTTED],
    "embedding": each(["Embedding"], [{"input_dim": 9, "output_dim": 5}], [[(None, 7)], [(None, None)], [(2, 3, 4)], [(None,)]]),
    "rnn": each(["LSTM", "GRU", "SimpleRNN"], [{"units": 6}], SERIES)
    + each(["GRU"], options(units=[6], return_sequences=[True, False], time_major=[True]), [[(5, None, 3)]])
    + each(["LSTM", "GRU", "SimpleRNN"], options(units=[6], return_sequences=[True, False], return_state=[True, False]), SERIES),
    "conv_rnn": sequences_of_images(
        options(kernel_size=[3, (3, 2)], padding=["valid", "same"], strides=[1, 2], return_sequences=[True, False])
    )
    + sequences_of_images([{"kernel_size": 2, "return_state": True}])
    + each(["ConvLSTM1D"], [{"filters": 2, "kernel_size": 3}], [[(None, 5, 8, 3)]])
    + each(["ConvLSTM3D"], [{"filters": 2, "kernel_size": 3}], [[(None, 5, 8, 8, 8, 3)]]),
    "einsum_dense": [("EinsumDense", {"equation": e, "output_shape": o}, [shape]) for e, o, shape in EQUATIONS],
    "attention": each(["Attention", "AdditiveAttention"], [{}], ATTENDED),
    "same": each(["ReLU", "LeakyReLU", "BatchNormalization", "Softmax"], [{}], [[(None, 4)], [(2, None, 4)]]),
}


def spatial_rank(name: str) -> int | None:
    return next((rank for rank, suffix in ONE_CLASS.items() if suffix in name), None)


def defaults(layer: Any) -> dict[str, Any]:
    """The defaults of the constructor."""
    parameters = inspect.signature(type(layer).__init__).parameters
    return {name: parameter.default for name, parameter in parameters.items() if parameter.default is not parameter.empty}


def symbolic(keras: Any, layer: Any, shapes: Sequence[Any], **call: Any) -> Any:
    """The shape of the tensor, or the shapes of the tensors, that come out of the layer called on symbolic inputs."""
    dtype = "int32" if type(layer).__name__ == "Embedding" else "float32"
    inputs = [keras.Input(batch_shape=shape, dtype=dtype) for shape in shapes]
    output = layer(inputs if len(inputs) > 1 else inputs[0], **call)
    return [tuple(one.shape) for one in output] if isinstance(output, (list, tuple)) else tuple(output.shape)


def declared(layer: Any, shapes: Sequence[Any]) -> Any:
    """The same by ``compute_output_shape``, which is faster."""
    shape = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    several = any(isinstance(item, (tuple, list)) for item in shape)
    return [tuple(one) for one in shape] if several else tuple(shape)


def chosen(cases: list[Case], most: int) -> list[Case]:
    """At most so many of the cases, evenly."""
    step = -(-len(cases) // most)
    return cases[:: step + (step % 3 == 0)]


@pytest.mark.needs_keras
# Keras 2 runs the operations and does not ask compute_output_shape.
@pytest.mark.parametrize(
    ("generation", "way"), [("3", "declared"), ("3", "symbolic"), ("2", "symbolic")], indirect=["generation"]
)
@pytest.mark.parametrize("family", CASES)
def test_shape_is_the_one_keras_gives(family: str, way: str, keras: Any, generation: str) -> None:
    compared, wrong = 0, []
    for name, arguments, shapes in CASES[family] if way == "declared" else chosen(CASES[family], 60):
        full = name + "Transpose" if family == "conv_transpose" else name
        make = getattr(keras.layers, full, None)
        if make is None:
            continue
        try:
            layer = make(**arguments)
            expected = declared(layer, shapes) if way == "declared" else symbolic(keras, layer, shapes)
        except (ValueError, TypeError):
            continue  # Keras refuses the combination.
        compared += 1
        states = {"states": {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}.get(name, UNKNOWN)}
        for given in (arguments, {**defaults(layer), **arguments}):
            got = output_shape(family, spatial_rank(name), {**given, **states}, shapes, generation)
            if got != expected:
                wrong.append(f"{full}({given}) on {shapes}: Keras {expected}, bnlint {got}")
    assert not wrong, "\n".join(wrong)
    assert compared >= min(len(CASES[family]) // 3, 4) or (generation, family) in LAYERS_ABSENT


@pytest.mark.needs_keras
@pytest.mark.parametrize("merge_mode", ["concat", "sum", None])
@pytest.mark.parametrize("return_state", [False, True])
def test_bidirectional_shape_is_the_one_keras_gives(keras: Any, generation: str, merge_mode: Any, return_state: bool) -> None:
    shape = (None, 5, 3)
    inner = keras.layers.LSTM(4, return_sequences=True, return_state=return_state)
    inner_shape = output_shape(
        "rnn", None, {"units": 4, "return_sequences": True, "return_state": return_state, "states": 2}, [shape]
    )
    got = output_shape("bidirectional", None, {"merge_mode": merge_mode, "inner": inner_shape}, [shape], generation)
    assert got == symbolic(keras, keras.layers.Bidirectional(inner, merge_mode=merge_mode), [shape])


@pytest.mark.needs_keras
def test_time_distributed_shape_is_the_one_keras_gives(keras: Any, generation: str) -> None:
    for shape in [(None, 5, 8, 8, 3), (2, None, 8, 8, 3)]:
        inner = output_shape("conv", 2, {"filters": 4, "kernel_size": 3}, [(shape[0], *shape[2:])])
        layer = keras.layers.TimeDistributed(keras.layers.Conv2D(4, 3))
        assert output_shape("time_distributed", None, {"inner": inner}, [shape], generation) == symbolic(keras, layer, [shape])


@pytest.mark.needs_keras
@pytest.mark.parametrize("wanted", [None, 6])
def test_multi_head_attention_shape_is_the_one_keras_gives(keras: Any, generation: str, wanted: int | None) -> None:
    shapes = [(None, 5, 8), (None, 7, 8)]
    arguments = {"num_heads": 2, "key_dim": 3, "output_shape": wanted, "return_attention_scores": True}
    layer = keras.layers.MultiHeadAttention(2, 3, output_shape=wanted)
    tensors = layer(*(keras.Input(batch_shape=shape) for shape in shapes), return_attention_scores=True)
    assert output_shape("attention", None, arguments, shapes, generation) == [tuple(tensor.shape) for tensor in tensors]


def test_every_family_is_compared() -> None:
    assert CASES.keys() | {"bidirectional", "time_distributed", "unknown"} == FAMILIES


def covers(wide: Any, narrow: Any) -> bool:
    """Whether a shape with unknowns agrees with the shape it may turn out to be."""
    if wide is None or isinstance(narrow, list):
        return wide is None or (isinstance(wide, list) and all(map(covers, wide, narrow)))
    return len(wide) == len(narrow) and all(one is UNKNOWN or one == other for one, other in zip(wide, narrow, strict=True))


@pytest.mark.parametrize("generation", ["2", "3"])
@pytest.mark.parametrize("family", CASES)
def test_what_is_unknown_never_makes_a_shape_wrong(family: str, generation: str) -> None:
    for name, arguments, shapes in CASES[family]:
        rank = spatial_rank(name)
        full = output_shape(family, rank, arguments, shapes, generation)
        if UNKNOWN in (full or ()):
            continue  # Keras refuses the combination.
        for hidden in arguments:
            got = output_shape(family, rank, {**arguments, hidden: UNKNOWN}, shapes, generation)
            assert covers(got, full), (name, arguments, shapes, hidden, got, full)
        for which, shape in enumerate(shapes):
            assert shape is not None
            for axis in range(len(shape)):
                partly = (*shape[:axis], UNKNOWN, *shape[axis + 1 :])
                got = output_shape(family, rank, arguments, [*shapes[:which], partly, *shapes[which + 1 :]], generation)
                assert covers(got, full), (name, arguments, shapes, axis, got, full)
            got = output_shape(family, rank, arguments, [*shapes[:which], None, *shapes[which + 1 :]], generation)
            assert covers(got, full), (name, arguments, shapes, got, full)


FOLLOWED: list[tuple[str, str, dict[str, Any], tuple[int, ...], int, tuple[int, ...] | None]] = [
    ("dense", "Dense", {"units": 4}, (5, 3), 2, None),
    ("dense", "Dense", {"units": 4}, (5, 3), 1, None),
    ("conv", "Conv2D", {"filters": 4, "kernel_size": 3}, (9, 8, 3), 3, None),
    ("conv", "Conv2D", {"filters": 4, "kernel_size": 3}, (9, 8, 3), 1, None),
    ("conv", "Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same"}, (9, 8, 3), 3, None),
    ("conv", "Conv2D", {"filters": 4, "kernel_size": (1, 1), "padding": "same", "strides": 2}, (9, 8, 3), 3, None),
    ("conv", "Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal"}, (9, 3), 2, None),
    ("conv", "Conv2D", {"filters": 4, "kernel_size": 3, "activation": "relu"}, (9, 8, 3), 3, None),
    ("depthwise_conv", "DepthwiseConv2D", {"kernel_size": 3, "dilation_rate": 2}, (9, 8, 3), 3, None),
    ("depthwise_conv", "DepthwiseConv2D", {"kernel_size": 3, "padding": "same"}, (9, 8, 3), 3, None),
    ("separable_conv", "SeparableConv2D", {"filters": 4, "kernel_size": 3}, (9, 8, 3), 3, None),
    ("conv_transpose", "Conv2DTranspose", {"filters": 4, "kernel_size": 1}, (5, 6, 3), 3, None),
    ("conv_transpose", "Conv2DTranspose", {"filters": 4, "kernel_size": 2, "strides": 2}, (5, 6, 3), 3, None),
    ("pool", "AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (8, 7, 3), 3, None),
    ("pool", "MaxPooling2D", {"pool_size": 3, "padding": "same"}, (8, 7, 3), 3, None),
    ("pool", "MaxPooling2D", {}, (8, 7, 3), 1, None),
    ("pool", "MaxPooling1D", {"data_format": "channels_first"}, (3, 8), 1, None),
    ("global_pool", "GlobalAveragePooling2D", {}, (4, 5, 3), 3, None),
    ("global_pool", "GlobalMaxPooling2D", {"keepdims": True}, (4, 5, 3), 3, None),
    ("global_pool", "GlobalAveragePooling1D", {"data_format": "channels_first"}, (3, 5), 1, None),
    ("adaptive_pool", "AdaptiveAveragePooling2D", {"output_size": 3}, (8, 7, 3), 3, None),
    ("flatten", "Flatten", {}, (4, 5, 3), 3, None),
    ("flatten", "Flatten", {}, (4, 5, 3), 1, None),
    ("reshape", "Reshape", {"target_shape": (20, 3)}, (4, 5, 3), 3, None),
    ("reshape", "Reshape", {"target_shape": (-1, 3)}, (4, 5, 3), 3, None),
    ("reshape", "Reshape", {"target_shape": (4, 15)}, (4, 5, 3), 3, None),
    ("reshape", "Reshape", {"target_shape": (4, 15)}, (4, 5, 3), 2, None),
    ("reshape", "Reshape", {"target_shape": (20, 3)}, (4, 5, 3), 1, None),
    ("reshape", "Reshape", {"target_shape": (2, 2, 5)}, (20,), 1, None),
    ("reshape", "Reshape", {"target_shape": (1, 1, 5)}, (5,), 1, None),
    ("reshape", "Reshape", {"target_shape": (5, 1)}, (5,), 1, None),
    ("reshape", "Reshape", {"target_shape": (10, 6)}, (4, 5, 3), 3, None),
    ("reshape", "Reshape", {"target_shape": (2, 2, 15)}, (4, 5, 3), 1, None),
    ("reshape", "Reshape", {"target_shape": (4, 5)}, (4, 5, 1), 3, None),
    ("permute", "Permute", {"dims": (3, 1, 2)}, (4, 5, 3), 3, None),
    ("repeat_vector", "RepeatVector", {"n": 3}, (3,), 1, None),
    ("crop", "Cropping2D", {"cropping": 1}, (4, 5, 3), 3, None),
    ("pad", "ZeroPadding2D", {}, (4, 5, 3), 3, None),
    *[
        ("upsample", "UpSampling2D", {"size": 3, "interpolation": i}, (4, 5, 3), 3, None)
        for i in ("nearest", "bilinear", "bicubic", "lanczos3")
    ],
    ("resize", "Resizing", {"height": 9, "width": 4}, (5, 6, 3), 3, None),
    ("resize", "Resizing", {"height": 9, "width": 4, "crop_to_aspect_ratio": True}, (5, 6, 3), 3, None),
    ("resize", "Resizing", {"height": 9, "width": 4, "pad_to_aspect_ratio": True}, (5, 6, 3), 3, None),
    ("einsum_dense", "EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 5)}, (4, 3), 2, None),
    ("einsum_dense", "EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 5)}, (4, 3), 1, None),
    ("einsum_dense", "EinsumDense", {"equation": "abc,cde->abde", "output_shape": (None, 5, 2)}, (4, 3), 2, None),
    ("einsum_dense", "EinsumDense", {"equation": "...c,cd->...d", "output_shape": 5}, (4, 3), 2, None),
    ("merge", "Add", {}, (4, 5, 3), 3, (4, 5, 3)),
    ("merge", "Average", {}, (3,), 1, (5, 3)),
    ("merge", "Subtract", {}, (5, 3), 2, (3,)),
    ("merge", "Add", {}, (4, 5, 1), 3, (4, 5, 3)),
    ("concatenate", "Concatenate", {}, (4, 5, 3), 3, (4, 5, 2)),
    ("concatenate", "Concatenate", {"axis": 1}, (4, 5, 3), 3, (4, 5, 3)),
]


@pytest.mark.needs_keras
@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: f"{case[1]}{case[2]}-{case[3]}-{case[4]}")
def test_constant_per_channel_comes_out_where_bnlint_says(case: Any, keras: Any, generation: str) -> None:
    family, name, arguments, size, axis, other = case
    make = getattr(keras.layers, name, None)
    if make is None or (generation == "2" and "pad_to_aspect_ratio" in arguments):
        assert (generation, family) in {*LAYERS_ABSENT, ("2", "resize")}
        return
    layer = make(**arguments)
    random = np.random.default_rng(0)
    tensor = random.normal(size=(6, *size)).astype("float32")
    constant = random.normal(size=[length if i + 1 == axis else 1 for i, length in enumerate(size)]).astype("float32")
    others = [] if other is None else [random.normal(size=(6, *other)).astype("float32")]

    def apply(value: Any) -> Any:
        return np.asarray(layer([value, *others] if others else value))

    before = apply(tensor)
    change = apply(tensor + 3 * constant) - before
    constant_on = [
        out for out in range(1, change.ndim) if np.ptp(change, axis=tuple(i for i in range(change.ndim) if i != out)).max() < 1e-3
    ]
    got = follow_channels(family, spatial_rank(name), arguments, (None, *size), (None, *before.shape[1:]), axis)
    assert got in constant_on if constant_on else got is None
