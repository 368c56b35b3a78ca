"""A few samples to run a model on: of the data given, or made up to fit its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from bnlint.verify.live import Live
from bnlint.verify.synthetic import leaves, mapped

MOST_SAMPLES = 32
FEWEST_SAMPLES = 8
MOST_ELEMENTS = 2_000_000
"""Of all inputs together; it keeps one pass of a large model on images of 224 x 224 to a few seconds."""

STEPS = 4
FREE_SPACE, FREE_STEPS = 64, 16
"""Sizes for free axes of images and of sequences in made-up data."""


@dataclass(frozen=True)
class Samples:
    """Inputs, and targets and sample weights where they were given, in the structure the model takes; ``made_up`` if invented."""

    x: Any
    y: Any = None
    weights: Any = None
    made_up: bool = False

    @property
    def count(self) -> int:
        return len(leaves(self.x)[0])

    @property
    def batch(self) -> int:
        """A batch size for some steps over the samples, none of which is of a single sample."""
        return max(2, self.count // STEPS)

    def first(self, count: int) -> Samples:
        """Fewer samples."""
        return self._mapped(lambda array: array[:count])

    def _mapped(self, change: Callable[[Any], Any]) -> Samples:
        return Samples(mapped(self.x, change), mapped(self.y, change), mapped(self.weights, change), self.made_up)


def samples_of(data: Any) -> Samples:
    """A few samples of arrays, ``(x, y)``, ``(x, y, sample_weight)``, a dictionary or list of inputs, or of anything that
    yields batches of these: a dataset, a data loader, a Keras Sequence, a generator, of which the first batches are taken.

    Raises TypeError for anything else, ValueError for fewer than two samples.
    """
    found = _of_one(data) if _is_arrays(data) else _of_batches(data)
    sizes = {len(array) for tree in (found.x, found.y, found.weights) for array in leaves(tree)}
    if len(sizes) != 1:
        raise ValueError(f"data: inputs and targets hold different numbers of samples: {sorted(sizes)}")
    size = sum(array[:1].size for array in leaves(found.x))
    count = min(MOST_SAMPLES, max(FEWEST_SAMPLES, MOST_ELEMENTS // max(1, size)), found.count)
    if count < 2:
        raise ValueError("data holds a single sample; batch normalization has nothing to average over, give at least 2")
    count -= count % max(2, count // STEPS) if count > STEPS else 0
    return found.first(count)


def made_up(live: Live, seed: int = 0) -> Samples:
    """Random samples that fit the inputs of a built model; raises ValueError where they cannot be known."""
    specification = _inputs(live.model)
    if specification is None:
        raise ValueError("the shapes of the model's inputs are not known; give data=, a few samples to call it on")
    random = np.random.default_rng(seed)
    words = min((layer.input_dim for layer in live.layers() if type(layer).__name__ == "Embedding"), default=2)
    shapes = leaves(mapped(specification, lambda each: _Leaf(tuple(each.shape), str(each.dtype))))
    size = sum(int(np.prod([dim or FREE_SPACE for dim in leaf.shape[1:]])) for leaf in shapes)
    count = min(MOST_SAMPLES, max(FEWEST_SAMPLES, MOST_ELEMENTS // max(1, size)))
    return Samples(mapped(specification, lambda each: _random(tuple(each.shape), each.dtype, count, words, random)), made_up=True)


@dataclass(frozen=True)
class _Leaf:
    shape: tuple[int | None, ...]
    dtype: str


def _random(shape: tuple[Any, ...], dtype: Any, count: int, words: int, random: np.random.Generator) -> Any:
    free = FREE_SPACE if len(shape) >= 4 else FREE_STEPS
    size = (count, *(int(dim) if dim else free for dim in shape[1:]))
    name = str(getattr(dtype, "name", dtype))
    if "string" in name:
        raise ValueError("the model takes text; give data=, a few samples to call it on")
    if "int" in name:
        return random.integers(0, max(2, words), size).astype(name)
    if "bool" in name:
        return random.random(size) < 0.5
    # Neither mean 0 nor variance 1, which is where moving statistics begin; a mean of its own for each channel, and the same
    # for all inputs, which one layer may be meant for.
    values = random.normal(0, 2, size) + np.random.default_rng(size[-1]).normal(1, 1, size[-1:])
    return values.astype("float32" if name == "bfloat16" else name)


def _inputs(model: Any) -> Any:
    """The model's inputs as a tree of things with shape and dtype, or None."""
    try:
        for name in ("_inputs_struct", "_nested_inputs"):
            found = getattr(model, name, None)
            if found is not None:
                return found
        if getattr(model, "inputs", None):
            inputs = list(model.inputs)
            return inputs[0] if len(inputs) == 1 else inputs
    except (AttributeError, ValueError):  # a Sequential without a shape
        return None
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    shape = next(iter(shapes.values()), None) if len(shapes) == 1 else getattr(model, "_build_input_shape", None)
    if shape is None:
        return None
    return _of_shapes(shape)


def _of_shapes(shape: Any) -> Any:
    if isinstance(shape, dict):
        return {key: _of_shapes(value) for key, value in shape.items()}
    sizes = tuple(shape)
    if sizes and not all(size is None or isinstance(size, int) for size in sizes):
        return [_of_shapes(each) for each in sizes]
    return _Leaf(sizes, "float32")


def _is_arrays(data: Any) -> bool:
    """Is this a tree of arrays, and not something that yields batches?"""
    found = leaves(data)
    return bool(found) and all(_is_array(each) for each in found) if isinstance(data, dict | tuple | list) else _is_array(data)


def _is_array(value: Any) -> bool:
    return isinstance(value, int | float) or (hasattr(value, "shape") and hasattr(value, "__getitem__"))


def _of_one(data: Any) -> Samples:
    """What a batch or all the data holds; a tuple is inputs, targets and sample weights."""
    if isinstance(data, tuple):
        x, y, weights, *_ = (*(mapped(_joined(each), _array) for each in data), None, None)
        return Samples(x, y, weights)
    return Samples(mapped(_joined(data), _array))


def _joined(tree: Any) -> Any:
    """A list of numbers is an array."""
    if isinstance(tree, list) and not all(hasattr(each, "shape") or isinstance(each, dict | list) for each in tree):
        return np.asarray(tree)
    return tree


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "to_dense"):
        value = value.to_dense()
    array = np.asarray(value)
    return array.astype("float32") if array.dtype == np.float64 else array


def _of_batches(data: Any) -> Samples:
    batches: list[Samples] = []
    for batch in islice(_batches(data), MOST_SAMPLES):
        batches.append(_of_one(batch))
        if sum(each.count for each in batches) >= MOST_SAMPLES:
            break
    if not batches:
        raise ValueError("data yields no batch")
    return Samples(*(_concatenated([getattr(each, part) for each in batches]) for part in ("x", "y", "weights")))


def _batches(data: Any) -> Iterator[Any]:
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "shape"):
        return (data[index] for index in range(len(data)))
    if isinstance(data, Iterable):
        return iter(data)
    raise TypeError(f"data: arrays, (x, y), a dictionary of inputs or a dataset is needed; this is a {type(data).__qualname__}")


def _concatenated(trees: list[Any]) -> Any:
    first = trees[0]
    if isinstance(first, dict):
        return {key: _concatenated([tree[key] for tree in trees]) for key in first}
    if isinstance(first, list | tuple):
        return type(first)(_concatenated([tree[each] for tree in trees]) for each in range(len(first)))
    return None if first is None else np.concatenate(trees)
