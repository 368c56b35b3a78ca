# status: inconclusive
# reason: the code tried to write {victim}/new.weights.h5, which bnlint refused
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    keras.Sequential([keras.Input((2,)), layers.Dense(2)]).save_weights(VICTIM + "/new.weights.h5")
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
