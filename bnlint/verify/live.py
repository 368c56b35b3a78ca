"""The little of Keras that live checks need, the same for Keras 3 on any backend and Keras 2 (tf_keras)."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

from bnlint.verify.objects import norm_class
from bnlint.verify.reference import Array

_ROOTS = ("keras", "tf_keras")


def to_array(tensor: Any) -> Array:
    """A tensor or variable of any Keras and backend as a float64 array; raises where it has no value (a symbolic one)."""
    if not isinstance(tensor, np.ndarray):
        keras = sys.modules.get("keras")
        if type(tensor).__module__.partition(".")[0] in ("torch", "keras") and keras and hasattr(keras, "ops"):
            tensor = keras.ops.convert_to_numpy(getattr(tensor, "value", tensor))
        elif hasattr(tensor, "numpy"):
            tensor = tensor.numpy()
    return np.array(tensor, np.float64)


def of_keras(kind: type) -> bool:
    """Is this one of Keras's own classes?"""
    return kind.__module__.partition(".")[0] in _ROOTS


class Live:
    """A live model with the Keras it was made by.

    Raises TypeError for what is not a model of Keras 2 or 3.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.keras = _keras_of(model)
        self.generation = self.keras.__version__.partition(".")[0]
        self.backend: str = self.keras.backend.backend() if self.generation != "2" else "tensorflow"

    @property
    def norm_class(self) -> type:
        """The class in which ``call`` of Keras's own batch normalization stands."""
        return norm_class(self.keras)

    def is_norm(self, layer: object) -> bool:
        """Whether a layer is a batch normalization of this Keras or a subclass of one."""
        return isinstance(layer, self.norm_class)

    def layers(self) -> list[Any]:
        """The model and every layer it tracks, however deep, each once."""
        found: dict[int, Any] = {}
        for layer in self.model._flatten_layers():
            found.setdefault(id(layer), layer)
        return list(found.values())

    def norms(self) -> list[Any]:
        """Every batch normalization the model tracks."""
        return [layer for layer in self.layers() if self.is_norm(layer)]

    def affine(self, norm: Any) -> list[Any]:
        """The layer's gamma and beta, as far as it has them."""
        weights = [getattr(norm, name, None) for name in ("gamma", "beta")]
        return [weight for weight in weights if weight is not None]

    def is_built(self, norm: Any) -> bool:
        """Does the layer have its statistics?"""
        return getattr(norm, "moving_mean", None) is not None

    def has_training(self, layer: Any) -> bool:
        """Can ``training`` be passed to this layer in a call?

        Keras 2 takes it for any model, whatever its ``call`` accepts.
        """
        if self.generation == "2":
            return bool(getattr(layer, "_expects_training_arg", True)) or isinstance(layer, self.keras.Model)
        return bool(layer._call_has_training_arg)

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """The model's outputs, eagerly, called as Keras would for a prediction with False, as it should for a step with True."""
        x = self.tensors(x)
        # Keras 3 sets the mode of the layers inside by a True, whether or not the model's own call takes it.
        if training or (training is False and self.has_training(self.model)):
            return self.model(x, training=training)
        return self.model(x)

    def tensors(self, x: Any) -> Any:
        """Arrays as this Keras's tensors; dictionaries and lists as they are."""
        if isinstance(x, dict):
            return {key: self.tensors(value) for key, value in x.items()}
        if isinstance(x, list | tuple):
            return type(x)(self.tensors(each) for each in x)
        return self.tensor(x)

    def tensor(self, value: Any, dtype: Any = None) -> Any:
        """An array as a tensor of this Keras."""
        if self.generation == "2":
            tensorflow = import_module("tensorflow")
            return tensorflow.convert_to_tensor(value, dtype=dtype)
        return self.keras.ops.convert_to_tensor(value, dtype=dtype)

    def synchronize(self) -> None:
        """Bring the weights up to date in the middle of a training: on JAX the trainer has them."""
        if self.backend == "jax" and hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()


def _keras_of(model: Any) -> Any:
    for kind in type(model).__mro__:
        root, _, rest = kind.__module__.partition(".")
        if root in _ROOTS and hasattr(model, "_flatten_layers"):
            return import_module(root)
        if root == "tensorflow" and rest.startswith("python.keras"):
            raise TypeError(f"{kind.__module__} is a copy of Keras that TensorFlow keeps for itself; use keras or tf_keras")
    raise TypeError(f"a model of Keras is needed, Keras 3 or tf_keras; this is a {type(model).__qualname__}")
