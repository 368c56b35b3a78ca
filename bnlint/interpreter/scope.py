"""Where names live: modules, function calls, class bodies."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bnlint.interpreter.values import FunctionV, Mutable, Value

if TYPE_CHECKING:
    from bnlint.source import Source


@dataclass(slots=True, eq=False)
class Scope(Mutable):
    """The names of one module, one call of a function, or one class body."""

    names: dict[str, Value]
    parent: Scope | None
    kind: str = "function"
    globals: frozenset[str] = frozenset()
    nonlocals: frozenset[str] = frozenset()

    def save(self) -> Any:
        return dict(self.names)

    def restore(self, state: Any) -> None:
        self.names = state


@dataclass(slots=True, eq=False)
class Module(Mutable):
    """A file of the project under interpretation."""

    name: str
    source: Source
    tree: ast.Module
    is_package: bool
    scope: Scope
    loaded: bool = False
    main_blocks: list[tuple[list[ast.stmt], Frame]] = field(default_factory=list)
    finished: bool = False
    """Its body has run to the end, nothing in it raised: what it lacks now it does not define."""
    stars: list[str] = field(default_factory=list)
    """Libraries out of sight from which the module imports all names."""

    def save(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        return None

    @property
    def path(self) -> str:
        return self.source.path


@dataclass(slots=True, eq=False)
class Frame:
    """One function call (or module, or class body) being executed."""

    module: Module
    scope: Scope
    function: FunctionV | None = None
    caller: Frame | None = None
    node: ast.AST | None = None
    depth: int = 0
    loops: list[Loop] = field(default_factory=list)
    contexts: list[tuple[Value, ast.withitem]] = field(default_factory=list)
    yields: list[Value] | None = None
    instance: Value | None = None
    layer_call: Any = None
    statement: ast.stmt | None = None
    guards: int = 0
    outer: Any = None

    def nested(self, scope: Scope) -> Frame:
        """The frame of a comprehension inside this one."""
        return Frame(
            self.module,
            scope,
            self.function,
            self.caller,
            self.node,
            self.depth,
            self.loops,
            self.contexts,
            self.yields,
            self.instance,
            self.layer_call,
            self.statement,
            self.guards,
            self.outer,
        )

    @property
    def name(self) -> str:
        return self.function.name if self.function is not None else "<module>"


@dataclass(slots=True, eq=False)
class Loop:
    """A loop being executed: its statement, and what it runs over."""

    node: ast.AST
    iterable: Value | None
    round: int = 0
    known: bool = True
    tick: int = 0
    """When its present round began, where the number of its rounds is not known."""
