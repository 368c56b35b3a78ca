# status: inconclusive
# reason: the code tried to connect to 127.0.0.1:{port}, which bnlint refused
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import socket

    socket.socket().connect(("127.0.0.1", {port}))
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
