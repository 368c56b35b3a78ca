"""What a layer does to its input, measured on small arrays.

Each layer is built with the arguments that the annotations give for it, its weights are set to numbers that no initializer
would choose, and it is called in training mode, anew from the same seed for each input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = list[Any]
RATES = ("rate", "stddev")


def behaviour(keras: Any, cls: Any, annotation: dict[str, Any]) -> dict[str, Any]:
    """Return ``shift``, ``linear``, ``bias``, ``elementwise`` and ``dropout`` of one layer class.

    ``annotation`` has the family, the arguments, and the shapes of the inputs where those of the family do not fit.
    """
    import tensorflow as tf

    try:
        return _behaviour(keras, cls, annotation, "float64")
    except tf.errors.OpError:  # The kernels for three-dimensional pooling know no float64.
        return _behaviour(keras, cls, annotation, "float32")


def _behaviour(keras: Any, cls: Any, annotation: dict[str, Any], dtype: str) -> dict[str, Any]:
    inputs = [_numbers(shape, seed) for seed, shape in enumerate(_shapes(cls, annotation))]
    layers: list[Any] = []

    def run(*arrays: Any, training: bool = True) -> Any:
        keras.utils.set_random_seed(1)
        layer = cls(**annotation["arguments"], dtype=dtype)
        takes = "training" in inspect.signature(layer.call).parameters
        given: Any = list(arrays) if len(arrays) > 1 else arrays[0]
        _call(layer, given, annotation, {})
        layer.set_weights([_numbers(weight.shape, 9) * 0.5 + 1.0 for weight in layer.get_weights()])
        layers.append(layer)
        return np.asarray(_call(layer, given, annotation, {"training": training} if takes else {}))

    output = run(*inputs)
    weighted = bool(layers[0].trainable_weights)
    linear = len(inputs) == 1 and weighted and _is_additive(run, inputs[0])
    entry: dict[str, Any] = {
        "shift": _shift(run, inputs, annotation["family"], linear),
        "linear": linear,
        "bias": _bias(layers[0], output.shape) if linear else None,
        "elementwise": len(inputs) == 1 and not weighted and _is_elementwise(run, inputs[0], output),
    }
    rate = next((name for name in RATES if name in annotation["arguments"]), None)
    if rate and not weighted and not np.array_equal(output, run(*inputs, training=False)):
        entry["dropout"] = rate
    return {key: value for key, value in entry.items() if value}


def _call(layer: Any, given: Any, annotation: dict[str, Any], keywords: dict[str, Any]) -> Any:
    if annotation["family"] == "attention" and "num" in " ".join(annotation["arguments"]):
        return layer(*given, **keywords)
    return layer(given, **keywords)


def _shapes(cls: Any, annotation: dict[str, Any]) -> list[tuple[int, ...]]:
    if "inputs" in annotation:
        return [tuple(shape) for shape in annotation["inputs"]]
    rank = next((int(digit) for digit in "123" if f"{digit}D" in cls.__name__), 2)
    shape = (3, *(6, 5, 6)[:rank], 4)
    return [shape, shape] if annotation["family"] in ("merge", "concatenate") else [shape]


def _numbers(shape: Any, seed: int) -> Any:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, tuple(shape))


def _is_additive(run: Callable[..., Any], array: Any) -> bool:
    other = _numbers(array.shape, 5) * 2 + 0.5
    both, first, second, nothing = run(array + other), run(array), run(other), run(np.zeros_like(array))
    return bool(np.allclose(both + nothing, first + second, atol=1e-6))


def _is_elementwise(run: Callable[..., Any], array: Any, output: Any) -> bool:
    if output.shape != array.shape:
        return False
    order = np.random.default_rng(3).permutation(array.size)
    shuffled = run(array.reshape(-1)[order].reshape(array.shape))
    return bool(np.allclose(shuffled.reshape(-1), output.reshape(-1)[order], atol=1e-9)) and _is_local(run, array, output)


def _is_local(run: Callable[..., Any], array: Any, output: Any) -> bool:
    changed = array.copy()
    changed.reshape(-1)[0] += 1.0
    return bool((run(changed) != output).sum() <= 1)


def _shift(run: Callable[..., Any], inputs: Arrays, family: str, linear: bool) -> str:
    """How the layer treats a constant added to each channel of its (first) input; channels are the last axis."""
    if family in ("flatten", "reshape", "permute"):
        return "reshape"
    first, *others = inputs
    constants = np.array([0.3, 1.7, -0.9, 2.2])[: first.shape[-1]]
    for scale in (1.0, 3.0):
        change = run(first + scale * constants, *others) - run(first, *others)
        positions = change.reshape(-1, change.shape[-1])
        if not np.allclose(positions, positions[0], atol=1e-5) or np.allclose(positions, 0.0, atol=1e-5):
            return "breaks"
    return "linear" if linear else "merge" if others else "commutes"


def _bias(layer: Any, output: tuple[int, ...]) -> list[str] | None:
    """The constructor's parameter that switches the bias, and the axis it is added on."""
    names = inspect.signature(type(layer).__init__).parameters
    bias = next((weight for weight in layer.weights if weight.name.split(":")[0].split("/")[-1].endswith("bias")), None)
    if "bias_axes" in names:
        return ["bias_axes", "special"]
    if bias is None or "use_bias" not in names:
        return None
    if tuple(bias.shape) != output[-1:]:
        return ["use_bias", "special"]
    return ["use_bias", "channels" if "data_format" in names else "last"]
