"""Training, evaluating, saving, loading: what happens to models, as events."""

from __future__ import annotations

from bnlint.interpreter.callbacks import before_training, in_evaluation, in_training
from bnlint.interpreter.datasets import seen_by_fit
from bnlint.interpreter.dispatch import CallSite, method
from bnlint.interpreter.flows import remembered
from bnlint.interpreter.layers import all_sublayers, apply_layer, layers_in
from bnlint.interpreter.losses import losses_with_gradients
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.models import BATCHNORM, realise
from bnlint.interpreter.records import EventKind, LayerV, ModelV, TensorV, WeightsV
from bnlint.interpreter.tensors import shape_from, tensors_in
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    InstanceV,
    Value,
    unknown,
)
from bnlint.interpreter.weights import NAMES, STATISTICS, make_weights

EVENTS: dict[str, EventKind] = {
    "compile": "compile",
    "fit": "fit",
    "fit_generator": "fit",
    "train_on_batch": "train_on_batch",
    "evaluate": "evaluate",
    "evaluate_generator": "evaluate",
    "test_on_batch": "evaluate",
    "predict": "predict",
    "predict_generator": "predict",
    "predict_on_batch": "predict",
    "predict_classes": "predict",
    "save": "save",
    "save_weights": "save",
    "export": "export",
    "get_weights": "copy",
}
TRAINS = ("fit", "train_on_batch")


def weights_of(m: Machine, owner: InstanceV, name: str, site: CallSite) -> Value | None:
    """``model.trainable_weights`` and its kin; a ``tf.Module`` has those of the layers it holds."""
    which = NAMES.get(name)
    if not isinstance(owner, LayerV):
        held = [each for value in owner.attributes.values() for each in layers_in(value)]
        return remembered(m, WeightsV(held, which, site.span, m.context(site))) if which is not None else None
    if which is None and name in STATISTICS and m.table.issubclass(owner.symbol, BATCHNORM):
        which = "non_trainable"
    return make_weights(m, owner, which, site) if which is not None else None


def snapshot(m: Machine, model: LayerV) -> dict[int, tuple[LayerV, Value]]:
    """What of a model is trainable now."""
    layers = [model, *all_sublayers(m, model)]
    return {id(each): (each, each.trainable) for each in layers}


@method(ModelV, *EVENTS)
def model_event(m: Machine, site: CallSite, model: ModelV, arguments: Arguments) -> Value:
    """A model is compiled, trained, evaluated, saved: the event is named by the method."""
    name = _method_name(site)
    kind = EVENTS[name]
    named = {str(index): value for index, value in enumerate(arguments.positional)}
    data = arguments.get(0, "x") or arguments.keywords.get("generator")
    event = m.event(
        kind,
        model,
        site,
        name=name,
        arguments={**named, **arguments.keywords},
        value=seen_by_fit(m, data, site) if name in ("fit", "fit_generator") else None,
        snapshot=snapshot(m, model) if kind in ("compile", *TRAINS) else {},
    )
    if kind == "compile":
        event.value = losses_with_gradients(m, model, arguments, site)
    if kind in (*TRAINS, "evaluate", "predict"):
        realise(m, model)
        if kind == "fit":
            before_training(m, event, model, site)
            event.snapshot = snapshot(m, model)
        run_forward(m, model, arguments, site, kind in TRAINS)
        if kind == "fit":
            in_training(m, event, model, site)
        else:
            in_evaluation(m, event, model, site)
    if kind == "predict":
        made = unknown("predictions")
        m.flow(made, [model, *arguments.values()])
        return TensorV(None, origin=made)
    if kind == "evaluate":
        return unknown("metrics")
    return NONE if kind in ("compile", "save", "export") else unknown(name)


def _method_name(site: CallSite) -> str:
    function = getattr(site.node, "func", None)
    name = getattr(function, "attr", "")
    return name if name in EVENTS else "fit"


def run_forward(m: Machine, model: ModelV, arguments: Arguments, site: CallSite, train: bool) -> None:
    """``fit`` calls a subclassed model; its ``train_step`` is interpreted where it has one."""
    own = model.own_class
    if own is None:
        return
    data = arguments.get(0, "x") or unknown("data")
    step = own.find("train_step" if train else "test_step")
    if step is not None:
        m.call(m.getattr(model, "train_step" if train else "test_step", site), Arguments([unknown("batch")], {}), site)
        return
    if model.kind == "subclassed" and model.last_call is None:
        tensor = next(tensors_in(data), None)
        argument = TensorV(_batched(tensor), None) if tensor is not None else unknown("a batch")
        apply_layer(m, model, Arguments([argument], {}), CallSite(site.node, site.frame, None, site.fixed))


def _batched(tensor: TensorV) -> tuple[int | None, ...] | None:
    shape = tensor.shape
    return (None, *shape[1:]) if shape else None  # type: ignore[arg-type]


@method(ModelV, "load_weights")
def load_weights(m: Machine, site: CallSite, model: ModelV, arguments: Arguments) -> Value:
    for each in [model, *all_sublayers(m, model)]:
        m.touch(each)
        each.weights = "loaded"
        each.weights_span = site.span
    m.event("load", model, site, name="load_weights", arguments=dict(arguments.keywords))
    return NONE


@method(ModelV, "build")
def build_model(m: Machine, site: CallSite, model: ModelV, arguments: Arguments) -> Value:
    """``model.build(input_shape)``; in the model's own ``build``, as ``super().build(input_shape)``, its call follows."""
    m.touch(model)
    around = site.frame.layer_call
    if around is not None and around.layer is model:
        return NONE
    shape = shape_from(arguments.positional[0]) if arguments.positional else None
    if model.kind == "sequential":
        realise(m, model, shape)
    elif model.own_class is not None and model.last_call is None:
        apply_layer(m, model, Arguments([TensorV(shape)], {}), site)
    model.built = True
    return NONE


@method(ModelV, "make_train_function", "make_test_function", "make_predict_function", "reset_states", "reset_metrics")
def harmless(m: Machine, site: CallSite, model: ModelV, arguments: Arguments) -> Value:
    return NONE
