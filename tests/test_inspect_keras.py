"""``inspect`` on files that Keras 2 and 3 wrote: the numbers are the layers' own, and each planted fault is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import pytest
import tf_keras as keras2

from bnlint.inspect import Inspection, inspect_file

GENERATIONS = {"2": keras2, "3": keras3}
MOMENTUM = 0.8
ROWS = 64


@pytest.fixture(scope="module", params=GENERATIONS)
def keras(request: pytest.FixtureRequest) -> Any:
    GENERATIONS[request.param].utils.set_random_seed(0)
    return GENERATIONS[request.param]


def norm(keras: Any, **arguments: Any) -> Any:
    return keras.layers.BatchNormalization(**{"momentum": MOMENTUM} | arguments)


def convnet(keras: Any, before: Callable[[Any], Any] = lambda x: x, **arguments: Any) -> Any:
    """A clean small network; ``before`` is put in front of its second normalization, which gets the arguments."""
    layers = keras.layers
    inputs = layers.Input((8, 8, 3))
    x = layers.ReLU()(norm(keras, name="first")(layers.Conv2D(6, 3, use_bias=False)(inputs)))
    x = norm(keras, name="second", **arguments)(before(layers.Conv2D(5, 3, use_bias=False)(x)))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def trained(keras: Any, model: Any, steps: int = 32, x: Any = None) -> Any:
    rng = np.random.default_rng(0)
    images = rng.normal(1, 2, (ROWS, 8, 8, 3)).astype("float32") if x is None else x
    model.compile(keras.optimizers.Adam(), "mse")
    model.fit(images, images.mean((1, 2))[:, :2], batch_size=16, epochs=max(1, steps // (ROWS // 16)), verbose=0)
    return model


def inspected(model: Any, path: Path) -> Inspection:
    model.save(str(path))
    return inspect_file(path)


def found(inspection: Inspection) -> list[tuple[str, str]]:
    return sorted((finding.name, finding.layer) for finding in inspection.findings)


def mixed(keras: Any) -> Any:
    """All kinds of places that a normalization can be in, one of them frozen, one without gamma, one without beta."""
    layers = keras.layers
    inputs = layers.Input((8, 8, 3))
    x = norm(keras, name="a", scale=False)(layers.Conv2D(6, 3, name="biased")(inputs))
    inner = keras.Sequential([layers.Input((6, 6, 6)), layers.Conv2D(5, 3, use_bias=False), norm(keras)], name="inner")
    x = layers.TimeDistributed(norm(keras, name="each"), name="steps")(inner(x))
    deep = layers.Input((4, 4, 5))
    nested = keras.Model(
        deep, norm(keras, name="deep", trainable=False)(layers.Conv2D(4, 3, use_bias=False)(deep)), name="nested"
    )
    x = layers.GlobalAveragePooling2D()(nested(x))
    x = norm(keras, name="z", center=False)(layers.Dense(7, name="narrow")(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def norms_of(keras: Any, layer: Any) -> Iterator[Any]:
    """All normalizations of a model, the outer ones' inner ones where they come."""
    if isinstance(layer, keras.layers.BatchNormalization):
        yield layer
    for each in getattr(layer, "layers", ()) or ([layer.layer] if hasattr(layer, "layer") else []):
        yield from norms_of(keras, each)


@pytest.fixture(scope="module")
def mixed_model(keras: Any) -> Any:
    return trained(keras, mixed(keras))


WHOLE = ("keras", "legacy-h5", "saved-model-2")


Saver = Callable[[Any, Path], Path | None]
FORMATS: dict[str, Saver] = {}


def writes(name: str) -> Callable[[Saver], Saver]:
    """Register what saves a model in a format; it returns None where its generation of Keras does not write it."""

    def register(save: Saver) -> Saver:
        FORMATS[name] = save
        return save

    return register


@writes("keras")
def whole(model: Any, folder: Path) -> Path:
    model.save(str(folder / "m.keras"))
    return folder / "m.keras"


@writes("weights")
def weights(model: Any, folder: Path) -> Path:
    model.save_weights(str(folder / "m.weights.h5"))
    return folder / "m.weights.h5"


@writes("legacy-h5")
def legacy_h5(model: Any, folder: Path) -> Path:
    model.save(str(folder / "m.h5"))
    return folder / "m.h5"


