"""Entry points: module bodies, scripts, and the functions and classes that nobody in the project calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from bnlint.interpreter.calls import run_function
from bnlint.interpreter.cells import in_running_order
from bnlint.interpreter.classes import instantiate
from bnlint.interpreter.courses import run_courses
from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.layers import is_layer_class
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import LayerV, World
from bnlint.interpreter.relevance import WORD, relevant_names
from bnlint.interpreter.scope import Frame, Module
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.tensors import tensors_in
from bnlint.interpreter.values import Arguments, ClassV, Const, FunctionV, MethodV, SymbolV, Unknown, Value, unknown

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Named = TypeVar("Named", bound=Definition)
BY_KERAS = frozenset({"get_config", "from_config", "compute_output_shape", "compute_output_spec", "compute_mask"})
"""Methods of layers and models that describe them to Keras, and do nothing to them."""


class Entries:
    """Runs the entry points of some files."""

    def __init__(self, m: Machine) -> None:
        self.m = m
        self.base: dict[int, World] = {}
        m.modules.load = self.load

    # -- modules -------------------------------------------------------------------------------------------------

    def load(self, module: Module) -> None:
        """Run a module's body; a statement that raises does not end it, for the fault may be in our reading."""
        module.loaded = True
        frame = Frame(module, module.scope)
        statements = in_running_order(module.tree.body) if module.source.cells else module.tree.body

        def body() -> None:
            finished = True
            for statement in statements:
                try:
                    self.m.execute([statement], frame)
                except Raised:
                    finished = False
            module.finished = finished

        self.base[id(module)] = run_courses(self.m, "<module>", module, None, body, keep=True)

    def run(self, files: Sequence[Path]) -> None:
        """Interpret the files: bodies, scripts, then what nobody calls."""
        modules = [module for path in files if (module := self.m.modules.at(path)) is not None]
        for module in modules:
            if not module.loaded:
                self.load(module)
        self.m.relevant = wanted = relevant_names(modules, self.m.modules.project.module_path)
        for module in modules:
            for block, frame in module.main_blocks[:1]:
                self._course(module, "__main__", partial(self.m.execute, block, frame))
        definitions = [(module, node) for module in modules for node in top_level(module.tree)]
        for module, node in users_first(definitions):
            if self.m.keep_all or (module.path, node.name) in wanted or self._holds_layers(node):
                self.enter(module, node)

    def _holds_layers(self, node: Definition) -> bool:
        """Whether instances of a class were given layers or their tensors: its own text need not say so."""
        made = self.m.instantiated.get(node, ())
        given = [value for _, arguments in made for value in arguments.values()]
        return any(isinstance(value, LayerV) or any(tensors_in(value)) for value in given)

    def _course(self, module: Module, name: str, action: Callable[[], object]) -> World:
        return run_courses(self.m, name, module, self.base.get(id(module)), action)

    # -- definitions ---------------------------------------------------------------------------------------------

    def enter(self, module: Module, node: Definition) -> None:
        """Interpret a definition that nobody has called yet."""
        if isinstance(node, ast.ClassDef):
            self._enter_class(module, node)
        elif node not in self.m.called and node in self.m.functions:
            self._enter_function(module, self.m.functions[node])

    def _enter_function(self, module: Module, function: FunctionV) -> None:
        def action(arguments: Arguments) -> None:
            site = CallSite(function.node, Frame(module, module.scope))
            result = run_function(self.m, function, arguments, site, None)
            self._leave(function, result)

        world = self._course(module, function.qualname, partial(action, Arguments([], {})))
        absent = missing_defaults(function)
        if world.lost and absent:
            self._course(module, function.qualname, partial(action, Arguments([], absent)))

    def _leave(self, function: FunctionV, result: Value) -> None:
        """What an entry point returns goes to a caller out of sight."""
        self.m.world.results.append((function, result))
        self.m.escape(result)

    def _enter_class(self, module: Module, node: ast.ClassDef) -> None:
        cls = self.m.classes.get(node)
        if cls is None:
            return
        if node not in self.m.instantiated:
            self._course(module, cls.qualname, lambda: self._make(cls, module))
        passive = BY_KERAS if is_layer_class(self.m, cls) else frozenset()
        for _, method in users_first([(module, each) for each in methods(node)]):
            if method.name.startswith("__") or method.name in passive:
                continue
            if method not in self.m.called and method in self.m.functions:
                self._enter_method(module, cls, self.m.functions[method])

    def _make(self, cls: ClassV, module: Module) -> Value:
        seen = self.m.instantiated.get(cls.node)
        arguments = next((each for made, each in seen or () if made is cls), Arguments([], {}))
        site = CallSite(cls.node, Frame(module, module.scope))
        return instantiate(self.m, cls, arguments, site)

    def _enter_method(self, module: Module, cls: ClassV, function: FunctionV) -> None:
        alone = not uses_instance(function)

        def action() -> None:
            instance = unknown("an object that the method does not look at") if alone else self._make(cls, module)
            site = CallSite(function.node, Frame(module, module.scope))
            static = any(isinstance(each, SymbolV) and each.path == "builtins.staticmethod" for each in function.decorators)
            result = self.m.call(function if static else MethodV(function, instance), Arguments([], {}), site)
            self._leave(function, result)

        self._course(module, function.qualname, action)


