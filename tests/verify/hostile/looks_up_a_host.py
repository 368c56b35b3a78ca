# status: inconclusive
# reason: the code tried to look up the address of example.org, which bnlint refused
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import socket

    socket.create_connection(("example.org", 80))
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
