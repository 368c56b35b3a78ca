"""The tables in which the modules of the interpreter register what they evaluate, execute, call and know."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from bnlint.finding import Span
from bnlint.interpreter.records import Context
from bnlint.interpreter.scope import Frame, Module
from bnlint.interpreter.values import Arguments, SymbolV, Value

if TYPE_CHECKING:
    from bnlint.interpreter.machine import Machine

Evaluator = Callable[["Machine", Any, Frame], Value]
Executor = Callable[["Machine", Any, Frame], None]
Native = Callable[["Machine", "CallSite", Arguments], Value]
Method = Callable[["Machine", "CallSite", Any, Arguments], Value]
Attribute = Callable[["Machine", Any, str, "CallSite"], "Value | None"]

EVALUATORS: dict[type, Evaluator] = {}
EXECUTORS: dict[type, Executor] = {}
NATIVES: dict[str, Native] = {}
METHODS: dict[tuple[type, str], Method] = {}
CALLERS: dict[type, Callable[[Machine, Any, Arguments, CallSite], Value]] = {}
ATTRIBUTES: dict[type, Attribute] = {}
SETTERS: dict[type, Callable[[Machine, Any, str, Value, CallSite], None]] = {}
ITEMS: dict[type, Callable[[Machine, Any, int, CallSite], Value]] = {}
"""The item for one round of a loop over values of which only that is known."""


def evaluates(*types: type) -> Callable[[Evaluator], Evaluator]:
    """The function evaluates expressions of these ast types."""

    def register(function: Evaluator) -> Evaluator:
        for each in types:
            EVALUATORS[each] = function
        return function

    return register


def executes(*types: type) -> Callable[[Executor], Executor]:
    """The function executes statements of these ast types."""

    def register(function: Executor) -> Executor:
        for each in types:
            EXECUTORS[each] = function
        return function

    return register


def native(*paths: str) -> Callable[[Native], Native]:
    """The function stands for the library functions or classes of these canonical names."""

    def register(function: Native) -> Native:
        for path in paths:
            NATIVES[path] = function
        return function

    return register


def method(kind: type, *names: str) -> Callable[[Method], Method]:
    """The function stands for these methods of values of ``kind``."""

    def register(function: Method) -> Method:
        for name in names:
            METHODS[kind, name] = function
        return function

    return register


C = TypeVar("C", bound=Callable[..., Value])


def calls(*kinds: type) -> Callable[[C], C]:
    """The function calls values of these kinds."""

    def register(function: C) -> C:
        for kind in kinds:
            CALLERS[kind] = function
        return function

    return register


def attributes(*kinds: type) -> Callable[[Attribute], Attribute]:
    """The function reads attributes of values of these kinds; None says there is none."""

    def register(function: Attribute) -> Attribute:
        for kind in kinds:
            ATTRIBUTES[kind] = function
        return function

    return register


def sets_attributes(*kinds: type) -> Callable[[Any], Any]:
    """The function writes attributes of values of these kinds."""

    def register(function: Any) -> Any:
        for kind in kinds:
            SETTERS[kind] = function
        return function

    return register


class CallSite:
    """The place of a call in the source, and the frame it happens in.

    ``symbol`` is the library name that is being called. ``fixed`` is the context of a call that Keras makes later than
    where it is written, such as those of a sequential model's layers.
    """

    __slots__ = ("fixed", "frame", "node", "symbol")

    def __init__(self, node: ast.AST, frame: Frame, symbol: SymbolV | None = None, fixed: Context | None = None) -> None:
        self.node = node
        self.frame = frame
        self.symbol = symbol
        self.fixed = fixed

    @classmethod
    def at(cls, context: Context) -> CallSite:
        """A call that Keras makes for what was written at ``context``."""
        frame = Frame(context.module, context.module.scope)
        return cls(context.node or context.module.tree, frame, None, context)

    @property
    def span(self) -> Span:
        return self.fixed.span if self.fixed is not None else span_of(self.frame.module, self.node)

    @property
    def path(self) -> str:
        """The canonical name of the library function being called."""
        return self.symbol.path if self.symbol is not None else ""

    @property
    def generation(self) -> str | None:
        return self.symbol.generation if self.symbol is not None else None


ITERATORS: dict[type, Callable[[Machine, Any, CallSite], Iterator[Value] | None]] = {}


def context_of(frame: Frame, node: ast.AST) -> Context:
    """The context of a node in a frame; callers' contexts are shared."""
    caller = frame.caller
    if frame.outer is None and caller is not None and frame.node is not None:
        frame.outer = context_of(caller, frame.node)
    return Context(
        span_of(frame.module, node),
        frame.module,
        frame.function,
        tuple((loop.node, loop.iterable) for loop in reversed(frame.loops)),
        tuple((value, item.context_expr) for value, item in reversed(frame.contexts)),
        frame.outer,
        frame.statement,
        frame.layer_call,
        node,
        frame.guards > 0,
    )


def span_of(module: Module, node: ast.AST) -> Span:
    """The span of a node; a module's is its first character."""
    return module.source.span(node) if hasattr(node, "lineno") else Span(module.path, 1, 1, 1, 1)
