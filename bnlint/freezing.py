"""Which layers training really trains: the order of ``trainable``, ``compile`` and ``fit``, and who set what.

Keras 3 reads the flags when a model is first trained after a ``compile``, Keras 2 at the ``compile`` itself; what is written later is
ignored until the model is compiled again. An own training loop reads them at each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from bnlint.finding import Span
from bnlint.interpreter.records import Event, LayerV, ModelV
from bnlint.interpreter.values import Const
from bnlint.program import Program, is_constant, once
from bnlint.running import modes_in_fit

FITS = ("fit", "train_on_batch")
SETTLES = (*FITS, "compile", "trainable", "evaluate", "predict")


@dataclass(eq=False)
class Training:
    """One training of a model: a fit, a compile that nothing in sight follows, a step of an own loop."""

    program: Program
    event: Event
    before: list[Event]
    compiled: Event | None
    """The last ``compile`` of the model before a fit."""
    started: Event
    """When the flags that count were read."""

    def used(self, layer: LayerV) -> bool | None:
        """Whether a layer is trained; None where that is not known."""
        return _flag(self.started, layer) if id(layer) in self.started.snapshot else self.now(layer)

    def now(self, layer: LayerV) -> bool | None:
        """What the layer's ``trainable`` says meanwhile."""
        return _flag(self.event, layer)

    def idle(self) -> set[int]:
        """The ids of the normalizations that are known not to run in training mode, whatever their flags."""
        target = self.event.target
        modes = modes_in_fit(self.program, target) if self.event.kind != "update" and isinstance(target, LayerV) else None
        return {norm for norm, found in (modes or {}).items() if found <= {"inference", "none"}}

    @cached_property
    def layers(self) -> list[LayerV]:
        """The model and all that it holds, in the order of its layers."""
        return [layer for layer, _ in self.event.snapshot.values()]

    @cached_property
    def normalizations(self) -> list[LayerV]:
        """The batch normalizations in the model."""
        return [layer for layer in self.layers if self.program.is_batchnorm(layer)]

    @cached_property
    def writes(self) -> Writes:
        """The statements before that set ``trainable``."""
        return Writes(self.program, self.before)


def _flag(event: Event, layer: LayerV) -> bool | None:
    """A flag that is known; not one that a command line may replace."""
    value = event.snapshot.get(id(layer), (layer, None))[1]
    return bool(value.value) if isinstance(value, Const) and not value.assumed else None


@once
def courses(program: Program) -> list[tuple[list[Event], list[Training]]]:
    """The events of every world in their order, with the trainings among them."""
    return list(_courses(program))


@once
def trainings(program: Program) -> list[Training]:
    """Every training, in every world: one of a module's body once, though every course begins with it."""
    return list({id(each): each for _, found in courses(program) for each in found}.values())


def _courses(program: Program) -> Iterator[tuple[list[Event], list[Training]]]:
    made: dict[int, Training] = {}
    for _, history in program.histories():
        own: dict[int, list[Event]] = {}
        found = []
        for number, event in enumerate(history):
            before = own.setdefault(id(event.target), [])
            if _trains(program, event, history, number):
                if id(event) not in made:
                    made[id(event)] = _training(program, event, history[:number], before)
                found.append(made[id(event)])
            if event.kind in ("compile", *FITS):
                before.append(event)
        yield history, found


def _training(program: Program, event: Event, before: list[Event], own: list[Event]) -> Training:
    """``own``: the compiles and fits of the same model before."""
    last = max((number for number, each in enumerate(own) if each.kind == "compile"), default=None)
    if event.kind not in FITS or last is None:
        return Training(program, event, before, None, event)
    fits = [*own[last + 1 :], event]
    old = isinstance(event.target, LayerV) and program.generation(event.target) == "2"
    return Training(program, event, before, own[last], own[last] if old else fits[0])


