# status: inconclusive
# reason: the process ended with signal 9 \(killed\)
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os

    os.kill(os.getpid(), 9)
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
