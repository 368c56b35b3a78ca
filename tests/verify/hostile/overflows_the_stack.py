# status: inconclusive
# reason: the process ended with signal 11 \(segmentation fault\)|the code calls itself without an end|needs more than 2 GB
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import sys

    sys.setrecursionlimit(10**9)

    class Deep:
        def __repr__(self):
            return repr(Deep())

    return repr(Deep())


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
