# status: inconclusive
# reason: the process ended with signal 11 \(segmentation fault\)
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import ctypes

    ctypes.string_at(0)
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
