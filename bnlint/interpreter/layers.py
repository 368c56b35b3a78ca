"""Layers: making them, calling them, what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bnlint.interpreter.calls import call_method, run_function
from bnlint.interpreter.dispatch import CallSite, calls
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Call, LayerV, Made, ModelV, Site, TensorV, Training
from bnlint.interpreter.scope import Frame
from bnlint.interpreter.tensors import as_tensor, setting_of, shape_from, shape_value, tensors_in
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    ClassV,
    Const,
    DictV,
    FunctionV,
    ListV,
    MethodV,
    NotPlain,
    SetV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    plain,
)
from bnlint.keras_api import shapes
from bnlint.keras_api.records import Opaque
from bnlint.keras_api.shapes import UNKNOWN, Shape

LEGACY_ARGUMENTS = {
    "nb_filter": "filters", "nb_filters": "filters", "output_dim": "units", "init": "kernel_initializer",
    "border_mode": "padding", "subsample": "strides", "subsample_length": "strides", "filter_length": "kernel_size",
    "bias": "use_bias", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer", "p": "rate",
    "beta_init": "beta_initializer", "gamma_init": "gamma_initializer", "atrous_rate": "dilation_rate",
    "dim_ordering": "data_format", "pool_length": "pool_size", "length": "size",
}  # fmt: skip
TRAINING = Unknown(("training",), "the mode that Keras passes on")
MASK = Unknown(("mask",), "the mask that Keras passes on")


def make_site(m: Machine, site: CallSite, arguments: Arguments, names: Mapping[int, str]) -> Site:
    """The constructor expression of a layer, with the spans of its arguments by parameter name."""
    source = site.frame.module.source
    spans = {}
    for key, node in arguments.nodes.items():
        name = key if isinstance(key, str) else names.get(key)
        if name is not None and hasattr(node, "lineno"):
            spans[name] = source.span(node)
    keywords = tuple(arguments.keywords)
    return Site(site.span, site.node, site.frame.module, site.frame.function, spans, arguments.bound, keywords)


def made_by(m: Machine, path: str, generation: str, arguments: Arguments, site: CallSite) -> Made:
    """The arguments of one of Keras's constructors, bound to its parameters."""
    info = m.table.layer(path)
    parameters = info.parameters(generation) if info is not None else ()
    positional = [each.name for each in parameters if each.kind == "positional"]
    bound: dict[str, Value] = dict(zip(positional, arguments.positional))
    for key, value in arguments.keywords.items():
        known = any(each.name == key for each in parameters)
        bound[key if known else LEGACY_ARGUMENTS.get(key, key)] = value
    made = make_site(m, site, arguments, dict(enumerate(positional)))
    return Made(made, bound, arguments.open_keywords or arguments.open_positional)


def construct(m: Machine, symbol: SymbolV, arguments: Arguments, site: CallSite) -> LayerV:
    """An instance of one of Keras's own layers."""
    info = m.table.layer(symbol.path)
    generation = symbol.generation or m.generation
    made = made_by(m, symbol.path, generation, arguments, site)
    layer = LayerV(symbol, symbol=symbol.path, generation=generation)
    if info is not None and info.issubclass("keras.Model"):
        layer = ModelV(symbol, symbol=symbol.path, generation=generation)
    layer.made, layer.site, layer.arguments, layer.open_arguments = made, made.site, made.arguments, made.open
    if info is not None and "data_format" not in made.arguments and not made.open:
        configured = m.settings.get("image_data_format")
        if (
            isinstance(configured, Const)
            and configured.value == "channels_first"
            and any(each.name == "data_format" for each in info.parameters(generation))
        ):
            layer.arguments = {**made.arguments, "data_format": configured}
    register(m, layer, made.arguments, site)
    for value in made.arguments.values():
        layer.inner.extend(layers_in(value, 3))
    return layer


def register(m: Machine, layer: LayerV, arguments: Mapping[str, Value], site: CallSite) -> None:
    """Note a new layer in the world."""
    layer.name = arguments.get("name")
    trainable = arguments.get("trainable")
    if trainable is not None:
        layer.trainable = trainable
    if "weights" in arguments and not (isinstance(arguments["weights"], Const) and arguments["weights"].value is None):
        layer.weights = "loaded"
    layer.context = m.context(site)
    layer.world = m.world
    policy = m.settings.get("policy")
    layer.policy = policy if isinstance(policy, TupleV) else None
    m.world.layers.append(layer)
    m.changed()


