"""Short, real trainings: what a user's ``fit`` becomes in the child process, and what experiments train with."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from bnlint.verify.callbacks import driven
from bnlint.verify.guesses import TARGET, guess
from bnlint.verify.objects import Snapshot, has_call, is_model, is_norm, keras_of, kerases, layers_of
from bnlint.verify.plans import planned
from bnlint.verify.raised import let_go
from bnlint.verify.recorder import Flags, Happening
from bnlint.verify.runtime import MISSING
from bnlint.verify.steps import SINGLE, batch_structure
from bnlint.verify.synthetic import (
    LARGER,
    Tree,
    batch_size_for,
    input_tensors,
    inputs_like,
    leaves,
    mapped,
    numpy_of,
    sample,
    targets_to_try,
)

STEPS = 2
BIG, BIG_BATCH = 60, 2
"""From so many layers on, a network is trained for one step of so few samples: a ResNet50 takes two seconds of a core for it."""
SEED = 7


class Several(tuple[Any, ...]):
    """What a batch holds behind its inputs where that is more than targets."""


class Untrainable(Exception):
    """A model cannot be built or trained; the message says why. ``shape`` tells whether another input shape may help."""

    def __init__(self, message: str, shape: bool = False) -> None:
        super().__init__(message)
        self.shape = shape


class Trainer:
    """Trains models on the user's data as far as it is there, else on made-up data.

    ``shape`` is that of one sample for models that do not say what they take. Where it is not to ``train``, the user's own
    calls do nothing.
    """

    def __init__(self, shape: tuple[int, ...], note: Any, train: bool = True) -> None:
        self.shape, self.note, self.train = shape, note, train
        self._eager = True
        self._image: dict[int, dict[str, int]] = {}
        self.known: dict[int, tuple[Tree, Tree]] = {}
        self.accepted: dict[int, tuple[Tree, Tree]] = {}
        """The inputs and targets of the last fit of a model that worked, by its identity."""

    # Data

    def inputs(self, model: Any, count: int | None = None, seed: int = SEED) -> Tree:
        """A batch that the model takes; the model's own data where it was seen, made up otherwise."""
        tensors = input_tensors(model)
        if tensors is not None and len(leaves(tensors)):
            return inputs_like(tensors, count, seed, _vocabulary(model), **self._image.get(id(model), {}))
        if id(model) in self.known:
            seen = self.known[id(model)][0]
            rng = np.random.default_rng(seed)
            return mapped(seen, lambda each: _resampled(np.asarray(each), count or len(each), rng))
        size = count or batch_size_for(self.shape)
        return sample((size, *self.shape), "float32", np.random.default_rng(seed))

    def built(self, model: Any) -> Any:
        """The model, built by a call where it was not; raises Untrainable."""
        if getattr(model, "built", False) and (model.weights or not is_model(model)):
            return model
        if not has_call(model):
            return model
        try:
            model(self.inputs(model), training=False)
        except TypeError:
            try:
                model(self.inputs(model))
            except Exception as error:
                raise Untrainable(
                    f"the model cannot be called on an input of shape {self.shape}: {_said(error)}", True
                ) from error
        except Exception as error:
            if self._takes_several(model, error) or self._takes_integers(model):
                return model
            raise Untrainable(f"the model cannot be called on an input of shape {self.shape}: {_said(error)}", True) from error
        return model

    def _takes_several(self, model: Any, error: Exception) -> bool:
        """Whether a model that unpacks its input can be called on as many as it wants; they are kept as its data."""
        wanted = re.search(r"(?:too many|not enough) values to unpack \(expected (\d)", str(error))
        if not wanted or id(model) in self.known:
            return False
        shape = self.shape[:1] * 2 if len(self.shape) == 2 else self.shape  # nodes and their adjacency fit each other then
        rng = np.random.default_rng(SEED)
        inputs = [sample((batch_size_for(shape), *shape), "float32", rng) for _ in range(int(wanted[1]))]
        with suppress(Exception):  # whatever it is, the model does not take it
            model(inputs)
            self.known[id(model)] = (inputs, None)
        return id(model) in self.known

    def _takes_integers(self, model: Any) -> bool:
        """Whether a model with embeddings in it can be called on what these take; that is kept as its data."""
        if _vocabulary(model, 0) == 0 or len(self.shape) > 2 or id(model) in self.known:
            return False
        rng = np.random.default_rng(SEED)
        inputs = sample((batch_size_for(self.shape), *self.shape), "int32", rng, _vocabulary(model))
        with suppress(Exception):  # whatever it is, the model does not take it
            model(inputs)
            self.known[id(model)] = (inputs, None)
        return id(model) in self.known

    # Training

    def fit(self, model: Any, x: Tree = None, y: Tree = None, epochs: int = 1, batch_size: int | None = None) -> list[Flags]:
        """A real ``fit`` of a few steps, and what it moved; raises Untrainable."""
        self.built(model)
        _compiled(model)
        candidates = iter([(x, y)]) if x is not None else self.data(model)
        if x is None and not self._eager and id(model) in self.accepted:  # others would be traced anew, with the flags of today
            candidates = iter([self.accepted[id(model)]])
        errors = []
        idle: list[Flags] | None = None
        snapshot = Snapshot(model)
        steps = steps_for(model)
        for inputs, targets in candidates:
            try:
                if steps == 1 and x is not None:
                    inputs, targets = (
                        None if each is None else mapped(each, lambda a: a[:BIG_BATCH]) for each in (inputs, targets)
                    )
                size = batch_size or -(-len(leaves(inputs)[0]) // steps)
                with eager(self._eager):
                    _fit(model, inputs, targets, epochs, size)
                self.accepted[id(model)] = (inputs, targets)
                flags = _flags(snapshot)
                seen = x is None and id(model) in self.known and inputs is self.known[id(model)][0]
                if not seen or any(each.weights_moved for each in flags):
                    return flags
                idle = flags  # the loss may be saturated on them: others tell whether anything is trained
                snapshot.restore()
            except Exception as error:  # noqa: BLE001 - other targets may suit the loss
                let_go(error)
                errors.append(error)
                snapshot.restore()
                if hasattr(model, "train_function"):
                    model.train_function = None  # one whose tracing failed makes no variables later on
        if idle is not None:
            return idle
        raise Untrainable(
            f"the model cannot be trained: {_said(errors[0])}" if errors else "there is nothing to train on"
        ) from None

    def data(self, model: Any) -> Iterator[tuple[Tree, Tree]]:
        """Inputs and targets that a model may be trained on, likeliest first."""
        structure = batch_structure(model)
        found = self._pairs(model) if has_call(model) else self._data_of_parts(model)
        if structure == SINGLE:
            inputs, targets = next(found)
            yield inputs, None
            yield inputs, targets
        elif isinstance(structure, tuple) and len(structure) > 2:
            inputs, targets = next(found)
            yield inputs, Several(_part(each, inputs, targets) for each in structure[1:])
            yield inputs, targets
        yield from found

    def _pairs(self, model: Any) -> Iterator[tuple[Tree, Tree]]:
        """Inputs and targets for a model that can be called, likeliest first."""
        if id(model) in self.known and self.known[id(model)][1] is not None:
            yield self.known[id(model)]
        inputs, outputs = self._accepted(model)
        count = len(leaves(inputs)[0])
        full = mapped(outputs, lambda each: np.zeros((count, *each.shape[1:]), "float32"))
        for targets in targets_to_try(full, _loss_of(model), SEED):
            yield inputs, targets
        yield inputs, None

    def _accepted(self, model: Any) -> tuple[Tree, Tree]:
        """Inputs for a training, of a size that the model takes, and what it makes of two of them."""
        for size in (*LARGER, None):
            inputs = self.inputs(model)
            try:
                outputs = numpy_of(model(mapped(inputs, lambda each: each[:2]), training=False))
                break
            except Exception:
                if size is None:
                    raise
                self._image[id(model)] = {"image": size}
        if steps_for(model) == 1:
            return mapped(inputs, lambda each: each[:BIG_BATCH]), outputs
        return mapped(inputs, lambda each: np.concatenate([each, each[::-1]])), outputs

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Train in graphs while the block runs, where it matters when flags are read."""
        self._eager = False
        self.accepted.clear()
        try:
            yield
        finally:
            self._eager = True

    def _data_of_parts(self, model: Any) -> Iterator[tuple[Tree, Tree]]:
        """Data for a model that is no more than its ``train_step``: what the models inside take, likeliest targets first."""
        parts = [each for each in model._flatten_layers(include_self=False) if is_model(each) and input_tensors(each) is not None]
        for part in parts:
            inputs, targets = next(self.data(part))
            yield inputs, targets
            yield inputs, None
            yield inputs, inputs
            for other in list(self.data(part))[1:]:
                yield inputs, other[1]

    # The user's own calls

    def handlers(self) -> dict[str, Any]:
        """What the user's calls of a model's methods do instead."""
        trains = {"fit": self._handle_fit, "fit_generator": self._handle_fit, "train_on_batch": self._handle_fit}
        looks = ("evaluate", "evaluate_generator", "predict", "predict_generator", "predict_on_batch", "test_on_batch")
        return trains | dict.fromkeys(looks, self._handle_other)

    def _handle_fit(self, happening: Happening, original: Any, *args: Any, **kwargs: Any) -> Any:
        model = happening.model
        happening.plan = planned(happening.kind, args, kwargs)
        x, y = self._given(model, args, kwargs)
        if x is not None and not fits(model, x):  # made up for a function before it made the model
            x = y = None
        own = x is not None
        if own:
            self.known[id(model)] = (x, y)
        driven(model, kwargs.get("callbacks"), kwargs.get("epochs", 1))
        if not self.train:
            return 0.0 if happening.kind == "train_on_batch" else getattr(model, "history", None)
        if not own:
            self.note("trained on made-up data")
        try:
            happening.flags = self.fit(model, x, y)
        except Untrainable:
            if not own:
                raise
            self.known.pop(id(model), None)
            happening.flags = self.fit(model)
            self.note("trained on made-up data")
        history = getattr(model, "history", None)
        return 0.0 if happening.kind == "train_on_batch" else history

    def _handle_other(self, happening: Happening, original: Any, *args: Any, **kwargs: Any) -> Any:
        model = happening.model
        x, y = self._given(model, args, kwargs)
        if x is not None and not fits(model, x):  # made up for a function before it made the model
            x = y = None
        if x is None:
            self.built(model)
            x = self.inputs(model)
        if not self.train and happening.kind.startswith(("evaluate", "test")):
            return 0.0
        snapshot = Snapshot(model)
        if happening.kind.startswith("predict"):
            result = model.predict(x, verbose=0)
        else:
            _compiled(model)
            result = model.evaluate(x, y, verbose=0)
        happening.flags = _flags(snapshot)
        return result

    def _given(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tree, Tree]:
        """The user's data as arrays of a few samples; none where it is not here."""
        x = args[0] if args else kwargs.get("x", kwargs.get("generator"))
        y = args[1] if len(args) > 1 else kwargs.get("y")
        if x is None or x is MISSING or y is MISSING:
            return None, None
        try:
            return few_samples(x, y)
        except Exception:  # noqa: BLE001 - whatever it is, it is no data
            return None, None


def fits(model: Any, x: Tree) -> bool:
    """Whether data have the number of inputs and the shapes that a model says it takes, if it does."""
    tensors = leaves(input_tensors(model))
    shapes = [tuple(each.shape) for each in tensors]
    given = [tuple(np.shape(each)) for each in leaves(x)]
    if not tensors:
        return True
    return len(shapes) == len(given) and all(_agree(*pair) for pair in zip(shapes, given, strict=True))


def _agree(wanted: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    """Whether a shape is one that is wanted; a last axis of one may be missing or too many, as Keras has it."""
    first, second = (each[1:-1] if len(each) > 1 and each[-1] == 1 else each[1:] for each in (wanted, shape))
    return len(first) == len(second) and all(a is None or a == b for a, b in zip(first, second, strict=True))


def steps_for(model: Any) -> int:
    """How many steps a training of a model takes."""
    return 1 if len(layers_of(model)) > BIG else STEPS


def few_samples(x: Any, y: Any = None) -> tuple[Tree, Tree]:
    """The first samples of arrays, or of the first batches of a dataset or generator, as arrays."""
    if not isinstance(x, dict) and not _is_array(x):
        if hasattr(x, "__getitem__") and hasattr(x, "__len__") and not isinstance(x, (list, tuple)):
            batches = [x[index] for index in range(min(STEPS, len(x)))]
        elif isinstance(x, (list, tuple)):
            batches = []
        else:
            batches = list(itertools.islice(iter(x), STEPS))
        if batches:
            parts = [each if isinstance(each, (list, tuple)) else (each, None) for each in batches]
            joined = [_joined([part[index] for part in parts]) if len(parts[0]) > index else None for index in (0, 1)]
            x, y = joined
    x = numpy_of(x)
    size = STEPS * batch_size_for(np.shape(leaves(x)[0])[1:])
    cut = lambda each: np.asarray(each)[:size]
    return mapped(x, cut), None if y is None else mapped(numpy_of(y), cut)


def _joined(parts: list[Any]) -> Any:
    if parts[0] is None:
        return None
    arrays = [numpy_of(each) for each in parts]
    if isinstance(arrays[0], dict):
        return {key: np.concatenate([each[key] for each in arrays]) for key in arrays[0]}
    if isinstance(arrays[0], list):
        return [np.concatenate(each) for each in zip(*arrays, strict=True)]
    return np.concatenate(arrays)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and (hasattr(value, "dtype") or hasattr(value, "iloc"))


def _resampled(seen: Any, count: int, rng: np.random.Generator) -> Any:
    """Other samples of the same kind: rows of what was seen, in another order, numbers shaken a little."""
    rows = seen[rng.integers(0, len(seen), count)]
    if rows.dtype.kind == "f":
        rows = (rows + rng.normal(0.0, 0.1 * (float(rows.std()) or 1.0), rows.shape)).astype(rows.dtype)
    return rows


def _vocabulary(model: Any, default: int = 2) -> int:
    """How many different integers a model's embeddings take; the default where it has none."""
    sizes = [each.input_dim for each in model._flatten_layers() if isinstance(getattr(each, "input_dim", None), int)]
    return min(sizes, default=default)


@contextmanager
def eager(switch: bool = True) -> Iterator[None]:
    """Functions run as Python: a few steps cost less than tracing them, and the training argument resolves in the same way.

    Where the ``switch`` is off, they are traced, whatever is set around.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        yield
        return
    tensorflow.debugging.disable_traceback_filtering()  # the frames in Keras tell what an exception is about
    for keras in kerases():
        if disable := getattr(getattr(keras, "config", None), "disable_traceback_filtering", None):
            disable()
    before = tensorflow.config.functions_run_eagerly()
    tensorflow.config.run_functions_eagerly(switch)
    try:
        yield
    finally:
        tensorflow.config.run_functions_eagerly(before)


def _fit(model: Any, x: Tree, y: Tree, epochs: int, batch_size: int) -> None:
    keras_of(model).utils.set_random_seed(SEED)
    keywords = {"batch_size": batch_size, "epochs": epochs, "verbose": 0, "shuffle": False}
    if isinstance(x, tuple):
        x = list(x)
    if isinstance(y, Several):
        model.fit(batches_of(x, y, batch_size), epochs=epochs, verbose=0)
    else:
        model.fit(x, y, **keywords) if y is not None else model.fit(x, **keywords)


def batches_of(x: Tree, others: Several, batch_size: int) -> Any:
    """A data set whose batches are tuples of more than inputs and targets."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, *others)).batch(batch_size)


def _part(name: Any, inputs: Tree, targets: Tree) -> Tree:
    """What a step that unpacks its batch is likely to want by a name: weights of samples, targets, or more inputs."""
    if not isinstance(name, str):
        return tuple(_part(each, inputs, targets) for each in name)
    if "weight" in name or name == "w":
        return np.ones(len(leaves(inputs)[0]), "float32")
    return targets if guess(name) is TARGET and targets is not None else inputs


def _compiled(model: Any) -> None:
    if getattr(model, "compiled", None) or getattr(model, "_is_compiled", None) or getattr(model, "optimizer", None):
        return
    model.compile(optimizer="sgd", loss="mse")


def _loss_of(model: Any) -> Any:
    loss = getattr(model, "loss", None)
    if isinstance(loss, dict):
        loss = next(iter(loss.values()), None)
    if isinstance(loss, (list, tuple)):
        loss = loss[0] if loss else None
    return loss


def _flags(snapshot: Snapshot) -> list[Flags]:
    return [
        Flags(
            each,
            bool(each.trainable),
            snapshot.statistics_moved(each) if is_norm(each) else None,
            snapshot.weights_moved(each),
        )
        for each in snapshot.layers
    ]


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
