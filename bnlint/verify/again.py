"""A recorded course of compiling and training run again, with real trainings, for experiments about flags that are read too late."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bnlint.verify.bench import STILL, Bench, Inconclusive
from bnlint.verify.course import FITS, came_by, happened, unique, with_flags, writes_at

if TYPE_CHECKING:
    from bnlint.finding import Verdict
    from bnlint.verify.recorder import Flags, Happening


def heeded_by_fit(bench: Bench) -> Verdict:
    """Whether the training behind the place trains the layers whose flags are written there as these flags say."""
    writes = writes_at(bench)
    if not writes:
        bench.since()
        raise Inconclusive("no flag is written at this place")
    written = {id(layer) for each in writes for layer in _inside(each.model)}
    compiled, fits = _course(bench, writes, written)
    flags = _trained_again(bench, compiled, fits)
    concerned = [each for each in flags if id(each.layer) in written and each.weights_moved is not None and each.layer.weights]
    if not concerned:
        raise Inconclusive("the layers whose flags are written have no weights")
    if not any(_moved(each) > STILL for each in flags):
        raise Inconclusive("the training moves no weight at all")
    wrong = [each for each in concerned if (_moved(each) > STILL) != each.trainable]
    if not wrong and not came_by(bench):
        raise Inconclusive("the run does not come by the compilation that the finding means")
    chosen = wrong or concerned
    flag = chosen[0].trainable
    movement = max(_moved(each) for each in chosen if each.trainable == flag)
    count = len([each for each in chosen if each.trainable == flag])
    reason = f"the fit moves the weights of {count} layers written here, trainable = {flag}, by {movement:.2g}"
    return bench.decided(bool(wrong), reason, moved=movement, layers=count)


def _course(bench: Bench, writes: list[Happening], written: set[int]) -> tuple[Happening, list[Happening]]:
    """The compilation and the trainings until the one that the writes are meant for: that in which a callback makes them, or the next."""
    from bnlint.verify.objects import layers_of
    from bnlint.verify.recorder import Flags, Happening

    earlier = [each for each in happened(bench, *FITS) if each.time < writes[0].time and _holds(each, written)]
    if earlier and earlier[-1].stack and earlier[-1].stack[0] in writes[0].stack:
        now = [Flags(each, bool(each.trainable)) for each in layers_of(earlier[-1].model)]
        running = earlier[-1]
        compiled, _ = _since_compile(bench, running)
        return compiled, [running, Happening("fit", running.model, running.stack, writes[-1].time, before=now)]
    trained = [each for each in happened(bench, *FITS, after=writes[-1].time) if _holds(each, written)]
    if not trained:
        raise Inconclusive("no model with these layers is trained after this place")
    compiled, before = _since_compile(bench, trained[0])
    return compiled, [*before, trained[0]]


def first_training_moves(bench: Bench) -> Verdict:
    """Whether the first training of a model moves the weights of the layers that are frozen at the place after its compilation."""
    writes = [each for each in writes_at(bench) if not each.value]
    if not writes:
        return _step_moves(bench)
    written = {id(layer) for each in writes for layer in _inside(each.model)}
    trained = [each for each in happened(bench, *FITS, after=writes[0].time) if _holds(each, written) and _compiled(bench, each)]
    models = unique(each.model for each in trained if _compiled(bench, each)[-1].time < writes[0].time)
    if not models:
        raise Inconclusive("no model with these layers is compiled before this place and trained after it")
    first = next(each for each in trained if each.model is models[-1])
    compiled, before = _since_compile(bench, first)
    flags = [
        each for each in _trained_again(bench, compiled, [*before, first]) if id(each.layer) in written and each.layer.weights
    ]
    if not flags:
        raise Inconclusive("the layers that are frozen here have no weights")
    movement = max(map(_moved, flags))
    if movement > STILL and not came_by(bench):
        raise Inconclusive("the run does not come by the compilation that the finding means")
    reason = (
        f"the first training after this moves what is frozen here of {first.model.name}, {len(flags)} layers, by {movement:.2g}"
    )
    return bench.decided(movement <= STILL, reason, moved=movement)


def _step_moves(bench: Bench) -> Verdict:
    bench.since()
    flags = [flag for each in happened(bench, "update") for flag in each.flags]
    movement = max((_moved(each) for each in flags), default=0.0)
    if movement <= STILL:
        raise Inconclusive("nothing is frozen at this place")
    return bench.decided(False, f"a step of the training moves its batch normalizations by {movement:.2g}", moved=movement)


def _moved(flags: Flags) -> float:
    return max(flags.weights_moved or 0.0, flags.statistics_moved or 0.0)


def _inside(model: Any) -> list[Any]:
    from bnlint.verify.objects import layers_of

    return layers_of(model)


def _holds(happening: Happening, layers: set[int]) -> bool:
    return any(id(each.layer) in layers for each in happening.before)


def _compiled(bench: Bench, trained: Happening) -> list[Happening]:
    return [each for each in happened(bench, "compile") if each.model is trained.model and each.time < trained.time]


def _since_compile(bench: Bench, trained: Happening) -> tuple[Happening, list[Happening]]:
    """The last compilation of the trained model, and its trainings since."""
    found = _compiled(bench, trained)
    if not found:
        raise Inconclusive("the model that is trained was not compiled before")
    fits = [each for each in happened(bench, *FITS, after=found[-1].time) if each.model is trained.model]
    return found[-1], [each for each in fits if each.time < trained.time][:1]


def _trained_again(bench: Bench, compiled: Happening, fits: list[Happening]) -> list[Flags]:
    """What the last of the trainings moves, each with the flags that the user's began with, in a graph as ``fit`` has it.

    Gradient descent takes the place of the user's optimizer, which is no matter to the flags and takes several times as long.
    """
    model = compiled.model
    bench.built(model)
    flags: list[Flags] = []
    for loss in (getattr(model, "loss", None) or "mse", "mse"):
        with_flags(bench, compiled.before)
        with bench.stage.quiet(), _traced(), bench.trainer.traced():
            _compile(model, loss)
            for each in fits:
                with_flags(bench, each.before)
                flags = bench.fit(model)
        if any(_moved(each) > STILL for each in flags):
            break  # else the user's loss is saturated on such data, and says nothing about flags
    return flags


def _compile(model: Any, loss: Any) -> None:
    from bnlint.verify.objects import keras_of

    keras = keras_of(model)
    jit = {"jit_compile": False} if keras.__name__ == "keras" and hasattr(keras, "ops") else {}
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=loss, **jit)


@contextmanager
def _traced() -> Iterator[None]:
    """Without TensorFlow's optimization of graphs, which takes longer than the few steps that follow."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        yield
        return
    options = tensorflow.config.optimizer
    before = options.get_experimental_options().get("disable_meta_optimizer", False)
    options.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        options.set_experimental_options({"disable_meta_optimizer": before})
