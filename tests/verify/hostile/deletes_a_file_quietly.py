# status: confirmed
# reason: the code tried to delete {victim}/file, which bnlint refused
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os

    try:
        os.remove(VICTIM + "/file")
    except OSError:
        pass
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
