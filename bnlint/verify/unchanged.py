"""Leave a model, its optimizer and every random generator as they were."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

import numpy as np

from bnlint.verify.live import Live

Undo = Callable[[], None]

_SEED = 20150211


@contextmanager
def unchanged(live: Live, variables: list[Any] | None = None) -> Iterator[None]:
    """Puts back what is done inside: the variables of the model (or the given ones), of its optimizer and metrics, the
    states of its layers' random generators, and those of Python, numpy, Keras and its backend. Inside, the generators of
    Python, numpy and TensorFlow begin from a seed of our own.
    """
    kept = state_variables(live) if variables is None else variables
    undo = [keep(variable) for variable in kept]
    undo += [undone for generator in (_python, _numpy, _keras, _tensorflow, _torch) for undone in generator(live)]
    try:
        yield
    finally:
        for each in reversed(undo):
            each()


def keep(variable: Any) -> Undo:
    """Remembers the value of a variable; what is returned assigns it again if it has changed."""
    value = _value(variable)

    def undo() -> None:
        if not np.array_equal(_value(variable), value, equal_nan=value.dtype.kind in "fc"):
            variable.assign(value)

    return undo


def state_variables(live: Live, trainable: bool = True) -> list[Any]:
    """Every variable that a training or a call of the model can change, each once; all but the trainable ones on demand."""
    found: dict[int, Any] = {}
    model = live.model
    left_out = set() if trainable else {id(variable) for variable in model.trainable_variables}
    for layer in live.layers():
        for variable in _variables_of(layer):
            if id(variable) not in left_out:
                found.setdefault(id(variable), variable)
    optimizer = getattr(model, "optimizer", None)
    if trainable and optimizer is not None:
        owned = optimizer.variables
        for variable in owned() if callable(owned) else owned:
            found.setdefault(id(variable), variable)
    return list(found.values())


def _variables_of(layer: Any) -> Iterator[Any]:
    """A layer's variables: weights, metrics, counters, and the states of its random generators."""
    yield from layer.variables
    for metric in getattr(layer, "metrics", ()):
        yield from metric.variables
    for value in vars(layer).values():
        inner = getattr(value, "_generator", value)  # Keras 2 hides the generator of a layer in an object of its own
        state = getattr(inner, "_state_var", None)  # the generator of TensorFlow
        for each in (inner, state):
            if each is not None and hasattr(each, "assign") and hasattr(each, "numpy") and hasattr(each, "shape"):
                yield each


def _value(variable: Any) -> Any:
    value = getattr(variable, "value", None)
    if type(variable).__module__.partition(".")[0] == "keras" and value is not None:
        return np.array(sys.modules["keras"].ops.convert_to_numpy(value))
    return np.array(variable.numpy())


def _python(live: Live) -> Iterator[Undo]:
    state = random.getstate()
    random.seed(_SEED)
    yield lambda: random.setstate(state)


def _numpy(live: Live) -> Iterator[Undo]:
    state = np.random.get_state()
    np.random.seed(_SEED)
    yield lambda: np.random.set_state(state)


def _keras(live: Live) -> Iterator[Undo]:
    """Keras's own generators, and its counters of names, so that later layers are called what they would have been."""
    if live.generation == "2":
        backend = sys.modules.get(f"{live.keras.__name__}.src.backend")
        names, seeds = getattr(backend, "PER_GRAPH_OBJECT_NAME_UIDS", None), getattr(backend, "_SEED_GENERATOR", None)
        seeds = getattr(seeds, "generator", None)
        if seeds is not None:
            yield _attributes(seeds, seeds.getstate(), "setstate")
        if names is not None:
            yield _counters(names)
        return
    state = sys.modules.get("keras.src.backend.common.global_state")
    if state is None:
        return
    generator = state.get_global_attribute("global_seed_generator")
    if generator is not None:
        yield keep(generator.state)
    else:
        yield lambda: state.set_global_attribute("global_seed_generator", None)
    names = deepcopy(state.get_global_attribute("object_name_uids"))
    yield lambda: state.set_global_attribute("object_name_uids", names)


def _counters(names: Any) -> Undo:
    before = {graph: dict(counted) for graph, counted in names.items()}

    def undo() -> None:
        for graph, counted in list(names.items()):
            counted.clear()
            counted.update(before.get(graph, {}))

    return undo


def _tensorflow(live: Live) -> Iterator[Undo]:
    """TensorFlow's seeds for operations that have none.

    Ours are others than the program's: the operation with one of its seeds would go on where we left it. Clearing the cache of
    kernels, as ``tf.random.set_seed`` does, would make compiled functions begin again.
    """
    module = sys.modules.get("tensorflow.python.eager.context")
    if module is not None and hasattr(module.context(), "_rng"):
        context = module.context()
        seed, generator = context._seed, context._rng
        context._seed, context._rng = _SEED, random.Random(_SEED)

        def undo() -> None:
            context._seed, context._rng = seed, generator

        yield undo
    stateful = sys.modules.get("tensorflow.python.ops.stateful_random_ops")
    generator = getattr(stateful, "global_generator", None)
    if generator is not None:
        yield keep(generator.state)


def _torch(live: Live) -> Iterator[Undo]:
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        state = torch.get_rng_state()
        yield lambda: torch.set_rng_state(state)


def _attributes(generator: Any, state: Any, setter: str) -> Undo:
    return lambda: getattr(generator, setter)(state)


def twin_of(model: Any) -> Any:
    """The same model under another identity: the layers and variables are shared, what ``compile`` and ``fit`` set is not.

    Optimizers are copied from their configuration, so that a training step of the model's own does not touch the original's.
    """
    twin = object.__new__(type(model))
    attributes = {name: _own(value) for name, value in vars(model).items()}
    vars(twin).update(attributes)
    return twin


def _own(value: Any) -> Any:
    if type(value) in (list, dict, set) or type(value).__name__ == "ObjectIdentityDictionary":
        return copy(value)
    if hasattr(value, "apply_gradients") and hasattr(type(value), "from_config"):
        try:
            return type(value).from_config(value.get_config())
        except Exception:  # noqa: BLE001 - one that has no such configuration: its variables are put back in the end
            return value
    return value