def new_own_layer(m: Machine, cls: ClassV, base: SymbolV, arguments: Arguments, site: CallSite) -> LayerV:
    """An instance of a project's class that derives from a layer or model; ``__init__`` runs later."""
    is_model = m.table.issubclass(base.path, "keras.Model")
    kind = ModelV if is_model else LayerV
    generation = base.generation or m.generation
    layer = kind(cls, symbol=base.path, generation=generation)
    if isinstance(layer, ModelV):
        layer.kind = "sequential" if m.table.issubclass(base.path, "keras.Sequential") else "subclassed"
    init = cls.find("__init__")
    names: dict[int, str] = {}
    if isinstance(init, FunctionV):
        names = {index: each.arg for index, each in enumerate(init.node.args.args[1:])}
    layer.site = make_site(m, site, arguments, names)
    layer.arguments = {names[index]: value for index, value in enumerate(arguments.positional) if index in names}
    layer.arguments.update(arguments.keywords)
    layer.open_arguments = arguments.open_keywords or arguments.open_positional
    if init is None and not cls.has_unknown_base:
        layer.made = made_by(m, base.path, generation, arguments, site)
    register(m, layer, {} if isinstance(init, FunctionV) else arguments.keywords, site)
    return layer


def is_layer_class(m: Machine, value: Value) -> bool:
    """Whether a class, Keras's or the project's, makes layers."""
    if isinstance(value, ClassV):
        return any(m.table.layer(base.path) is not None for base in value.symbols())
    return isinstance(value, SymbolV) and m.table.layer(value.path) is not None


def layers_in(value: Value, depth: int = 5) -> Iterator[LayerV]:
    """The layers in a value that Keras tracks: through lists, tuples and dictionaries."""
    if isinstance(value, LayerV):
        yield value
    elif depth and isinstance(value, (ListV, TupleV)):
        for item in value.items:
            yield from layers_in(item, depth - 1)
    elif depth and isinstance(value, DictV):
        for _, item in value.items.values():
            yield from layers_in(item, depth - 1)
    elif depth and isinstance(value, SetV):
        for item in value.items.values():
            yield from layers_in(item, depth - 1)


def direct_sublayers(m: Machine, layer: LayerV) -> list[LayerV]:
    """The layers that a layer or model holds itself, each once."""
    found: dict[int, LayerV] = {}
    if isinstance(layer, ModelV):
        for each in m.hooks.model_layers(m, layer):
            found.setdefault(id(each), each)
    for each in layer.inner:
        found.setdefault(id(each), each)
    for value in layer.attributes.values():
        for each in layers_in(value):
            if each is not layer:
                found.setdefault(id(each), each)
    return list(found.values())


def all_sublayers(m: Machine, layer: LayerV) -> list[LayerV]:
    """The layers below a layer or model, at any depth, each once."""
    found: dict[int, LayerV] = {}
    pending = direct_sublayers(m, layer)
    while pending:
        each = pending.pop(0)
        if id(each) not in found and each is not layer:
            found[id(each)] = each
            pending.extend(direct_sublayers(m, each))
    return list(found.values())


# -- calling -----------------------------------------------------------------------------------------------------


@calls(LayerV, ModelV)
def call_layer(m: Machine, layer: LayerV, arguments: Arguments, site: CallSite) -> Value:
    """``layer(inputs, ...)``."""
    own = layer.own_class
    if own is not None:
        override = own.find("__call__")
        if isinstance(override, FunctionV) and site.frame.function is not override:
            return m.call(MethodV(override, layer), arguments, site)
    return apply_layer(m, layer, arguments, site)


@calls(MethodV)
def call_bound(m: Machine, bound: MethodV, arguments: Arguments, site: CallSite) -> Value:
    """``model.call(inputs)`` is an application, too, but for one inside the layer's own ``call``."""
    layer = bound.instance
    own = layer.own_class if isinstance(layer, LayerV) else None
    if own is None or not isinstance(layer, LayerV) or own.find("call") is not bound.function or _is_inside(site, layer):
        return call_method(m, bound, arguments, site)
    return apply_layer(m, layer, arguments, site)


