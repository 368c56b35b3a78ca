# status: inconclusive
# reason: the code needs more than 2 GB of memory
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import numpy as np

    return int(np.ones(50 * 2**30, "uint8")[0])


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
