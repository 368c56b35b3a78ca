# status: inconclusive
# reason: OSError: .*File too large
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    with open("big", "wb") as file:
        file.seek(2**40)
        file.write(b"x")
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
