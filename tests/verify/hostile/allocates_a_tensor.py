# status: inconclusive
# reason: the code needs more than 2 GB of memory|not done within
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import tensorflow as tf

    return int(tf.ones([50 * 2**30], "int8")[0])


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
