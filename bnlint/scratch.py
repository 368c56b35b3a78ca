"""Normalizations that are frozen although nothing ever gave them weights."""

from __future__ import annotations

from bnlint.finding import Span
from bnlint.freezing import Training, trainings
from bnlint.interpreter.records import LayerV, ModelV
from bnlint.modes import may_be_learnt
from bnlint.program import Program, is_constant
from bnlint.purpose import LOADERS

Frozen = tuple[list[LayerV], Span | None]
"""The normalizations that a constructor makes, and the statement that freezes them; None where the constructor, or the partial that gives
it the argument, does."""


def frozen_from_scratch(program: Program) -> dict[Span, Frozen]:
    """The constructors of normalizations, or of the backbones that hold them, which are frozen in all trainings."""
    found: dict[Span, Frozen] = {}
    others: set[Span] = set()
    if any(program.reads(name) for name in LOADERS):
        return found
    for training in trainings(program):
        for layer in training.normalizations:
            site = (layer.backbone or layer).site
            if site is None:
                continue
            freeze = training.writes.freezing(layer)
            made = layer.arguments.get("trainable")
            place = site.bound.get("trainable", site.span) if freeze is None else site.span
            alone = freeze is not None or (made is not None and is_constant(made, False))
            if alone and training.used(layer) is False and not may_be_learnt(program, layer) and _feeds_learn(training, layer):
                found.setdefault(place, ([], freeze.span if freeze is not None else None))[0].append(layer)
            else:
                others.add(place)
    return {span: each for span, each in found.items() if span not in others}


def _feeds_learn(training: Training, layer: LayerV) -> bool:
    """Whether some of the linear layers before a normalization train: else it is a part of a network of random features."""
    program = training.program
    holders: list[LayerV] = [layer.backbone] if layer.backbone is not None else program.holders(layer)
    for holder in holders:
        peers = program.sublayers(holder)
        before = peers[: peers.index(layer)] if isinstance(holder, ModelV) and holder.kind != "subclassed" else peers
        linear = [each for each in before if (info := program.info(each)) is not None and info.linear]
        if linear and not any(training.used(each) for each in linear):
            return False
    return True
