"""Data sets that stand in for those that a function of the user's is given: their batches are made when they are taken."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

BATCHES = 2
_LIKE_A_DATASET = (
    *("as_numpy_iterator", "batch", "cache", "copy", "filter", "get_next", "map", "next", "on_epoch_end", "padded_batch"),
    *("prefetch", "repeat", "reset", "shard", "shuffle", "skip", "take", "unbatch", "with_options"),
)
_FILES = ("open", "File", "savez", "savez_compressed", "save", "dump")
Structure = str | tuple[Any, ...]
"""The names that a loop binds each batch to."""


class MadeUp:
    """Batches whose structure is what the loop around wants; pairs of inputs and targets where nothing tells."""

    def __init__(self, make: Callable[[Structure], Any], expected: list[Structure]) -> None:
        self._make, self._expected = make, expected

    def __iter__(self) -> Iterator[Any]:
        structure = self._expected.pop(0) if self._expected else ("x", "y")
        return iter([self._make(structure) for _ in range(BATCHES)])

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> Any:
        if not -BATCHES <= index < BATCHES:
            raise IndexError(index)
        return self._make(("x", "y"))

    def __getattr__(self, name: str) -> Any:
        if name not in _LIKE_A_DATASET:
            raise AttributeError(name)
        return lambda *args, **kwargs: self


def expectations(structure: Structure, iterable: str) -> list[Structure]:
    """What each data set in a loop's iterable is to give, where the loop wants a structure.

    ``iterable`` names the functions around them, outermost first, such as ``enumerate zip``.
    """
    for name in iterable.split():
        if name == "enumerate" and isinstance(structure, tuple) and len(structure) == 2:
            structure = structure[1]
        elif name == "zip" and isinstance(structure, tuple):
            return list(structure)
    return [structure]


def iterated(function: ast.AST) -> frozenset[str]:
    """The names that a function loops over, itself or through ``enumerate``, ``tqdm``, ``take`` and the like.

    Not those of which it loops over a part, such as ``model`` in ``model.layers``.
    """
    loops = [each.iter for each in ast.walk(function) if isinstance(each, (ast.For, ast.AsyncFor, ast.comprehension))]
    loops += [each for each in ast.walk(function) if isinstance(each, ast.Call) and _name(each) == "iter"]
    counted = {id(argument) for each in loops for call in ast.walk(each) if _name(call) == "range" for argument in call.args}  # type: ignore[attr-defined]
    nodes = [each for loop in loops for each in ast.walk(loop)]
    methods = {id(each.func) for each in nodes if isinstance(each, ast.Call)}
    counted |= {id(each.value) for each in nodes if isinstance(each, ast.Attribute) and id(each) not in methods}
    names = (each for each in nodes if isinstance(each, ast.Name) and id(each) not in counted)
    return frozenset(each.id for each in names)


def unpacked(function: ast.AST) -> dict[str, Structure]:
    """The names that a function takes apart as a whole, as in ``x, y = data``, and into what."""
    assigns = [each for each in ast.walk(function) if isinstance(each, ast.Assign)]
    pairs = [pair for each in assigns for target in each.targets for pair in _paired(target, each.value)]
    return {value.id: structure(target) for target, value in pairs if isinstance(value, ast.Name) and _is_tuple(target)}


def indexed(function: ast.AST, name: str) -> int:
    """How many items a name has where it is indexed: as many as the largest number asks for, three for other indices; 0 if not."""
    found = 0
    for each in ast.walk(function):
        if isinstance(each, ast.Subscript) and isinstance(each.value, ast.Name) and each.value.id == name:
            index = each.slice.operand if isinstance(each.slice, ast.UnaryOp) else each.slice
            number = index.value if isinstance(index, ast.Constant) and isinstance(index.value, int) else 2
            found = max(found, number + 1)
    return found


def files(function: ast.AST) -> frozenset[str]:
    """The names that a function opens a file by, or writes one."""
    calls = [each for each in ast.walk(function) if isinstance(each, ast.Call) and _last_name(each.func) in _FILES]
    return frozenset(each.id for call in calls for each in call.args if isinstance(each, ast.Name))


def single(function: ast.AST) -> frozenset[str]:
    """The names that a function makes a batch of, as in ``image[None]`` or ``expand_dims(image, 0)``."""
    indexed = [each.value for each in ast.walk(function) if isinstance(each, ast.Subscript) and _is_new_axis(each.slice)]
    calls = [each for each in ast.walk(function) if isinstance(each, ast.Call) and each.args]
    widened = [each.args[0] for each in calls if isinstance(each.func, ast.Attribute) and each.func.attr == "expand_dims"]
    return frozenset(each.id for each in (*indexed, *widened) if isinstance(each, ast.Name))


def structure(target: ast.expr) -> Structure:
    """The names that a target binds, nested as they are in it."""
    return tuple(map(structure, target.elts)) if isinstance(target, (ast.Tuple, ast.List)) else ast.unparse(target)


def _paired(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """A target and what it is bound to; one by one where both are tuples, as in ``(a, b), (c, d) = first, second``."""
    if _is_tuple(target) and _is_tuple(value) and len(target.elts) == len(value.elts):  # type: ignore[attr-defined]
        return [pair for each in zip(target.elts, value.elts, strict=True) for pair in _paired(*each)]  # type: ignore[attr-defined]
    return [(target, value)]


def _is_tuple(node: ast.expr) -> bool:
    return isinstance(node, (ast.Tuple, ast.List)) and not any(isinstance(each, ast.Starred) for each in node.elts)


def _is_new_axis(index: ast.expr) -> bool:
    first = index.elts[0] if isinstance(index, ast.Tuple) and index.elts else index
    return (isinstance(first, ast.Constant) and first.value is None) or ast.unparse(first).endswith("newaxis")


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _name(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
