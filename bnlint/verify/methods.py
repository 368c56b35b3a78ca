"""The methods of a model that train it and evaluate it."""

from __future__ import annotations

TRAINING = ("fit", "fit_generator", "train_on_batch")
EVALUATION = ("evaluate", "evaluate_generator", "predict", "predict_generator", "predict_on_batch", "test_on_batch")
