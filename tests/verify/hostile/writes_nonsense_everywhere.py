# status: inconclusive
# reason: what the process said made no sense to bnlint
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os

    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\x00{nonsense}\n")
        except OSError:
            pass
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
