# status: inconclusive
# reason: the code calls itself without an end
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    return misbehave()


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
