"""The values the interpreter computes with: Python's own. Keras's are in :mod:`bnlint.interpreter.records`."""

from __future__ import annotations

import ast
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnlint.finding import Span
    from bnlint.interpreter.records import Context
    from bnlint.interpreter.scope import Module, Scope

Term = tuple[Hashable, ...]


@dataclass(slots=True, eq=False)
class Value:
    """Anything a name can be bound to."""


@dataclass(slots=True, eq=False)
class Unknown(Value):
    """A value that the source does not tell.

    Two unknowns with equal terms are the same value, so that a condition on them takes the same side everywhere.
    """

    term: Term
    reason: str = ""

    def parts_inside(self) -> tuple[Value, ...]:
        """The values that a lazy view, such as ``zip(a, b)``, is made of."""
        return ()


@dataclass(slots=True, eq=False)
class Const(Value):
    """A Python constant. ``assumed``: a default that a command line or a configuration may replace."""

    value: Any
    assumed: bool = False
    origin: tuple[Module, ast.AST] | None = None


class Clock:
    """Which run is going on: what a run makes itself need not be undone behind it."""

    epoch = 0
    rounds = 0
    """How many rounds of loops have begun whose number is not known."""


CLOCK = Clock()


@dataclass(slots=True, eq=False)
class Mutable(Value):
    """A value with identity and state; :meth:`Machine.touch` saves the state before a change that must be undone."""

    epoch: int = field(default_factory=lambda: CLOCK.epoch, init=False, repr=False)

    def save(self) -> Any:
        raise NotImplementedError

    def restore(self, state: Any) -> None:
        raise NotImplementedError


@dataclass(slots=True, eq=False)
class TupleV(Value):
    """A tuple; ``kind`` tells a TensorShape or a named tuple (with ``fields``) from a plain one."""

    items: tuple[Value, ...]
    kind: str = "tuple"
    fields: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class ListV(Mutable):
    """A list, generator or iterator (``kind``). ``open``: there may be more items than are known."""

    items: list[Value]
    open: bool = False
    kind: str = "list"
    model: Value | None = None
    """The model whose layers these are."""
    names: dict[str, Value] | None = None
    """The names inside the generator function that yields these."""
    grown: bool = False
    """A loop of which nobody knows how many rounds it has gave it items: those of the first ones stand for all."""
    born: int = field(default_factory=lambda: CLOCK.rounds, init=False, repr=False)

    def save(self) -> Any:
        return list(self.items), self.open, self.grown

    def restore(self, state: Any) -> None:
        self.items, self.open, self.grown = state


@dataclass(slots=True, eq=False)
class DictV(Mutable):
    """A dictionary from :func:`key_of` a key to (key, value)."""

    items: dict[Hashable, tuple[Value, Value]]
    open: bool = False
    default: Value | None = None

    def save(self) -> Any:
        return dict(self.items), self.open

    def restore(self, state: Any) -> None:
        self.items, self.open = state

    def get(self, key: Hashable) -> Value | None:
        entry = self.items.get(key)
        return None if entry is None else entry[1]


@dataclass(slots=True, eq=False)
class SetV(Mutable):
    items: dict[Hashable, Value]
    open: bool = False

    def save(self) -> Any:
        return dict(self.items), self.open

    def restore(self, state: Any) -> None:
        self.items, self.open = state


@dataclass(slots=True, eq=False)
class SliceV(Value):
    lower: Value
    upper: Value
    step: Value


@dataclass(slots=True, eq=False)
class SymbolV(Value):
    """A name outside the project: a builtin (``builtins.len``), a library's (``numpy.zeros``), or Keras's by its
    canonical name. ``generation`` is "2" or "3" where the import tells it; ``item`` is the place of a layer's class that is an item of
    a list."""

    path: str
    generation: str | None = None
    item: Context | None = None


@dataclass(slots=True, eq=False)
class ModuleV(Value):
    """A module of the project."""

    module: Module


