"""What names tell of the purpose of code. Every guess by a name goes through here; the names are in :mod:`bnlint.names`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, get_args

from bnlint.interpreter.records import Context
from bnlint.names import NAMES

Purpose = Literal["evaluation", "training", "recalibration", "generation"]

WORDS: dict[str, Purpose] = {word: each for each in get_args(Purpose) for word in NAMES[each]}
"""What a word in the name of a function, a data set or a loop's variable says about the purpose."""

PARTS_OF_DATA = frozenset(NAMES["parts of data"])
LOSS = frozenset(NAMES["computations of losses"])
META_LEARNING = frozenset(NAMES["meta-learning"])
UNIT_TESTS = re.compile(rf"\b(?:{'|'.join(NAMES['unit tests'])})\b")
LOADERS = NAMES["loaders"]
NORMALIZATION = re.compile("|".join(NAMES["normalizations"]), re.IGNORECASE)
MODE = re.compile("|".join(NAMES["modes"]), re.IGNORECASE)
BATCH_SIZES = NAMES["batch sizes"]
AVERAGES = frozenset(NAMES["averages"])
LOSSES: dict[str, Literal["classifier", "regressor"]] = {
    **dict.fromkeys(NAMES["losses of classifiers"], "classifier"),
    **dict.fromkeys(NAMES["losses of regressors"], "regressor"),
}
KEPT = frozenset(NAMES["kept"])
MOMENTS = frozenset(NAMES["moments"])
BATCHNORM_NAME = re.compile(r"[Bb]atch_?[Nn]orm|BN(?![a-z])|(?:^|_)bn(?:_|$|\d)")
"""A class of such a name is taken for a batch normalization."""

PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name: str) -> list[str]:
    """The words of a name: ``val_step``, ``valStep`` and ``ValStep`` are "val" and "step"."""
    return [part.lower() for part in PART.findall(name)]


def words_beside_parts(text: str) -> tuple[str, ...]:
    """The words of a text but those that name a part of the data: what files for training and testing have in common."""
    return tuple(word for word in words(text) if word not in PARTS_OF_DATA)


def purpose_of_name(name: str) -> Purpose | None:
    """The purpose that a function's name tells; recalibration beats all else, and two others that disagree tell nothing.

    ``val_loss`` is evaluation, and ``train_accuracy`` training: the part of the data decides where it is named.
    """
    known = [word for word in words(name) if word in WORDS]
    found = {WORDS[word] for word in known}
    if "recalibration" in found:
        return "recalibration"
    if "generation" not in found:
        found = {WORDS[word] for word in known if word in PARTS_OF_DATA} or found
    return found.pop() if len(found) == 1 else None


def purpose_of_data(names: Iterable[str]) -> Purpose | None:
    """The one purpose that the names of some data agree on; ``val_generator`` is validation data."""
    found: set[Purpose] = set()
    for name in names:
        parts = {WORDS[word] for word in words(name) if word in PARTS_OF_DATA}
        told = parts.pop() if len(parts) == 1 else purpose_of_name(name)
        found.update([told] if told is not None else [])
    return found.pop() if len(found) == 1 else None


def purpose(context: Context) -> Purpose | None:
    """What the code at ``context`` is for: the data it is given, then the loops around it, then its function, outward.

    A class tells nothing before the callers of its method do, if it is one for training: a trainer validates, too. Neither does a
    function that computes a loss.
    """
    trainer = False
    for each in context.chain():
        if is_unit_test(each):
            continue
        function = purpose_of_name(each.function.name) if each.function is not None else None
        if function in ("recalibration", "generation"):
            return function
        if function == "training" and each.function is not None and _computes_a_loss(each.function.name):
            trainer, function = True, None
        if isinstance(each.node, ast.Call) and purpose_of_data(_names(each.node.func)) == "generation":
            return "generation"
        for names in (_argument_names(each.node), _targets(each.statement), *(_loop_names(node) for node, _ in each.loops)):
            found = purpose_of_data(names)
            if found in ("evaluation", "training"):
                return found
        if function is None and each.function is not None and each.function.owner is not None:
            function = purpose_of_name(each.function.owner.name)
            if function == "training":
                trainer, function = True, None
        if function is not None:
            return function
    return "training" if trainer else None


def _computes_a_loss(name: str) -> bool:
    """Whether nothing but a loss is what a name speaks of: it is computed in evaluation, too."""
    return {word for word in words(name) if WORDS.get(word) == "training"} <= LOSS


def is_unit_test(context: Context) -> bool:
    """Whether code belongs to a unit test, whose names tell what is tested and not what the code is for."""
    return context.function is not None and _holds_unit_tests(context.module.source.text)


@lru_cache(maxsize=1_000)
def _holds_unit_tests(text: str) -> bool:
    return UNIT_TESTS.search(text) is not None


def _argument_names(node: ast.AST | None) -> list[str]:
    if not isinstance(node, ast.Call):
        return []
    return [
        name
        for argument in (*node.args, *(each.value for each in node.keywords if each.arg != "training"))
        for name in _names(argument)
    ]


def _targets(statement: ast.stmt | None) -> list[str]:
    """The names that get a result, where they say which part of the data it is of."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    names = [name for target in targets for name in _names(target)]
    return [name for name in names if PARTS_OF_DATA.intersection(words(name))]


def _loop_names(node: ast.AST) -> list[str]:
    return list(_names(node.iter)) if isinstance(node, (ast.For, ast.AsyncFor)) else list(_names(node))


def _names(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr


def names_normalization(text: str) -> bool:
    """Whether a text by which layers are picked means normalizations."""
    return NORMALIZATION.search(text) is not None


def expects_an_error(context: Context) -> bool:
    """Whether the code stands in a block that tests that it raises."""
    return any("raises" in ast.unparse(expression).lower() for each in context.chain() for _, expression in each.withs)


def in_gradient(context: Context) -> bool:
    """Whether the code runs under a gradient tape."""
    return any(
        "GradientTape" in getattr(getattr(value, "cls", None), "path", "") for each in context.chain() for value, _ in each.withs
    )


def averages(context: Context) -> bool:
    """Whether the names around tell that weights are averaged, or kept beside the model's own."""
    for each in context.chain():
        names = [*_names_assigned(each.statement)]
        if each.function is not None:
            names.append(each.function.name)
            if each.function.owner is not None:
                names.append(each.function.owner.name)
        if any(AVERAGES.intersection(words(name)) for name in names):
            return True
    return False


def _names_assigned(statement: ast.stmt | None) -> Iterator[str]:
    for target in getattr(statement, "targets", []):
        yield from _names(target)


def role_of_loss(name: str) -> Literal["classifier", "regressor"] | None:
    """What the outputs are that a function called so is the loss of; None where the words of the name do not agree."""
    found = {LOSSES[word] for word in words(name) if word in LOSSES}
    return found.pop() if len(found) == 1 else None


def is_meta_learning(context: Context) -> bool:
    """Whether the names of the functions and classes around say that the code belongs to meta-learning."""
    functions = [each.function for each in context.chain() if each.function is not None]
    names = [name for each in functions for name in (each.name, each.owner.name if each.owner is not None else "")]
    return any(META_LEARNING.intersection(words(name)) for name in names)


def is_named_statistic(name: str) -> bool:
    """Whether a weight's name says that it is a moving statistic: ``moving_mean``, ``running_var``, ``pop_std``."""
    parts = set(words(name))
    return bool(parts & KEPT) and bool(parts & MOMENTS)


def is_named_batchnorm(name: str) -> bool:
    """Whether a class's name says that it is a batch normalization."""
    return BATCHNORM_NAME.search(name) is not None