@writes("legacy-weights")
def legacy_weights(model: Any, folder: Path) -> Path | None:
    if not isinstance(model, keras2.Model):
        return None
    model.save_weights(str(folder / "w.h5"))
    return folder / "w.h5"


@writes("saved-model-2")
def saved_model_2(model: Any, folder: Path) -> Path | None:
    if not isinstance(model, keras2.Model):
        return None
    model.save(str(folder / "sm"), save_format="tf")
    return folder / "sm"


@writes("saved-model-3")
def saved_model_3(model: Any, folder: Path) -> Path | None:
    if isinstance(model, keras2.Model):
        return None
    model.export(str(folder / "exported"), verbose=False)
    return folder / "exported"


@writes("checkpoint")
def checkpoint(model: Any, folder: Path) -> Path | None:
    if not isinstance(model, keras2.Model):
        return None
    model.save_weights(str(folder / "ckpt"), save_format="tf")
    return folder / "ckpt"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_numbers_of_the_layers(keras: Any, mixed_model: Any, name: str, tmp_path: Path) -> None:
    path = FORMATS[name](mixed_model, tmp_path)
    if path is None:
        return
    inspection = inspect_file(path)
    assert inspection.format == name.removesuffix("-2").removesuffix("-3")
    expected = {layer.moving_mean.numpy().tobytes(): layer for layer in norms_of(keras, mixed_model)}
    assert len(inspection.norms) == len(expected) == 5
    for each in inspection.norms:
        layer = expected[np.array(each.values["moving_mean"], "float32").tobytes()]
        names = [name for name in ("gamma", "beta") if getattr(layer, name) is not None]
        own = [value for key, value in each.values.items() if key not in ("moving_mean", "moving_variance")]
        assert len(own) == len(names)
        for name_of_own, values in zip(names, own, strict=True):
            np.testing.assert_array_equal(values, getattr(layer, name_of_own).numpy())
        np.testing.assert_array_equal(each.values["moving_variance"], layer.moving_variance.numpy())
        if name in WHOLE:
            assert (each.momentum, each.epsilon) == (MOMENTUM, 1e-3)
            assert each.name.rpartition("/")[2] == layer.name
        if name in (*WHOLE, "saved-model-3"):
            assert each.frozen == (layer.name == "deep")
        else:
            assert each.frozen is None
    faults = {("frozen-initial-statistics" if each.frozen is not None else "initial-statistics") for each in inspection.norms}
    assert [finding.name for finding in inspection.findings if "initial" in finding.name] == [*faults]
    biases = [("biased", 24.0), ("narrow", 28.0)] if name in WHOLE else []
    assert [(each.layer, each.measured["bytes"]) for each in inspection.findings if each.name == "redundant-bias"] == biases


def test_a_clean_trained_model_has_no_findings(keras: Any, tmp_path: Path) -> None:
    model = trained(keras, convnet(keras))
    for save in FORMATS.values():
        path = save(model, tmp_path)
        if path is not None:
            inspection = inspect_file(path)
            assert (found(inspection), inspection.exit_code) == ([], 0)
            assert inspection.steps == 32 or inspection.format in ("legacy-weights", "saved-model")


def test_a_model_of_an_own_class_has_no_findings_and_says_what_is_not_known(keras: Any, tmp_path: Path) -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.rows = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4, use_bias=False), norm(keras)]
            self.other, self.top = norm(keras), keras.layers.Dense(2)

        def call(self, x: Any, training: Any = None) -> Any:
            for row in self.rows:
                x = row(x)
            return self.top(self.other(x, training=training))

    model = trained(keras, Own())
    for save in FORMATS.values():
        path = None if save is legacy_h5 else save(model, tmp_path)
        if path is not None:
            inspection = inspect_file(path)
            assert len(inspection.norms) == 2 and not inspection.findings
            assert any("biases" in note and "not known" in note for note in inspection.notes)
            assert len({each.name for each in inspection.norms}) == 2