def _trains(program: Program, event: Event, history: list[Event], number: int) -> bool:
    if event.kind in FITS:
        return True
    if event.kind == "update":
        return any(
            call.training.kind == "constant" and call.training.value
            for owner in event.affected
            for call in program.calls_of(owner)
        )
    if event.kind != "compile" or not {"0", "optimizer"} & event.arguments.keys():
        return False
    if any(each.kind in SETTLES and each.target is event.target for each in islice(history, number + 1, None)):
        return False
    return not any(each.target is event.target and each.order > event.order for each in program.events(*SETTLES))


def compiled_elsewhere(training: Training) -> bool:
    """Whether the compiled flags may not be those of the last ``compile`` in sight, or are meant for another model.

    Unknown code had the model before it was trained, it runs eagerly, or another model with the same layers is compiled,
    such as the two halves of a GAN.
    """
    compiled, model = training.compiled, training.event.target
    if compiled is None or not is_constant(compiled.arguments.get("run_eagerly", Const(False)), False):
        return True
    program, own = training.program, {id(layer) for layer in training.layers}
    if program.escapes_before(model, training.event.order):
        return True
    others = [event for event in program.events("compile") if event.target is not model]
    return any(own & event.snapshot.keys() for event in others)


def late_writes(program: Program) -> Iterator[tuple[Training, Event]]:
    """The flags that callbacks write when a ``fit`` has read them, of layers that it would train otherwise."""
    for history, found in courses(program):
        for training in found:
            if training.compiled is None or compiled_elsewhere(training):
                continue
            model, order = training.event.target, training.event.order
            if any(each.kind == "compile" and each.target is model and each.order > order for each in history):
                continue
            for event in history:
                if event.kind == "trainable" and event.during is training.event and _differs(training, event):
                    yield training, event


def _differs(training: Training, event: Event) -> bool:
    wanted = bool(event.value.value) if isinstance(event.value, Const) and not event.value.assumed else None
    known = {id(layer) for layer in training.layers if may_have_weights(training.program, layer)}
    return wanted is not None and any(id(layer) in known and training.used(layer) is (not wanted) for layer in event.affected)


def may_have_weights(program: Program, layer: LayerV) -> bool:
    """Whether a layer may have weights of its own to be trained: a model has none, nor has a class of Keras that initializes none."""
    if isinstance(layer, ModelV):
        return False
    info = program.info(layer)
    if info is None or layer.own_class is not None:
        return True
    names = [each.name for each in info.parameters(program.generation(layer))]
    return any(name.endswith("initializer") or name in ("layer", "cell", "weights_path") for name in names)


# -- who set a flag ----------------------------------------------------------------------------------------------


def path_of(event: Event) -> tuple[Span, ...]:
    """A statement as it was reached: itself and the calls around it."""
    return tuple(each.span for each in event.context.chain())


class Writes:
    """The statements that set ``trainable`` in one course of events."""

    def __init__(self, program: Program, events: list[Event]) -> None:
        self.program = program
        self.events = [event for event in events if event.kind == "trainable"]
        self._covered: dict[int, set[int]] = {}
        self._others: set[tuple[bool, tuple[Span, ...]]] = {
            (is_constant(event.value, True), path_of(event)) for event in self.events if not self._is_normalization(event.target)
        }

    def _is_normalization(self, target: object) -> bool:
        info = self.program.info(target) if isinstance(target, LayerV) else None
        return info is not None and info.normalization

    def of(self, layer: LayerV) -> list[Event]:
        """Those about a layer, itself or through what holds it, also where they change nothing."""
        return [event for event in self.events if self.covers(event, layer)]

    def covers(self, event: Event, layer: LayerV) -> bool:
        """Whether a statement is about a layer, also where it changes nothing."""
        if event.affected:
            return any(each is layer for each in event.affected)
        target = event.target
        if not isinstance(target, LayerV):
            return False
        if id(target) not in self._covered:
            self._covered[id(target)] = {id(each) for each in (target, *self.program.all_sublayers(target))}
        return id(layer) in self._covered[id(target)]

    def is_alone(self, event: Event) -> bool:
        """Whether a statement gives its value to normalizations only, each by itself."""
        return self._is_normalization(event.target) and (is_constant(event.value, True), path_of(event)) not in self._others

    def freezing(self, layer: LayerV) -> Event | None:
        """The last statement that froze a normalization by itself."""
        frozen = [event for event in self.of(layer) if is_constant(event.value, False) and self.is_alone(event)]
        return frozen[-1] if frozen else None

    def overwriting(self, layer: LayerV) -> Event | None:
        """The statement that set a normalization trainable, with others, after it had been frozen by itself."""
        writes = self.of(layer)
        if not writes or not is_constant(writes[-1].value, True):
            return None
        frozen = self.freezing(layer)
        later = writes[writes.index(frozen) + 1 :] if frozen is not None else []
        if any(self.is_alone(event) for event in later):
            return None
        thawing = [event for event in later if is_constant(event.value, True)]
        return next((event for event in thawing if event.affected), next(iter(thawing), None))

    def unfreezing(self, layers: list[LayerV]) -> Event | None:
        """The last statement that set one of the layers trainable, or at least says that it is."""
        writes = [event for event in reversed(self.events) if is_constant(event.value, True)]
        changed = [event for event in writes if event.affected and any(self.covers(event, each) for each in layers)]
        return next(iter(changed), None) or next(
            (event for event in writes if any(self.covers(event, each) for each in layers)), None
        )


