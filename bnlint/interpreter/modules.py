"""Imports: the project's modules, Keras's names, and libraries out of sight."""

from __future__ import annotations

import ast
import builtins as python_builtins
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.interpreter.dispatch import CallSite, attributes, sets_attributes
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import CONSTANTS
from bnlint.interpreter.scope import Frame, Module, Scope
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.targets import bind
from bnlint.interpreter.values import Const, InstanceV, ListV, ModuleV, SymbolV, TupleV, Unknown, Value
from bnlint.parse import ParseError
from bnlint.source import SourceError

if TYPE_CHECKING:
    from bnlint.index import Project

MOVED = ("six.moves.", "six.moves.builtins.", "past.builtins.", "future.builtins.")
BUILTIN_NAMES = frozenset(dir(python_builtins)) | {"xrange", "basestring", "unicode", "long", "reduce"}
"""Python's names, and those of Python 2 that libraries for both hand on."""

COMPAT = ("tensorflow.compat.v1.", "tensorflow.compat.v2.", "tensorflow.compat.v2.compat.v1.")


class Modules:
    """The project's modules, each made once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.by_path: dict[Path, Module | None] = {}
        self.load: Callable[[Module], None] = lambda module: None
        self.failures: dict[Path, ParseError | SourceError] = {}
        self.backends: dict[Path, str | None] = {}

    def at(self, path: Path) -> Module | None:
        """The module of a file; None where it cannot be parsed."""
        if path not in self.by_path:
            self.by_path[path] = self._make(path)
        return self.by_path[path]

    def _make(self, path: Path) -> Module | None:
        try:
            source = self.project.source(path)
            tree = self.project.parsed(path).tree
        except (ParseError, SourceError, OSError) as error:
            if isinstance(error, (ParseError, SourceError)):
                self.failures[path] = error
            return None
        name = self.project.module_name(path)
        scope = Scope({"__name__": Const(name), "__file__": Const(str(path))}, None, "module")
        return Module(name, source, tree, path.stem == "__init__", scope)

    def find(self, dotted: str, importer: str, level: int = 0) -> Module | None:
        """The project's module that an import means."""
        path = self.project.module_path(dotted, importer, level)
        return self.at(path) if path is not None else None


def loaded(m: Machine, module: Module) -> Scope:
    """The names of a module after its body has run."""
    if not module.loaded:
        m.modules.load(module)
    return module.scope


def member(m: Machine, module: Module, name: str) -> Value | None:
    """A module's name or submodule."""
    found = loaded(m, module).names.get(name)
    if found is not None:
        return m.resolve(found)
    if module.is_package:
        submodule = m.modules.find(name, module.path, 1)
        if submodule is not None and submodule is not module:
            return ModuleV(submodule)
    starred = from_star(m, module, name)
    if starred is not None:
        return starred
    getter = module.scope.names.get("__getattr__")
    if getter is None and module.name.startswith(("keras.", "tf_keras.")):
        return external(m, f"{module.name}.{name}", None)
    return None


def from_star(m: Machine, module: Module, name: str) -> SymbolV | None:
    """A name that a module can only have from ``from library import *``, where one library comes into question."""
    if not module.stars or name.startswith("_") or len({each.partition(".")[0] for each in module.stars}) > 1:
        return None
    return external(m, f"{module.stars[-1]}.{name}", None)


def external(m: Machine, path: str, generation: str | None) -> SymbolV:
    """A name outside the project, by its canonical name where Keras's table has it."""
    resolved = m.table.resolve(path)
    if resolved is not None:
        return SymbolV(resolved.name, resolved.generation or generation)
    if path.endswith("._Merge") and "keras." in path:
        return SymbolV("keras.layers.Layer", generation)
    for prefix in MOVED:
        if path.startswith(prefix) and path[len(prefix) :] in BUILTIN_NAMES:
            return SymbolV(f"builtins.{path[len(prefix) :]}")
    for prefix in COMPAT:
        if path.startswith(prefix) and not path.startswith(prefix + "keras"):
            path = "tensorflow." + path.removeprefix(prefix)
    return SymbolV(path, generation or ("2" if path.startswith("tf_keras") else None))


@attributes(SymbolV)
def symbol_attribute(m: Machine, symbol: SymbolV, name: str, site: CallSite) -> Value | None:
    """``library.name``: Keras's table first, then the project (Keras may be the project), else a name out of sight."""
    path = f"{symbol.path}.{name}"
    if symbol.path.startswith("builtins."):
        if name in ("__name__", "__qualname__"):
            return Const(symbol.path.rpartition(".")[2])
        return SymbolV(path)
    if name in ("__name__", "__qualname__") and m.table.layer(symbol.path) is not None:
        return Const(symbol.path.rpartition(".")[2])
    if m.table.resolve(path) is None and not m.table.is_namespace(path):
        importer = site.frame.module.path
        module = m.modules.find(symbol.path, importer)
        if module is not None and module is not site.frame.module:
            found = loaded(m, module).names.get(name)
            if found is not None:
                return m.resolve(found)
        submodule = m.modules.find(path, importer)
        if submodule is not None:
            return ModuleV(submodule)
    return CONSTANTS.get(path) or external(m, path, symbol.generation)


