# status: inconclusive
# reason: the code called sys.exit\(3\)
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import sys

    sys.exit(3)


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
