"""What becomes of a value by its name: reads after an assignment, reads of an attribute."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.interpreter.layers import layers_in
from bnlint.interpreter.records import Context, LayerV
from bnlint.interpreter.values import ClassV
from bnlint.program import Program

LOOPS = (ast.For, ast.AsyncFor, ast.While)
NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
FILLS = frozenset(("append", "extend", "insert"))
REFLECTION = frozenset(("getattr", "vars", "__dict__", "layers", "_layers", "submodules", "locals", "attrgetter", "eval"))
"""What reads attributes without naming them."""


def reads_after(program: Program, context: Context, name: str) -> list[ast.AST] | None:
    """The places that may read what the statement at ``context`` puts into a name; None where they cannot be told."""
    scope = context.function.node if context.function is not None else context.module.tree
    statement = context.statement
    if statement is None or isinstance(scope, ast.Lambda) or program.mentions("locals(", "globals(", "exec("):
        return None
    for node in ast.walk(scope):
        if isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names:
            return None
        if node is not scope and isinstance(node, NESTED) and name in set(_names(node)):
            return None
    found: list[ast.AST] = []
    overwritten = _follow(scope.body, statement, name, found)
    if not overwritten and context.function is None and program.reads(name):
        return None
    return found


def _follow(block: list[ast.stmt], statement: ast.stmt, name: str, found: list[ast.AST]) -> bool:
    """Collect the reads behind a statement in a block; whether the name is overwritten before the block ends."""
    for number, each in enumerate(block):
        if each is statement:
            return _scan(block[number + 1 :], name, found)
        inner = next((part for part in _blocks(each) if _holds(part, statement)), None)
        if inner is None:
            continue
        if _follow(inner, statement, name, found):
            return True
        if isinstance(each, (*LOOPS, ast.Try)):
            found.extend(node for node in _loads(each, name) if node not in found)
        return _scan(block[number + 1 :], name, found)
    return False


def _scan(rest: list[ast.stmt], name: str, found: list[ast.AST]) -> bool:
    for each in rest:
        found.extend(_loads(each, name))
        if isinstance(each, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in each.targets):
            return True
        if isinstance(each, (ast.Return, ast.Raise)):
            return True
    return False


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        part = getattr(node, field, None)
        if isinstance(part, list):
            yield part
    for handler in getattr(node, "handlers", ()):
        yield handler.body
    for case in getattr(node, "cases", ()):
        yield case.body


def _holds(block: list[ast.stmt], statement: ast.stmt) -> bool:
    return any(node is statement for each in block for node in ast.walk(each))


def _loads(node: ast.AST, name: str) -> Iterator[ast.AST]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id == name and not isinstance(each.ctx, ast.Store):
            yield each
        elif isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name) and each.target.id == name:
            yield each.target


def _names(node: ast.AST) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


# -- attributes --------------------------------------------------------------------------------------------------


def attributes_with(holder: LayerV, layer: LayerV) -> list[str]:
    """The attributes in which a layer holds another, itself or in a container."""
    return [name for name, value in holder.attributes.items() if any(each is layer for each in layers_in(value))]


def may_read(program: Program, cls: ClassV, name: str) -> bool:
    """Whether any code may read an attribute of the instances of a class: its own, that of its bases and subclasses, or code
    that has such an instance; what other classes read from their own ``self`` is another attribute."""
    related = [each for each in cls.mro if isinstance(each, ClassV)]
    related += [each for each in program.classes("keras.layers.Layer") if cls in each.mro and each not in related]
    family = {each.node for each in related}
    if any(_reads(each, name) or _reflects(each) for node in family for each in _outside(node, set())):
        return True
    others = [node for tree in {world.module.tree for world in program.worlds} for node in _outside(tree, family)]
    return any(_reads(each, name) and not _is_on_self(each) for each in others)


def _outside(tree: ast.AST, family: set[ast.ClassDef]) -> Iterator[ast.AST]:
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if node not in family:
            yield node
            filled = _filled(node)
            pending.extend(each for each in ast.iter_child_nodes(node) if each is not filled and not _is_a_name(each))


def _filled(node: ast.AST) -> ast.AST | None:
    """The container that a statement only puts something into, which is no read of it: ``self.norms.append(...)``, ``self.norms[i] = ...``."""
    if isinstance(node, ast.Attribute) and node.attr in FILLS and isinstance(node.value, ast.Attribute):
        return node.value
    return node.value if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) else None


def overwritten(context: Context) -> bool:
    """Whether an attribute that a statement sets is set again further down in the same block, and nothing reads it in between."""
    statement, function = context.statement, context.function
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name) or function is None:
        return False
    for each in _behind(function.node, statement):
        again = isinstance(each, ast.Assign) and any(ast.dump(other) == ast.dump(target) for other in each.targets)
        given = {node for call in ast.walk(each) if isinstance(call, ast.Call) for node in (*call.args, *call.keywords)}
        if not isinstance(each, (ast.Assign, ast.Expr)) or any(_names_object(node, target.value.id) for node in given):
            return False
        if any(_reads(node, target.attr) for node in ast.walk(each)):
            return False
        if again:
            return True
    return False


def _behind(function: ast.AST, statement: ast.AST | None) -> list[ast.stmt]:
    """The statements behind one in its block."""
    blocks = (block for node in ast.walk(function) if isinstance(node, ast.stmt) for block in _blocks(node))
    return next((block[block.index(statement) + 1 :] for block in blocks if statement in block), [])


def _names_object(node: ast.AST, name: str) -> bool:
    value = node.value if isinstance(node, (ast.keyword, ast.Starred)) else node
    return isinstance(value, ast.Name) and value.id == name


def _is_a_name(node: ast.AST) -> bool:
    """Whether a node is the argument that names a layer, which reads nothing."""
    return isinstance(node, ast.keyword) and node.arg == "name"


def _reads(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == name and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Constant) and node.value == name


def _reflects(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        own = isinstance(node.value, ast.Name) and node.value.id == "self"
        return node.attr == "__dict__" or (own and node.attr in REFLECTION)
    return isinstance(node, ast.Name) and node.id in REFLECTION and node.id != "layers"


def _is_on_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
