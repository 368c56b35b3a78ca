"""What becomes of a value that functions return: whether any of their callers in sight makes use of it."""

from __future__ import annotations

import ast
from functools import lru_cache

from bnlint.interpreter.records import Context
from bnlint.liveness import reads_after
from bnlint.program import Program

Path = tuple[object, ...]
"""Where a value lies in a tuple, list or dictionary: indices and keys, outermost first."""
HELPERS = 6
"""Functions that hand a value up to each other."""


def returned_unread(program: Program, context: Context, node: ast.AST, path: Path = (), depth: int = HELPERS) -> bool:
    """Whether the value of an expression, or its part at ``path``, is bound to names that nobody reads, or returned to callers that
    drop it. A read of any other kind counts as a use."""
    scope = context.function.node if context.function is not None else context.module.tree
    parent = _parents(scope).get(node)
    if not depth or parent is None:
        return False
    if isinstance(parent, ast.Return):
        caller = context.caller
        if caller is None or not isinstance(caller.node, ast.Call) or context.function is None:
            return False
        return returned_unread(program, caller, caller.node, path, depth - 1)
    if isinstance(parent, (ast.Tuple, ast.List)) and not any(isinstance(each, ast.Starred) for each in parent.elts):
        return returned_unread(program, context, parent, (parent.elts.index(node), *path), depth)  # type: ignore[arg-type]
    if isinstance(parent, ast.Dict) and node in parent.values:
        name = parent.keys[parent.values.index(node)]
        return isinstance(name, ast.Constant) and returned_unread(program, context, parent, (name.value, *path), depth)
    if isinstance(parent, ast.Subscript) and parent.value is node and path:
        key = _constant(parent.slice)
        if key is None or isinstance(key, bool) or (isinstance(key, int) and key < 0):
            return False
        return key != path[0] or returned_unread(program, context, parent, path[1:], depth)
    if isinstance(parent, ast.Assign) and parent.value is node and len(parent.targets) == 1:
        return _is_left(program, context, parent, parent.targets[0], path, depth)
    return False


def _is_left(program: Program, context: Context, statement: ast.Assign, target: ast.expr, path: Path, depth: int) -> bool:
    """Whether an assignment gives a value a name of which no read makes use."""
    if isinstance(target, (ast.Tuple, ast.List)):
        plain = path and isinstance(path[0], int) and not any(isinstance(each, ast.Starred) for each in target.elts)
        if not plain or path[0] >= len(target.elts):  # type: ignore[operator]
            return False
        return _is_left(program, context, statement, target.elts[path[0]], path[1:], depth)  # type: ignore[call-overload]
    if not isinstance(target, ast.Name):
        return False
    reads = reads_after(program, _at(context, statement), target.id)
    return reads is not None and all(returned_unread(program, context, read, path, depth - 1) for read in reads)


def _at(context: Context, statement: ast.stmt) -> Context:
    """The same function, at one of its statements."""
    return Context(context.span, context.module, context.function, (), (), context.caller, statement)


def _constant(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


@lru_cache(maxsize=500)
def _parents(scope: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(scope) for child in ast.iter_child_nodes(node)}
