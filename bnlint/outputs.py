"""The outputs of models that are trained, and what each is for: the loss tells whether a model classifies or regresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bnlint.activations import LINEAR, OUTPUTS, activation, fused, inner
from bnlint.fitters import is_given_away_to_fit
from bnlint.interpreter.records import Call, Event, LayerV, ModelV, TensorV
from bnlint.interpreter.values import ClassV, Const, DictV, FunctionV, InstanceV, ListV, MethodV, PartialV, SymbolV, TupleV, Value
from bnlint.program import Program, once
from bnlint.purpose import role_of_loss

Role = Literal["classifier", "regressor"]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a loss says about an output; ``from_logits``: it is trained as logits, None where that is not known."""

    role: Role
    from_logits: bool | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a model with the place where its loss is given."""

    tensor: TensorV
    loss: Loss
    call: Event | Call
    fitted: bool
    """Whether the model is trained in sight, not compiled alone."""


LOSSES: dict[str, Role] = {
    **dict.fromkeys(
        ["categoricalcrossentropy", "sparsecategoricalcrossentropy", "binarycrossentropy", "binaryfocalcrossentropy",
         "categoricalfocalcrossentropy", "categoricalgeneralizedcrossentropy", "dice", "tversky", "crossentropy", "bce", "hinge",
         "squaredhinge", "categoricalhinge", "softmaxcrossentropy", "sparsesoftmaxcrossentropy", "sigmoidcrossentropy", "weightedcrossentropy", "logloss"],
        "classifier",
    ),
    **dict.fromkeys(
        ["meansquarederror", "meanabsoluteerror", "meanabsolutepercentageerror", "meansquaredlogarithmicerror", "mse", "mae", "mape",
         "msle", "huber", "huberloss", "logcosh", "poisson", "absolutedifference", "l2loss", "squareddifference"],
        "regressor",
    ),
}  # fmt: skip
"""Keras's and TensorFlow's losses, by their names in lower case and without underscores."""
ANY_SIGN = frozenset({"hinge", "squaredhinge", "categoricalhinge"})
LOGITS = "withlogits"
STEPS = frozenset({"squeeze", "reshape", "cast", "identity", "flatten"})


def trained_outputs(program: Program) -> Iterator[Output]:
    """Every output of which a loss in sight tells the role: of ``compile``, or of a training loop of one's own."""
    fitted = {id(event.target) for event in program.events("fit", "train_on_batch")}
    fitted.update(id(event.target) for event in program.events("compile") if is_given_away_to_fit(event.context))
    for event in program.events("compile"):
        if isinstance(event.target, ModelV) and (id(event.target) in fitted or not _feeds_another(program, event.target)):
            yield from _compiled(program, event.target, event, id(event.target) in fitted)
    updated = {id(layer): layer for event in program.events("update") for layer in event.affected}
    for model in updated.values():
        for call in program.calls_of(model):
            for tensor in call.outputs if call.parent is None else []:
                used = _loss_behind(program, tensor)
                if used is not None:
                    yield from (Output(each, used[0], used[1], True) for each in _inside(call, tensor))


def _feeds_another(program: Program, model: ModelV) -> bool:
    """Whether a model's output goes into other layers, as a generator's goes into a discriminator."""
    graph = [call for call in program.calls_of(model) if call.setting == "graph"]
    return any(program.consumers(tensor) for call in graph for tensor in call.outputs)


def _inside(call: Call, tensor: TensorV) -> list[TensorV]:
    """The tensor in a model's own graph that a call of it gave."""
    model = call.layer
    if isinstance(model, ModelV) and model.kind in ("functional", "sequential") and len(model.outputs) == len(call.outputs):
        return [model.outputs[call.outputs.index(tensor)]]
    return [tensor]


def _compiled(program: Program, model: ModelV, event: Event, fitted: bool) -> Iterator[Output]:
    given = event.arguments.get("loss", event.arguments.get("1"))
    outputs, structure = _outputs(program, model)
    if given is None:
        return
    for index, tensor in enumerate(outputs):
        value = _loss_of(given, index, tensor, structure, len(outputs))
        loss = loss_of(value) if value is not None else None
        if loss is not None:
            yield Output(tensor, loss, event, fitted)


def _outputs(program: Program, model: ModelV) -> tuple[list[TensorV], Value | None]:
    if model.kind == "subclassed":
        calls = program.calls_of(model)
        return (calls[0].outputs, calls[0].result) if calls else ([], None)
    return (model.outputs, model.output_structure) if model.complete else ([], None)


def _loss_of(given: Value, index: int, tensor: TensorV, structure: Value | None, count: int) -> Value | None:
    """The loss of one output: one for all, one of a list, or by the name of the output or of the layer that makes it."""
    if isinstance(given, (ListV, TupleV)):
        known = len(given.items) == count and not getattr(given, "open", False)
        return given.items[index] if known else None
    if not isinstance(given, DictV):
        return given
    names: list[object] = []
    if isinstance(structure, DictV):
        names = [key.value for key, item in structure.items.values() if item is tensor and isinstance(key, Const)]
    layer = tensor.call.layer if tensor.call is not None else None
    if not names and layer is not None and isinstance(layer.name, Const):
        names = [layer.name.value]
    return next((value for key, value in given.items.values() if isinstance(key, Const) and key.value in names), None)