def _is_inside(site: CallSite, layer: LayerV) -> bool:
    call = site.frame.layer_call
    while call is not None:
        if call.layer is layer:
            return True
        call = call.parent
    return False


def apply_layer(m: Machine, layer: LayerV, arguments: Arguments, site: CallSite) -> Value:
    """Record the application of a layer and give its output."""
    inputs, unknown_inputs = _inputs(m, arguments)
    call = Call(
        layer,
        layer.symbol,
        inputs,
        [],
        training_argument(m, layer, arguments, site),
        m.context(site),
        site.frame.layer_call,
        setting_of(site, inputs),
        dict(arguments.keywords),
        unknown_inputs,
        layer.generation,
    )
    m.touch(layer)
    m.record(call)
    first = inputs[0] if inputs else None
    if not layer.built and first is not None:
        layer.input_shape = first.shape
    own = layer.own_class
    result: Value | None = None
    if own is not None and (not isinstance(layer, ModelV) or layer.kind == "subclassed"):
        result = _call_own(m, layer, own, call, arguments, site)
    elif isinstance(layer, ModelV):
        result = m.hooks.model_output(m, layer, call, arguments, site)
    layer.built = True
    if result is None:
        result = _builtin_output(m, layer, call, arguments)
    if not call.outputs:
        call.outputs = [t for t in tensors_in(result) if t.call is call]
    call.result = result
    layer.last_call = call
    return result


def _inputs(m: Machine, arguments: Arguments) -> tuple[list[TensorV], bool]:
    """The tensors a layer is called on, in order, and whether there may be others."""
    found: list[TensorV] = []
    unknown_inputs = arguments.open_positional
    for index, value in enumerate(arguments.positional):
        value = m.resolve(value)
        tensors = list(tensors_in(value))
        if not tensors and index == 0 and not isinstance(value, (Const, TupleV)):
            if isinstance(value, ListV):
                unknown_inputs = True
                tensors = [as_tensor(m, item) for item in value.items if isinstance(item, Unknown)]
            else:
                tensors = [as_tensor(m, value)]
        elif isinstance(value, ListV) and value.open:
            unknown_inputs = True
        elif isinstance(value, (ListV, TupleV)) and len(tensors) < len(value.items):
            tensors = [as_tensor(m, item) for item in value.items if isinstance(item, (TensorV, Unknown))]
        found.extend(tensors)
    for name, value in arguments.keywords.items():
        if name == "training":
            continue
        tensors = list(tensors_in(value))
        if name in ("inputs", "x") and not tensors and isinstance(value, Unknown):
            tensors = [as_tensor(m, value)]
        found.extend(tensors)
    return found, unknown_inputs


def training_argument(m: Machine, layer: LayerV, arguments: Arguments, site: CallSite) -> Training:
    """What a call says about the mode."""
    value = arguments.keywords.get("training")
    node = arguments.nodes.get("training")
    positional = False
    if value is None:
        index = _training_position(m, layer)
        if index is not None and index < len(arguments.positional):
            value, node, positional = arguments.positional[index], arguments.nodes.get(index), True
    span = site.frame.module.source.span(node) if node is not None and hasattr(node, "lineno") else None
    if value is None:
        return Training("unknown" if arguments.open_keywords else "absent", None, span)
    value = m.resolve(value)
    if isinstance(value, Const):
        return Training("constant", value.value, span, positional, value)
    if isinstance(value, Unknown) and value.term[0] == "training":
        return Training("forwarded", None, span, positional, value)
    return Training("unknown", None, span, positional, value)


def _training_position(m: Machine, layer: LayerV) -> int | None:
    own = layer.own_class
    if own is not None:
        function = own.find("call")
        if isinstance(function, FunctionV):
            names = [each.arg for each in function.signed.node.args.args[1:]]
            return names.index("training") if "training" in names else None
        return None
    if isinstance(layer, ModelV):
        return 1
    return 1 if m.table.issubclass(layer.symbol, "keras.layers.BatchNormalization") else None


