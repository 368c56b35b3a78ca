# status: (confirmed|inconclusive)
# reason:
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import ctypes
    import os

    ctypes.CDLL(None).kill(os.getppid(), 0 if os.uname().sysname != "Linux" else 9)
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
