"""Small models of either Keras for live checks, each with one fault of batch normalization, and their clean twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

X = (np.random.default_rng(0).normal(5, 3, (64, 8, 8, 3))).astype("float32")
Y = (X.mean((1, 2))[:, :2] > 5).astype("float32")


def convnet(keras: Any, *, bias: bool = False, axis: int = -1, dropout: float = 0.2, **options: Any) -> Any:
    """Two convolutions, each with its batch normalization; ``options`` are those of the normalizations."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(8, 3, use_bias=bias),
            layers.BatchNormalization(axis=axis, name="norm1", **options),
            layers.ReLU(),
            layers.Dropout(dropout),
            layers.Conv2D(6, 3, use_bias=bias),
            layers.BatchNormalization(axis=axis, name="norm2", **options),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )


def subclassed(keras: Any, call: Callable[..., Any], **more: Callable[[Any], Any]) -> Any:
    """A model with a convolution, a normalization and a head, whose ``call`` is given; ``more`` makes further attributes."""
    layers = keras.layers

    class Net(keras.Model):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.conv = layers.Conv2D(4, 3, use_bias=False)
            self.norm = layers.BatchNormalization()
            self.dropout = layers.Dropout(0.2)
            self.flatten = layers.Flatten()
            self.head = layers.Dense(2)
            for name, make in more.items():
                setattr(self, name, make(keras))

        def finish(self, x: Any, training: Any = None) -> Any:
            return self.head(self.flatten(self.dropout(x, training=training)))

    Net.call = call
    return Net()


def clean(self: Any, x: Any, training: Any = None) -> Any:
    return self.finish(self.norm(self.conv(x), training=training), training)


def not_forwarded(self: Any, x: Any, training: Any = None) -> Any:
    return self.finish(self.norm(self.conv(x)))


def without_training(self: Any, x: Any) -> Any:
    return self.finish(self.norm(self.conv(x)))


def always(self: Any, x: Any, training: Any = None) -> Any:
    return self.finish(self.norm(self.conv(x), training=True), training)


def default_true(self: Any, x: Any, training: Any = True) -> Any:
    return self.finish(self.norm(self.conv(x), training=training), training)


def never(self: Any, x: Any, training: Any = None) -> Any:
    return self.finish(self.norm(self.conv(x), training=False), training)


def explicit_none(self: Any, x: Any, training: Any = None) -> Any:
    return self.finish(self.norm(self.conv(x), training=None), training)


def never_called(self: Any, x: Any, training: Any = None) -> Any:
    return self.finish(self.conv(x), training)


def output_unused(self: Any, x: Any, training: Any = None) -> Any:
    x = self.conv(x)
    self.norm(x, training=training)
    return self.finish(x, training)


class Held:
    """A plain object, in which no Keras looks for layers."""

    def __init__(self, keras: Any) -> None:
        self.inner = keras.layers.BatchNormalization(name="held")


def untracked(self: Any, x: Any, training: Any = None) -> Any:
    x = self.norm(self.conv(x), training=training)
    return self.finish(self.held.inner(x, training=training), training)


def made_in_call(self: Any, x: Any, training: Any = None) -> Any:
    x = self.norm(self.conv(x), training=training)
    return self.finish(type(self.norm)()(x, training=training), training)


def shared(self: Any, x: Any, training: Any = None) -> Any:
    x = self.norm(self.conv(x), training=training)
    return self.finish(self.norm(4 * x + 5, training=training), training)


def twice_the_same(self: Any, x: Any, training: Any = None) -> Any:
    x = self.conv(x)
    return self.finish(self.norm(x, training=training) + self.norm(x, training=training), training)


def frozen(keras: Any) -> Any:
    model = convnet(keras)
    model.get_layer("norm1").trainable = False
    return model


def with_statistics(keras: Any, **statistics: Any) -> Any:
    """The clean convnet, whose first normalization gets these weights."""
    model = convnet(keras)
    for name, value in statistics.items():
        variable = getattr(model.get_layer("norm1"), name)
        variable.assign(np.resize(np.asarray(value, "float32"), tuple(variable.shape)))
    return model


def low_precision(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [layers.Input((8,)), layers.Dense(4, use_bias=False), layers.BatchNormalization(dtype="bfloat16"), layers.Dense(2)]
    )


def per_step(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((5, 6)),
            layers.TimeDistributed(layers.BatchNormalization()),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )


def constant_in_graph(keras: Any) -> Any:
    inputs = keras.layers.Input((8,))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.BatchNormalization(name="norm1")(inputs, training=True)))


def six_faults(keras: Any) -> Any:
    """One convnet with six pitfalls that do not hide each other: BN102, BN104, BN205, BN301, BN305, BN503."""

    def call(self: Any, x: Any, training: Any = None) -> Any:
        x = self.dropout(self.norm(self.conv(x), training=training), training=training)
        x = self.wrong_axis(self.biased_conv(x), training=training)
        x = self.short_memory(self.other_conv(x), training=training)
        x = self.still(4 * x + 5, training=False)
        return self.head(self.flatten(self.norm(x, training=training)))

    return subclassed(
        keras,
        call,
        other_conv=lambda keras: keras.layers.Conv2D(4, 1),  # its bias is cancelled by short_memory
        biased_conv=lambda keras: keras.layers.Conv2D(4, 3, use_bias=False),
        wrong_axis=lambda keras: keras.layers.BatchNormalization(axis=1),
        short_memory=lambda keras: keras.layers.BatchNormalization(momentum=0.1),
        still=lambda keras: keras.layers.BatchNormalization(),
        forgotten=lambda keras: keras.layers.BatchNormalization(),
    )


def no_fault(keras: Any) -> Any:
    """The clean twin of :func:`six_faults`."""

    def call(self: Any, x: Any, training: Any = None) -> Any:
        x = self.dropout(self.norm(self.conv(x), training=training), training=training)
        x = self.right_axis(self.second_conv(x), training=training)
        x = self.long_memory(self.other_conv(x), training=training)
        return self.head(self.flatten(self.moving(4 * x + 5, training=training)))

    return subclassed(
        keras,
        call,
        other_conv=lambda keras: keras.layers.Conv2D(4, 1, use_bias=False),
        second_conv=lambda keras: keras.layers.Conv2D(4, 3, use_bias=False),
        right_axis=lambda keras: keras.layers.BatchNormalization(),
        long_memory=lambda keras: keras.layers.BatchNormalization(),
        moving=lambda keras: keras.layers.BatchNormalization(),
    )