def _call_own(m: Machine, layer: LayerV, own: ClassV, call: Call, arguments: Arguments, site: CallSite) -> Value | None:
    """Interpret ``build`` once and ``call`` of a project's layer or model. None: it has no ``call`` in sight."""
    function = own.find("call")
    if not layer.built:
        layer.built = True
        build = own.find("build")
        if isinstance(build, FunctionV):
            run_function(m, build, Arguments([layer, _build_shape(m, call)], {}), _inside(site, call), layer)
    if not isinstance(function, FunctionV):
        return None if not own.has_unknown_base else _opaque(m, call)
    inner = _inside(site, call)
    full = Arguments([layer, *arguments.positional], dict(arguments.keywords), arguments.open_positional,
                     arguments.open_keywords, {})  # fmt: skip
    _leave_out_mode(function, layer, full)
    _fill_passed_on(function, full)
    result = _alias(m, run_function(m, function, full, inner, layer), call)
    declares = own.find("compute_output_shape")
    if isinstance(result, TensorV) and result.shape is None and isinstance(declares, FunctionV):
        declared = run_function(m, declares, Arguments([layer, _build_shape(m, call)], {}), inner, layer)
        shape = shape_from(m.resolve(declared))
        result.shape = shape if shape is not None and UNKNOWN not in shape else None
    return result


def _inside(site: CallSite, call: Call) -> CallSite:
    frame = site.frame
    inner = Frame(frame.module, frame.scope, frame.function, frame.caller, frame.node, frame.depth)
    inner.loops, inner.contexts, inner.instance = frame.loops, frame.contexts, frame.instance
    inner.statement = frame.statement
    inner.layer_call = call
    return CallSite(site.node, inner)


def _leave_out_mode(function: FunctionV, layer: LayerV, arguments: Arguments) -> None:
    """Keras keeps ``training`` to itself where ``call`` has no parameter of that name; Keras 2 hands it to ``**kwargs``."""
    parameters = function.signed.node.args
    names = {each.arg for each in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)}
    if "training" not in names and not (layer.generation == "2" and parameters.kwarg is not None):
        arguments.keywords.pop("training", None)


def _fill_passed_on(function: FunctionV, arguments: Arguments) -> None:
    """A ``training`` or ``mask`` parameter that no caller sets gets what Keras passes on."""
    parameters = function.signed.node.args
    names = {each.arg for each in (*parameters.args, *parameters.kwonlyargs)}
    given = {*arguments.keywords, *(each.arg for each in parameters.args[: len(arguments.positional)])}
    for name, value in (("training", TRAINING), ("mask", MASK)):
        if name in names - given:
            arguments.keywords[name] = value


def _build_shape(m: Machine, call: Call) -> Value:
    if not call.inputs:
        return Unknown(("build shape", call.order))
    if len(call.inputs) > 1:
        return ListV([shape_value(m, each) for each in call.inputs])
    shape = call.inputs[0].shape
    if shape is None:
        return Unknown(("shape", "build"), "an input shape that is not known")
    return shape_value(m, call.inputs[0])


def _alias(m: Machine, value: Value, call: Call, depth: int = 5) -> Value:
    """The output of a composite layer: new tensors that stand for those its ``call`` returned."""
    if isinstance(value, TensorV):
        alias = TensorV(value.shape, call, len(call.outputs), value.symbolic)
        alias.alias = value
        call.outputs.append(alias)
        return alias
    if depth and isinstance(value, TupleV):
        return TupleV(tuple(_alias(m, item, call, depth - 1) for item in value.items), value.kind, value.fields)
    if depth and isinstance(value, ListV):
        return ListV([_alias(m, item, call, depth - 1) for item in value.items], value.open, value.kind)
    if depth and isinstance(value, DictV):
        return DictV({key: (name, _alias(m, item, call, depth - 1)) for key, (name, item) in value.items.items()}, value.open)
    if isinstance(value, Unknown):
        return _opaque(m, call)
    return value


def _opaque(m: Machine, call: Call) -> Value:
    """The output of a layer whose ``call`` cannot be followed."""
    m.escape_all(call.inputs)
    call.known_function = False
    tensor = TensorV(None, call, len(call.outputs), any(each.symbolic for each in call.inputs))
    call.outputs.append(tensor)
    return tensor


