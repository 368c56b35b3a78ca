"""Builders of models that others call and fit: KerasTuner's tuners and hypermodels, the wrappers for scikit-learn."""

from __future__ import annotations

import ast
from functools import lru_cache

from bnlint.interpreter.records import Context

HYPERMODEL = "HyperModel"
FITTERS = frozenset(
    ("RandomSearch", "Hyperband", "BayesianOptimization", "GridSearch", "KerasRegressor", "KerasClassifier", "SKLearnRegressor",
     "SKLearnClassifier")
)  # fmt: skip
"""The classes that are given a builder and fit what it makes."""


def is_given_away_to_fit(context: Context) -> bool:
    """Whether what happens at a place is part of a builder whose models a tuner or a wrapper fits."""
    for each in context.chain():
        function = each.function
        if function is None:
            continue
        owner = function.owner
        if owner is not None and function.name == "build" and any(_is_hypermodel(base.path) for base in owner.symbols()):
            return True
        if function.name in _given_to_fitters(each.module.tree):
            return True
    return False


def _is_hypermodel(path: str) -> bool:
    return path.rpartition(".")[2] == HYPERMODEL


@lru_cache(maxsize=1_000)
def _given_to_fitters(tree: ast.Module) -> frozenset[str]:
    """The names that stand in what a module gives to tuners and wrappers."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) in FITTERS:
            given = [*node.args[:1], *(each.value for each in node.keywords if each.arg in ("hypermodel", "model", "build_fn"))]
            found.update(_called(part) for value in given for part in ast.walk(value))
    return frozenset(found - {""})


def _called(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
