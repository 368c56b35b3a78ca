"""Evaluating real Python on constants: its price is checked before, what it raises is the program's exception."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import NATIVES, CallSite, Native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.terms import term_of
from bnlint.interpreter.values import (
    Arguments,
    ClassV,
    Const,
    DictV,
    InstanceV,
    ListV,
    NotPlain,
    SetV,
    SliceV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    const,
    key_of,
    unknown,
)

TERM_PARTS = 120
"""Parts of one term: ``x = x + x`` doubles it every time."""

NESTING = 40
"""Containers within containers that are still turned into a Python object."""

TERM_ITEMS = 16
"""Items of a container that a term tells one by one."""

CONSTANTS: dict[str, Value] = {
    "builtins.Ellipsis": Const(...),
    "builtins.__debug__": Const(True),
    "math.pi": Const(3.141592653589793),
    "math.e": Const(2.718281828459045),
    "math.tau": Const(6.283185307179586),
    "math.inf": Const(float("inf")),
    "math.nan": Const(float("nan")),
    "numpy.pi": Const(3.141592653589793),
    "numpy.e": Const(2.718281828459045),
    "numpy.inf": Const(float("inf")),
    "numpy.nan": Const(float("nan")),
    "numpy.newaxis": Const(None),
    "os.sep": Const("/"),
    "os.path.sep": Const("/"),
    "os.extsep": Const("."),
    "os.linesep": Const("\n"),
    "sys.maxsize": Const(9223372036854775807),
    "sys.byteorder": Const("little"),
    "sys.version_info": TupleV((Const(3), Const(11), Const(0), Const("final"), Const(0)), "version_info",
                               ("major", "minor", "micro", "releaselevel", "serial")),
    "sys.float_info.epsilon": Const(2.220446049250313e-16),
    "string.ascii_letters": Const("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "string.ascii_lowercase": Const("abcdefghijklmnopqrstuvwxyz"),
    "string.ascii_uppercase": Const("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "string.digits": Const("0123456789"),
    "typing.TYPE_CHECKING": Const(False),
}  # fmt: skip
"""Names of libraries that are constants."""


PYTHON_ERRORS = (ArithmeticError, AssertionError, AttributeError, BufferError, LookupError, RuntimeError, StopIteration, TypeError,
                 ValueError, Warning)  # fmt: skip
"""What pure functions raise."""


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def settle(m: Machine, value: Value) -> Value:
    """The constant that a value is known to be in this world, or the value itself."""
    if isinstance(value, SymbolV):
        return CONSTANTS.get(value.path, value)
    return m.resolve(value)


def raised(kind: str, *arguments: Any) -> Raised:
    """The exception that real Python raises here."""
    return Raised(InstanceV(SymbolV(f"builtins.{kind}"), {"args": TupleV(tuple(const(each) for each in arguments))}))


def as_raised(error: BaseException) -> Raised:
    """The exception of the program for one of Python's."""
    kind = next(each for each in type(error).__mro__ if each.__module__ == "builtins")
    return raised(kind.__name__, str(error))


def cut(m: Machine, site: CallSite, reason: str) -> Unknown:
    """The value of what is too big to be computed."""
    m.cut(site, reason)
    return unknown(reason)


def charge(m: Machine, size: int) -> None:
    """Count the work of copying ``size`` items or characters at once."""
    if size > 64:
        m.step(size >> 6)


def charge_items(m: Machine, size: int) -> None:
    """Count the work of looking at ``size`` items one by one."""
    if size > 4:
        m.step(size >> 2)


# -- terms -------------------------------------------------------------------------------------------------------


