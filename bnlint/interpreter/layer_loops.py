"""Loops over layers that may set ``trainable``: which layers they met, and what is trainable behind them."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.layers import all_sublayers, layers_in
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import LayerV
from bnlint.interpreter.scope import Frame
from bnlint.interpreter.values import NativeMethodV, TupleV, Value

Comprehension = ast.ListComp | ast.GeneratorExp | ast.SetComp


def items_met(m: Machine, node: ast.For | Comprehension | ast.Call) -> list[Value] | None:
    """An empty list for the items of a loop that is worth noting, else None."""
    watched = m.watched.get(node)
    if watched is None:
        watched = m.watched[node] = _sets_trainable(node) or (not isinstance(node, ast.For) and _chooses(node))
    return [] if watched else None


def _sets_trainable(node: ast.AST) -> bool:
    return any(
        (isinstance(each, ast.Attribute) and each.attr == "trainable" and isinstance(each.ctx, ast.Store))
        or (isinstance(each, ast.Constant) and each.value == "trainable")
        for each in ast.walk(node)
    )


def _chooses(node: ast.AST) -> bool:
    """Whether an expression picks some of the items that it runs over."""
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        clause = node.generators[-1]
        target = clause.target
        return bool(clause.ifs) and isinstance(target, ast.Name) and isinstance(node.elt, ast.Name) and node.elt.id == target.id
    return isinstance(node, ast.Call)


def note_loop(
    m: Machine,
    node: ast.For | Comprehension | ast.Call,
    frame: Frame,
    over: Value,
    met: Sequence[Value],
    known: bool,
    result: Value | None = None,
) -> None:
    """Record a loop that has run: over what, the layers it met, and the flags of all layers in them now."""
    layers = [each for item in met for each in layers_in(item, 1)]
    if not known or any(not isinstance(item, (LayerV, TupleV)) for item in met):
        layers = []
    asked = over.instance if isinstance(over, NativeMethodV) and over.name == "submodules" else None
    if isinstance(asked, LayerV):
        layers = [asked]
    elif not known or (met and not layers):
        return
    below = {id(each): each for layer in layers for each in (layer, *all_sublayers(m, layer))}
    m.event(
        "loop",
        result if result is not None else over,
        CallSite(node, frame),
        name="submodules" if asked is not None else "for" if isinstance(node, ast.For) else "choice",
        value=over,
        affected=layers,
        snapshot={key: (each, each.trainable) for key, each in below.items()},
    )
