# status: inconclusive
# reason: the code needs more than 2 GB of memory
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    kept = []
    while True:
        kept.append(bytearray(64 * 2**20))


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
