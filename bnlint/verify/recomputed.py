"""How often the moving statistics are updated in a function that is computed again for the gradient."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from bnlint.verify.bench import Inconclusive
from bnlint.verify.objects import difference, is_norm, keras_of, statistics
from bnlint.verify.places import nearest
from bnlint.verify.recorder import Recomputed
from bnlint.verify.synthetic import leaves, sample, sized

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench

_MODELS = 4


def recomputed_at(bench: Bench) -> list[Recomputed]:
    """The functions that are recomputed because of a bench's place, and were called, in the models' runs too."""
    known = [each for each in bench.recording.recomputed]
    for model in bench.stage.own_models()[:_MODELS]:
        with bench.stage.watched() as recording:
            bench.outputs(bench.built(model), bench.batch(model), training=True)
        known += recording.recomputed
    places = nearest((place for each in known for place in each.stack[:1]), bench.span)
    return [each for each in known if each.stack and each.stack[0] in places and each.arguments is not None]


def updates(bench: Bench, again: Recomputed) -> float | None:
    """How far one step with its gradient moves the statistics in a recomputed function, in forward passes of it.

    None where a forward pass in training mode moves none.
    """
    tensorflow = sys.modules["tensorflow"]
    positional, named = again.arguments or ((), {})
    given = [_like(each) for each in _in_training(again.function, positional)]
    with bench.stage.watched() as recording:
        _in_context(bench, lambda: again.function(*given, **named))
    norms = list({id(each.layer): each.layer for each in recording.calls if is_norm(each.layer) and each.layer.built}.values())
    before = [statistics(each) for each in norms]

    def step() -> None:
        floats = [each for each in given if hasattr(each, "dtype") and each.dtype.is_floating]
        with tensorflow.GradientTape() as tape:
            for each in floats:
                tape.watch(each)
            outputs = leaves(again.wrapped(*given, **named))
            total = sum(tensorflow.reduce_sum(each * each) for each in outputs)
        tape.gradient(total, floats + [weight for norm in norms for weight in _variables(norm)])

    moved = []
    for run in (lambda: again.function(*given, **named), step):
        _put(norms, before)
        _in_context(bench, run)
        moved.append(max((difference(old, statistics(each)) for old, each in zip(before, norms, strict=True)), default=0.0))
    _put(norms, before)
    return moved[1] / moved[0] if moved[0] > 1e-7 else None


def _variables(norm: Any) -> list[Any]:
    return [getattr(each, "_value", each) for each in norm.trainable_weights]


def _put(norms: list[Any], values: list[Any]) -> None:
    for norm, (mean, variance) in zip(norms, values, strict=True):
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)


def _in_training(function: Any, positional: tuple[Any, ...]) -> list[Any]:
    """The arguments, those of a parameter ``training`` true."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return [True if name == "training" else value for name, value in zip([*names, *[""] * 9], positional, strict=False)]


def _like(value: Any) -> Any:
    """Values of a tensor's shape and type."""
    shape = getattr(value, "shape", None)
    if shape is None:
        return value
    tensorflow = sys.modules["tensorflow"]
    dtype = str(getattr(value.dtype, "name", value.dtype))
    batch = sample((8, *sized(tuple(shape))), dtype, np.random.default_rng(37))
    return tensorflow.convert_to_tensor(batch) if len(shape) else value


def _in_context(bench: Bench, run: Any) -> None:
    """Run as within a model that is called in training mode."""
    constructed = bench.recording.constructions
    if not constructed:
        raise Inconclusive("the code makes no layer")
    keras = keras_of(constructed[-1].instance)

    class Context(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any, training: Any = None) -> Any:
            run()
            return x

    context = Context()
    context.built = True
    context(sys.modules["tensorflow"].zeros((1, 1)), training=True)
