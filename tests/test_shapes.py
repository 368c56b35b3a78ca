"""Shapes without Keras, and the shapes of operations compared with ``keras.ops``."""

from __future__ import annotations

import importlib
from itertools import product
from typing import Any

import pytest

from bnlint.keras_api import shapes
from bnlint.keras_api.shapes import FAMILIES, UNKNOWN, Shape, channel_axis, follow_channels, output_shape

PICTURE: Shape = (None, 8, 8, 3)


def test_conv_of_a_tensor_of_unknown_rank_has_its_own_rank_and_channels() -> None:
    assert output_shape("conv", 2, {"filters": 5, "kernel_size": 3}, [None]) == (UNKNOWN, UNKNOWN, UNKNOWN, 5)
    assert output_shape("conv", 2, {"filters": 5, "kernel_size": 3, "data_format": "channels_first"}, [None]) == (
        UNKNOWN,
        5,
        UNKNOWN,
        UNKNOWN,
    )


def test_pooling_keeps_unknown_channels_unknown_and_global_pooling_has_rank_two() -> None:
    assert output_shape("pool", 2, {}, [None]) == (UNKNOWN,) * 4
    assert output_shape("global_pool", 2, {}, [None]) == (UNKNOWN, UNKNOWN)
    assert output_shape("global_pool", 2, {"keepdims": UNKNOWN}, [PICTURE]) is None


def test_dense_of_a_tensor_of_unknown_rank_stays_of_unknown_rank() -> None:
    assert output_shape("dense", None, {"units": 5}, [None]) is None
    assert output_shape("flatten", None, {}, [None]) == (UNKNOWN, UNKNOWN)
    assert output_shape("reshape", None, {"target_shape": (4, -1)}, [None]) == (UNKNOWN, 4, UNKNOWN)


def test_unknown_argument_leaves_what_does_not_depend_on_it() -> None:
    conv = {"filters": UNKNOWN, "kernel_size": 3}
    assert output_shape("conv", 2, conv, [PICTURE]) == (None, 6, 6, UNKNOWN)
    assert output_shape("conv", 2, {**conv, "kernel_size": UNKNOWN, "padding": "same"}, [PICTURE]) == (None, 8, 8, UNKNOWN)
    assert output_shape("conv", 2, {**conv, "kernel_size": 1, "padding": UNKNOWN}, [PICTURE]) == (None, 8, 8, UNKNOWN)
    assert output_shape("conv", 2, {**conv, "padding": UNKNOWN}, [PICTURE]) == (None, UNKNOWN, UNKNOWN, UNKNOWN)
    assert output_shape("conv", 2, {**conv, "padding": UNKNOWN}, [(None, None, None, 3)]) == (None, None, None, UNKNOWN)


def test_unknown_data_format_leaves_the_rank() -> None:
    assert output_shape("pool", 2, {"data_format": UNKNOWN}, [(None, 8, 8, 8)]) == (None, UNKNOWN, 4, UNKNOWN)


def test_recurrent_layer_gives_a_list_of_its_states_where_their_number_is_known() -> None:
    arguments = {"units": 4, "return_state": True}
    assert output_shape("rnn", None, {**arguments, "unit_forget_bias": True}, [(None, 5, 3)]) == [(None, 4)] * 3
    assert output_shape("rnn", None, {**arguments, "reset_after": True}, [(None, 5, 3)]) == [(None, 4)] * 2
    assert output_shape("rnn", None, {**arguments, "states": 1}, [(None, 5, 3)]) == [(None, 4)] * 2
    assert output_shape("rnn", None, arguments, [(None, 5, 3)]) is None
    assert output_shape("rnn", None, {"units": 4, "return_sequences": UNKNOWN}, [(None, 5, 3)]) is None


def test_keras_2_convolution_takes_several_batch_axes() -> None:
    assert output_shape("conv", 2, {"filters": 5, "kernel_size": 3}, [(None, 7, 8, 8, 3)], "2") == (None, 7, 6, 6, 5)