def part(value: Value, depth: int = 2) -> Hashable:
    """What stands for a value inside a term; small containers are told by their content."""
    if isinstance(value, ClassV):
        return ("class", value.module.name, value.qualname)
    closed = isinstance(value, TupleV) or isinstance(value, ListV) and not value.open
    if depth and isinstance(value, (TupleV, ListV)) and closed and len(value.items) <= TERM_ITEMS:
        return ("t" if isinstance(value, TupleV) else "l", *(part(item, depth - 1) for item in value.items))
    if depth and isinstance(value, DictV) and not value.open and len(value.items) <= TERM_ITEMS:
        return ("d", *((part(key, 0), part(item, depth - 1)) for key, item in value.items.values()))
    if isinstance(value, SliceV):
        return ("slice", part(value.lower, 0), part(value.upper, 0), part(value.step, 0))
    return term_of(value)


def term_size(term: Hashable) -> int:
    """How many parts a term has, as far as it has few enough to be hashed and compared often."""
    size = 0
    pending = [term]
    while pending and size <= TERM_PARTS:
        each = pending.pop()
        size += 1
        if isinstance(each, tuple):
            pending.extend(each)
    return size


def derive(m: Machine, *pieces: Hashable, reason: str = "") -> Value:
    """The unknown value of an expression, equal for equal expressions; a constant where this world knows it."""
    size = term_size(pieces)
    charge_items(m, size)
    if size > TERM_PARTS:
        return unknown(reason or "an expression too big to be compared")
    return m.resolve(Unknown(pieces, reason or str(pieces[0])))


# -- Python objects ----------------------------------------------------------------------------------------------


class Meter:
    """What turning values into Python objects has cost, and whether one of them was assumed."""

    __slots__ = ("assumed", "left", "m")

    def __init__(self, m: Machine) -> None:
        self.m = m
        self.left = budget.ITEMS
        self.assumed = False

    def plain(self, value: Value, depth: int = 0) -> Any:
        """The Python object of a value; raises NotPlain where it has an unknown part, is too big or too deep."""
        self.left -= 1
        if self.left < 0 or depth > NESTING:
            raise NotPlain
        if isinstance(value, SymbolV):
            value = CONSTANTS.get(value.path, value)
        if isinstance(value, Const):
            self.assumed |= value.assumed
            if isinstance(value.value, (str, bytes)):
                self.left -= len(value.value) >> 4
                charge(self.m, len(value.value))
            elif isinstance(value.value, range):
                self._spend(range_length(value.value))
            return value.value
        if isinstance(value, (TupleV, ListV, DictV, SetV)):
            self._spend(len(value.items))
        if isinstance(value, TupleV):
            return tuple(self.plain(item, depth + 1) for item in value.items)
        if isinstance(value, ListV) and not value.open:
            return [self.plain(item, depth + 1) for item in value.items]
        if isinstance(value, DictV) and not value.open:
            return {self._key(key, depth): self.plain(item, depth + 1) for key, item in value.items.values()}
        if isinstance(value, SetV) and not value.open:
            return {self._key(item, depth) for item in value.items.values()}
        raise NotPlain

    def _spend(self, size: int) -> None:
        if size > self.left:
            raise NotPlain
        charge_items(self.m, size)

    def _key(self, value: Value, depth: int) -> Any:
        if not isinstance(value, (Const, TupleV)):
            raise NotPlain
        found = self.plain(value, depth + 1)
        try:
            hash(found)
        except TypeError:
            raise NotPlain from None
        return found


