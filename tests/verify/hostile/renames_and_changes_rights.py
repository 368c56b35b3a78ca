# status: confirmed
# reason: the code tried to rename {victim}/file, to change the permissions of {victim}/file, which bnlint refused
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os

    for change in (lambda: os.rename(VICTIM + "/file", "file"), lambda: os.chmod(VICTIM + "/file", 0)):
        try:
            change()
        except PermissionError:
            pass
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