def test_statistics_that_training_never_updated_are_found(keras: Any, tmp_path: Path) -> None:
    class Forgetful(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = keras.layers.Dense(4, use_bias=False)
            self.norm = norm(keras)
            self.flat = keras.layers.GlobalAveragePooling2D()
            self.top = keras.layers.Dense(2)

        def call(self, x: Any, training: Any = None) -> Any:
            return self.top(self.norm(self.inner(self.flat(x)), training=False))

    (finding,) = inspected(trained(keras, Forgetful()), tmp_path / "m.keras").findings
    assert (finding.name, finding.severity) == ("initial-statistics", "error")
    assert "32 steps" in finding.message


def test_initial_statistics_are_those_of_the_initializers(keras: Any, tmp_path: Path) -> None:
    model = convnet(keras, moving_mean_initializer=keras.initializers.Constant(0.1), moving_variance_initializer="zeros")
    assert ("initial-statistics", "second") in found(inspected(model, tmp_path / "m.keras"))


def test_nan_in_the_data_is_found_in_the_statistics(keras: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(1, 2, (ROWS, 8, 8, 3)).astype("float32")
    x[3, 2, 2, 1] = np.nan
    inspection = inspected(trained(keras, convnet(keras), x=x), tmp_path / "m.keras")
    assert {("not-finite", "first"), ("not-finite", "second")} <= set(found(inspection))


def test_a_channel_that_never_varied_is_dead(keras: Any, tmp_path: Path) -> None:
    def kill(model: Any) -> Any:
        convolution = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][1]
        kernel = convolution.get_weights()[0]
        kernel[..., 2] = 0
        convolution.set_weights([kernel])
        convolution.trainable = False
        return model

    for steps in (32, 400):
        inspection = inspected(trained(keras, kill(convnet(keras)), steps), tmp_path / "m.keras")
        assert found(inspection) == [("dead-channels", "second")], inspection.findings
        assert "channel 2 of 5" in inspection.findings[0].message


def test_channels_behind_a_normalization_that_explode_are_found(keras: Any, tmp_path: Path) -> None:
    model = convnet(keras, before=keras.layers.Rescaling(1e4))
    assert found(inspected(trained(keras, model), tmp_path / "m.keras")) == [("exploding-channels", "second")]


def test_large_raw_inputs_are_no_explosion(keras: Any, tmp_path: Path) -> None:
    inputs = keras.layers.Input((8, 8, 3))
    x = norm(keras)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    x = np.random.default_rng(0).normal(3e5, 1e5, (ROWS, 8, 8, 3)).astype("float32")
    assert found(inspected(trained(keras, model, 80, x), tmp_path / "m.keras")) == []


def test_statistics_of_a_few_steps_are_unsettled(keras: Any, tmp_path: Path) -> None:
    inspection = inspected(trained(keras, convnet(keras), steps=8), tmp_path / "m.keras")
    assert found(inspection) == [("unsettled-statistics", "first"), ("unsettled-statistics", "second")]
    assert "17%" in inspection.findings[0].message
    assert inspection.findings[0].measured["remaining"] == pytest.approx(MOMENTUM**8)


def test_a_short_fine_tuning_of_settled_statistics_is_no_fault(keras: Any, tmp_path: Path) -> None:
    model = trained(keras, convnet(keras), steps=200)
    assert found(inspected(trained(keras, model, steps=4), tmp_path / "m.keras")) == []


def test_a_frozen_layer_is_named_and_a_fault_only_with_initial_statistics(keras: Any, tmp_path: Path) -> None:
    model = convnet(keras)
    model.get_layer("second").trainable = False
    assert found(inspected(trained(keras, model), tmp_path / "m.keras")) == [("frozen-initial-statistics", "second")]
    model = trained(keras, convnet(keras))
    model.get_layer("second").trainable = False
    inspection = inspected(trained(keras, model), tmp_path / "m.keras")
    assert found(inspection) == []
    assert any("frozen: second" in note for note in inspection.notes)


def test_a_bias_can_be_folded_as_the_message_says(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    inputs = layers.Input((8, 8, 3))
    x = layers.MaxPooling2D()(layers.Conv2D(6, 3, name="folded")(inputs))
    x = layers.Flatten()(layers.ReLU()(norm(keras, name="norm")(x)))
    model = trained(keras, keras.Model(inputs, layers.Dense(2)(x)))
    kernel, bias = model.get_layer("folded").get_weights()
    model.get_layer("folded").set_weights([kernel, bias + 3])
    images = np.random.default_rng(1).normal(1, 2, (9, 8, 8, 3)).astype("float32")
    before = model.predict(images, verbose=0)
    assert found(inspected(model, tmp_path / "m.keras")) == [("redundant-bias", "folded")]
    model.get_layer("folded").set_weights([kernel, bias * 0])
    gamma, beta, mean, variance = model.get_layer("norm").get_weights()
    model.get_layer("norm").set_weights([gamma, beta, mean - bias - 3, variance])
    np.testing.assert_allclose(model.predict(images, verbose=0), before, atol=1e-5)


def shortcut(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(4, 3)(x)
    return layers.Add()([x, layers.BatchNormalization()(x)])


def shared(layers: Any, x: Any) -> Any:
    own = layers.BatchNormalization()
    return layers.Add()([own(layers.Conv2D(4, 3)(x)), own(layers.Conv2D(4, 3, use_bias=False)(x))])


KEPT: dict[str, Callable[[Any, Any], Any]] = {
    "an activation of its own": lambda L, x: L.BatchNormalization()(L.Conv2D(4, 3, activation="relu")(x)),
    "an activation between": lambda L, x: L.BatchNormalization()(L.ReLU()(L.Conv2D(4, 3)(x))),
    "a dropout between": lambda L, x: L.BatchNormalization()(L.Dropout(0.1)(L.Conv2D(4, 3)(x))),
    "a padding between": lambda L, x: L.BatchNormalization()(L.ZeroPadding2D()(L.Conv2D(4, 3)(x))),
    "another axis": lambda L, x: L.BatchNormalization(axis=1)(L.Conv2D(4, 3)(x)),
    "no bias": lambda L, x: L.BatchNormalization()(L.Conv2D(4, 3, use_bias=False)(x)),
    "a shortcut": shortcut,
    "a shared normalization": shared,
}


@pytest.mark.parametrize("reason", KEPT)
def test_a_bias_is_kept_for_a_reason(keras: Any, reason: str, tmp_path: Path) -> None:
    inputs = keras.layers.Input((8, 8, 3))
    output = keras.layers.Dense(2)(keras.layers.Flatten()(KEPT[reason](keras.layers, inputs)))
    inspection = inspected(keras.Model(inputs, output), tmp_path / "m.keras")
    assert not [each for each in inspection.findings if each.name == "redundant-bias"]


def test_a_bias_whose_layer_is_an_output_is_kept(keras: Any, tmp_path: Path) -> None:
    inputs = keras.layers.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    model = keras.Model(inputs, [x, norm(keras)(x)])
    assert "redundant-bias" not in dict(found(inspected(model, tmp_path / "m.keras")))


def test_biases_of_sequential_models_and_of_channels_first_are_found(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    rows = [
        layers.Input((3, 8, 8)),
        layers.Conv2D(4, 3, data_format="channels_first", name="first"),
        layers.AveragePooling2D(2, data_format="channels_first"),
        norm(keras, axis=1),
        layers.Flatten(),
        layers.Dense(5, name="second"),
        norm(keras),
    ]
    for ending in (".keras", ".h5"):
        inspection = inspected(keras.Sequential(rows), tmp_path / f"m{ending}")
        biases = [(each.layer, each.measured["bytes"]) for each in inspection.findings if each.name == "redundant-bias"]
        assert biases == [("first", 16.0), ("second", 20.0)]


def test_half_precision_variables_count_two_bytes(keras: Any, tmp_path: Path) -> None:
    inputs = keras.layers.Input((5,))
    x = keras.layers.BatchNormalization(dtype="float16")(keras.layers.Dense(10, dtype="float16")(inputs))
    (bias,) = [each for each in inspected(keras.Model(inputs, x), tmp_path / "m.keras").findings if each.name == "redundant-bias"]
    assert bias.measured["bytes"] == 20


def test_variables_of_bfloat16_are_read(keras: Any, tmp_path: Path) -> None:
    inputs = keras.layers.Input((5,))
    model = keras.Model(inputs, keras.layers.BatchNormalization(dtype="bfloat16", name="norm")(inputs))
    model.get_layer("norm").moving_mean.assign([0.5] * 5)
    for save in (whole, saved_model_2, saved_model_3):
        path = save(model, tmp_path)
        if path is not None:
            assert inspect_file(path).norms[0].values["moving_mean"] == (0.5,) * 5
