"""bnlint finds batch-normalization faults in Keras code by reading it."""

__version__ = "0.1.0"
