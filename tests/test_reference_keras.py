"""The numpy reference of batch normalization against what Keras 3 and Keras 2 (tf_keras) compute."""

from __future__ import annotations

import importlib
from math import inf
from typing import Any

import numpy as np
import pytest

from bnlint.verify.live import to_array
from bnlint.verify.reference import Array, Reference, moments, settled_noise, steps_to_settle

SHAPES_AND_AXES = [
    ((16, 5), -1),
    ((16, 5), 1),
    ((6, 7, 3), -1),
    ((6, 7, 3), 1),
    ((6, 7, 3), -2),
    ((4, 5, 6, 3), -1),
    ((4, 5, 6, 3), 3),
    ((4, 5, 6, 3), 1),
    ((4, 5, 6, 3), 2),
    ((3, 2, 4, 5, 2), -1),
    ((3, 2, 4, 5, 2), 1),
    ((3, 2, 4, 5, 2), 2),
    ((2, 1, 1, 4), -1),
    ((1, 3), -1),
]
# One rounding is 2**-24, 2**-53, 2**-11 and 2**-8 of the value. Keras takes some ten operations on values of up to 10 and sums
# of up to 100 elements in that precision, or, for 16 bits, in float32 with 16-bit inputs and outputs: 64 roundings bound all of it.
ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "mixed_float16": 2.0**-11, "bfloat16": 2.0**-8}
ROUNDINGS = 64


@pytest.fixture(scope="module", params=["3", "2"])
def keras(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module("keras" if request.param == "3" else "tf_keras")


def batches(shape: tuple[int, ...], count: int = 3) -> list[Array]:
    random = np.random.default_rng(7)
    return [random.normal(2, 3, shape) * random.uniform(0.5, 2, shape[-1:]) for _ in range(count)]


def trained(keras: Any, shape: tuple[int, ...], dtype: str = "float32", **options: Any) -> tuple[Any, Reference]:
    """A layer with weights of its own, and its reference."""
    layer = keras.layers.BatchNormalization(dtype=dtype, **options)
    layer.build(shape)
    random = np.random.default_rng(3)
    layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return layer, Reference.of_layer(layer)


def assert_equal(layer: Any, reference: Reference, shape: tuple[int, ...], dtype: str = "float32") -> None:
    """Both modes, and the moving statistics after each of several updates."""
    exactness = ROUNDINGS * ROUNDING[dtype]
    # Keras 2 makes a float32 of 1 - momentum whatever the precision of the layer.
    updated = max(exactness, ROUNDINGS * ROUNDING["float32"]) if hasattr(layer, "fused") else exactness
    kind = "float32" if dtype == "bfloat16" else dtype.removeprefix("mixed_")
    for batch in batches(shape):
        given = to_array(layer(batch.astype(kind), training=False))
        np.testing.assert_allclose(given, reference.inference(batch), exactness, 10 * exactness)
        given = to_array(layer(batch.astype(kind), training=True))
        expected, after = reference.training(batch)
        np.testing.assert_allclose(given, expected, exactness, 10 * exactness)
        np.testing.assert_allclose(to_array(layer.moving_mean), after.moving_mean, updated, 10 * updated)
        np.testing.assert_allclose(to_array(layer.moving_variance), after.moving_variance, updated, 10 * updated)
        reference = Reference.of_layer(layer)


@pytest.mark.parametrize(("shape", "axis"), SHAPES_AND_AXES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_modes_and_the_update_are_those_of_keras(keras: Any, shape: tuple[int, ...], axis: int, dtype: str) -> None:
    layer, reference = trained(keras, shape, dtype, axis=axis, momentum=0.8)
    assert_equal(layer, reference, shape, dtype)


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(16, 5), (4, 5, 6, 3)])
def test_low_precision_only_rounds(keras: Any, shape: tuple[int, ...], dtype: str) -> None:
    layer, reference = trained(keras, shape, dtype, momentum=0.8)
    assert_equal(layer, reference, shape, dtype)


