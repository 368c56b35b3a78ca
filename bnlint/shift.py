"""Where a constant that is added to each channel of a tensor goes: through what commutes with it, to what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.interpreter.records import Call, LayerV, ModelV, TensorV
from bnlint.interpreter.values import Const, NotPlain, plain
from bnlint.keras_api.shapes import follow_channels
from bnlint.program import Program

PASSES = frozenset({"commutes", "reshape", "merge", "linear"})


@dataclass(frozen=True, slots=True)
class End:
    """Where the constant ends: in a training-mode batch normalization over its axis (``cancelled``), or anywhere else."""

    call: Call | None
    cancelled: bool
    direct: bool = True


def shift_ends(program: Program, tensor: TensorV, axis: int) -> list[End]:
    """The ends of a constant added to ``tensor`` along ``axis``, which may be negative (counted from the end)."""
    return list(_Walk(program).run(tensor, axis))


class _Walk:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.seen: set[tuple[int, int]] = set()
        self.pending: list[tuple[TensorV, int, bool]] = []

    def run(self, tensor: TensorV, axis: int) -> Iterator[End]:
        self.pending = [(tensor, axis, True)]
        while self.pending:
            yield from self.ends(*self.pending.pop())

    def follow(self, tensor: TensorV, axis: int, direct: bool) -> None:
        self.pending.append((tensor, axis, direct))

    def ends(self, tensor: TensorV, axis: int, direct: bool) -> Iterator[End]:
        """The ends among the consumers of one tensor; what lies behind the others is left pending."""
        if tensor.shape is not None and axis < 0:
            axis += len(tensor.shape)
        if (id(tensor), axis) in self.seen:
            return
        self.seen.add((id(tensor), axis))
        program = self.program
        consumers = program.consumers(tensor)
        aliases = program.aliases(tensor)
        models = program.models_ending_in(tensor)
        nested = [call for model in models for call in program.calls_of(model)]
        if (
            program.escapes(tensor)
            or any(program.is_used_itself(model) for model in models)
            or not (consumers or aliases or nested)
        ):
            yield End(None, False, direct)
            return
        for call in nested:
            yield from self.behind_model(call, tensor, axis)
        for alias in aliases:
            self.follow(alias, axis, direct)
        for call in consumers:
            yield from self.through(call, tensor, axis, direct)

    def through(self, call: Call, tensor: TensorV, axis: int, direct: bool) -> Iterator[End]:
        """The ends behind one consumer."""
        layer = call.layer
        if layer is None:
            yield from self.function(call, tensor, axis)
        elif layer.own_class is not None and layer.own_class.find("call") is not None and call.known_function and call.children:
            return  # the calls inside it take the tensor themselves
        elif self.program.is_batchnorm(layer):
            yield End(call, self.cancels(layer, call, tensor, axis), direct)
        elif self.is_batchnorm_per_step(layer):
            inner = layer.inner[0]
            yield End(call, axis != 1 and self.cancels(inner, call, _step(tensor), axis - (axis > 0)), direct)
        elif isinstance(layer, ModelV):
            yield from self.model(layer, call, tensor, axis, direct)
        elif layer.own_class is not None and call.known_function:
            return  # the calls inside it take the tensor themselves
        else:
            yield from self.layer(layer, call, tensor, axis)

    def is_batchnorm_per_step(self, layer: LayerV) -> bool:
        """Whether a layer is a TimeDistributed around a batch normalization: what is constant in each step is subtracted there."""
        wraps = self.program.is_a(layer, "keras.layers.TimeDistributed") and len(layer.inner) == 1
        return wraps and self.program.is_batchnorm(layer.inner[0])

    def cancels(self, layer: LayerV, call: Call, tensor: TensorV, axis: int) -> bool:
        """Whether a batch normalization subtracts what was added."""
        program = self.program
        if program.may_be_frozen(layer) or call.training.kind == "unknown":
            return False
        if call.training.kind == "constant" and not call.training.value and call.training.value is not None:
            return False
        arguments = program.arguments(layer)
        if arguments.get("renorm", False) is not False:
            return False
        own = arguments.get("axis", -1)
        if not isinstance(own, int) or isinstance(own, bool):
            return False
        if own == axis:
            return True
        rank = len(tensor.shape) if tensor.shape is not None else None
        return rank is not None and own % rank == axis % rank

    def layer(self, layer: LayerV, call: Call, tensor: TensorV, axis: int) -> Iterator[End]:
        info = self.program.info(layer)
        arguments = self.program.all_arguments(layer, tensor)
        if layer.symbol == "keras.layers.Activation" and arguments.get("activation") in (None, "linear"):
            for output in call.outputs:
                self.follow(output, axis, direct=False)
            return
        shift = info.shift if info is not None else "breaks"
        if info is None or not info.family or shift not in PASSES or not call.outputs:
            yield End(call, False)
            return
        if shift == "linear" and arguments.get("activation") not in (None, "linear"):
            yield End(call, False)
            return
        moved = self.moved(info.family, info.rank, arguments, call, tensor, axis)
        if moved is None:
            yield End(call, False)
            return
        for output in call.outputs:
            self.follow(output, moved, False)

    def moved(
        self, family: str, rank: int | None, arguments: dict[str, object], call: Call, tensor: TensorV, axis: int
    ) -> int | None:
        """The axis on which the constant comes out of a layer."""
        output = call.outputs[0].shape
        if axis < 0 and tensor.shape is None:
            return axis if family == "same" else None
        return follow_channels(family, rank, arguments, tensor.shape, output, axis)

    def model(self, model: ModelV, call: Call, tensor: TensorV, axis: int, direct: bool) -> Iterator[End]:
        """Into a nested model: what takes the input there."""
        if model.kind not in ("functional", "sequential") or len(model.inputs) != len(call.inputs):
            yield End(call, False)
            return
        for own, given in zip(model.inputs, call.inputs):
            if given is tensor:
                self.follow(own, axis, direct)

    def behind_model(self, call: Call, tensor: TensorV, axis: int) -> Iterator[End]:
        """What takes the output that a nested model has in ``tensor``'s place."""
        model = call.layer
        if not isinstance(model, ModelV) or len(model.outputs) != len(call.outputs):
            yield End(call, False)
            return
        for own, given in zip(model.outputs, call.outputs):
            if own is tensor:
                self.follow(given, axis, False)

    def function(self, call: Call, tensor: TensorV, axis: int) -> Iterator[End]:
        """Sums, means, joins and identities of tensors commute with a constant; no other function is known to."""
        moved = moved_by_function(call, tensor, axis)
        if moved is None:
            yield End(call, False)
            return
        for output in call.outputs:
            self.follow(output, moved, False)


