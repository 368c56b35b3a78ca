# status: confirmed
# reason:
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    layers.Conv2D.get_config = lambda self: None
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