ODD: list[Any] = [
    None,
    -1,
    0,
    2,
    10**30,
    1.5,
    float("nan"),
    True,
    "x",
    "",
    (),
    (None,),
    (1, 2),
    [[1]],
    ((1, 2), (3,)),
    {},
    UNKNOWN,
]
NAMES = ["units", "filters", "kernel_size", "strides", "padding", "dilation_rate", "output_padding", "data_format", "pool_size"]
NAMES += ["target_shape", "dims", "n", "cropping", "size", "height", "width", "axis", "axes", "output_dim", "return_state"]
NAMES += ["states", "merge_mode", "inner", "equation", "output_shape", "num_heads", "keepdims", "output_size", "activation"]
NAMES += ["inner_family", "inner_arguments", "bias_axes", "depth_multiplier", "return_sequences", "return_attention_scores"]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_odd_arguments_and_shapes_never_raise(family: str) -> None:
    inputs: list[list[Shape]] = [[], [None], [()], [(None,)], [(None, 4, 4, 4)], [(2, 0, UNKNOWN)], [(None, 3, 4), (None, 4)]]
    usual = {"units": 3, "filters": 3, "kernel_size": 3, "return_state": True, "return_attention_scores": True}
    for name, value, shape in product(NAMES, ODD, inputs):
        for rank in (None, 0, 2):
            output_shape(family, rank, {**usual, name: value}, shape)
            output_shape(family, rank, {**usual, name: value}, shape, "2.15")
        first = shape[0] if shape else None
        for axis in (0, 1, 3, 9):
            follow_channels(family, 2, {**usual, name: value}, first, first, axis)
        channel_axis(family, {name: value})
    assert output_shape("no such family", 2, usual, [PICTURE]) is None


def test_odd_axes_and_targets_of_operations_never_raise() -> None:
    for shape, value in product([None, (), (None, 3), (2, UNKNOWN, 4)], ODD):
        for operation in (shapes.reduce, shapes.transpose, shapes.reshape, shapes.expand_dims, shapes.squeeze, shapes.split):
            operation(shape, value)
        shapes.slice_shape(shape, value)
        shapes.concatenate([shape, shape], value)
        shapes.stack([shape, shape], value)
        shapes.split(shape, value, 0, sizes=True)
    assert shapes.broadcast([]) is None
    assert shapes.concatenate([]) is None


def test_channel_axis_follows_the_data_format() -> None:
    assert channel_axis("conv", {}) == -1
    assert channel_axis("conv", {"data_format": None}, "channels_first") == 1
    assert channel_axis("pool", {"data_format": "channels_first"}) == 1
    assert channel_axis("conv", {"data_format": UNKNOWN}) is None
    assert channel_axis("conv", {"data_format": "channels_last"}, "channels_first") == -1
    assert channel_axis("global_pool", {"data_format": "channels_first"}) == 1
    assert channel_axis("conv_rnn", {"data_format": "channels_first", "return_sequences": True}) == 2
    assert channel_axis("dense", {}, "channels_first") == -1
    assert channel_axis("flatten", {}) is None
    assert channel_axis("same", {}) is None


def test_channel_axis_of_einsum_dense_is_its_bias_axis() -> None:
    assert channel_axis("einsum_dense", {"equation": "abc,cd->abd", "bias_axes": "d"}) == -1
    assert channel_axis("einsum_dense", {"equation": "abc,cd->abd", "bias_axes": "bd"}) is None
    assert channel_axis("einsum_dense", {"equation": "abc,cd->adb", "bias_axes": "d"}) == -2
    assert channel_axis("einsum_dense", {"equation": "abc,cd->abd"}) is None


def test_channel_axis_of_a_wrapper_is_the_inner_layers() -> None:
    inner = {"inner_family": "conv", "inner_arguments": {"data_format": "channels_first"}}
    assert channel_axis("time_distributed", inner) == 2
    assert channel_axis("time_distributed", {**inner, "inner_arguments": {}}) == -1
    assert channel_axis("time_distributed", {}) is None


