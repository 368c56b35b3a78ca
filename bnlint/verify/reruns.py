"""Runs live models again, to see what they do each time: which layers they make, which they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bnlint.verify.bench import Inconclusive
from bnlint.verify.objects import is_layer, is_model, is_symbolic, layers_of
from bnlint.verify.places import overlaps, trace_places
from bnlint.verify.recorder import Construction, Failure, Recording
from bnlint.verify.synthetic import input_tensors

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench

_MODELS = 4
_STEPS = ("train_step", "test_step", "predict_step")


def made_in_runs(bench: Bench) -> int:
    """How many layers are made at a bench's place while models run two batches, or while the entry's function is called again.

    Raises Inconclusive where there are none, and some model could not be run or the place is made in a way that no run repeats.
    """
    problems: list[Exception] = []
    for model in bench.stage.models()[:_MODELS]:
        made = _watched(bench, lambda model=model: _two_batches(bench, model), problems)  # type: ignore[misc]
        if made:
            return made
    if _runs_on_data(bench.stage.result):
        return _watched(bench, lambda: [bench.stage.repeated() for _ in range(2)], problems)
    if problems:
        raise Inconclusive(str(problems[0]), shape=True) from problems[0]
    _check_made_before(bench)
    return 0


def _watched(bench: Bench, run: Callable[[], Any], problems: list[Exception]) -> int:
    """The number of layers made at the place in a run, which may fail."""
    with bench.stage.watched() as recording:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            problems.append(error)
            bench.recording.failures.append(Failure(error, trace_places(error), bench.recording.tick()))
    return len(_at_place(bench, recording))


def _two_batches(bench: Bench, model: Any) -> None:
    for name in _STEPS:
        if _is_own(model, name, bench.span.path):
            _two_steps(bench, model, name)
    bench.built(model)
    for seed in (7, 8):
        batch = bench.batch(model, seed=seed)
        try:
            bench.outputs(model, batch, training=True)
        except Inconclusive:
            bench.outputs(model, batch)


def _two_steps(bench: Bench, model: Any, name: str) -> None:
    """Steps of the model's own on inputs and targets, or on inputs alone."""
    if not getattr(model, "optimizer", None):
        model.compile("sgd", "mse")
    parts = [each for each in layers_of(model) if each is not model and is_model(each) and input_tensors(each) is not None]
    inputs = bench.batch(parts[0]) if parts else bench.stage.input_batch()
    for data in ((inputs, bench.stage.target_batch()), inputs):
        try:
            for _ in range(2):
                getattr(model, name)(data)
            return
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            bench.recording.failures.append(Failure(error, trace_places(error), bench.recording.tick()))


def _is_own(model: Any, name: str, path: str) -> bool:
    code = getattr(getattr(type(model), name, None), "__code__", None)
    return code is not None and code.co_filename == path


def _check_made_before(bench: Bench) -> None:
    """Raises Inconclusive unless layers are known to be made at the place before anything runs."""
    made = _at_place(bench, bench.recording)
    if not made:
        raise Inconclusive("no layer was made at this place")
    if any(each.during for each in made):
        raise Inconclusive("the layer was made while another was called, and not again")
    entry = bench.stage.entry
    of_class = entry is None or isinstance(bench.stage.namespace.get(entry.name), type)
    if entry is not None and not (of_class and entry.within in ("", "__init__", "build")):
        raise Inconclusive("whether the function runs for each batch is decided by those who call it")


def _runs_on_data(result: Any) -> bool:
    """Whether a function gave values, as one that runs for each batch does, rather than layers or a graph's tensors."""
    return result is not None and hasattr(result, "shape") and not is_layer(result) and not is_symbolic(result)


def _at_place(bench: Bench, recording: Recording) -> list[Construction]:
    return [each for each in recording.constructions if any(overlaps(place, bench.span) for place in each.stack)]


def tracked(bench: Bench, layer: Any) -> tuple[int, int, int] | None:
    """How many of a layer's weights are in the model that calls it, of how many, and how many that has: the model with the fewest."""
    inner = {id(each) for each in layers_of(layer)}
    found: list[tuple[int, int, int]] = []
    for model in bench.stage.models()[:_MODELS]:
        if id(model) in inner:
            continue
        with bench.stage.watched() as recording:
            bench.outputs(bench.built(model), bench.batch(model))
        if layer.weights and any(id(each.layer) in inner for each in recording.calls):
            known = {id(each) for each in model.weights}
            found.append((sum(id(each) in known for each in layer.weights), len(layer.weights), len(model.weights)))
    return min(found, default=None)


def build_errors(layer: Any) -> list[Exception]:
    """What building a layer raises on inputs of each rank from 2 to 5; empty where it can be built on one."""
    errors: list[Exception] = []
    for shape in ((None, 16), (None, 12, 8), (None, 32, 32, 3), (None, 8, 8, 8, 3)):
        try:
            layer.build(shape)
            return []
        except Exception as error:  # noqa: BLE001 - Keras raises several kinds
            errors.append(error)
    return errors