WRAPPERS = 20
"""Decorators of one function that are looked through."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(slots=True, eq=False)
class FunctionV(Mutable):
    """A function of the project with the scope it closes over."""

    node: FunctionNode
    scope: Scope
    module: Module
    qualname: str
    defaults: list[Value]
    keyword_defaults: dict[str, Value]
    owner: ClassV | None = None
    attributes: dict[str, Value] = field(default_factory=dict)
    decorators: tuple[Value, ...] = ()

    @property
    def name(self) -> str:
        return self.qualname.rpartition(".")[2]

    @property
    def signed(self) -> FunctionV:
        """The function whose parameters ``inspect`` tells: the one behind ``functools.wraps``, else itself."""
        function = self
        for _ in range(WRAPPERS):
            inner = function.attributes.get("__wrapped__")
            if not isinstance(inner, FunctionV):
                break
            function = inner
        return function

    def save(self) -> Any:
        return dict(self.attributes)

    def restore(self, state: Any) -> None:
        self.attributes = state


@dataclass(slots=True, eq=False)
class ClassV(Mutable):
    """A class of the project. ``mro`` ends in SymbolV or Unknown where a base lies outside."""

    node: ast.ClassDef
    module: Module
    qualname: str
    bases: tuple[Value, ...]
    attributes: dict[str, Value]
    mro: tuple[Value, ...] = ()
    decorators: tuple[Value, ...] = ()
    dataclass: bool = False

    @property
    def name(self) -> str:
        return self.qualname.rpartition(".")[2]

    def save(self) -> Any:
        return dict(self.attributes)

    def restore(self, state: Any) -> None:
        self.attributes = state

    def find(self, name: str) -> Value | None:
        """The attribute by the method resolution order, None where no class in sight has it."""
        for cls in self.mro:
            if isinstance(cls, ClassV) and name in cls.attributes:
                return cls.attributes[name]
        return None

    def symbols(self) -> list[SymbolV]:
        return [cls for cls in self.mro if isinstance(cls, SymbolV)]

    @property
    def has_unknown_base(self) -> bool:
        return any(isinstance(cls, Unknown) for cls in self.mro)


@dataclass(slots=True, eq=False)
class NamedTupleV(Value):
    """A class made by ``namedtuple``."""

    name: str
    fields: tuple[str, ...]
    defaults: tuple[Value, ...] = ()


@dataclass(slots=True, eq=False)
class InstanceV(Mutable):
    """An object of a project's class. ``open``: it may have attributes and methods that are not in sight."""

    cls: ClassV | SymbolV
    attributes: dict[str, Value] = field(default_factory=dict)
    open: bool = False

    def save(self) -> Any:
        return dict(self.attributes), self.open

    def restore(self, state: Any) -> None:
        self.attributes, self.open = state


@dataclass(slots=True, eq=False)
class MethodV(Value):
    """A function bound to its first argument."""

    function: Value
    instance: Value


@dataclass(slots=True, eq=False)
class NativeMethodV(Value):
    """A method of a value whose class is not the project's: ``"".format``, ``[].append``, ``model.fit``."""

    instance: Value
    name: str


@dataclass(slots=True, eq=False)
class PartialV(Value):
    function: Value
    positional: tuple[Value, ...]
    keywords: dict[str, Value]
    call: Any = None


@dataclass(slots=True, eq=False)
class PropertyV(Value):
    getter: Value | None
    setter: Value | None = None
    cached: bool = False


@dataclass(slots=True, eq=False)
class StaticMethodV(Value):
    function: Value


@dataclass(slots=True, eq=False)
class ClassMethodV(Value):
    function: Value


@dataclass(slots=True, eq=False)
class SuperV(Value):
    """``super()``: attributes of ``instance`` looked up behind ``cls`` in its method resolution order."""

    cls: ClassV
    instance: Value


