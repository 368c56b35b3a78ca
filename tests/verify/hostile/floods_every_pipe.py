# status: inconclusive
# reason: what the process said made no sense to bnlint|not done within
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os
    import stat

    pipes = [each for each in map(int, os.listdir("/dev/fd")) if each > 2]
    block = b"x" * 2**16
    while True:
        for descriptor in pipes:
            try:
                if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                    os.write(descriptor, block)
            except OSError:
                pass


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
