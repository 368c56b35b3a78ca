"""Which definitions can reach something that a rule asks about: those that name it, and those that name them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bnlint.index import is_relevant, names_keras
from bnlint.interpreter.scope import Module

WORD = re.compile(r"[^\W\d]\w*")
CHAIN = re.compile(r"(?<![\w.])[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*")
PROSE = re.compile(r'^\s*#.*|"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'', re.MULTILINE)
QUOTED = re.compile(r"""["\']([^\W\d]\w*)["\']""")
INNER = re.compile(r"^[ \t]+(?:from|import|global)[ \t]", re.MULTILINE)
MAKES_LAYER = re.compile(r"(?:Conv|Dense|Linear)\w*\(")


Place = tuple[str, str]
"""A name at the top of a module: the module's path (none for any module's), the name."""

Find = Callable[[str, str, int], Path | None]
"""The file of the project that an import means: the dotted name, the importing file, the level."""


def relevant_names(modules: Sequence[Module], find: Find) -> set[Place]:
    """The names bound at the top of some modules whose statements can reach a batch normalization or a backbone.

    What uses the same helper of its module for a layer as one of these is among them: it may do without the normalization.
    Uses are words in the text of a statement, as far as they can mean something at the top of a module: it errs on the side of too many.
    """
    users: dict[Place, set[Place]] = {}
    found: set[Place] = set()
    pending: list[Place] = []
    helpers: list[tuple[Place, set[Place]]] = []
    starred: dict[str, set[str]] = {}
    for module in modules:
        around = b"keras " if names_keras(module.source.text.encode("utf-8", "replace")) else b""
        makers: set[Place] = set()
        own: dict[Place, set[Place]] = {}
        uses = _Uses(module, find)
        for node, names, text in _statements(module):
            bound = {(module.path, name) for name in names}
            text = PROSE.sub("", text)
            if is_relevant(around + text.encode("utf-8", "replace")):
                pending.extend(bound - found)
                found |= bound
            if around and MAKES_LAYER.search(text):
                makers |= bound
            for place in uses.of(node, text) - bound:
                users.setdefault(place, set()).update(bound)
                own.setdefault(place, set()).update(bound)
        for source in uses.stars:
            starred.setdefault(source, set()).add(module.path)
        helpers += [(each, own[each]) for each in makers & own.keys()]
    while pending:
        place = pending.pop()
        handed_on = [(path, place[1]) for path in starred.get(place[0], ())]
        for user in (*users.get(place, ()), *users.get(("", place[1]), ()), *handed_on):
            if user not in found:
                found.add(user)
                pending.append(user)
    return found.union(*(by for each, by in helpers if each not in found and not found.isdisjoint(by)))


class _Uses:
    """What the statements of one module may use of what is bound at the top of this or another module.

    Prose, the names of parameters and local variables, and what is read of a library out of sight are no uses: in a project of a
    thousand files, every English word is the name of something.
    """

    def __init__(self, module: Module, find: Find) -> None:
        self.module, self.find = module, find
        self.bound: set[str] = set()
        self.modules: dict[str, str] = {}
        """Names of modules of the project, and their paths; none where it is not known which of its modules is meant."""
        self.all_names = False
        self.stars: set[str] = set()
        """The modules of the project all of whose names this one has, too."""
        for node, names, text in _statements(module):
            self.bound |= names
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.all_names = self.all_names or text.endswith("*")
                self._import(node, self.bound, self.modules)
            elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
                self._import_inside(node, self.bound, self.modules)

    def of(self, node: ast.stmt, text: str) -> set[Place]:
        """What one statement may use."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self._import(node, set(), {}, text.rpartition(".")[2])
        if self.all_names:
            return {("", word) for word in WORD.findall(text)}
        bound, modules = self.bound, self.modules
        found: set[Place] = set()
        if INNER.search(text):
            bound, modules = set(bound), dict(modules)
            found = self._import_inside(node, bound, modules)
        around = {self.module.path, *modules.values()}
        found.update((path, word) for word in QUOTED.findall(text) for path in around)
        for chain in set(CHAIN.findall(text)):
            first, *rest = WORD.findall(chain)
            if first in bound:
                found.add((self.module.path, first))
            if first in modules:
                found.update((modules[first], word) for word in rest)
        return found

    def _import_inside(self, node: ast.stmt, bound: set[str], modules: dict[str, str]) -> set[Place]:
        """Imports in a compound statement or a function, whose names are added to those given, and what they use."""
        found: set[Place] = set()
        for each in ast.walk(node):
            if isinstance(each, (ast.Import, ast.ImportFrom)):
                found |= self._import(each, bound, modules)
            elif isinstance(each, ast.Global):
                bound.update(each.names)
        return found

    def _import(self, node: ast.Import | ast.ImportFrom, bound: set[str], modules: dict[str, str], only: str = "") -> set[Place]:
        found: set[Place] = set()
        level, base = (node.level, node.module or "") if isinstance(node, ast.ImportFrom) else (0, "")
        source = self.find(base, self.module.path, level) if base or level else None
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            bound.add(name)
            if source is not None and alias.name == "*":
                self.stars.add(str(source))
            elif source is not None and only in ("", alias.name):
                found.add((str(source), alias.name))
            path = self.find(f"{base}.{alias.name}" if base else alias.name, self.module.path, level)
            if path is not None:  # a package gives what is in any of its modules
                modules[name] = "" if path.stem == "__init__" or "." in alias.name and not alias.asname else str(path)
        return found


def _statements(module: Module) -> Iterator[tuple[ast.stmt, set[str], str]]:
    """The top-level statements of a module: with the names they bind and their text."""
    lines = module.source.lines
    imported = {alias.asname or alias.name.partition(".")[0] for node in module.tree.body for alias in getattr(node, "names", [])
                if isinstance(node, (ast.Import, ast.ImportFrom))}  # fmt: skip
    for node in module.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            source = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield node, {alias.asname or alias.name.partition(".")[0]}, source + alias.name
            continue
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        yield node, _bound(node) | (_changed(node) - imported), "\n".join(lines[first - 1 : node.end_lineno])


def _changed(node: ast.stmt) -> set[str]:
    """The names whose methods a statement calls: ``model.add(...)`` may change the model."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return set()
    functions = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    return {each.value.id for each in functions if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)}


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    names: set[str] = set()
    pending: list[ast.AST] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(each.name)
            continue
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            names.add(each.id)
        pending.extend(ast.iter_child_nodes(each))
    return names
