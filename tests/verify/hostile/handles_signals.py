# status: inconclusive
# reason: not done within [0-9]+ seconds
import keras
from keras import layers

VICTIM = "{victim}"


def misbehave():
    import signal

    for number in signal.valid_signals():
        try:
            signal.signal(number, lambda *_: None)
        except (OSError, ValueError):
            pass
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while True:
        signal.pause()


inputs = keras.Input((32, 32, 3))
x = layers.Conv2D(misbehave(), 3)(inputs)
x = layers.BatchNormalization()(x)
model = keras.Model(inputs, layers.ReLU()(x))
