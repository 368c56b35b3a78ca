"""The modes in which the normalizations inside a model run under one call of it."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.interpreter.records import Call, LayerV, ModelV, World
from bnlint.interpreter.values import FunctionV
from bnlint.program import Program, functions_around
from bnlint.propagation import Mode, default_of, has_training, is_trained_by_keras, replay


def norm_modes(program: Program, call: Call, world: World) -> list[tuple[LayerV, Mode]]:
    """The batch normalizations inside a call that no layer makes, each with the mode it runs in.

    The mode is "none" where nobody says one, so that it is inference.
    """
    return list(_inside(program, call.layer, call, _outermost(call), world, ())) if call.layer is not None else []


def modes_in_fit(program: Program, model: LayerV) -> dict[int, set[Mode]] | None:
    """The modes in which the normalizations of a subclassed model, by their ids, run under ``fit``; None for other models.

    A ``train_step`` of the project's says itself in which mode it calls what.
    """
    own = model.own_class
    if own is None or not _computes_itself(model):
        return None
    found: dict[int, set[Mode]] = {}
    by_keras = is_trained_by_keras(own)
    function = own.find("call")
    passes = program.generation(model) == "2" or (isinstance(function, FunctionV) and has_training(function))
    for world in program.worlds:
        for call in world.calls:
            if call.layer is None or call.parent is not None:
                continue
            if by_keras and call.layer is model:
                modes = list(_inside(program, model, call, "training" if passes else _by_default(model), world, ()))
            elif not by_keras and any(
                each.name == "train_step" and each.owner in own.mro for each in functions_around(call.context)
            ):
                modes = norm_modes(program, call, world)
            else:
                continue
            for norm, mode in modes:
                found.setdefault(id(norm), set()).add(mode)
    return found


def _outermost(call: Call) -> Mode:
    """The mode in which the layer of a call runs that is inside no other."""
    training = call.training
    if training.kind in ("unknown", "forwarded") or getattr(training.source, "assumed", False):
        return "unknown"
    if training.kind == "constant" and training.value is not None:
        return "training" if training.value else "inference"
    return _by_default(call.layer) if training.kind == "absent" else "none"


def _by_default(layer: LayerV | None) -> Mode:
    default = default_of(layer) if layer is not None else None
    return "none" if default is None else "training" if default else "inference"


def _inside(
    program: Program, layer: LayerV, call: Call | None, mode: Mode, world: World, path: tuple[int, ...]
) -> Iterator[tuple[LayerV, Mode]]:
    if program.is_batchnorm(layer):
        yield layer, mode
    elif id(layer) in path:
        return
    elif not _computes_itself(layer):
        for part in program.sublayers(layer):
            nodes = [each for each in program.calls_of(part) if each.setting == "graph"]
            inner = _node_mode(program, part, nodes, mode)
            yield from _inside(program, part, nodes[-1] if nodes else None, inner, world, (*path, id(layer)))
    elif call is None or not call.known_function:
        yield from ((each, "unknown") for each in program.all_sublayers(layer) if program.is_batchnorm(each))
    else:
        for running in replay(program, call, world, mode):
            inside, inner = running.call.layer, mode if running.mode == "passed" else running.mode
            if inside is not None and not _computes_itself(inside):
                yield from _inside(program, inside, None, inner, world, (*path, id(layer)))


def _computes_itself(layer: LayerV) -> bool:
    """Whether a layer has a ``call`` of the project's, and is no graph."""
    return layer.own_class is not None and not (isinstance(layer, ModelV) and layer.kind != "subclassed")


def _node_mode(program: Program, layer: LayerV, nodes: list[Call], mode: Mode) -> Mode:
    """The mode of a layer inside a graph: Keras 2 keeps the constant it was called with, Keras 3 where nobody says another."""
    if nodes and (mode == "none" or program.generation(layer) == "2") and nodes[-1].training.kind != "absent":
        return _outermost(nodes[-1])
    return _by_default(layer) if mode == "none" else mode
