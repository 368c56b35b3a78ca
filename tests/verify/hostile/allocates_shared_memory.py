# status: inconclusive
# reason: the code needs more than 2 GB of memory
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import mmap

    kept = []
    while True:
        kept.append(mmap.mmap(-1, 64 * 2**20))
        for at in range(0, 64 * 2**20, 4096):
            kept[-1][at] = 1


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
