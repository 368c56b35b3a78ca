"""From what a reader found to what is said about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bnlint.inspect.bias import FoldableBias, foldable_biases
from bnlint.inspect.config import number
from bnlint.inspect.faults import EPSILON, MOMENTUM, UNSETTLED, Context, faults, holds_its_floor, is_initial
from bnlint.inspect.graph import Graph, graph_of
from bnlint.inspect.limits import size
from bnlint.inspect.results import FEW, VARIABLES, FileFinding, Inspection, SavedNorm, Spread, count
from bnlint.inspect.saved import Norm, Saved, Vector

_ORDER = {"error": 0, "warning": 1, "info": 2}


def judge(path: str, saved: Saved) -> Inspection:
    """All that is to be said about a saved model."""
    _tell_apart(saved.norms)
    graphs = [graph_of(model) for model in saved.models]
    behind = _behind_others(graphs)
    once = _run_once_a_step(saved.norms, graphs)
    from_scratch = all(holds_its_floor(norm, saved.steps) for norm in once if not norm.frozen and not is_initial(norm))
    findings: list[FileFinding] = []
    for norm in saved.norms:
        floor_known = from_scratch and holds_its_floor(norm, saved.steps)
        findings += faults(norm, Context(saved.steps, id(norm.config) in behind, floor_known))
    by_config = {id(norm.config): norm for norm in saved.norms if norm.config is not None}
    findings += [_foldable(each, by_config) for graph in graphs for each in foldable_biases(graph)]
    findings.sort(key=lambda finding: _ORDER[finding.severity])
    norms = tuple(_described(norm) for norm in saved.norms)
    notes = (*saved.notes, *_notes(saved, graphs))
    return Inspection(path, saved.format, saved.keras_version, saved.steps, norms, tuple(findings), notes)


def _tell_apart(norms: Sequence[Norm]) -> None:
    """Number those of one name, as in exports of own classes, where variables are called by the model's name."""
    seen: dict[str, int] = {}
    for norm in norms:
        seen[norm.name] = number_of = seen.get(norm.name, 0) + 1
        norm.name = f"{norm.name} ({number_of})" if number_of > 1 else norm.name


def _behind_others(graphs: Sequence[Graph]) -> set[int]:
    """The configurations of batch normalizations whose input has been normalized before."""
    return {
        id(node.config) for graph in graphs for node in graph.nodes.values() if node.is_norm and graph.behind_another(node.name)
    }


def _run_once_a_step(norms: Sequence[Norm], graphs: Sequence[Graph]) -> list[Norm]:
    """Those in the graph with one call: a shared layer, or one in a TimeDistributed of Keras 3, is updated several times a step."""
    calls = {id(node.config): node.calls for graph in graphs for node in graph.nodes.values()}
    return [norm for norm in norms if calls.get(id(norm.config)) == 1]


def _foldable(bias: FoldableBias, norms: Mapping[int, Norm]) -> FileFinding:
    targets = [norms[id(each.config)] for each in bias.norms if id(each.config) in norms]
    numbers = bias.count or (targets[0].channels if targets else None)
    saves = f"; {size(numbers * bias.itemsize)} less" if numbers else ""
    into = " and ".join(each.name for each in bias.norms)
    one = len(bias.norms) == 1
    return FileFinding(
        "redundant-bias",
        "warning",
        bias.layer.name,
        f"the bias of {bias.layer.class_name} is subtracted again by {into}: build the layer with use_bias=False, and subtract the "
        f"bias from {'its' if one else 'their'} moving_mean to keep the predictions of this file as they are{saves}",
        {"bytes": float(numbers * bias.itemsize), "numbers": float(numbers)} if numbers else {},
    )


def _described(norm: Norm) -> SavedNorm:
    values = {name: norm.variables[name] for name in (*VARIABLES, *norm.variables) if name in norm.variables}
    return SavedNorm(
        norm.name,
        norm.path,
        norm.channels,
        norm.frozen,
        number(norm.config, "momentum"),
        number(norm.config, "epsilon"),
        {name: _spread(each) for name, each in values.items()},
        {name: tuple(each.tolist()) for name, each in values.items()},
    )


def _spread(values: Vector) -> Spread:
    finite = values[np.isfinite(values)]
    bad = len(values) - len(finite)
    if not len(finite):
        return Spread(None, None, None, None, bad)
    return Spread(float(finite.min()), float(np.median(finite)), float(finite.mean()), float(finite.max()), bad)


def _notes(saved: Saved, graphs: Sequence[Graph]) -> Iterator[str]:
    frozen = [norm.name for norm in saved.norms if norm.frozen]
    if frozen:
        names = ", ".join(frozen[:FEW]) + (f" and {len(frozen) - FEW} more" if len(frozen) > FEW else "")
        verb = "is" if len(frozen) == 1 else "are"
        yield f"{len(frozen)} of {len(saved.norms)} batch normalizations {verb} frozen: {names}."
    if not saved.norms:
        return
    unknown = [norm for norm in saved.norms if norm.config is None]
    if unknown:
        frozen_too = "" if all(norm.frozen is not None for norm in unknown) else "whether they are frozen, "
        which = "the batch normalizations" if len(unknown) == len(saved.norms) else f"{len(unknown)} of the batch normalizations"
        yield (
            f"This file has no configuration of {which}, so that {frozen_too}their momentum, and their epsilon ({EPSILON:g} is "
            "assumed) are not known: it holds weights alone, or a model of your own class."
        )
    if not graphs:
        yield (
            "Which biases could be folded away is not known, for this file has no graph of layers; a .keras file of a functional or "
            "sequential model has one."
        )
    if unknown and saved.steps and (share := MOMENTUM**saved.steps) > UNSETTLED:
        yield (
            f"At Keras's default momentum, {MOMENTUM:g}, {min(share, 0.99):.0%} of the moving statistics are still their initial values "
            f"after {count(saved.steps, 'step')} of the optimizer."
        )
    if saved.steps is None:
        yield "Whether the statistics have settled is not known, for no optimizer was saved with the model."
