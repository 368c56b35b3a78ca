"""Rename what the reader of a package's modules should not have to know: parameters, local variables, private functions.

Kept are the public functions (those decorated with ``keras_export``) with their parameters, methods' parameters, classes,
module-level constants, and all strings: layers keep their names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

Function = ast.FunctionDef | ast.Lambda


@dataclass
class Module:
    """One module and the new names of its private functions and their parameters."""

    tree: ast.Module
    functions: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)


def rename_package(folder: Path) -> int:
    """Rewrite the modules of a folder in place, tests left out; return the number of names that were replaced."""
    paths = [path for path in sorted(folder.glob("*.py")) if not path.stem.endswith("_test") and path.stem != "__init__"]
    modules = {path.stem: _prepare(ast.parse(path.read_text("utf-8")), number) for number, path in enumerate(paths)}
    replaced = 0
    for path in paths:
        renamer = _Renamer(modules, path.stem)
        tree = ast.fix_missing_locations(renamer.visit(modules[path.stem].tree))
        path.write_text(ast.unparse(tree) + "\n", "utf-8")
        replaced += renamer.replaced
    return replaced


def _prepare(tree: ast.Module, number: int) -> Module:
    module = Module(tree)
    private = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef) and not is_public(each)}
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    values = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    spread = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and any(each.arg is None for each in node.keywords)
    }
    for index, (name, function) in enumerate(private.items()):
        module.functions[name] = f"f{number}_{index}"
        if name not in values and name not in spread:
            module.parameters[name] = {each: f"p{index}_{place}" for place, each in enumerate(_parameters(function))}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.endswith("applications"):
            module.imports.update({alias.asname or alias.name: alias.name for alias in node.names})
    return module


def is_public(function: ast.FunctionDef) -> bool:
    """Whether a function is exported."""
    return any("keras_export" in ast.unparse(each) for each in function.decorator_list)


def _parameters(function: Function) -> list[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [each for each in (arguments.vararg, arguments.kwarg) if each]
    return [each.arg for each in every]


def _own_names(function: Function) -> Iterable[str]:
    """The names that a function binds besides its parameters; inner functions' names included, their variables not."""
    pending: list[ast.AST] = list(function.body) if isinstance(function, ast.FunctionDef) else [function.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef):
            yield node.name
            continue
        if isinstance(node, (ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        pending.extend(ast.iter_child_nodes(node))


class _Renamer(ast.NodeTransformer):
    def __init__(self, modules: dict[str, Module], name: str) -> None:
        self.modules, self.module = modules, modules[name]
        self.scopes: list[dict[str, str]] = [self.module.functions]
        self.replaced = self.count = 0
        self.in_class = False

    def _new(self, name: str) -> str:
        for scope in reversed(self.scopes):
            if name in scope:
                self.replaced += scope[name] != name
                return scope[name]
        return name

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.in_class = True
        self.generic_visit(node)
        self.in_class = False
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        top = len(self.scopes) == 1
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        self._defaults(node.args)
        kept = {each: each for each in _parameters(node)}
        parameters = kept if self.in_class or not top else self.module.parameters.get(node.name, kept)
        if not self.in_class:
            node.name = self._new(node.name)
        self._body(node, parameters)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._defaults(node.args)
        self._body(node, {each: each for each in _parameters(node)})
        return node

    def _defaults(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self.visit(each) for each in arguments.defaults]
        arguments.kw_defaults = [each and self.visit(each) for each in arguments.kw_defaults]

    def _body(self, node: ast.FunctionDef | ast.Lambda, parameters: dict[str, str]) -> None:
        scope = dict(parameters)
        for name in sorted(set(_own_names(node)) - set(scope)):
            self.count += 1
            scope[name] = f"v{self.count}"
        self.scopes.append(scope)
        in_class, self.in_class = self.in_class, False
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.arg = scope[argument.arg]
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
        else:
            node.body = [self.visit(each) for each in node.body]
        self.in_class = in_class
        self.scopes.pop()

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._new(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        other = self._other(node)
        if other is not None:
            node.attr = other.functions.get(node.attr, node.attr)
        self.generic_visit(node)
        return node

    def _other(self, node: ast.Attribute) -> Module | None:
        if isinstance(node.value, ast.Name) and not any(node.value.id in scope for scope in self.scopes):
            return self.modules.get(self.module.imports.get(node.value.id, ""))
        return None

    def visit_Call(self, node: ast.Call) -> ast.AST:
        parameters: dict[str, str] = {}
        if isinstance(node.func, ast.Name) and not any(node.func.id in scope for scope in self.scopes[1:]):
            parameters = self.module.parameters.get(node.func.id, {})
        elif isinstance(node.func, ast.Attribute):
            other = self._other(node.func)
            parameters = other.parameters.get(node.func.attr, {}) if other is not None else {}
        for keyword in node.keywords:
            if keyword.arg is not None:
                keyword.arg = parameters.get(keyword.arg, keyword.arg)
        self.generic_visit(node)
        return node