def _step(tensor: TensorV) -> TensorV:
    """One time step of a sequence."""
    shape = tensor.shape
    return TensorV((shape[0], *shape[2:]) if shape is not None and len(shape) > 2 else None)


LIBRARIES = ("keras.ops.", "keras.backend.", "tensorflow.")
IDENTITIES = frozenset({"identity", "cast"})
SUMS = frozenset({"add", "subtract"})
JOINS = frozenset({"concat", "concatenate"})
REDUCTIONS = frozenset({"mean", "max", "min", "reduce_mean", "reduce_max", "reduce_min"})
POOLS = frozenset({"maxpool", "averagepool", "max_pool", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool", "avg_pool1d", "avg_pool2d",
                   "avg_pool3d"})  # fmt: skip


def moved_by_function(call: Call, tensor: TensorV, axis: int) -> int | None:
    """The axis on which a constant comes out of a function of tensors; None where it does not come out as one."""
    name = call.function.rpartition(".")[2].lower()
    shape = tensor.shape
    if not call.function.startswith(LIBRARIES) or call.unknown_inputs:
        return None
    if name in IDENTITIES:
        return axis
    if name in SUMS:
        return axis if _adds(call, axis) else None
    if shape is None or axis < 0:
        return None
    if name in JOINS:
        joined = _constant(call, 1, "axis", -1)
        return axis if isinstance(joined, int) and joined % len(shape) == axis else None
    if name in REDUCTIONS:
        return _reduced(call, len(shape), axis)
    if name in POOLS:
        return axis if axis == len(shape) - 1 and "data_format" not in call.arguments else None
    if name == "reshape":
        return follow_channels("reshape", None, {}, shape, call.outputs[0].shape, axis) if call.outputs else None
    return None


def _adds(call: Call, axis: int) -> bool:
    """Whether an addition is one of tensors of the same rank, or of a tensor and a number."""
    if len(call.inputs) == 1:
        return any(isinstance(value, Const) and isinstance(value.value, (int, float)) for value in call.arguments.values())
    ranks = {len(each.shape) if each.shape is not None else None for each in call.inputs}
    return len(call.inputs) == 2 and (axis < 0 or (len(ranks) == 1 and None not in ranks))


def _reduced(call: Call, rank: int, axis: int) -> int | None:
    given, keeps = _constant(call, 1, "axis", None), _constant(call, 2, "keepdims", False)
    axes = [given] if isinstance(given, int) else list(given) if isinstance(given, (list, tuple)) else []
    gone = {each % rank for each in axes if isinstance(each, int)}
    if not gone or len(gone) < len(axes) or gone & {0, axis} or not isinstance(keeps, bool):
        return None
    return axis if keeps else axis - sum(each < axis for each in gone)


def _constant(call: Call, index: int, name: str, default: object) -> object:
    """A constant argument of a function; Ellipsis where it is not known."""
    value = call.arguments.get(name, call.arguments.get(str(index)))
    if value is None:
        return default
    try:
        return plain(value)
    except NotPlain:
        return ...