def test_channel_is_not_followed_through_unknown_shapes() -> None:
    assert follow_channels("reshape", None, {"target_shape": (-1, 4)}, None, (None, None, 4), 3) is None
    assert follow_channels("reshape", None, {}, (None, UNKNOWN), (None, 2, UNKNOWN), 1) is None
    assert follow_channels("conv", 2, {"kernel_size": 3}, None, None, 3) is None
    assert follow_channels("merge", None, {}, (None, 4), None, 1) is None
    assert follow_channels("unknown", None, {}, (None, 4), (None, 4), 1) is None
    assert follow_channels("conv", 2, {"kernel_size": 3, "padding": UNKNOWN}, PICTURE, (None, 6, 6, 3), 3) is None
    assert follow_channels("conv", 2, {"kernel_size": 3, "data_format": UNKNOWN}, PICTURE, (None, 6, 6, 3), 3) is None


def test_channel_is_followed_through_a_reshape_of_free_sizes() -> None:
    free: Shape = (None, None, None, 3)
    assert follow_channels("reshape", None, {}, free, (None, None, 3), 3) == 2
    assert follow_channels("reshape", None, {}, free, (None, None, 6), 3) == 2
    assert follow_channels("reshape", None, {}, free, (None, 3, None), 3) is None
    assert follow_channels("reshape", None, {}, (None, 3, None, None), (None, 3, None), 1) == 1
    assert follow_channels("reshape", None, {}, (None, 3, None, None), (None, 6, None), 1) == 1
    assert follow_channels("reshape", None, {}, (None, 3, None, None), (None, None, 3), 1) is None


def test_channel_is_followed_into_the_layer_of_a_time_distributed() -> None:
    inner: dict[str, Any] = {"inner_family": "flatten", "inner_arguments": {}, "inner": (None, 48)}
    assert follow_channels("time_distributed", None, inner, (None, 5, 4, 4, 3), (None, 5, 48), 4) == 2
    inner = {"inner_family": "conv", "inner_rank": 2, "inner_arguments": {"kernel_size": 3}, "inner": (None, 2, 2, 6)}
    assert follow_channels("time_distributed", None, inner, (None, 5, 4, 4, 3), (None, 5, 2, 2, 6), 4) == 4
    assert follow_channels("time_distributed", None, inner, (None, 5, 4, 4, 3), (None, 5, 2, 2, 6), 1) is None
    assert follow_channels("time_distributed", None, {}, (None, 5, 3), (None, 5, 3), 2) is None


def test_broadcast_takes_the_wide_size_and_leaves_free_what_may_be_one() -> None:
    assert shapes.broadcast([(None, 3), (4, 3)]) == (4, 3)
    assert shapes.broadcast([(None, 1), ()]) == (None, 1)
    assert shapes.broadcast([(None, UNKNOWN), (None, 5)]) == (None, 5)
    assert shapes.broadcast([(UNKNOWN,), (None,)]) == (UNKNOWN,)
    assert shapes.broadcast([(2,), (3,)]) == (UNKNOWN,)
    assert shapes.broadcast([(2,), None]) is None


def test_reduction_over_an_unknown_axis_keeps_the_rank_with_keepdims_only() -> None:
    assert shapes.reduce((None, 4, 1), UNKNOWN, True) == (UNKNOWN, UNKNOWN, 1)
    assert shapes.reduce((None, 4, 1), UNKNOWN) is None
    assert shapes.reduce((None, 4), -1, UNKNOWN) is None


def test_slice_with_unknown_bounds_has_an_unknown_size() -> None:
    assert shapes.slice_shape((None, 9, 4), (slice(None), slice(UNKNOWN, None))) == (None, UNKNOWN, 4)
    assert shapes.slice_shape((None, 9, 4), (slice(None), UNKNOWN)) is None
    assert shapes.slice_shape((None, UNKNOWN, 4), (slice(None), slice(0, 2), 0)) == (None, UNKNOWN)


def test_split_takes_positions_or_sizes() -> None:
    assert shapes.split((None, 9), [2, 5], 1) == [(None, 2), (None, 3), (None, 4)]
    assert shapes.split((None, 9), [2, 3, -1], 1, sizes=True) == [(None, 2), (None, 3), (None, 4)]
    assert shapes.split((None, 9), UNKNOWN, 1) is None
    assert shapes.split((None, UNKNOWN), 2, 1) == [(None, UNKNOWN)] * 2


