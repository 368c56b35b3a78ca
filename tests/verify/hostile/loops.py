# status: inconclusive
# reason: not done within [0-9]+ seconds
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    while True:
        try:
            pass
        except BaseException:
            pass


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
