# status: confirmed
# reason:
import keras
from keras import layers

VICTIM = "{victim}"


class Broken:
    def __del__(self):
        raise ValueError("no way out")


def misbehave():
    Broken()
    kept = Broken()
    kept.itself = kept
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
