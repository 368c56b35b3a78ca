"""Models: Input, functional and sequential models, what they hold, calling them."""

from __future__ import annotations

from bnlint.interpreter import backbones
from bnlint.interpreter.dispatch import CallSite, attributes, method, native
from bnlint.interpreter.graphs import trace
from bnlint.interpreter.layer_attributes import layer_attribute
from bnlint.interpreter.layers import all_sublayers, apply_layer, construct, is_layer_class, layers_in, register
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Call, Context, LayerV, ModelV, TensorV, Training
from bnlint.interpreter.tensors import as_tensor, shape_from, shape_value, tensors_in
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    DictV,
    ListV,
    NativeMethodV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)
from bnlint.keras_api.shapes import UNKNOWN, Shape

INPUT = "keras.layers.InputLayer"


@native("keras.Input", "keras.layers.InputLayer")
def make_input(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``Input(shape)`` and ``Input(batch_shape=...)``; ``Input(tensor=x)`` gives ``x`` its own input layer."""
    given = arguments.keywords.get("tensor")
    wrapped = next(tensors_in(given), None) if given is not None else None
    if wrapped is not None:
        shape = wrapped.shape
    else:
        shape = _input_shape(arguments)
    is_layer = site.path.endswith("InputLayer")
    layer = LayerV(SymbolV(INPUT), symbol=INPUT, generation=m.generation)
    layer.arguments = dict(arguments.keywords)
    if arguments.positional:
        layer.arguments["shape"] = arguments.positional[0]
    register(m, layer, arguments.keywords, site)
    tensor = input_tensor(m, layer, shape, m.context(site))
    return layer if is_layer else tensor


def input_tensor(m: Machine, layer: LayerV, shape: Shape, context: Context) -> TensorV:
    """The tensor of an input layer."""
    call = Call(layer, INPUT, [], [], Training("absent"), context, None, "graph", generation=layer.generation)
    tensor = TensorV(shape, call, 0, True)
    call.outputs = [tensor]
    call.result = tensor
    layer.last_call = call
    layer.built = True
    m.record(call)
    return tensor


def _input_shape(arguments: Arguments) -> Shape:
    for name in ("batch_shape", "batch_input_shape"):
        whole = arguments.keywords.get(name)
        if whole is not None and not (isinstance(whole, Const) and whole.value is None):
            return shape_from(whole)
    shape = arguments.get(0, "shape") or arguments.keywords.get("input_shape")
    if shape is None:
        return None
    if isinstance(shape, Const) and isinstance(shape.value, int):
        return (None, shape.value)
    rest = shape_from(shape)
    size = arguments.get(1, "batch_size")
    batch = size.value if isinstance(size, Const) else None if size is None else UNKNOWN
    return None if rest is None else (batch, *rest)


# -- construction ------------------------------------------------------------------------------------------------


@native("keras.Model", "keras.models.Functional")
def make_model(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``Model(inputs, outputs)``."""
    model = construct(m, SymbolV("keras.Model", site.generation), arguments, site)
    assert isinstance(model, ModelV)
    model.inner = []
    make_functional(m, model, arguments, site)
    return model


def make_functional(m: Machine, model: ModelV, arguments: Arguments, site: CallSite) -> None:
    """Give a model its inputs and outputs."""
    inputs = arguments.get(0, "inputs") or arguments.keywords.get("input")
    outputs = arguments.get(1, "outputs") or arguments.keywords.get("output")
    m.touch(model)
    if inputs is None and outputs is None:
        model.complete = model.complete and not (arguments.open_keywords or arguments.open_positional)
        return
    inputs, outputs = m.resolve(inputs or NONE), m.resolve(outputs or NONE)
    model.kind = "functional"
    model.input_structure, model.output_structure = inputs, outputs
    model.inputs = list(tensors_in(inputs)) or ([as_tensor(m, inputs)] if isinstance(inputs, Unknown) else [])
    model.outputs = list(tensors_in(outputs))
    if isinstance(outputs, Unknown):
        model.outputs, model.complete = [as_tensor(m, outputs)], False
    graph = trace(model.inputs, model.outputs)
    model.inner = graph.layers
    model.complete = model.complete and graph.complete and _all_tensors(outputs)
    model.built = True
    for backbone in graph.backbones:
        reached = backbone.inner[: graph.depths[id(backbone)]]
        model.inner = [*(each for each in reached if each not in model.inner), *model.inner]


def _all_tensors(value: Value) -> bool:
    if isinstance(value, (ListV, TupleV)):
        return not getattr(value, "open", False) and all(_all_tensors(item) for item in value.items)
    if isinstance(value, DictV):
        return not value.open and all(_all_tensors(item) for _, item in value.items.values())
    return isinstance(value, TensorV)


@native("keras.Sequential")
def make_sequential(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``Sequential([...])``."""
    model = construct(m, SymbolV("keras.Sequential", site.generation), arguments, site)
    assert isinstance(model, ModelV)
    model.kind = "sequential"
    model.inner = []
    fill_sequential(m, model, arguments, site)
    return model


def fill_sequential(m: Machine, model: ModelV, arguments: Arguments, site: CallSite) -> None:
    """Add the layers of the constructor's list."""
    given = arguments.get(0, "layers")
    if given is None or isinstance(given, Const):
        model.complete = model.complete and not (arguments.open_keywords or arguments.open_positional)
        return
    items = m.items(given, site)
    for item in items if items is not None else getattr(given, "items", []):
        if isinstance(item, Value):
            add_layer(m, model, item, site)
    if items is None:
        model.complete = False


def add_layer(m: Machine, model: ModelV, value: Value, site: CallSite) -> None:
    """``model.add(value)``."""
    m.touch(model)
    m.changed()
    value = m.resolve(value)
    if isinstance(value, TensorV):
        if value.call is not None and value.call.layer is not None and not model.inner:
            model.inputs = [value]
            return
        model.complete = False
        return
    if isinstance(value, LayerV):
        model.inner.append(value)
        model.places[id(value)] = value.context or m.context(site)
        return
    model.complete = False
    if is_layer_class(m, value):
        item = value.item if isinstance(value, SymbolV) else None
        m.event("class", model, CallSite.at(item) if item is not None else site, value=value)
    m.escape(value)


@method(ModelV, "add")
def sequential_add(m: Machine, site: CallSite, model: ModelV, arguments: Arguments) -> Value:
    layer = arguments.get(0, "layer")
    if layer is not None:
        add_layer(m, model, layer, site)
    return NONE


@method(ModelV, "pop")
def sequential_pop(m: Machine, site: CallSite, model: ModelV, arguments: Arguments) -> Value:
    m.touch(model)
    m.changed()
    model.outputs = []
    model.chained = 0
    return model.inner.pop() if model.inner else NONE


# -- sequential models become graphs ------------------------------------------------------------------------------


def realise(m: Machine, model: ModelV, shape: Shape = None) -> None:
    """Call the layers of a sequential model one after the other, as Keras does when it builds the model."""
    if model.kind != "sequential" or model.chained == len(model.inner) or not model.inner:
        return
    m.touch(model)
    layers = model.inner
    context = model.context
    if context is None:
        return
    if not model.inputs:
        model.inputs = [_first_input(m, model, layers[0], shape, context)]
    if not model.chained:
        model.outputs = list(model.inputs)
    tensor: Value = model.outputs[0]
    pending, model.chained = layers[model.chained :], len(layers)
    for layer in pending:
        place = model.places.get(id(layer), context)
        if layer.symbol == INPUT:
            continue
        tensor = apply_layer(m, layer, Arguments([tensor], {}), CallSite.at(place))
    model.outputs = list(tensors_in(tensor)) or model.outputs
    model.output_structure = tensor


def _first_input(m: Machine, model: ModelV, first: LayerV, shape: Shape, context: Context) -> TensorV:
    if first.symbol == INPUT and first.last_call is not None:
        return first.last_call.outputs[0]
    given = _declared_shape(first)
    layer = LayerV(SymbolV(INPUT), symbol=INPUT, generation=model.generation)
    layer.context, layer.world = context, m.world
    layer.implicit = True
    return input_tensor(m, layer, given if given is not None else shape, context)


def _declared_shape(layer: LayerV) -> Shape:
    """``input_shape=``, ``input_dim=`` and the like on the first layer."""
    batch = layer.arguments.get("batch_input_shape")
    if batch is not None:
        return shape_from(batch)
    shape = layer.arguments.get("input_shape")
    if shape is not None:
        rest = shape_from(shape)
        return (None, *rest) if rest is not None else None
    dim = layer.arguments.get("input_dim")
    if isinstance(dim, Const) and isinstance(dim.value, int):
        length = layer.arguments.get("input_length")
        if isinstance(length, Const) and isinstance(length.value, int):
            return (None, length.value) if layer.symbol == "keras.layers.Embedding" else (None, length.value, dim.value)
        return (None, None) if layer.symbol == "keras.layers.Embedding" else (None, dim.value)
    if isinstance(layer, ModelV) and layer.inputs:
        return layer.inputs[0].shape
    return None


# -- calling -----------------------------------------------------------------------------------------------------


def model_output(m: Machine, model: ModelV, call: Call, arguments: Arguments, site: CallSite) -> Value | None:
    """The output of a model that is called like a layer: new tensors of its outputs' shapes."""
    if model.kind == "sequential":
        realise(m, model, call.inputs[0].shape if call.inputs else None)
    if model.kind == "application":
        return backbones.application_output(m, model, call)
    symbolic = any(each.symbolic for each in call.inputs)
    structure = model.output_structure
    if not model.outputs or structure is None:
        tensor = TensorV(None, call, 0, symbolic)
        call.outputs = [tensor]
        return tensor
    batch = call.inputs[0].shape[0] if call.inputs and call.inputs[0].shape else None
    return _fresh(structure, call, symbolic, batch)


def _fresh(value: Value, call: Call, symbolic: bool, batch: object, depth: int = 5) -> Value:
    if isinstance(value, TensorV):
        shape = value.shape
        if shape and batch is not None:
            shape = (call.inputs[0].shape[0] if call.inputs and call.inputs[0].shape else None, *shape[1:])
        tensor = TensorV(shape, call, len(call.outputs), symbolic)
        call.outputs.append(tensor)
        return tensor
    if depth and isinstance(value, (ListV, TupleV)):
        return ListV([_fresh(item, call, symbolic, batch, depth - 1) for item in value.items])
    if depth and isinstance(value, DictV):
        return DictV({key: (name, _fresh(item, call, symbolic, batch, depth - 1)) for key, (name, item) in value.items.items()})
    return value


# -- attributes --------------------------------------------------------------------------------------------------


@attributes(ModelV)
def model_attribute(m: Machine, model: ModelV, name: str, site: CallSite) -> Value | None:
    """An attribute of a model."""
    own = model.own_class
    if own is not None and (own.find(name) is not None or name in model.attributes):
        return layer_attribute(m, model, name, site)
    if name in ("layers", "_layers", "_self_tracked_trackables"):
        return ListV(list(m.hooks.model_layers(m, model)), open=model.kind != "application" and not model.complete, model=model)
    if name in ("output", "outputs", "input", "inputs"):
        realise(m, model)
        return _ends(m, model, name)
    if name in ("output_shape", "input_shape"):
        realise(m, model)
        ends = model.outputs if name == "output_shape" else model.inputs
        if len(ends) == 1:
            return shape_value(m, ends[0])
        return Unknown(("shape", ("?", id(model)), name))
    if name in ("optimizer", "loss", "metrics", "compiled_loss", "history", "losses", "metrics_names"):
        return model.attributes.get(name) or NativeMethodV(model, name)
    return layer_attribute(m, model, name, site)


def _ends(m: Machine, model: ModelV, name: str) -> Value:
    tensors = model.outputs if name.startswith("output") else model.inputs
    if model.kind in ("application", "loaded"):
        tensors = [backbones.end_tensor(m, model, name.rstrip("s"))]
        if name.startswith("output"):
            model.outputs = tensors
        else:
            model.inputs = tensors
    if not tensors:
        return unknown("a model whose graph is not in sight")
    structure = model.output_structure if name == "output" else None
    if structure is not None and not isinstance(structure, (TensorV, Unknown)):
        return structure
    return tensors[0] if len(tensors) == 1 and not name.endswith("s") else ListV(list(tensors))


@method(ModelV, "get_layer")
def get_layer(m: Machine, site: CallSite, model: ModelV, arguments: Arguments) -> Value:
    """A layer by its name or index."""
    wanted = m.resolve(arguments.get(0, "name") or arguments.keywords.get("index") or NONE)
    layers = m.hooks.model_layers(m, model)
    if isinstance(wanted, Const):
        index = wanted.value if "index" in arguments.keywords else None
        if isinstance(index, int) and model.complete and -len(layers) <= index < len(layers):
            return layers[index]
    for layer in layers:
        if is_named(layer, wanted):
            return layer
    m.world.asked.append(model)
    return unknown("a layer that cannot be told")


def is_named(layer: LayerV, wanted: Value) -> bool:
    """Whether a layer has a name, given or, for a backbone, made by Keras from its constructor's (``"inception_v3"``)."""
    if not isinstance(wanted, Const):
        return isinstance(wanted, Unknown) and wanted.term == ("layer name", ("?", id(layer)))
    if isinstance(layer.name, Const):
        return bool(layer.name.value == wanted.value)
    if not isinstance(layer, ModelV) or not layer.application or not isinstance(wanted.value, str):
        return False
    constructor = layer.application.rpartition(".")[2].lower()
    return wanted.value.lower().replace("_", "").startswith(constructor)


@native("keras.models.clone_model")
def clone_model(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A copy of a model with fresh weights; its layers are not followed."""
    source = arguments.get(0, "model")
    clone = ModelV(SymbolV("keras.Model"), symbol="keras.Model", generation=m.generation)
    clone.kind = "loaded"
    clone.complete = False
    if isinstance(source, ModelV):
        clone.generation = source.generation
        clone.has_batchnorm = holds_batchnorm(m, source)
    register(m, clone, {}, site)
    m.event("copy", clone, site, name="clone_model", value=source)
    return clone


# -- a project's model classes that call Model.__init__ ------------------------------------------------------------


def initialise_model(m: Machine, model: ModelV, arguments: Arguments, site: CallSite) -> None:
    """``super().__init__(inputs=..., outputs=...)`` or ``super().__init__([layers])``."""
    if "name" in arguments.keywords:
        m.touch(model)
        model.name = arguments.keywords["name"]
    if model.kind == "sequential":
        fill_sequential(m, model, arguments, site)
        return
    ends = arguments.keywords.get("outputs") is not None or len(arguments.positional) >= 2
    if ends and any(True for value in arguments.values() for _ in tensors_in(value)):
        make_functional(m, model, arguments, site)


def model_layers(m: Machine, model: ModelV) -> list[LayerV]:
    """The layers of a model, in the order of ``model.layers``."""
    if model.kind == "subclassed":
        return [each for value in model.attributes.values() for each in layers_in(value)]
    if model.kind == "sequential":
        return [each for each in model.inner if each.symbol != INPUT]
    return model.inner


BATCHNORM = "keras.layers.BatchNormalization"


def holds_batchnorm(m: Machine, layer: LayerV) -> bool | None:
    """Whether a layer is or holds a batch normalization; None where its layers cannot be told."""
    pending = [layer, *all_sublayers(m, layer)]
    if any(m.table.issubclass(each.symbol, BATCHNORM) for each in pending):
        return True
    known = [each.has_batchnorm for each in pending if isinstance(each, ModelV) and not each.complete]
    return True if True in known else None if known or any(each.open for each in pending) else False
