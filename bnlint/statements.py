"""Which statements of a module depend on which, by the names that they read and give."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

_OUTSIDE = frozenset(
    [
        "open",
        "read",
        "load",
        "loads",
        "loadtxt",
        "genfromtxt",
        "fromfile",
        "imread",
        "glob",
        "listdir",
        "walk",
        "scandir",
        "download",
        "urlopen",
        "urlretrieve",
        "directory",
        "dataframe",
        "mount",
        "system",
        "popen",
        "savefig",
        "show",
        "imshow",
        "plot",
        "print",
        "savez",
        "dump",
        "makedirs",
        "mkdir",
        "remove",
        "rmtree",
        "unzip",
        "extractall",
        "requests",
    ]
)
"""Words in the names of functions that read files, ask the network or the user, or show something: no model depends on them,"""
_INSIDE = frozenset(("data", "model", "weights", "preset", "pretrained"))
"""unless the name has one of these, too."""
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def depended_on(tree: ast.Module, seeds: Collection[int]) -> set[int]:
    """The first lines of the seeds, which are given by theirs, and of the statements that give them the names they read.

    A statement that gives a name to one that is kept is kept, too; so is one that changes what is kept (``names.append(...)``).
    Statements that read files, ask the network or show something are left out unless they are seeds. Functions and classes are
    not asked: they are definitions, and what they read of the module is kept.
    """
    kept = set(seeds)
    statements = [each for each in ast.walk(tree) if isinstance(each, ast.stmt) and not isinstance(each, _SCOPES)]
    offered = [each for each in statements if each.lineno not in kept and not _is_outside(each)]
    needed = {name for each in statements if each.lineno in kept for name in _read(each)}
    needed |= {name for each in tree.body if isinstance(each, _SCOPES) for name in _read(each)}
    needed |= {"sys", "os", *_libraries(tree)}  # search paths, environments, policies and data formats are set through these
    while fresh := [each for each in offered if each.lineno not in kept and needed.intersection(_given(each))]:
        for each in fresh:
            kept.add(each.lineno)
            needed.update(_read(each))
    return kept


def _libraries(tree: ast.Module) -> Iterator[str]:
    """The names that Keras and TensorFlow, or parts of them, are imported under."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            source = getattr(node, "module", None) or ""
            for each in node.names:
                if (source or each.name).partition(".")[0] in ("keras", "tensorflow", "tf_keras"):
                    yield (each.asname or each.name).partition(".")[0]


def _read(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement reads itself, without those of the statements in it; all of them in a definition."""
    for node in ast.walk(statement) if isinstance(statement, _SCOPES) else _own(statement):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield f"self.{node.attr}"


def _given(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds or changes."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return
    for node in _own(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            yield from _owner(node)
    if (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Attribute)
    ):
        yield from _owner(statement.value.func)


def _owner(node: ast.expr) -> Iterator[str]:
    """The name of what a target or method belongs to; an attribute of self counts as a name."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield f"self.{node.attr}"
            return
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement that are in none of the statements inside it."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        pending += [each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.stmt)]


def _is_outside(statement: ast.stmt) -> bool:
    """Whether a statement calls something that reads, asks or shows, to judge by its name."""
    calls = (each for each in _own(statement) if isinstance(each, ast.Call))
    return any(_tells_outside(_name(call.func)) for call in calls)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _tells_outside(name: str) -> bool:
    words = name.lower().strip("_").split("_")
    return name == "input" or (not _OUTSIDE.isdisjoint(words) and _INSIDE.isdisjoint(words))
