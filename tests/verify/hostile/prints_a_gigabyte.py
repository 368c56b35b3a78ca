# status: confirmed
# reason:
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os
    import sys

    text = "x" * 2**20
    for _ in range(512):
        print(text)
        os.write(1, text.encode())
        os.write(2, text.encode())
    print(text, file=sys.stderr)
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