def test_squeeze_of_an_unknown_size_has_an_unknown_rank() -> None:
    assert shapes.squeeze((None, UNKNOWN, 1)) is None
    assert shapes.squeeze((None, UNKNOWN, 1), -1) == (None, UNKNOWN)


def cuts() -> list[Any]:
    items: list[Any] = [0, -1, slice(None), slice(1, None), slice(None, -1), slice(None, None, 4), slice(None, None, -1)]
    items += [slice(5, 2), slice(-3, None), slice(1, 99), slice(7, None, -2), None, ...]
    return [(slice(None), *pair) for pair in product(items, items) if pair.count(...) < 2]


GIVEN: list[Shape] = [(None, 6, 4), (2, 6, 4), (None, None, 4)]
OPERATIONS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("mean", list(product(GIVEN, [None, 0, 1, -1, (1, 2), [0]], [False, True]))),
    ("transpose", list(product(GIVEN, [None, (0, 2, 1), (2, 1, 0), [1, 0, 2]]))),
    ("reshape", list(product(GIVEN, [(-1, 24), (-1, 4), (2, -1), (-1,), (2, 3, 2, 4)]))),
    ("expand_dims", list(product(GIVEN, [0, 1, -1, 3, (1, 2)]))),
    ("squeeze", list(product([(None, 1, 4), (1, 4, 1)], [None, 1, -2]))),
    ("split", list(product(GIVEN, [2, (1, 3)], [1, -1]))),
    ("getitem", list(product(GIVEN, cuts()))),
]
MANY: list[list[Shape]] = [[(None, 6, 4), (None, 6, 4)], [(None, None, 4), (None, 6, 4)], [(2, 1, 4), (2, 1, 4), (2, 1, 4)]]
MULTIPLIED: list[tuple[Shape, Shape]] = [
    ((None, 3, 4), (None, 4, 5)),
    ((None, 4), (4, 5)),
    ((4,), (None, 4, 5)),
    ((None, 3, 4), (4,)),
    ((7, 1, 3, 4), (2, 4, None)),
]


@pytest.fixture(scope="module")
def keras() -> Any:
    return importlib.import_module("keras")


def run(keras: Any, name: str, *arguments: Any) -> Any:
    """The shape Keras gives the result, or its error."""
    try:
        result = (lambda tensor, key: tensor[key]) if name == "getitem" else getattr(keras.ops, name)
        tensor = result(*arguments)
    except (ValueError, TypeError, IndexError) as error:
        return error
    return [tuple(one.shape) for one in tensor] if isinstance(tensor, (list, tuple)) else tuple(tensor.shape)


@pytest.mark.needs_keras
@pytest.mark.parametrize(("name", "cases"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_shape_of_an_operation_is_the_one_keras_gives(name: str, cases: list[tuple[Any, ...]], keras: Any) -> None:
    ours = getattr(shapes, {"mean": "reduce", "getitem": "slice_shape"}.get(name, name))
    compared = 0
    for shape, *arguments in cases:
        expected = run(keras, name, keras.KerasTensor(shape), *arguments)
        if not isinstance(expected, Exception):
            compared += 1
            assert ours(shape, *arguments) == expected, (shape, arguments)
    assert compared >= len(cases) // 2


@pytest.mark.needs_keras
def test_shape_of_an_operation_on_several_tensors_is_the_one_keras_gives(keras: Any) -> None:
    for given, axis in product(MANY, [0, 1, -1]):
        tensors = [keras.KerasTensor(shape) for shape in given]
        assert shapes.stack(given, axis) == run(keras, "stack", tensors, axis)
        joined = run(keras, "concatenate", tensors, axis)
        assert isinstance(joined, Exception) or shapes.concatenate(given, axis) == joined
        assert shapes.broadcast(given[:2]) == run(keras, "add", *tensors[:2])
    for left, right in MULTIPLIED:
        assert shapes.matmul(left, right) == run(keras, "matmul", keras.KerasTensor(left), keras.KerasTensor(right))
