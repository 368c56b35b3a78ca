# status: inconclusive
# reason: the code closed the connection to bnlint|the process ended with exit code 1
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os

    os.closerange(0, 1000)
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
