"""Runs a part of the user's code in the child process and keeps the live models it builds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnlint.verify import guesses, patches
from bnlint.verify.entering import call_entry
from bnlint.verify.entries import Entry
from bnlint.verify.jobs import Job, Script
from bnlint.verify.loading import load, project
from bnlint.verify.objects import is_graph, is_layer, is_model, is_norm, keras_of, kerases, layers_of
from bnlint.verify.places import user_stack
from bnlint.verify.recorder import Happening, LayerCall, Recorder, Recording
from bnlint.verify.runtime import Runtime
from bnlint.verify.settings import reset
from bnlint.verify.synthetic import input_tensors, leaves, mapped, numpy_of, sample
from bnlint.verify.tensorflow_records import recorded
from bnlint.verify.training import Several, Trainer, Untrainable, batches_of, eager
from bnlint.verify.words import raised


@dataclass
class Stage:
    """What is alive behind a run: the module's names, what was recorded, and the trainer that knows the user's data.

    A ``whole`` run is one of all statements, with data sets of their true sizes.
    """

    job: Job
    script: Script
    shape: tuple[int, ...]
    trains: bool = False
    recording: Recording = field(default_factory=Recording)
    namespace: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    used_shape: bool = False
    again: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        self.recording.spans = tuple(each.span for each in self.job.questions)
        self.trainer = Trainer(self.shape, self.recording.note, self.trains)
        self.runtime = Runtime(self.recording, self.batch)
        self.recorders: list[Recorder] = []
        self._left: list[object] = []
        self.extra: list[Any] = []
        self.entry: Entry | None = None
        self.result: Any = None

    # Running

    def run(self, entry: Entry | None) -> None:
        """Run the module, then the entry; what goes wrong is in ``problem`` and in the recording's failures."""
        reset()
        self.entry = entry
        with self._recording():
            try:
                self.namespace = load(self.job, self.script)
                if entry is not None:
                    self.result = call_entry(self, entry)
                self._call_models()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code may raise anything
                self.problem = raised(error)
                self.recording.failures.append(_failure(error, self.recording))

        self._left = self._state()

    def is_untouched(self) -> bool:
        """Whether the models are as the run left them: built or not, frozen or not, trained or not, weight by weight."""
        return self._left == self._state()

    def _state(self) -> list[object]:
        """What an experiment may change of the models, in numbers that tell one state from another."""
        state: list[object] = [len(self.recording.constructions), len(self.recording.calls), len(self.recording.failures)]
        for model in self.models():
            for layer in layers_of(model):
                state += [id(layer), bool(getattr(layer, "built", False)), bool(layer.trainable)]
            try:
                state += [
                    float(np.sum(numpy_of(each).astype("float64")))
                    for each in model.variables
                    if numpy_of(each).dtype.kind == "f"
                ]
            except (ValueError, TypeError, AttributeError):
                state.append(object())  # not to be told: never the same
            state.append(getattr(model, "optimizer", None) and id(model.optimizer))
        return state

    def _call_models(self) -> None:
        """Models that nothing has called are called once, so that their layers are made and seen."""
        for model in self.own_models():
            if not model.built:
                try:
                    self.trainer.built(model)
                except Untrainable as error:
                    self.used_shape = True
                    self.recording.failures.append(_failure(error.__cause__ or error, self.recording))
        for layer in self._loose_layers():
            self._extend(layer)

    def _loose_layers(self) -> list[Any]:
        """The outermost layers that were called and are in no model."""
        called = {id(each.layer): each.layer for each in self.recording.calls if not is_model(each.layer)}
        held = {id(inner) for model in self.models() for inner in layers_of(model)}
        loose = [each for each in called.values() if id(each) not in held]
        inner = {id(part) for each in loose for part in layers_of(each) if part is not each}
        return [each for each in loose if id(each) not in inner and len(layers_of(each)) > 1]

    def _extend(self, layer: Any) -> None:
        """Make a model of a layer that was called on something."""
        call = next(each for each in self.recording.calls if each.layer is layer)
        keras = keras_of(layer)
        with self.quiet():
            try:
                inputs = mapped(list(call.arguments), lambda each: keras.Input(tuple(each.shape)[1:], dtype=_dtype(each)))
                outputs = layer(*inputs, **{k: v for k, v in call.keywords.items() if k != "training"})
                self.extra.append(keras.Model(leaves(inputs), outputs))
            except Exception:  # noqa: BLE001 - whatever it was called on, a graph has none of it
                return

    @contextmanager
    def watched(self) -> Iterator[Recording]:
        """A record of its own while the block runs models again, eagerly."""
        recording = Recording()
        with ExitStack() as stack:
            stack.enter_context(eager())
            stack.enter_context(recorded(recording))
            for keras in kerases():
                stack.enter_context(Recorder(keras, recording, {}).installed())
            yield recording

    def repeated(self) -> Any:
        """What the entry gives when it is called once more."""
        return call_entry(self, self.entry) if self.entry is not None else None

    @contextmanager
    def _recording(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(patches.in_place(self.recording.note, self.whole, self._weights_loaded, self._invented))
            stack.enter_context(eager())
            stack.enter_context(recorded(self.recording))
            stack.enter_context(project(self.job, self.script, self.runtime))
            for keras in kerases():
                keras.utils.set_random_seed(1)
                recorder = Recorder(keras, self.recording, self.trainer.handlers())
                self.recorders.append(recorder)
                stack.enter_context(recorder.installed())
            yield

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Keras without records, for what the stage does itself."""
        with ExitStack() as stack:
            for recorder in self.recorders:
                stack.enter_context(recorder.paused())
            yield

    def _invented(self, text: str) -> None:
        self.recording.invented = True
        self.recording.note(text)

    def _weights_loaded(self, model: Any) -> None:
        self.recording.happenings.append(Happening("load_weights", model, user_stack(2), self.recording.tick()))

    def train(self, model: Any, method: str) -> None:
        """Run a model's own ``train_step`` or ``test_step`` as Keras does, with everything inside recorded."""
        with ExitStack() as stack:
            for recorder in self.recorders:
                stack.enter_context(recorder.inside())
            self.trainer.fit(model)
            if method == "test_step":
                x, y = self.trainer.accepted[id(model)]
                several = isinstance(y, Several)
                model.evaluate(batches_of(x, y, 4), verbose=0) if several else model.evaluate(x, y, verbose=0)

    @contextmanager
    def listening(self) -> Iterator[list[LayerCall]]:
        """The calls of layers while the block runs, which becomes complete as it does; functions run as Python."""
        before = self.recording.calls
        calls: list[LayerCall] = []
        self.recording.calls = calls
        with ExitStack() as stack:
            stack.callback(setattr, self.recording, "calls", before)
            stack.enter_context(eager())
            for recorder in self.recorders:
                stack.enter_context(recorder.listening())
            yield calls

    # What is alive

    def own_models(self) -> list[Any]:
        """The models that stand on their own: the outermost ones, and those that a graph defines, whatever else they are part of."""
        made = self.models()
        inner = {id(layer) for model in made for layer in layers_of(model) if layer is not model}
        return [each for each in made if id(each) not in inner or is_graph(each)]

    def models(self) -> list[Any]:
        """The models made, outermost first: those that are in no other, the latest of them first.

        Those that were made while a layer ran are its own affair.
        """
        unfinished = self.recording.unfinished()
        constructed = [each for each in self.recording.constructions if is_model(each.instance) and not each.during]
        made = [each.instance for each in constructed if id(each.instance) not in unfinished] + self.extra
        # A sequential model of Keras 3 has a functional one of its own, which holds the same layers and is not compiled.
        own = {id(getattr(model, "_functional", None)) for model in made}
        made = [model for model in made if id(model) not in own]
        inner = {id(layer) for model in made for layer in layers_of(model) if layer is not model}
        outer = [model for model in made if id(model) not in inner]
        return [*reversed(outer), *(model for model in reversed(made) if id(model) in inner)]

    def model_of(self, layer: Any) -> Any | None:
        """The outermost model that holds a layer."""
        return next((model for model in self.models() if any(each is layer for each in layers_of(model))), None)

    def last_model(self) -> Any | None:
        """The model that made-up batches are for: the latest outermost one with a normalization in it, or the latest at all."""
        models = self.models()
        return next((each for each in models if any(map(is_norm, layers_of(each)))), models[0] if models else None)

    def batch(self, names: tuple[Any, ...]) -> tuple[Any, ...]:
        """Made-up values for the variables of a loop over data, in tuples where their names are."""
        from bnlint.verify.entering import argument

        return tuple(
            self.batch(name)
            if isinstance(name, tuple)
            else self.input_batch()
            if guesses.is_data(name) and guesses.guess(name) is not guesses.TARGET
            else argument(self, name, "")
            for name in names
        )

    def input_batch(self, model: Any = None) -> Any:
        """A batch for a model, the latest by default, as tensors, or of the stage's shape."""
        self.recording.invented = True
        model = self.last_model() if model is None else model
        with self.quiet():
            if model is None:
                self.used_shape = True
                return _tensor(sample((8, *self.shape), "float32", np.random.default_rng(3)))
            self.used_shape = self.used_shape or not leaves(input_tensors(model))
            return _tensor(self.trainer.inputs(model))

    def target_batch(self) -> Any:
        """Targets for the latest model's outputs."""
        model = self.last_model()
        if model is None:
            return _tensor(np.random.default_rng(4).integers(0, 2, 8))
        with self.quiet():
            try:
                self.trainer.built(model)
                count = len(leaves(self.trainer.inputs(model))[0])
                return _tensor(mapped(next(iter(self.trainer.data(model)))[1], lambda each: each[:count]))
            except Untrainable:
                return _tensor(np.random.default_rng(4).integers(0, 2, 8))

    def layers_in(self, value: Any) -> list[Any]:
        """The layers and models in a result."""
        if is_layer(value):
            return [value]
        if isinstance(value, dict):
            return [each for inner in value.values() for each in self.layers_in(inner)]
        if isinstance(value, (list, tuple)):
            return [each for inner in value for each in self.layers_in(inner)]
        return []


def _tensor(value: Any) -> Any:
    import keras

    convert = getattr(getattr(keras, "ops", None), "convert_to_tensor", None)
    if convert is None:
        import tensorflow as tf

        convert = tf.convert_to_tensor
    return mapped(value, convert)


def _failure(error: BaseException, recording: Recording) -> Any:
    from bnlint.verify.places import trace_places
    from bnlint.verify.recorder import Failure

    return Failure(error, trace_places(error), recording.tick())


def _dtype(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))
