"""Which backend Keras runs on, as far as the code tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bnlint.interpreter.modules import Modules

VARIABLE = "KERAS_BACKEND"
_MAGIC = re.compile(rb'(?:^|["\n]|\\n)[ \t]*(?:%(?:set_)?env|![ \t]*export)[ \t]+KERAS_BACKEND[ =]+[\\"\']*(\w+)')
"""IPython's ways to set it, in the bytes of a notebook: its lines are blanked before the rest is parsed."""

STATELESS = frozenset({"stateless_call", "stateless_apply", "stateless_apply_gradients", "stateless_update_state"})
SOMETHING = "?"
"""A backend that is set, but not by a constant."""


def backend_around(modules: Modules, path: Path) -> str | None:
    """The backend of the code in a file: what the file sets, else what all files that it is connected to agree on, else what it
    can only be by what it imports and calls."""
    if path not in modules.backends:
        modules.backends[path] = _backend_around(modules, path)
    return modules.backends[path]


def _backend_around(modules: Modules, path: Path) -> str | None:
    own = settings(modules, path)
    around = [] if own else modules.project.context([path])
    found = own or {name for each in around if each != path for name in settings(modules, each)}
    if not found:
        found = {name for name in (hint(modules, each) for each in around) if name is not None}
    told = found.pop() if len(found) == 1 else None
    return None if told == SOMETHING else told


def settings(modules: Modules, path: Path) -> set[str]:
    """The backends that a file sets."""
    data = modules.project.data(path)
    if b"_BACKEND" not in data and b"set_backend" not in data:
        return set()
    found = {match[1].decode() for match in _MAGIC.finditer(data)} if path.suffix == ".ipynb" else set()
    module = modules.at(path)
    return found | (set(_settings_in(module.tree)) if module is not None else set())


def _settings_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and _is_variable(target.slice):
                    yield _constant(node.value)
        elif isinstance(node, ast.Dict):
            yield from (_constant(value) for key, value in zip(node.keys, node.values) if _is_variable(key))
        elif isinstance(node, ast.Call):
            yield from _set_by(node)


def _set_by(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("setdefault", "putenv", "setenv") and len(node.args) == 2 and _is_variable(node.args[0]):
        yield _constant(node.args[1])
    elif name == "set_backend" and node.args and "config" in ast.unparse(node.func):
        yield _constant(node.args[0])
    yield from (_constant(each.value) for each in node.keywords if each.arg == VARIABLE)


def _is_variable(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == VARIABLE


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else SOMETHING


def hint(modules: Modules, path: Path) -> str | None:
    """The one backend whose own ways of training a file uses."""
    module = modules.at(path)
    if module is None:
        return None
    imported = {name.partition(".")[0] for name in _imports(module.tree)}
    attributes = {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    if "jax" in imported and attributes & STATELESS:
        return "jax"
    if "tf_keras" in imported or ("tensorflow" in imported and "GradientTape" in attributes):
        return "tensorflow"
    return None


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
