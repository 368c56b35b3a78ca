"""What a model's own ``train_step`` makes of a batch: one value, or so many that it takes apart by name."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from bnlint.verify.made_up import Structure, unpacked
from bnlint.verify.places import is_user_code

SINGLE = "one value"


def batch_structure(model: Any) -> Structure | None:
    """The names that the model's own step unpacks its batch into, SINGLE where it uses it as a whole, None where nothing tells."""
    step = inspect.unwrap(getattr(type(model), "train_step", None) or object)
    step = getattr(step, "python_function", step)
    code = getattr(step, "__code__", None)
    if code is None or code.co_argcount < 2 or not is_user_code(code.co_filename):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(step)))
    except (OSError, SyntaxError, TypeError):
        return None
    name = code.co_varnames[1]
    if (found := unpacked(tree).get(name)) is not None:
        return found
    return None if _is_taken_apart(tree, name) else SINGLE


def _is_taken_apart(tree: ast.AST, name: str) -> bool:
    """Whether a name is indexed, iterated, asked for its type, or handed to what may do so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _is(node.value, name):
            return True
        if isinstance(node, (ast.For, ast.Starred)) and any(_is(each, name) for each in ast.walk(node)):
            return True
        if isinstance(node, ast.Call) and any(_is(each, name) for each in [*node.args, *(k.value for k in node.keywords)]):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("isinstance", "len", "type", "train_step", "super") or "unpack" in called:
                return True
    return False


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