@sets_attributes(SymbolV)
def set_symbol_attribute(m: Machine, symbol: SymbolV, name: str, value: Value, site: CallSite) -> None:
    """Patching a library is not followed."""
    m.escape(value)


@attributes(ModuleV)
def module_attribute(m: Machine, value: ModuleV, name: str, site: CallSite) -> Value | None:
    found = member(m, value.module, name)
    if found is not None:
        return found
    return Unknown(("attribute", ("module", value.module.name), name), f"{value.module.name} has no {name} in sight")


@sets_attributes(ModuleV)
def set_module_attribute(m: Machine, value: ModuleV, name: str, new: Value, site: CallSite) -> None:
    scope = loaded(m, value.module)
    m.touch(scope)
    scope.names[name] = new


# -- statements --------------------------------------------------------------------------------------------------


def execute_import(m: Machine, node: ast.Import, frame: Frame) -> None:
    """``import a.b`` and ``import a.b as c``."""
    for alias in node.names:
        if alias.asname is not None:
            bind(m, alias.asname, module_value(m, alias.name, frame), frame)
        else:
            root = alias.name.partition(".")[0]
            bind(m, root, module_value(m, root, frame), frame)


def module_value(m: Machine, dotted: str, frame: Frame) -> Value:
    """The value of an absolute module name."""
    if m.table.resolve(dotted) is not None or m.table.is_namespace(dotted):
        return SymbolV(dotted, "2" if dotted.startswith("tf_keras") else None)
    module = m.modules.find(dotted, frame.module.path)
    if module is not None:
        return ModuleV(module)
    return external(m, dotted, None)


def execute_import_from(m: Machine, node: ast.ImportFrom, frame: Frame) -> None:
    """``from a.b import c``, relative or not, and ``from a import *``."""
    site = CallSite(node, frame)
    base = node.module or ""
    source: Value
    if node.level:
        absolute = _absolute(frame.module, base, node.level)
        if m.table.is_namespace(absolute):
            source = SymbolV(absolute)
        else:
            module = m.modules.find(base, frame.module.path, node.level)
            source = ModuleV(module) if module is not None else SymbolV(absolute)
    else:
        source = module_value(m, base, frame)
    for alias in node.names:
        if alias.name == "*":
            for name, value in star_names(m, source, frame.module):
                bind(m, name, value, frame)
        else:
            bind(m, alias.asname or alias.name, _imported(m, source, alias.name, site), frame)


def _imported(m: Machine, source: Value, name: str, site: CallSite) -> Value:
    if isinstance(source, ModuleV):
        found = member(m, source.module, name)
        if found is None and source.module.is_package:
            submodule = m.modules.find(name, source.module.path, 1)
            if submodule is not None:
                return ModuleV(submodule)
        if found is not None:
            return found
        if source.module is site.frame.module or not source.module.loaded:
            return _late(source.module, name)
        return Unknown(("attribute", ("module", source.module.name), name))
    if (
        isinstance(source, SymbolV)
        and site.frame.guards
        and m.table.is_namespace(source.path)
        and not _exists(m, source, name, site)
    ):
        raise Raised(InstanceV(SymbolV("builtins.ImportError"), {}))
    return m.getattr(source, name, site)


def _exists(m: Machine, source: SymbolV, name: str, site: CallSite) -> bool:
    """Whether Keras, of any generation, has a name in a namespace of its own."""
    path = f"{source.path}.{name}"
    if not source.path.endswith(("keras.layers", "keras.models", "keras.optimizers")):
        return True
    return m.table.resolve(path) is not None or m.modules.find(path, site.frame.module.path) is not None


def _late(module: Module, name: str) -> Value:
    """A name of a module that is being loaded (an import cycle)."""
    return Unknown(("attribute", ("module", module.name), name), f"{module.name} is still being loaded")


def _absolute(module: Module, base: str, level: int) -> str:
    parts = module.name.split(".")
    drop = level - 1 if module.is_package else level
    parts = parts[: len(parts) - drop] if drop else parts
    return ".".join([*parts, base] if base else parts)


def star_names(m: Machine, source: Value, importer: Module) -> Iterator[tuple[str, Value]]:
    """The names that ``from source import *`` binds."""
    if isinstance(source, ModuleV):
        scope = loaded(m, source.module)
        wanted = scope.names.get("__all__")
        if isinstance(wanted, (ListV, TupleV)) and not getattr(wanted, "open", False):
            names = [item.value for item in wanted.items if isinstance(item, Const) and isinstance(item.value, str)]
        else:
            names = [name for name in scope.names if not name.startswith("_")]
        for name in names:
            found = member(m, source.module, name)
            if found is not None:
                yield name, found
    elif isinstance(source, SymbolV):
        names_in_sight = m.table.names(source.path)
        if not names_in_sight and source.path not in importer.stars:
            importer.stars.append(source.path)
        for name in names_in_sight:
            yield name, external(m, f"{source.path}.{name}", source.generation)
