"""How the data of a model were scaled: those it is trained on, and those it is tested on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.batches import argument, argument_span
from bnlint.finding import Span
from bnlint.interpreter.data import ArrayV, DatasetV, Fit, Reading, Step, arrays_in, dataset_in
from bnlint.interpreter.records import Context, Event, LayerV, ModelV, TensorV, World
from bnlint.interpreter.values import ListV, TupleV, Unknown, Value
from bnlint.program import Program


@dataclass(slots=True, eq=False)
class Scaled:
    """Data that reach a model in an event, and the steps by which they were scaled."""

    event: Event
    data: ArrayV | DatasetV
    steps: tuple[Step, ...]
    place: Span


@dataclass(slots=True, eq=False)
class Disagreement:
    """Data on which a model is tested, scaled otherwise than those it was trained on."""

    model: ModelV
    trained: Scaled
    tested: Scaled
    refitted: Step | None
    """The step that was fitted anew on the data of the test; None where one of the two was left out, or differs."""

    @property
    def place(self) -> Span:
        """What is to be changed: where the test data are fitted anew, else where they are given to the model."""
        if self.refitted is None or self.refitted.fit is None:
            return self.tested.place
        before = [step for step in self.trained.steps if step.fit is not None and step.fit.name == self.refitted.fit.name]
        return _parting(self.refitted.fit.context, [step.fit.context for step in before if step.fit is not None])


def _parting(context: Context, others: list[Context]) -> Span:
    """The innermost place at which a call is not the one that was made for the other data, too."""
    known = {each.span for other in others for each in other.chain()}
    return next((each.span for each in context.chain() if each.span not in known), context.span)


def disagreements(program: Program) -> Iterator[Disagreement]:
    """The tests of models whose data were scaled otherwise than those of every training of the model in that course."""
    for world in program.worlds:
        events = [event for event in world.history() if isinstance(event.target, ModelV)]
        for model in {id(event.target): event.target for event in events}.values():
            if isinstance(model, ModelV) and program.holds_batchnorm(model):
                yield from _of_model(world, model, [event for event in events if event.target is model])


def _of_model(world: World, model: ModelV, events: list[Event]) -> Iterator[Disagreement]:
    trained = [scaled for event in events if event.kind in ("fit", "train_on_batch") for scaled in [_of_training(event)]]
    known = [each for each in trained if each is not None]
    if not known or len(known) < len(trained):
        return
    for event in events:
        for tested in _of_test(event):
            found = [compared(model, each, tested) for each in known]
            if all(each is not None for each in found) and found[0] is not None:
                yield found[0]


def _of_training(event: Event) -> Scaled | None:
    return _scaled(event, argument(event, "x"), argument_span(event, "x"))


def _of_test(event: Event) -> Iterator[Scaled]:
    """The data of ``evaluate`` and ``predict``, and the validation data of ``fit``."""
    if event.kind == "fit":
        given = event.arguments.get("validation_data")
        pair = isinstance(given, (TupleV, ListV)) and len(given.items) >= 2 and getattr(given, "kind", "") in ("tuple", "list")
        data = given.items[0] if pair and isinstance(given, (TupleV, ListV)) else given
        found = _scaled(event, data, argument_span(event, "validation_data"))
    elif event.kind in ("evaluate", "predict"):
        found = _scaled(event, argument(event, "x") or event.arguments.get("0"), argument_span(event, "x"))
    else:
        found = None
    if found is not None:
        yield found


def _scaled(event: Event, value: Value | None, place: Span | None) -> Scaled | None:
    """One array or data set whose scaling is known."""
    data = dataset_in(value) or value
    if isinstance(data, (ListV, TupleV)):
        arrays = arrays_in(data)
        data = arrays[0] if len(arrays) == len(data.items) == 1 else None
    if not isinstance(data, (ArrayV, DatasetV)) or data.steps is None:
        return None
    return Scaled(event, data, data.steps, place or event.span)


# -- comparing ---------------------------------------------------------------------------------------------------


def compared(model: ModelV, trained: Scaled, tested: Scaled) -> Disagreement | None:
    """What the scaling of two data sets disagrees in; None where they agree, or where that is not known."""
    if [step.key for step in trained.steps] == [step.key for step in tested.steps]:
        return None
    for step in tested.steps:
        rivals = [each for each in trained.steps if _is_rival(each, step)]
        if rivals and step.key not in {each.key for each in trained.steps}:
            return Disagreement(model, trained, tested, step)
    return Disagreement(model, trained, tested, None) if _are_alike(trained.data, tested.data) else None


def _is_rival(one: Step, other: Step) -> bool:
    """Whether two steps are of one kind, each computed from its own data."""
    if one.fit is None or other.fit is None or one.fit.name != other.fit.name or one.key == other.key:
        return False
    return not _is_same(one.fit, other.fit)


def _is_same(one: Fit, other: Fit) -> bool:
    first, second = one.data, other.data
    return first is second or isinstance(first, Unknown) and isinstance(second, Unknown) and first.term == second.term


def _are_alike(one: ArrayV | DatasetV, other: ArrayV | DatasetV) -> bool:
    """Whether two data sets come from one source, so that what is done to one should be done to the other."""
    if isinstance(one.root, Reading) and isinstance(other.root, Reading):
        return one.root.is_like(other.root)
    return one.root is not None and one.root == other.root


# -- standardised inputs -----------------------------------------------------------------------------------------

STANDARDS = frozenset({"StandardScaler", "standard deviation"})


def standardised_inputs(program: Program) -> Iterator[tuple[LayerV, Span]]:
    """The batch normalizations straight on the input of a model, with what standardised the data before: a scaler, the standard
    deviation of the data, or a Normalization layer."""
    for world in program.worlds:
        for event in world.events:
            if event.kind == "fit" and isinstance(event.target, ModelV):
                scaled = _of_training(event)
                told = [step for step in scaled.steps if step.name in STANDARDS] if scaled is not None else []
                for place in [step.context.span for step in told[-1:] if step.context is not None]:
                    yield from ((layer, place) for layer in _on_input(program, event.target.inputs))
    for layer in program.layers("keras.layers.Normalization"):
        outputs = [tensor for call in program.calls_of(layer) for tensor in call.outputs]
        for norm in _on_input(program, outputs):
            if layer.site is not None:
                yield norm, layer.site.span


def _on_input(program: Program, tensors: list[TensorV]) -> list[LayerV]:
    """The batch normalizations that take some tensors as they are."""
    calls = [call for tensor in tensors for call in program.consumers(tensor)]
    return [call.layer for call in calls if call.layer is not None and program.is_batchnorm(call.layer)]
