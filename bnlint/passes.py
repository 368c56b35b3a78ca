"""Forward passes: which applications of a layer belong to one, and where the tensors of each come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bnlint.interpreter.graphs import trace
from bnlint.interpreter.records import Call, LayerV, ModelV, TensorV, World
from bnlint.interpreter.tensors import tensors_in
from bnlint.program import Program

WITH_KERNEL = frozenset(
    ("dense", "conv", "conv_transpose", "depthwise_conv", "separable_conv", "locally_connected", "embedding", "rnn", "conv_rnn",
     "bidirectional", "time_distributed", "einsum_dense", "attention", "unknown")
)  # fmt: skip
"""The families of layers whose outputs are features: their distribution is another than that of what they are given."""
FEW = 60
"""Applications of one layer that are compared with each other."""


@dataclass(slots=True)
class Sharing:
    """A layer that takes several tensors in one forward pass, with its batch normalizations.

    ``whole``: a layer or model of several layers takes what comes from outside, or from other models, as the halves of a siamese
    network do.
    """

    layer: LayerV
    norms: list[LayerV]
    calls: list[Call]
    whole: bool


def sharings(program: Program) -> Iterator[Sharing]:
    """The layers with trainable batch normalization that are applied to several tensors in one forward pass."""
    for world in program.worlds:
        passes = Passes(program, world)
        for layer, calls in passes.repeated():
            for group in passes.groups(calls):
                if len(group) > 1:
                    norms = [layer] if program.is_batchnorm(layer) else _norms_inside(program, layer)
                    whole = not program.is_batchnorm(layer) and _is_whole(program, group)
                    yield Sharing(layer, norms, group, whole)


def _norms_inside(program: Program, layer: LayerV) -> list[LayerV]:
    inner = (each for each in program.all_sublayers(layer) if program.is_batchnorm(each))
    return [each for each in inner if not program.may_be_frozen(each)]


class Passes:
    """The forward passes of one world."""

    def __init__(self, program: Program, world: World) -> None:
        self.program = program
        self.world = world
        self._graphs: list[set[int]] | None = None
        self._behind: dict[int, dict[int, Call]] = {}

    def repeated(self) -> Iterator[tuple[LayerV, list[Call]]]:
        """The layers that are, or hold, a trainable batch normalization, with their applications where there are several."""
        found: dict[int, list[Call]] = {}
        for call in self.world.calls:
            if call.layer is not None and not (call.training.kind == "constant" and not call.training.value):
                found.setdefault(id(call.layer), []).append(call)
        for calls in found.values():
            layer = calls[0].layer
            if layer is None or len(calls) < 2 or self.program.may_be_frozen(layer):
                continue
            if self.program.is_batchnorm(layer) or _norms_inside(self.program, layer):
                yield layer, calls[:FEW]

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Those applications that belong to one forward pass and take different tensors."""
        groups: list[list[Call]] = []
        for call in calls:
            if not call.inputs:
                continue
            joined = [group for group in groups if any(self.are_together(each, call) for each in group)]
            merged = [*(each for group in joined for each in group), call]
            groups = [*(group for group in groups if group not in joined), merged]
        return [self._different(group) for group in groups]

    def _different(self, calls: list[Call]) -> list[Call]:
        """One application for each tensor; none where all are parts of one tensor that went through the same layers."""
        found: dict[object, Call] = {}
        for call in calls:
            found.setdefault(tuple(id(_inmost(each)) for each in call.inputs), call)
        trails = {_trail(call.inputs[0]) for call in found.values()}
        return list(found.values()) if len(trails) > 1 else []

    def are_together(self, one: Call, other: Call) -> bool:
        """Whether two applications of a layer are in one forward pass, and not those of a layer around it that is applied twice."""
        first, second = _path(one), _path(other)
        level = next((index for index, (a, b) in enumerate(zip(first, second)) if a is not b), None)
        if level is None:
            return False
        a, b = first[level], second[level]
        if a.layer is b.layer and a is not one:
            return False
        if level:
            return True
        if any(id(a) in graph and id(b) in graph for graph in self._all_graphs()):
            return True
        if a.setting == "eager" or b.setting == "eager":
            return self._depend_through_layers(a, b) or self._depend_through_layers(b, a)
        return self._meet(a, b)

    def behind(self, call: Call) -> dict[int, Call]:
        """The applications that depend on one, itself included."""
        found = self._behind.get(id(call))
        if found is None:
            found = self._behind[id(call)] = {id(call): call}
            pending = [call]
            while pending:
                for tensor in pending.pop().outputs:
                    for each in self.program.consumers(tensor):
                        if each.parent is call.parent and id(each) not in found:
                            found[id(each)] = each
                            pending.append(each)
        return found

    def _meet(self, one: Call, other: Call) -> bool:
        return not self.behind(one).keys().isdisjoint(self.behind(other))

    def _depend_through_layers(self, first: Call, second: Call) -> bool:
        """Whether an application on data depends on another one, with a layer of features between them."""
        after = self.behind(first)
        return id(second) in after and any(
            has_kernel(self.program, each.layer) and id(second) in self.behind(each)
            for each in after.values()
            if each.layer is not None and each is not first and each is not second
        )

    def _all_graphs(self) -> list[set[int]]:
        """The applications in each model, those of nested models included, and in what each function gives back."""
        if self._graphs is None:
            made = [each for each in self.world.layers if isinstance(each, ModelV) and each.kind == "functional"]
            given = [list(tensors_in(value)) for _, value in self.world.results]
            graphs = [*(trace(model.inputs, model.outputs).calls for model in made), *(trace([], each).calls for each in given)]
            inner = {id(model): calls for model, calls in zip(made, graphs)}
            self._graphs = [_with_nested(calls, inner) for calls in graphs]
        return self._graphs


