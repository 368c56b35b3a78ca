# status: confirmed
# reason:
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import threading
    import time

    def work():
        while True:
            time.sleep(0.01)

    for _ in range(5):
        threading.Thread(target=work).start()
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