def _builtin_output(m: Machine, layer: LayerV, call: Call, arguments: Arguments) -> Value:
    """The output of one of Keras's own layers, its shape by the table."""
    symbolic = any(each.symbolic for each in call.inputs)
    if layer.symbol in ("keras.layers.Lambda", "keras.layers.Activation"):
        inner = _call_argument_function(m, layer, call)
        if inner is not None:
            return inner
    info = m.table.layer(layer.symbol)
    shape: Shape | list[Shape] = None
    if info is not None and info.family and not call.unknown_inputs:
        shape = shapes.output_shape(
            info.family,
            info.rank,
            {**plain_arguments(m, layer), **wrapped_arguments(m, layer, call.inputs[0].shape if call.inputs else None)},
            [each.shape for each in call.inputs],
            layer.generation or "3",
        )
    many = shape if isinstance(shape, list) else [shape]
    call.outputs = [TensorV(each, call, index, symbolic) for index, each in enumerate(many)]
    return ListV(list(call.outputs)) if isinstance(shape, list) else call.outputs[0]


def _call_argument_function(m: Machine, layer: LayerV, call: Call) -> Value | None:
    """The function that a Lambda wraps is interpreted inside the layer's call."""
    function = layer.arguments.get("function") or layer.arguments.get("activation")
    if not isinstance(function, (FunctionV, MethodV)):
        return None
    frame = Frame(call.context.module, call.context.module.scope)
    frame.layer_call = call
    value: Value = call.inputs[0] if len(call.inputs) == 1 else ListV(list(call.inputs))
    site = CallSite(layer.site.node if layer.site is not None else frame.module.tree, frame)
    extra = layer.arguments.get("arguments")
    keywords = {}
    if isinstance(extra, DictV):
        keywords = {key.value: item for key, item in extra.items.values() if isinstance(key, Const)}
    result = m.call(function, Arguments([value], keywords), site)
    aliased = _alias(m, result, call)
    shape = shape_from(layer.arguments.get("output_shape", NONE))
    if isinstance(aliased, TensorV) and aliased.shape is None and shape is not None and call.inputs:
        first = call.inputs[0].shape
        aliased.shape = (first[0] if first else None, *shape)
    return aliased if isinstance(aliased, (TensorV, TupleV, ListV, DictV)) else _opaque(m, call)


WRAPPERS = ("keras.layers.TimeDistributed", "keras.layers.Bidirectional")


def wrapped_arguments(m: Machine, layer: LayerV, shape: Shape) -> dict[str, object]:
    """What the shape rules ask about the layer inside a TimeDistributed or Bidirectional."""
    if layer.symbol not in WRAPPERS or not layer.inner:
        return {}
    inner = layer.inner[0]
    info = m.table.layer(inner.symbol)
    if info is None or inner.own_class is not None:
        return {}
    arguments = plain_arguments(m, inner)
    if layer.symbol == "keras.layers.TimeDistributed" and shape is not None:
        shape = (shape[0], *shape[2:]) if len(shape) > 2 else None
    output = shapes.output_shape(info.family, info.rank, arguments, [shape], inner.generation or "3")
    return {"inner": output, "inner_family": info.family, "inner_rank": info.rank, "inner_arguments": arguments}


def plain_arguments(m: Machine, layer: LayerV, assumed: bool = True) -> dict[str, object]:
    """A layer's constructor arguments as Python values, defaults filled in; UNKNOWN where bnlint cannot tell.

    ``assumed``: what a command line or a configuration may replace counts as known.
    """
    found: dict[str, object] = {}
    info = m.table.layer(layer.symbol)
    if info is not None:
        for parameter in info.parameters(layer.generation or "3"):
            if parameter.has_default:
                found[parameter.name] = (
                    UNKNOWN if layer.open_arguments or isinstance(parameter.default, Opaque) else parameter.default
                )
    found.update({name: plain_value(m, value, assumed) for name, value in layer.arguments.items()})
    return found


def plain_value(m: Machine, value: Value, assumed: bool = True) -> object:
    """A value as Python's, UNKNOWN where bnlint cannot tell."""
    value = m.resolve(value)
    if not assumed and isinstance(value, Const) and value.assumed:
        return UNKNOWN
    try:
        return plain(value)
    except NotPlain:
        return _partly_plain(value)


def _partly_plain(value: Value) -> object:
    """A tuple or list of sizes of which some are not known; a library's function by its name."""
    if isinstance(value, SymbolV):
        return value.path.rpartition(".")[2] if value.path.startswith("keras.activations.") else value.path
    if isinstance(value, (TupleV, ListV)) and not getattr(value, "open", False):
        return tuple(item.value if isinstance(item, Const) else UNKNOWN for item in value.items)
    return UNKNOWN
