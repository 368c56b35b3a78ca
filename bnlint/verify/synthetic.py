"""Data that a model can be trained on: the right shapes, types and targets, made up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_FREE_SIZE = {1: 16, 2: 12, 3: 32, 4: 8}
"""What a free axis is given, by the number of axes between batch and channels: sequences 12, images 32, volumes 8."""
_SHAPES: tuple[tuple[int, ...], ...] = (
    (32, 32, 3),
    (16,),
    (12, 8),
    (28, 28, 1),
    (64, 64, 3),
    (8,),
    (224, 224, 3),
    (12,),
    (8, 32, 32, 3),
)
"""Inputs to be tried on a subclassed model that does not say what it takes: images first, they are most common, and one of each number of axes."""

Tree = Any


def numpy_of(value: Any) -> Any:
    """A tensor of any backend as an array; a structure of tensors as the same structure of arrays."""
    if isinstance(value, dict):
        return {key: numpy_of(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [numpy_of(each) for each in value]
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def leaves(value: Tree) -> list[Any]:
    """The arrays of a structure, in order."""
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for each in value for leaf in leaves(each)]
    return [] if value is None else [value]


def mapped(value: Tree, function: Any) -> Tree:
    """The structure with a function applied to its leaves; None stays."""
    if isinstance(value, dict):
        return {key: mapped(each, function) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [mapped(each, function) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return None if value is None else function(value)


def batch_size_for(shape: tuple[int, ...]) -> int:
    """Samples that keep a step affordable: 16, and 4 or 2 where one sample has more values, or an image more pixels, than most.

    What a network holds for a step grows with the pixels: a U-Net of 32 filters takes 4 GB for 16 images of 128 by 128.
    """
    size = np.prod(shape, dtype=float)
    pixels = np.prod(shape[:-1], dtype=float) if len(shape) > 2 else 0.0
    return 2 if size > 4e5 else 4 if size > 1e5 or pixels > 4096 else 16


LARGER = (96, 224)
"""What free axes of images are given in turn, where a network takes no image of the usual size: InceptionV3 begins at 75."""


def sized(shape: Any, image: int = _FREE_SIZE[3]) -> tuple[int, ...]:
    """A shape without its batch axis, free axes given a size, those of images ``image``."""
    inner = list(shape)[1:]
    free = image if len(inner) == 3 else _FREE_SIZE.get(len(inner), 8)
    return tuple(
        int(size) if size is not None else (3 if index == len(inner) - 1 and len(inner) == 3 else free)
        for index, size in enumerate(inner)
    )


def sample(shape: tuple[int, ...], dtype: str, rng: np.random.Generator, highest: int = 2) -> Any:
    """Normal values away from 0 and 1, so that statistics have somewhere to move; integers below ``highest`` for integer inputs."""
    if dtype.startswith(("int", "uint")):
        return rng.integers(0, max(1, highest), shape).astype(dtype)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype == "string":
        return np.full(shape, "text", dtype=object)
    return rng.normal(2.0, 3.0, shape).astype(dtype if dtype in ("float64", "float32", "float16") else "float32")


def input_tensors(model: Any) -> Tree | None:
    """The symbolic inputs of a functional or built sequential model in the structure that its call takes; none otherwise."""
    structure = getattr(model, "_inputs_struct", None)
    if structure is None:
        structure = getattr(model, "_nested_inputs", None)
    if structure is None:
        try:
            structure = model.inputs
        except (AttributeError, ValueError):
            return None
    if isinstance(structure, (list, tuple)) and len(structure) == 1:
        return structure[0]
    return structure if leaves(structure) else None


def _shape_of(tensor: Any) -> tuple[int | None, ...]:
    shape = tensor.shape
    return tuple(shape.as_list() if hasattr(shape, "as_list") else shape)


def inputs_like(tensors: Tree, count: int | None, seed: int, highest: int = 2, image: int = _FREE_SIZE[3]) -> Tree:
    """A batch for symbolic inputs."""
    rng = np.random.default_rng(seed)
    size = count or min(batch_size_for(sized(_shape_of(each), image)) for each in leaves(tensors))

    def one(tensor: Any) -> Any:
        shape = _shape_of(tensor)
        fixed = shape[0] if shape and shape[0] else size
        return sample((fixed, *sized(shape, image)), str(getattr(tensor.dtype, "name", tensor.dtype)), rng, highest)

    return mapped(tensors, one)


def shapes_to_try(known: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Shapes of one sample: those that the code gives, then the common ones."""
    seen = set()
    for shape in (*known, *_SHAPES):
        if shape not in seen:
            seen.add(shape)
            yield shape


def targets_to_try(outputs: Tree, loss: Any, seed: int) -> Iterator[Tree]:
    """Targets that may suit a model's outputs, likeliest for its loss first."""
    rng = np.random.default_rng(seed)
    name = str(getattr(loss, "name", None) or getattr(loss, "__name__", None) or loss).lower()
    makers = {"class": _classes, "one_hot": _one_hot, "binary": _binary, "real": _real, "flat": _flat}
    order = ["real", "one_hot", "class", "binary", "flat"]
    if "sparse" in name:
        order = ["class", "flat", "one_hot", "real"]
    elif "categorical" in name or "focal" in name:
        order = ["one_hot", "class", "binary", "real", "flat"]
    elif "binary" in name or "dice" in name or "bce" in name:
        order = ["binary", "one_hot", "real", "class", "flat"]
    for kind in order:
        yield mapped(outputs, lambda each, make=makers[kind]: make(np.asarray(each), rng))


def _classes(output: Any, rng: Any) -> Any:
    return rng.integers(0, max(1, output.shape[-1]), output.shape[:-1]).astype("int32") if output.ndim > 1 else _flat(output, rng)


def _one_hot(output: Any, rng: Any) -> Any:
    if output.ndim < 2:
        return _binary(output, rng)
    return np.eye(output.shape[-1], dtype="float32")[rng.integers(0, output.shape[-1], output.shape[:-1])]


def _binary(output: Any, rng: Any) -> Any:
    return rng.integers(0, 2, output.shape).astype("float32")


def _real(output: Any, rng: Any) -> Any:
    return rng.normal(0.0, 1.0, output.shape).astype("float32")


def _flat(output: Any, rng: Any) -> Any:
    return rng.integers(0, 2, output.shape[:1]).astype("int32")