def loss_of(value: Value) -> Loss | None:
    """What a loss is for: a name, a function, an object, or a function of the project's by its name."""
    if isinstance(value, Const):
        return named_loss(value.value) if isinstance(value.value, str) else None
    if isinstance(value, InstanceV) and isinstance(value.cls, SymbolV):
        return named_loss(value.cls.path, value.attributes.get("from_logits", value.attributes.get("0")))
    if isinstance(value, SymbolV):
        return named_loss(value.path)
    if isinstance(value, PartialV):
        found = loss_of(value.function)
        logits = value.keywords.get("from_logits")
        return Loss(found.role, _flag(logits)) if found is not None and logits is not None else found
    function = value.function if isinstance(value, MethodV) else value
    cls = function.cls if isinstance(function, InstanceV) else None
    role = role_of_loss(function.qualname if isinstance(function, FunctionV) else cls.name if isinstance(cls, ClassV) else "")
    return Loss(role) if role is not None else None


def named_loss(path: str, from_logits: Value | None = None) -> Loss | None:
    """One of the libraries' losses; by default Keras's take probabilities."""
    name = path.rpartition(".")[2].replace("_", "").lower()
    bare = name.partition(LOGITS)[0]
    role = LOSSES.get(bare.removesuffix("v2"))
    if role is None:
        return None
    if name != bare or bare in ANY_SIGN:
        return Loss(role, True)
    return Loss(role, _flag(from_logits) if from_logits is not None else False)


def _flag(value: Value) -> bool | None:
    return bool(value.value) if isinstance(value, Const) else None


def _loss_behind(program: Program, tensor: TensorV) -> tuple[Loss, Call] | None:
    """The loss that a training loop computes from an output, through reshapes."""
    pending = [(tensor, 0)]
    while pending:
        each, depth = pending.pop()
        for call in program.consumers(each):
            if call.layer is not None:
                continue
            name = call.function.rpartition(".")[2].replace("_", "").lower()
            loss = named_loss(call.function, call.arguments.get("from_logits"))
            if name == "subtract" and _is_distance(program, call):
                loss = Loss("regressor")
            if loss is not None and (loss.role == "classifier" or not _compares_outputs(call, tensor)):
                return loss, call
            if name in STEPS and depth < 3:
                pending.extend((output, depth + 1) for output in call.outputs)
    return None


def _compares_outputs(loss: Call, tensor: TensorV) -> bool:
    """Whether a loss takes the output of another model, or of another call: it compares embeddings, and no target is regressed."""
    pending = list(loss.inputs)
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if each is tensor or id(each) in seen or each.call is None:
            continue
        seen.add(id(each))
        if each.call.layer is not None and each.call.function != "keras.layers.InputLayer":
            return True
        pending.extend(each.call.inputs)
    return False


def _is_distance(program: Program, difference: Call) -> bool:
    """Whether the square or the size of a difference is taken."""
    behind = [call.function.rpartition(".")[2].lower() for out in difference.outputs for call in program.consumers(out)]
    return any(name in ("square", "abs", "absolute", "pow", "power", "l2_loss") for name in behind)


# -- normalizations on outputs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutputNorm:
    """A batch normalization on the way from a model's last linear layer to its output.

    "behind": behind the output activation; "last": nothing but reshapes behind it; "logits": between the last linear layer and
    the output activation, which may be the loss's own.
    """

    call: Call
    norm: LayerV
    kind: Literal["behind", "last", "logits"]
    activation: str
    output: Output


@once
def output_norms(program: Program) -> list[OutputNorm]:
    """The trainable batch normalizations on outputs whose role is known."""
    norms = (_norm_of(program, output) for output in trained_outputs(program))
    return [each for each in norms if each is not None and not program.may_be_frozen(each.norm)]


def _norm_of(program: Program, output: Output) -> OutputNorm | None:
    """The normalization that an output comes from, through the output activation or without one."""
    way = [call for call in _backwards(program, output.tensor) if not _is_passed(program, call)]
    last = activation(program, way[0]) if way else None
    if last in OUTPUTS:
        norm = way[1].layer if len(way) > 1 else None
        if norm is None or not program.is_batchnorm(norm) or not _is_linear(program, way[2:]):
            return None
        return OutputNorm(way[1], norm, "logits", last, output)
    norm = way[0].layer if way else None
    if norm is None or not program.is_batchnorm(norm):
        return None
    before = _own_activation(program, way[1]) if len(way) > 1 else None
    if before in OUTPUTS:
        return OutputNorm(way[0], norm, "behind", before, output)
    if output.loss.role == "classifier" and output.loss.from_logits is not False:
        return OutputNorm(way[0], norm, "logits", "", output) if _is_linear(program, way[1:]) else None
    return OutputNorm(way[0], norm, "last", "", output) if output.fitted else None


def _own_activation(program: Program, call: Call) -> str | None:
    """The activation of a call, itself or as an argument of a linear layer."""
    return activation(program, call) or (fused(program, call.layer) if call.layer is not None else None)


def _is_linear(program: Program, way: list[Call]) -> bool:
    """Whether a way back begins with a linear layer without an activation."""
    return bool(way) and way[0].layer is not None and fused(program, way[0].layer) == LINEAR


def _is_passed(program: Program, call: Call) -> bool:
    """Whether a call leaves the values of an output as they are, one by one or on average."""
    layer = call.layer
    if layer is None:
        return call.function.rpartition(".")[2].lower() in STEPS
    info = program.info(inner(program, layer))
    if info is None or (layer.own_class is not None and layer.own_class.find("call") is not None):
        return False
    return info.family in PASSED or info.dropout is not None or activation(program, call) == LINEAR or info.name == IDENTITY


PASSED = frozenset({"reshape", "flatten", "permute", "crop", "upsample", "resize", "pool", "global_pool"})
IDENTITY = "keras.layers.Identity"


def _backwards(program: Program, tensor: TensorV) -> Iterator[Call]:
    """The applications that led to a tensor one after the other, the last first, as long as each takes one tensor."""
    for _ in range(100):
        call = program.producer(tensor)
        if call is None or len(call.inputs) != 1:
            return
        yield call
        tensor = call.inputs[0]