@pytest.mark.parametrize("options", [{"center": False}, {"scale": False}, {"center": False, "scale": False}, {"epsilon": 0.5}])
@pytest.mark.parametrize("shape", [(16, 5), (4, 5, 6, 3)])
def test_center_scale_and_epsilon_are_those_of_keras(keras: Any, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    layer, reference = trained(keras, shape, **options)
    assert_equal(layer, reference, shape)


def test_several_axes_are_those_of_keras_2() -> None:
    keras = importlib.import_module("tf_keras")
    layer, reference = trained(keras, (4, 5, 6, 3), axis=[1, 3], momentum=0.8)
    assert_equal(layer, reference, (4, 5, 6, 3))


def test_a_new_layer_is_the_initial_reference(keras: Any) -> None:
    layer = keras.layers.BatchNormalization(axis=1)
    layer.build((None, 4, 3))
    assert_equal(layer, Reference.initial(4, axis=1), (5, 4, 3))


def test_masked_steps_do_not_count(keras: Any) -> None:
    layer, reference = trained(keras, (6, 7, 3), momentum=0.8)
    mask = np.random.default_rng(1).random((6, 7)) > 0.4
    (batch,) = batches((6, 7, 3), 1)
    given = to_array(layer(batch.astype("float32"), training=True, mask=mask))
    expected, after = reference.training(batch, mask)
    np.testing.assert_allclose(given, expected, 1e-5, 1e-5)
    np.testing.assert_allclose(to_array(layer.moving_variance), after.moving_variance, 1e-5)
    unmasked = reference.training(batch)[1]
    assert np.abs(unmasked.moving_variance - after.moving_variance).max() > 0.1


def test_only_the_fused_kernel_of_keras_2_corrects_the_variance() -> None:
    changed = {}
    for name in ("keras", "tf_keras"):
        layer, reference = trained(importlib.import_module(name), (2, 1, 1, 4), momentum=0.0)
        (batch,) = batches((2, 1, 1, 4), 1)
        layer(batch.astype("float32"), training=True)
        assert reference.bessel == (name == "tf_keras")
        changed[name] = to_array(layer.moving_variance) / moments(batch).variance
    np.testing.assert_allclose(changed["keras"], 1, 1e-5)
    np.testing.assert_allclose(changed["tf_keras"], 2, 1e-5)


def test_what_the_reference_does_not_know_is_refused(keras: Any) -> None:
    with pytest.raises(ValueError, match="is not built"):
        Reference.of_layer(keras.layers.BatchNormalization())
    renormed = keras.layers.BatchNormalization(renorm=True)
    renormed.build((None, 3))
    with pytest.raises(ValueError, match="renorm"):
        Reference.of_layer(renormed)


@pytest.mark.parametrize(("momentum", "steps"), [(0.0, 1), (0.1, 2), (0.9, 29), (0.99, 299), (0.999, 2995), (1.0, inf)])
def test_steps_until_a_twentieth_is_left(momentum: float, steps: float) -> None:
    assert steps_to_settle(momentum) == steps
    if momentum < 1:
        reference = Reference.initial(1, momentum=momentum)
        for _ in range(int(steps)):
            reference = reference.training(np.array([[5.0], [5.0]]))[1]
        assert 5 - reference.moving_mean[0] <= 0.05 * 5


@pytest.mark.parametrize("momentum", [0.0, 0.1, 0.9])
def test_noise_of_settled_statistics(momentum: float) -> None:
    random, reference, seen, means = np.random.default_rng(0), Reference.initial(200, momentum=momentum), [], []
    for _ in range(300):
        batch = random.normal(0, 1, (8, 200))
        reference = reference.training(batch)[1]
        seen.append(reference.moving_mean)
        means.append(batch.mean(0))
    assert np.std(seen[60:]) == pytest.approx(settled_noise(momentum) * np.std(means), rel=0.05)