@dataclass(slots=True)
class Arguments:
    """The arguments of one call. ``open_*``: a ``*`` or ``**`` argument whose content is not known was among them."""

    positional: list[Value]
    keywords: dict[str, Value]
    open_positional: bool = False
    open_keywords: bool = False
    nodes: dict[int | str, ast.AST] = field(default_factory=dict)
    bound: dict[str, Span] = field(default_factory=dict)
    """Keywords that a ``functools.partial`` gave, with the place of the partial."""
    starred: list[Value] = field(default_factory=list)
    """The ``*`` arguments whose items are not all known."""

    def get(self, index: int | None, name: str) -> Value | None:
        """The argument by keyword or position."""
        if name in self.keywords:
            return self.keywords[name]
        if index is not None and index < len(self.positional):
            return self.positional[index]
        return None

    def values(self) -> list[Value]:
        return [*self.positional, *self.keywords.values()]


class Configured(str):
    """A setting of Keras that its configuration file may change; conditions take it as it is by default."""

    __slots__ = ()


NONE = Const(None)
TRUE = Const(True)
FALSE = Const(False)


def const(value: Any) -> Const:
    if value is None:
        return NONE
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    return Const(value)


def unknown(reason: str = "", *, source: Hashable | None = None) -> Unknown:
    """A fresh unknown, equal to no other unless ``source`` says what it is."""
    return Unknown(("?", object() if source is None else source), reason)


PARTS = 20_000
"""Constants that one value is taken apart into."""


def key_of(value: Value) -> Hashable | None:
    """What a value is as a dictionary key; None where that is not known."""
    return _key_of(value, [PARTS])


def _key_of(value: Value, left: list[int]) -> Hashable | None:
    left[0] -= 1
    if left[0] < 0 or isinstance(value, (Unknown, ListV, DictV, SetV, SliceV)):
        return None
    if isinstance(value, Const):
        return ("c", value.value) if _hashable(value.value) else None
    if isinstance(value, TupleV):
        keys = [_key_of(item, left) for item in value.items]
        return None if None in keys else ("t", tuple(keys))
    if isinstance(value, SymbolV):
        return ("s", value.path)
    if isinstance(value, MethodV):
        return ("m", id(value.function), id(value.instance))
    return ("i", id(value))


def _hashable(value: object) -> bool:
    return isinstance(value, (int, float, complex, str, bytes, bool, range, type(None), type(Ellipsis)))


def plain(value: Value) -> Any:
    """The Python object a value stands for; raises :class:`NotPlain` where a part of it is not a constant."""
    return _plain(value, [PARTS], 0)


def _plain(value: Value, left: list[int], depth: int) -> Any:
    left[0] -= 1
    if isinstance(value, Const):
        return value.value
    if left[0] < 0 or depth > 50 or getattr(value, "open", False):
        raise NotPlain
    if isinstance(value, TupleV):
        return tuple(_plain(item, left, depth + 1) for item in value.items)
    if isinstance(value, ListV):
        return [_plain(item, left, depth + 1) for item in value.items]
    if isinstance(value, DictV):
        return {_plain_key(key): _plain(item, left, depth + 1) for key, item in value.items.values()}
    if isinstance(value, SetV):
        return {_plain_key(item) for item in value.items.values()}
    raise NotPlain


def _plain_key(value: Value) -> Any:
    key = plain(value)
    if isinstance(key, (list, dict, set)):
        raise NotPlain
    return key


class NotPlain(Exception):
    """The value is not made of constants alone."""


def lift(obj: object) -> Value:
    """The value of a plain Python object."""
    if isinstance(obj, tuple):
        return TupleV(tuple(lift(item) for item in obj))
    if isinstance(obj, list):
        return ListV([lift(item) for item in obj])
    if isinstance(obj, dict):
        return DictV({("c", key): (const(key), lift(item)) for key, item in obj.items()})
    if isinstance(obj, (set, frozenset)):
        return SetV({("c", item): lift(item) for item in obj})
    return const(obj)