def _with_nested(calls: Sequence[Call], inner: dict[int, list[Call]]) -> set[int]:
    found: set[int] = set()
    pending = list(calls)
    while pending:
        call = pending.pop()
        if id(call) not in found:
            found.add(id(call))
            pending.extend(inner.get(id(call.layer), ()))
    return found


def _path(call: Call) -> list[Call]:
    """The applications around one, outermost first, itself last."""
    found = [call]
    while found[0].parent is not None:
        found.insert(0, found[0].parent)
    return found


def _inmost(tensor: TensorV) -> TensorV:
    while tensor.alias is not None:
        tensor = tensor.alias
    return tensor


# -- where tensors come from ---------------------------------------------------------------------------------------


def has_kernel(program: Program, layer: LayerV | None) -> bool:
    """Whether a layer is, or holds, one whose output has another distribution than its input."""
    if layer is None:
        return False
    info = program.info(layer)
    if layer.own_class is None and not program.sublayers(layer):
        return info is None or info.family in WITH_KERNEL
    return any(has_kernel(program, each) for each in program.sublayers(layer))


def _trail(tensor: TensorV) -> tuple[object, ...]:
    """What a tensor went through since it was split from others or made: layers and functions, and where it began."""
    found: list[object] = []
    for _ in range(200):
        tensor = _inmost(tensor)
        call = tensor.call
        if call is None or not call.inputs or len(call.inputs) > 1:
            break
        found.append(id(call.layer) if call.layer is not None else call.function)
        tensor = call.inputs[0]
    return (*found, id(tensor))


def _is_whole(program: Program, calls: Sequence[Call]) -> bool:
    """Whether all these applications take what comes from outside or from other models, not features of the same model."""
    sources = [source for call in calls for tensor in call.inputs for source in _sources(program, tensor)]
    outputs: dict[int, set[int]] = {}
    for source in sources:
        if source is not None and source.call is not None:
            outputs.setdefault(id(source.call), set()).add(source.index)
    return None not in sources and all(len(each) == 1 for each in outputs.values())


def _sources(program: Program, tensor: TensorV) -> list[TensorV | None]:
    """The inputs, data and outputs of models that a tensor is made of; None for features of a layer."""
    found: list[TensorV | None] = []
    pending, seen = [tensor], set[int]()
    while pending:
        each = pending.pop()
        while each.alias is not None and not (each.call is not None and isinstance(each.call.layer, ModelV)):
            each = each.alias
        if id(each) in seen:
            continue
        seen.add(id(each))
        call = each.call
        if call is None or not call.inputs:
            found.append(None if each.model is not None else each)
        elif isinstance(call.layer, ModelV):
            found.append(each)
        elif has_kernel(program, call.layer):
            found.append(None)
        else:
            pending.extend(call.inputs)
    return found
