"""One convnet with six pitfalls, trained with a monitor, audited, saved and inspected; and its clean twin."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnlint.inspect import inspect_file
from bnlint.verify import BatchNormMonitor, audit

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(1, 2, (256, 12, 12, 3)).astype("float32")
SIDE = RNG.normal(0, 1, (256, 4)).astype("float32")
TARGETS = RNG.normal(0, 1, (256, 1)).astype("float32")


@pytest.fixture(params=["keras", "tf_keras"])
def keras(request: pytest.FixtureRequest) -> Any:
    return import_module(request.param)


def convnet(keras: Any, faulty: bool) -> Any:
    """Each normalization has a fault of its own: statistics never updated (``still``), not settled (``slow``), frozen before they
    learnt anything (``frozen``), a dead channel (``dead``), a bias in vain before ``first``, and NaN where the data have some (``side``)."""
    layers = keras.layers
    keras.utils.set_random_seed(1)

    def norm(name: str, **keywords: Any) -> Any:
        return layers.BatchNormalization(name=name, **{"momentum": 0.9, **keywords})

    class Still(layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.norm = norm("still")

        def build(self, shape: Any) -> None:
            self.norm.build(shape)
            self.built = True

        def call(self, x: Any, training: Any = None) -> Any:
            return self.norm(x, training=False if faulty else training)

    image, side = keras.Input((12, 12, 3)), keras.Input((4,))
    x = norm("first")(layers.Conv2D(8, 3, use_bias=faulty)(image))
    for next_one in (norm("slow", momentum=0.9999 if faulty else 0.9), norm("frozen", trainable=not faulty), Still()):
        x = next_one(layers.Conv2D(8, 3, use_bias=False)(layers.ReLU()(x)))
    half = layers.Conv2D(8, 3, use_bias=False)
    x = norm("dead")(half(layers.ReLU()(x)))
    model = keras.Model([image, side], [layers.Dense(1)(layers.Flatten()(x)), norm("side")(side)])
    if faulty:
        kernel = half.get_weights()[0]
        kernel[..., 0] = 0
        half.set_weights([kernel])
        half.trainable = False
    return model


def trained(keras: Any, faulty: bool, side: Any) -> tuple[Any, set[str]]:
    """The model behind a real ``fit``, and the codes that a monitor and an audit name."""
    model = convnet(keras, faulty)
    model.compile("adam", loss=["mse", None])
    monitor = BatchNormMonitor([IMAGES[:32], side[:32]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit([IMAGES, side], [TARGETS, SIDE], epochs=6, batch_size=16, verbose=0, callbacks=[monitor])
        found = audit(model, ([IMAGES[:64], side[:64]], [TARGETS[:64], SIDE[:64]]))
    return model, {each.code for each in (*found, *monitor.findings)}


def inspected(model: Any, keras: Any, folder: Path) -> set[str]:
    path = folder / ("model.h5" if keras.__name__ == "tf_keras" else "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(str(path))
    return {each.name for each in inspect_file(path).findings}


def test_the_pitfalls_are_named_while_it_is_trained_and_in_the_saved_file(keras: Any, tmp_path: Path) -> None:
    model, codes = trained(keras, True, SIDE)
    assert codes == {"BN205", "BN301", "BN404", "BN509", "BN702"}
    named = {"initial-statistics", "redundant-bias", "frozen-initial-statistics", "unsettled-statistics", "dead-channels"}
    assert inspected(model, keras, tmp_path) == named


def test_nan_in_the_statistics_is_named_and_hides_nothing_in_the_saved_file(keras: Any, tmp_path: Path) -> None:
    side = SIDE.copy()
    side[:, 0] = np.nan
    model, codes = trained(keras, True, side)
    assert {"BN205", "BN404", "BN701"} <= codes  # with outputs that are NaN, nothing that is measured on them can be told
    assert len(inspected(model, keras, tmp_path)) == 6


def test_nothing_is_said_about_the_clean_twin(keras: Any, tmp_path: Path) -> None:
    model, codes = trained(keras, False, SIDE)
    assert codes == set()
    assert inspected(model, keras, tmp_path) == set()
