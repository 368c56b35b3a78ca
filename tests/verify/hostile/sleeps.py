# status: inconclusive
# reason: not done within [0-9]+ seconds
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import time

    time.sleep(10**6)
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
