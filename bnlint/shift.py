"""Where a constant that is added to each channel of a tensor goes: through what commutes with it, to what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.interpreter.records import Call, LayerV, ModelV, TensorV
from bnlint.keras_api.shapes import follow_channels
from bnlint.program import Program
from bnlint.shift_functions import JOINS, moved_by_function

PASSES = frozenset({"commutes", "reshape", "merge", "linear"})
KEEPS = frozenset({"pool", "crop", "upsample"})
"""The families of layers through which a constant comes out as it was."""


@dataclass(frozen=True, slots=True)
class End:
    """Where the constant ends: in a training-mode batch normalization over its axis (``cancelled``), or anywhere else."""

    call: Call | None
    cancelled: bool
    direct: bool = True
    idle: bool = False
    """It would be cancelled there, but this layer is known to be run in inference mode only, as by a script that evaluates."""


def shift_ends(program: Program, tensor: TensorV, axis: int, source: LayerV | None = None) -> list[End]:
    """The ends of a constant added to ``tensor`` along ``axis``, which may be negative (counted from the end).

    With ``source``, it is added to all outputs of that layer.
    """
    return list(_Walk(program, source).run(tensor, axis))


def _in_inference(call: Call) -> bool:
    return call.training.kind == "constant" and not call.training.value and call.training.value is not None


def _in_training(call: Call) -> bool:
    return call.training.kind == "constant" and bool(call.training.value)


class _Walk:
    def __init__(self, program: Program, source: LayerV | None) -> None:
        self.program = program
        self.source = source
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
            yield self.at_batchnorm(layer, call, tensor, axis, direct)
        elif self.is_batchnorm_per_step(layer):
            end = self.at_batchnorm(layer.inner[0], call, _step(tensor), axis - (axis > 0), direct)
            yield end if axis != 1 else End(call, False, direct)
        elif isinstance(layer, ModelV):
            yield from self.model(layer, call, tensor, axis, direct)
        elif call.known_function and (layer.own_class is not None or (layer.symbol == "keras.layers.Lambda" and call.children)):
            return  # the calls inside it take the tensor themselves
        else:
            yield from self.layer(layer, call, tensor, axis)

    def is_batchnorm_per_step(self, layer: LayerV) -> bool:
        """Whether a layer is a TimeDistributed around a batch normalization: what is constant in each step is subtracted there."""
        wraps = self.program.is_a(layer, "keras.layers.TimeDistributed") and len(layer.inner) == 1
        return wraps and self.program.is_batchnorm(layer.inner[0])

    def at_batchnorm(self, layer: LayerV, call: Call, tensor: TensorV, axis: int, direct: bool) -> End:
        subtracts = self.subtracts(layer, call, tensor, axis)
        idle = _in_inference(call) and not any(_in_training(each) for each in self.program.calls_of(layer))
        # elsewhere in training mode: its moving mean has learnt what was added
        return End(call, subtracts and not idle, direct, idle=subtracts and idle)

    def subtracts(self, layer: LayerV, call: Call, tensor: TensorV, axis: int) -> bool:
        """Whether a batch normalization, in training mode, subtracts what was added."""
        program = self.program
        if program.may_be_frozen(layer) or call.training.kind == "unknown":
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
        if family == "concatenate" and self.adds_everywhere(call):
            return axis
        output = call.outputs[0].shape
        if axis < 0 and tensor.shape is None:
            return axis if family == "same" else None
        return follow_channels(family, rank, arguments, tensor.shape, output, axis)

    def adds_everywhere(self, call: Call) -> bool:
        """Whether all that a call takes are outputs of the source, as they are or pooled: what it joins is all shifted alike."""
        return self.source is not None and all(self.is_of_source(each) for each in call.inputs)

    def is_of_source(self, tensor: TensorV) -> bool:
        for _ in range(20):
            call = self.program.producer(tensor)
            if call is None or call.layer is None:
                return False
            if call.layer is self.source:
                return True
            info = self.program.info(call.layer)
            if info is None or info.family not in KEEPS or len(call.inputs) != 1:
                return False
            tensor = call.inputs[0]
        return False

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
        joins = call.function.rpartition(".")[2].lower() in JOINS
        moved = axis if joins and self.adds_everywhere(call) else moved_by_function(call, tensor, axis)
        if moved is None:
            yield End(call, False)
            return
        for output in call.outputs:
            self.follow(output, moved, False)


def _step(tensor: TensorV) -> TensorV:
    """One time step of a sequence."""
    shape = tensor.shape
    return TensorV((shape[0], *shape[2:]) if shape is not None and len(shape) > 2 else None)