# -- pretrained backbones ----------------------------------------------------------------------------------------


def backbones(training: Training) -> list[ModelV]:
    """The models inside the one that is trained whose weights come from elsewhere: nested, or flattened into it."""
    layers = training.layers
    found = {id(layer.backbone): layer.backbone for layer in layers if layer.backbone is not None}
    found |= {id(layer): layer for layer in layers if isinstance(layer, ModelV)}
    loads = [each for each in training.before if each.kind == "load" and not _resumes(training, each)]
    loaded = {id(each.target) for each in loads}
    nested = [each for each in found.values() if _is_pretrained(each) or id(each) in loaded]
    parts = {id(each.target): each.target for each in loads if id(each.target) not in found and _loads_part(training, each)}
    return nested + [each for each in parts.values() if isinstance(each, ModelV)]


def _is_pretrained(model: ModelV) -> bool:
    """Whether a backbone comes from Keras's table with weights, or came so before a checkpoint of all was loaded."""
    given = model.arguments.get("weights", Const("imagenet"))
    known = isinstance(given, Const) and given.value is not None and not model.open_arguments
    return model.weights == "pretrained" or (model.kind == "application" and model.weights == "loaded" and known)


def _resumes(training: Training, load: Event) -> bool:
    """Whether a training goes on where it stopped: with the weights of all that is trained, or of what is also saved."""
    event, model = training.event, load.target
    whole = event.affected if event.kind == "update" else [event.target]
    return all(each is model for each in whole) or id(model) in _saved(training.program)


@once
def _saved(program: Program) -> set[int]:
    return {id(event.target) for event in program.events("save")}


def _loads_part(training: Training, load: Event) -> bool:
    """Whether a model shares its layers with the one that is trained, and gave it weights made for another purpose: the one that
    is trained has weights besides, or not all that was in the file fitted."""
    program, model = training.program, load.target
    if not isinstance(model, ModelV) or model.kind not in ("functional", "sequential"):
        return False
    own = {id(each) for each in program.all_sublayers(model)}
    shared = any(id(each) in own for each in training.normalizations)
    partly = any(is_constant(load.arguments.get(name, Const(False)), True) for name in ("by_name", "skip_mismatch"))
    return shared and (partly or any(id(each) not in own and _has_weights(program, each) for each in training.layers))


def _has_weights(program: Program, layer: LayerV) -> bool:
    info = program.info(layer)
    return (
        info is not None and not isinstance(layer, ModelV) and "kernel_initializer" in {each.name for each in info.parameters()}
    )


def in_inference_mode(program: Program, backbone: ModelV) -> bool:
    """Whether a backbone runs in inference mode whatever ``fit`` says: by a constant in a ``call``, or in a graph of Keras 2."""
    calls = program.calls_of(backbone)
    old = program.generation(backbone) == "2"
    return bool(calls) and all(
        call.training.kind == "constant" and not call.training.value and (call.setting != "graph" or old) for call in calls
    )
