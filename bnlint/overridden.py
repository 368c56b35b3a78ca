"""``training=False`` in the graph of a functional model, which ``fit`` of Keras 3 overrides."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.freezing import Training, backbones, trainings
from bnlint.interpreter.records import Call, LayerV
from bnlint.modes import is_literal, may_be_learnt
from bnlint.program import Program
from bnlint.purpose import purpose


def overridden_constants(program: Program) -> Iterator[tuple[Call, LayerV]]:
    """The calls that ask for inference mode, of layers whose normalizations are trained all the same.

    Not those of pretrained backbones: what these lose is another fault.
    """
    found = [(call, call.layer) for call in program.calls() if call.layer is not None and _is_false_in_graph(program, call)]
    known = list(trainings(program)) if found else []
    pretrained = {id(each) for training in known for each in backbones(training)}
    for call, layer in found:
        models = _models_with(program, call)
        others = [each for each in program.calls_of(layer) if not _is_false(each) and _models_with(program, each) & models]
        norms = [each for each in (layer, *program.all_sublayers(layer)) if program.is_batchnorm(each)]
        if id(layer) in pretrained or others or not norms:
            continue
        used = _used(models, known, norms)
        if True in used or (not used and is_literal(call) and not any(_may_stay(program, each) for each in norms)):
            yield call, layer


def _used(models: set[int], known: list[Training], norms: list[LayerV]) -> set[bool | None]:
    """Whether normalizations are trained with the models that a call is in; not known where only other models with them are."""
    about = [(training, norm) for training in known for norm in training.normalizations if norm in norms]
    return {training.used(norm) if any(id(each) in models for each in training.layers) else None for training, norm in about}


def _models_with(program: Program, call: Call) -> set[int]:
    """The models that an application is a part of, itself or inside a nested one, by their ids."""
    found: set[int] = set()
    seen: set[int] = set()
    pending = [call]
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        models = [model for tensor in each.outputs for model in program.models_ending_in(tensor) if id(model) not in found]
        found |= {id(model) for model in models}
        pending += [behind for tensor in each.outputs for behind in program.consumers(tensor)]
        pending += [around for model in models for around in program.calls_of(model)]
    return found


def _is_false_in_graph(program: Program, call: Call) -> bool:
    """Whether a layer of Keras 3 has the constant in a graph that a model uses."""
    if call.setting != "graph" or call.parent is not None or not _is_false(call) or call.layer is None:
        return False
    used = any(program.consumers(tensor) or program.models_ending_in(tensor) for tensor in call.outputs)
    return used and program.generation(call.layer) != "2" and purpose(call.context) != "evaluation"


def _is_false(call: Call) -> bool:
    training = call.training
    return training.kind == "constant" and training.value is not None and not training.value


def _may_stay(program: Program, norm: LayerV) -> bool:
    return program.may_be_frozen(norm) or may_be_learnt(program, norm)
