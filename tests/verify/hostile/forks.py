# status: inconclusive
# reason: the code tried to fork its process, which bnlint refused
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os

    while True:
        os.fork()


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