def range_length(value: range) -> int:
    """About how many items a range has, however many they are."""
    return max(0, (value.stop - value.start) // value.step + 1)


def concrete(m: Machine, value: Value) -> Any:
    """The Python object of a value; raises NotPlain where there is none."""
    return Meter(m).plain(value)


def lifted(m: Machine, site: CallSite, obj: Any, assumed: bool = False) -> Value:
    """The value of a Python object that was computed; Unknown where it is too big."""
    left = [budget.ITEMS]
    found = _lift(obj, assumed, left, 0)
    if found is None:
        return cut(m, site, "a value is too big")
    charge_items(m, budget.ITEMS - left[0])
    return found


def _lift(obj: Any, assumed: bool, left: list[int], depth: int) -> Value | None:
    left[0] -= 1
    if left[0] < 0 or depth > NESTING:
        return None
    if isinstance(obj, int):
        if obj.bit_length() > budget.TEXT:
            return None
    elif isinstance(obj, (str, bytes)):
        if len(obj) > budget.TEXT:
            return None
    elif isinstance(obj, (tuple, list, set, frozenset)):
        items: list[Value] = []
        for each in obj:
            item = _lift(each, assumed, left, depth + 1)
            if item is None:
                return None
            items.append(item)
        if isinstance(obj, tuple):
            return TupleV(tuple(items))
        return ListV(items) if isinstance(obj, list) else SetV({key_of(item): item for item in items})
    elif isinstance(obj, dict):
        found: dict[Hashable, tuple[Value, Value]] = {}
        for key, each in obj.items():
            item = _lift(each, assumed, left, depth + 1)
            name = _lift(key, False, left, depth + 1)
            if item is None or name is None:
                return None
            found[key_of(name)] = (name, item)
        return DictV(found)
    elif not isinstance(obj, (float, complex, range, type(None), type(...))):
        return unknown("not a constant")
    return Const(obj, True) if assumed else const(obj)


def evaluate(m: Machine, site: CallSite, function: Callable[..., Any], *objects: Any, assumed: bool = False) -> Value:
    """Run a pure function on Python objects. Its price must have been checked.

    What an assumed default does not fit is unknown: whoever runs the program gives something else.
    """
    try:
        result = function(*objects)
    except (MemoryError, RecursionError):
        return cut(m, site, "a value is too big")
    except PYTHON_ERRORS as error:
        if assumed:
            return unknown("an assumed default does not fit")
        raise as_raised(error) from None
    return lifted(m, site, result, assumed)


Guard = Callable[..., bool]


def apply(
    m: Machine,
    site: CallSite,
    label: str,
    function: Callable[..., Any],
    arguments: Arguments,
    affordable: Guard | None = None,
) -> Value:
    """Call a pure function with the Python objects of the arguments; Unknown, equal for equal arguments, where one
    of them is not known. ``affordable`` says of the objects whether the call is cheap."""
    if arguments.open_positional or arguments.open_keywords:
        return unknown(label)
    meter = Meter(m)
    values = [settle(m, each) for each in arguments.positional]
    named = {key: settle(m, each) for key, each in arguments.keywords.items()}
    try:
        objects = [meter.plain(each) for each in values]
        keywords = {key: meter.plain(each) for key, each in named.items()}
    except NotPlain:
        return derive(m, label, *map(part, values), *((key, part(each)) for key, each in sorted(named.items())))
    if affordable is not None and not _affordable(affordable, objects, keywords):
        return cut(m, site, f"{label} is too expensive")
    return evaluate(m, site, lambda: function(*objects, **keywords), assumed=meter.assumed)


def _affordable(guard: Guard, objects: Sequence[Any], keywords: dict[str, Any]) -> bool:
    """A guard that cannot make sense of the objects leaves the complaint to Python."""
    try:
        return guard(*objects, **keywords)
    except PYTHON_ERRORS:
        return True


def pure(path: str, function: Callable[..., Any], affordable: Guard | None = None) -> None:
    """Let a pure Python function stand for the library function ``path``."""

    def run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        return apply(m, site, path, function, arguments, affordable)

    NATIVES[path] = run


def alias(path: str, *others: str) -> None:
    """Let the native function of ``path`` stand for other names too."""
    function: Native = NATIVES[path]
    for other in others:
        NATIVES[other] = function


def numbers(*objects: Any) -> bool:
    """Whether all are numbers of moderate size, and not too many."""
    return len(objects) <= 1_000 and all(not isinstance(each, int) or each.bit_length() <= 2_000 for each in objects)


def is_int(obj: Any) -> bool:
    return isinstance(obj, int)
