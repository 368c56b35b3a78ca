"""``training=False`` in the graph of a functional model, which ``fit`` of Keras 3 overrides."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.freezing import backbones, trainings
from bnlint.interpreter.records import Call, LayerV
from bnlint.modes import is_literal, may_be_learnt
from bnlint.program import Program
from bnlint.purpose import purpose


def overridden_constants(program: Program) -> Iterator[tuple[Call, LayerV]]:
    """The calls that ask for inference mode, of layers whose normalizations are trained all the same.

    Not those of pretrained backbones: what these lose is another fault.
    """
    trained: set[int] = set()
    frozen: set[int] = set()
    pretrained: set[int] = set()
    for training in trainings(program):
        pretrained |= {id(each) for each in backbones(training)}
        for norm in training.normalizations:
            (trained if training.used(norm) else frozen).add(id(norm))
    for call in program.calls():
        layer = call.layer
        if layer is None or id(layer) in pretrained or not _is_constant_in_graph(program, call, layer):
            continue
        norms = [each for each in (layer, *program.all_sublayers(layer)) if program.is_batchnorm(each)]
        told = any(id(each) in trained | frozen for each in norms)
        if (
            any(id(each) in trained for each in norms)
            or norms
            and not told
            and is_literal(call)
            and not any(_may_stay(program, each) for each in norms)
        ):
            yield call, layer


def _is_constant_in_graph(program: Program, call: Call, layer: LayerV) -> bool:
    """Whether a layer of Keras 3 has the constant in every call of a graph, and one that a model uses."""
    if call.setting != "graph" or call.parent is not None or program.generation(layer) == "2" or not _is_false(call):
        return False
    used = any(program.consumers(tensor) or program.models_ending_in(tensor) for tensor in call.outputs)
    return used and purpose(call.context) != "evaluation" and all(_is_false(each) for each in program.calls_of(layer))


def _is_false(call: Call) -> bool:
    training = call.training
    return training.kind == "constant" and training.value is not None and not training.value


def _may_stay(program: Program, norm: LayerV) -> bool:
    return program.may_be_frozen(norm) or may_be_learnt(program, norm)
