"""Backbones: ``keras.applications`` by the table, and models that are loaded."""

from __future__ import annotations

from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.layers import make_site, register
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Call, LayerV, ModelV, TensorV
from bnlint.interpreter.tensors import shape_from, tensors_in
from bnlint.interpreter.values import Arguments, Const, SymbolV, TupleV, Value
from bnlint.keras_api.records import Application
from bnlint.keras_api.shapes import UNKNOWN, Shape
from bnlint.presets import is_preset_with_batchnorm, is_pretrained_preset

BATCHNORM = "keras.layers.BatchNormalization"


def make_application(m: Machine, symbol: SymbolV, arguments: Arguments, site: CallSite) -> Value | None:
    """A model of ``keras.applications``; None where the table has no such constructor."""
    generation = symbol.generation or m.generation
    application = m.table.application(symbol.path, generation)
    if application is None:
        return None
    names = [each.name for each in application.parameters]
    bound: dict[str, Value] = dict(zip(names, arguments.positional))
    bound.update(arguments.keywords)
    model = ModelV(SymbolV("keras.Model"), symbol="keras.Model", generation=generation)
    model.kind = "application"
    model.application = symbol.path
    model.site = make_site(m, site, arguments, dict(enumerate(names)))
    model.arguments = bound
    model.open_arguments = arguments.open_keywords or arguments.open_positional
    register(m, model, {key: value for key, value in bound.items() if key == "name"}, site)
    model.has_batchnorm = application.batchnorms > 0
    weights = m.resolve(bound.get("weights", Const("imagenet")))
    if isinstance(weights, Const) and not ("weights" not in bound and model.open_arguments):
        model.weights = "random" if weights.value is None else "pretrained"
    else:
        model.weights = "unknown"
    given = bound.get("input_tensor")
    tensor = next(tensors_in(given), None) if given is not None else None
    model.inputs = [tensor] if tensor is not None else []
    model.complete = False
    fill(m, model, application)
    return model


def fill(m: Machine, model: ModelV, application: Application) -> None:
    """Give a backbone its layers, as the table lists them."""
    top = _flag(m, model, "include_top", True)
    pooling = m.resolve(model.arguments.get("pooling", Const(None)))
    wanted = pooling.value if isinstance(pooling, Const) and isinstance(pooling.value, str) else None
    for cls, name in application.layers(include_top=top, pooling=wanted):
        stub = LayerV(SymbolV(cls, model.generation), symbol=cls, generation=model.generation)
        stub.name = Const(name)
        stub.weights = model.weights
        stub.trainable = model.trainable
        stub.backbone = model
        stub.world = model.world
        model.inner.append(stub)


def _flag(m: Machine, model: ModelV, name: str, default: bool) -> bool:
    value = m.resolve(model.arguments.get(name, Const(default)))
    return bool(value.value) if isinstance(value, Const) else default


def output_rank(m: Machine, model: ModelV) -> Shape:
    """The shape of a backbone's output, as far as its rank goes."""
    if _flag(m, model, "include_top", True):
        return None
    pooling = m.resolve(model.arguments.get("pooling", Const(None)))
    if isinstance(pooling, Const):
        return (None, UNKNOWN) if pooling.value else (None, UNKNOWN, UNKNOWN, UNKNOWN)
    return None


def application_output(m: Machine, model: ModelV, call: Call) -> Value:
    """The output of a backbone that is called like a layer."""
    tensor = TensorV(output_rank(m, model), call, 0, any(each.symbolic for each in call.inputs))
    call.outputs = [tensor]
    return tensor


def end_tensor(m: Machine, model: ModelV, which: str) -> TensorV:
    """``backbone.input`` and ``backbone.output``: tensors of its own graph."""
    known = model.inputs if which == "input" else model.outputs
    if known:
        return known[0]
    shape: Shape = output_rank(m, model)
    if which == "input":
        given = m.resolve(model.arguments.get("input_shape", Const(None)))
        rest = shape_from(given) if isinstance(given, (TupleV,)) else None
        shape = (None, *rest) if rest is not None else None
    return TensorV(shape, None, 0, True, model)


def inner_tensor(m: Machine, layer: LayerV, which: str) -> TensorV | None:
    """``backbone.layers[i].output``: a tensor inside a backbone."""
    backbone = layer.backbone
    if backbone is None:
        return None
    if layer.symbol == "keras.layers.InputLayer":
        return end_tensor(m, backbone, "input")
    if which != "output":
        return None
    if layer is backbone.inner[-1]:
        return end_tensor(m, backbone, "output")
    return TensorV(None, None, 0, True, backbone, layer)


@native(
    "keras.models.load_model",
    "keras.saving.load_model",
    "tensorflow.saved_model.load",
    "tensorflow_hub.load",
    "tensorflow_hub.KerasLayer",
    "keras.layers.TFSMLayer",
    "keras.models.model_from_json",
    "keras.models.model_from_yaml",
    "keras.models.model_from_config",
)
def load_model(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A model from a file: its layers cannot be told, its weights are what was saved."""
    model = ModelV(SymbolV("keras.Model"), symbol="keras.Model", generation=site.generation or m.generation)
    model.kind = "loaded"
    model.complete = False
    model.weights = "random" if "model_from" in site.path else "loaded"
    model.site = make_site(m, site, arguments, {})
    model.arguments = dict(arguments.keywords)
    register(m, model, {}, site)
    return model


PRESETS = ("keras_hub.models.", "keras_cv.models.", "keras_nlp.models.")
NO_MODELS = ("Preprocessor", "Tokenizer", "Converter")
"""What the names of those classes with presets end in that are no models."""


def make_preset(m: Machine, symbol: SymbolV, arguments: Arguments, site: CallSite) -> Value | None:
    """``Backbone.from_preset("resnet_50_imagenet")``; None for other names.

    The layers cannot be told. Where the preset's name is one of an architecture with batch normalization and of what it was
    trained on, one normalization stands for all of them.
    """
    cls, _, method_name = symbol.path.rpartition(".")
    if method_name != "from_preset" or not symbol.path.startswith(PRESETS) or cls.endswith(NO_MODELS):
        return None
    given = m.resolve(arguments.get(0, "preset") or Const(None))
    name = given.value if isinstance(given, Const) and isinstance(given.value, str) else ""
    model = ModelV(SymbolV("keras.Model"), symbol="keras.Model", generation=symbol.generation or m.generation)
    model.kind = "loaded"
    model.complete = False
    model.application = cls
    model.site = make_site(m, site, arguments, {0: "preset"})
    model.arguments = dict(arguments.keywords)
    register(m, model, arguments.keywords, site)
    loads = m.resolve(arguments.keywords.get("load_weights", Const(True)))
    certain = isinstance(loads, Const) and loads.value is True and is_pretrained_preset(name)
    model.weights = "pretrained" if certain else "unknown"
    if is_preset_with_batchnorm(name):
        model.has_batchnorm = True
        stub = LayerV(SymbolV(BATCHNORM, model.generation), symbol=BATCHNORM, generation=model.generation)
        stub.weights, stub.trainable, stub.backbone, stub.world = model.weights, model.trainable, model, model.world
        model.inner.append(stub)
    return model