def users_first(definitions: Sequence[tuple[Module, Named]]) -> Iterator[tuple[Module, Named]]:
    """Definitions, or the methods of a class, in such an order that those which name others come before them, as far as they do not name each other.

    What is called gets the arguments of its calls before it would be interpreted without any.
    """
    by_name: dict[str, list[int]] = {}
    for index, (_, node) in enumerate(definitions):
        by_name.setdefault(node.name, []).append(index)
    uses: list[set[int]] = []
    waiting = [0] * len(definitions)
    for index, (module, node) in enumerate(definitions):
        words = set(WORD.findall("\n".join(module.source.lines[node.lineno - 1 : node.end_lineno])))
        used = {each for word in words & by_name.keys() for each in by_name[word]} - {index}
        uses.append(used)
        for each in used:
            waiting[each] += 1
    done = [False] * len(definitions)
    ready = [index for index, count in enumerate(waiting) if not count]
    rest = 0
    while rest < len(definitions):
        if not ready:
            ready = [rest]
        index = ready.pop(0)
        if not done[index]:
            done[index] = True
            yield definitions[index]
            for each in sorted(uses[index]):
                waiting[each] -= 1
                if not waiting[each] and not done[each]:
                    ready.append(each)
        while rest < len(definitions) and done[rest]:
            rest += 1


def missing_defaults(function: FunctionV) -> dict[str, Value]:
    """Unknown values for the parameters whose default is None: what calls a function always fills those it needs."""
    parameters = function.node.args
    positional = [each.arg for each in (*parameters.posonlyargs, *parameters.args)]
    defaults = dict(zip(positional[len(positional) - len(function.defaults) :], function.defaults))
    defaults.update(function.keyword_defaults)
    return {
        name: Unknown(("parameter", function.module.name, function.qualname, name))
        for name, value in defaults.items()
        if isinstance(value, Const) and value.value is None
    }


def top_level(tree: ast.Module) -> Iterator[Definition]:
    """The functions and classes of a module, also those under ``if`` and ``try``."""
    pending: list[ast.stmt] = list(reversed(tree.body))
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node
        for block in blocks(node):
            pending.extend(reversed(block))


def blocks(node: ast.stmt) -> Iterable[list[ast.stmt]]:
    """The blocks of a compound statement other than a definition."""
    if isinstance(node, (ast.If, ast.For, ast.While)):
        return (node.body, node.orelse)
    if isinstance(node, ast.With):
        return (node.body,)
    if isinstance(node, ast.Try):
        return (node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody)
    return ()


def uses_instance(function: FunctionV) -> bool:
    """Whether a method looks at the object it is called on: else it need not be made for it."""
    node = function.node
    parameters = [*node.args.posonlyargs, *node.args.args]
    names = {"super", "__class__", *(each.arg for each in parameters[:1])}
    return not parameters or any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The methods of a class."""
    return [each for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]
