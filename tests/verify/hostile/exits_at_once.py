# status: inconclusive
# reason: the process ended with exit code 0
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os

    os._exit(0)


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
