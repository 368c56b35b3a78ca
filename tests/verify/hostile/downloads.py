# status: inconclusive
# reason: the code tried to open http://127.0.0.1:{port}/weights.h5, which bnlint refused
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    from urllib.request import urlopen

    urlopen("http://127.0.0.1:{port}/weights.h5")
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
