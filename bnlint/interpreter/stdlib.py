"""The standard library, as far as it makes configurations: functools, collections, copy, math, os, json, typing."""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from bnlint.interpreter import argument_parsers, command_lines, itertools_natives, operator_natives, python_attributes
from bnlint.interpreter.dispatch import CallSite, attributes, calls, native
from bnlint.interpreter.iteration import items_of, iterable
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.operators import text_size
from bnlint.interpreter.pure import alias, charge, derive, is_int, numbers, part, pure, raised, settle, words
from bnlint.interpreter.records import LayerV
from bnlint.interpreter.sequence_methods import first
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    Mutable,
    NamedTupleV,
    PartialV,
    PropertyV,
    SetV,
    SymbolV,
    TupleV,
    Value,
    const,
    unknown,
)

__all__ = ["argument_parsers", "command_lines", "itertools_natives", "operator_natives", "python_attributes"]

IDENTITY = SymbolV("functools.identity")
"""Stands for a decorator that hands on what it decorates."""


@native("functools.identity", "abc.abstractmethod", "functools.total_ordering", "functools.cache", "typing.overload",
        "typing.final", "typing.no_type_check", "typing.runtime_checkable", "atexit.register", "numba.jit", "numba.njit")  # fmt: skip
def identity(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A decorator that changes nothing that matters here."""
    return arguments.positional[0] if arguments.positional else IDENTITY


# -- functools ---------------------------------------------------------------------------------------------------


@native("functools.wraps")
def wraps(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``@wraps(f)``: the wrapper, which remembers what it wraps."""
    return PartialV(SymbolV("functools.update_wrapper"), (), {"wrapped": first(m, arguments, 0, "wrapped")})


@native("functools.update_wrapper")
def update_wrapper(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    wrapper, wrapped = first(m, arguments, 0, "wrapper"), arguments.get(1, "wrapped")
    if isinstance(wrapper, FunctionV) and wrapped is not None and wrapped is not wrapper:
        m.touch(wrapper)
        wrapper.attributes = {**wrapper.attributes, "__wrapped__": wrapped}
    return wrapper


@native("functools.lru_cache")
def lru_cache(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``@lru_cache`` and ``@lru_cache(maxsize=...)``."""
    if arguments.positional and not isinstance(settle(m, arguments.positional[0]), Const):
        return arguments.positional[0]
    return IDENTITY


@native("functools.cached_property")
def cached_property(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return PropertyV(first(m, arguments, 0, "func"), None, True)


@native("functools.partial", "functools.partialmethod")
def partial(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``partial(function, ...)``; a partial of a partial is one."""
    if arguments.open_positional or arguments.open_keywords or not arguments.positional:
        m.escape_all(arguments.values())
        return unknown("partial")
    function = settle(m, arguments.positional[0])
    positional, keywords = tuple(arguments.positional[1:]), dict(arguments.keywords)
    if isinstance(function, PartialV):
        return PartialV(function.function, (*function.positional, *positional), {**function.keywords, **keywords}, site)
    return PartialV(function, positional, keywords, site)


@attributes(PartialV)
def partial_attribute(m: Machine, value: PartialV, name: str, site: CallSite) -> Value | None:
    if name == "func":
        return value.function
    if name == "args":
        return TupleV(value.positional)
    if name == "keywords":
        return DictV({("c", key): (Const(key), item) for key, item in value.keywords.items()})
    return None


@native("functools.reduce", "builtins.reduce", "six.moves.reduce")
def reduce(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``reduce(function, items, start)``."""
    function, value = first(m, arguments), first(m, arguments, 1)
    items = items_of(m, value, site)
    if items is None:
        m.escape_all(arguments.values())
        return unknown("reduce")
    if len(arguments.positional) > 2:
        items = [arguments.positional[2], *items]
    if not items:
        raise raised("TypeError", "reduce() of empty iterable with no initial value")
    total = items[0]
    for item in items[1:]:
        m.step()
        total = m.call(function, Arguments([total, item], {}), site)
    return total


# -- collections -------------------------------------------------------------------------------------------------


@native("collections.deque")
def deque(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``deque(items)``; one with a length that drops items is not followed."""
    limit = settle(m, arguments.get(1, "maxlen") or NONE)
    items = items_of(m, settle(m, arguments.positional[0]), site) if arguments.positional else []
    if not isinstance(limit, Const) or limit.value is not None:
        m.escape_all(arguments.values())
        return ListV([], True, "deque")
    return ListV(items or [], items is None, "deque")


@native("collections.namedtuple", "typing.NamedTuple")
def namedtuple(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``namedtuple(name, fields)``."""
    name, fields = first(m, arguments, 0, "typename"), settle(m, arguments.get(1, "field_names") or NONE)
    if isinstance(fields, Const) and isinstance(fields.value, str):
        names: list[Any] = fields.value.replace(",", " ").split()
    else:
        items = [settle(m, each) for each in items_of(m, fields, site) or []]
        firsts = [each.items[0] if isinstance(each, TupleV) and each.items else each for each in items]
        names = [each.value if isinstance(each, Const) else None for each in firsts]
    if not isinstance(name, Const) or not names or not all(isinstance(each, str) for each in names):
        return unknown("a named tuple")
    defaults = items_of(m, settle(m, arguments.keywords.get("defaults", TupleV(()))), site) or []
    return NamedTupleV(str(name.value), tuple(names), tuple(defaults))


@calls(NamedTupleV)
def make_named_tuple(m: Machine, cls: NamedTupleV, arguments: Arguments, site: CallSite) -> Value:
    """Make a named tuple."""
    defaults = dict(zip(cls.fields[len(cls.fields) - len(cls.defaults) :], cls.defaults))
    items: list[Value] = []
    for index, name in enumerate(cls.fields):
        found = arguments.get(index, name) or defaults.get(name)
        if found is None and not (arguments.open_positional or arguments.open_keywords):
            raise raised("TypeError", f"missing a required argument: '{name}'")
        items.append(found if found is not None else unknown(name))
    return TupleV(tuple(items), cls.name, cls.fields)


@attributes(NamedTupleV)
def named_tuple_attribute(m: Machine, cls: NamedTupleV, name: str, site: CallSite) -> Value | None:
    if name == "_fields":
        return TupleV(tuple(const(each) for each in cls.fields))
    if name == "_make":
        return PartialV(SymbolV("collections.namedtuple._make"), (cls,), {})
    return const(cls.name) if name == "__name__" else None


@native("collections.namedtuple._make")
def make_from_items(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    items = items_of(m, settle(m, arguments.positional[1]), site) if len(arguments.positional) == 2 else None
    if items is None:
        m.escape_all(arguments.values())
        return unknown("a named tuple")
    return m.call(arguments.positional[0], Arguments(items, {}), site)


# -- copy --------------------------------------------------------------------------------------------------------


@native("copy.copy")
def copy(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A shallow copy of a container or a project's instance."""
    value = first(m, arguments)
    found = _shallow(m, value)
    if found is None:
        m.escape(value)
        return unknown("a copy")
    return found


def _shallow(m: Machine, value: Value) -> Value | None:
    if isinstance(value, LayerV):
        return None
    if isinstance(value, ListV):
        charge(m, len(value.items))
        return ListV(list(value.items), value.open, value.kind)
    if isinstance(value, DictV):
        charge(m, len(value.items))
        return DictV(dict(value.items), value.open, value.default)
    if isinstance(value, SetV):
        return SetV(dict(value.items), value.open)
    if isinstance(value, InstanceV):
        return InstanceV(value.cls, dict(value.attributes), value.open)
    return None if isinstance(value, Mutable) else value


@native("copy.deepcopy")
def deepcopy(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A deep copy; what is shared inside stays shared. A copied layer or model is not followed."""
    return _deep(m, first(m, arguments), {}, 0)


def _deep(m: Machine, value: Value, known: dict[int, Value], depth: int) -> Value:
    if id(value) in known:
        return known[id(value)]
    m.step()
    if isinstance(value, LayerV) or depth > 40:
        m.escape(value) if depth > 40 else None
        return unknown("a deep copy")
    if isinstance(value, TupleV):
        return TupleV(tuple(_deep(m, item, known, depth + 1) for item in value.items), value.kind, value.fields)
    if isinstance(value, ListV):
        copied = known[id(value)] = ListV([], value.open, value.kind)
        copied.items = [_deep(m, item, known, depth + 1) for item in value.items]
        return copied
    if isinstance(value, DictV):
        dictionary = known[id(value)] = DictV({}, value.open, value.default)
        dictionary.items = {key: (name, _deep(m, item, known, depth + 1)) for key, (name, item) in value.items.items()}
        return dictionary
    if isinstance(value, SetV):
        return known.setdefault(id(value), SetV(dict(value.items), value.open))
    if isinstance(value, InstanceV):
        instance = known[id(value)] = InstanceV(value.cls, {}, value.open)
        instance.attributes = {name: _deep(m, item, known, depth + 1) for name, item in value.attributes.items()}
        return instance
    return value


# -- math --------------------------------------------------------------------------------------------------------

_UNARY = words("""ceil floor trunc sqrt exp expm1 log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh fabs degrees radians
    isnan isinf isfinite isqrt erf gamma lgamma modf frexp""")
_OTHER = words("log pow fmod hypot copysign atan2 gcd lcm ldexp remainder isclose dist fsum")


def _few(*objects: Any) -> bool:
    return all(not is_int(each) or abs(each) <= 1_000 for each in objects)


for _name in sorted(_UNARY | _OTHER):
    if hasattr(math, _name):
        pure(f"math.{_name}", getattr(math, _name), numbers)
for _name in ("factorial", "comb", "perm"):
    pure(f"math.{_name}", getattr(math, _name), _few)


def _product(values: Any, *, start: Any = 1) -> Any:
    for value in values:
        start = start * value
        if is_int(start) and start.bit_length() > 20_000:
            raise MemoryError
    return start


pure("math.prod", _product)


# -- os, json, time ----------------------------------------------------------------------------------------------

for _name in ("join", "basename", "dirname", "splitext", "split", "normpath", "isabs", "commonprefix"):
    pure(f"os.path.{_name}", getattr(posixpath, _name), lambda *objects: all(text_size(each) <= 20_000 for each in objects))
    alias(f"os.path.{_name}", f"posixpath.{_name}")


def _outside(path: str) -> None:
    """A question about the machine the program will run on: unknown, the same for the same arguments."""

    @native(path)
    def ask(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        if arguments.open_positional or arguments.open_keywords:
            return unknown(path)
        named: list[Hashable] = [(key, part(each)) for key, each in sorted(arguments.keywords.items())]
        return derive(m, path, *map(part, arguments.positional), *named)


for _name in ("exists", "isfile", "isdir", "abspath", "realpath", "expanduser", "relpath"):
    _outside(f"os.path.{_name}")
for _path in ("os.getcwd", "os.cpu_count", "platform.system", "socket.gethostname", "pathlib.Path", "torch.cuda.is_available",
              "tensorflow.test.is_gpu_available", "tensorflow.executing_eagerly", "shutil.which"):  # fmt: skip
    _outside(_path)


@native("os.environ.get", "os.getenv")
def environment(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A variable of the environment: its default is assumed."""
    default = settle(m, arguments.get(1, "default") or NONE)
    if isinstance(default, Const) and default.value is not None:
        return Const(default.value, True, default.origin)
    return derive(m, "environ", part(first(m, arguments, 0, "key")))


def _dumps(obj: Any, **options: Any) -> str:
    return json.dumps(obj, **{key: value for key, value in options.items() if key in ("indent", "sort_keys", "ensure_ascii")})


pure("json.dumps", _dumps, lambda obj, **options: text_size(obj) <= 20_000 and (options.get("indent") or 0) <= 8)
pure("json.loads", json.loads, lambda text, **options: text.count("[") + text.count("{") <= 2_000)


# -- typing, types and other helpers -----------------------------------------------------------------------------


@native("typing.cast")
def cast(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return first(m, arguments, 1, "val")


@native("types.SimpleNamespace", "argparse.Namespace", "easydict.EasyDict", "munch.Munch", "addict.Dict", "ml_collections.ConfigDict",
        "ml_collections.config_dict.ConfigDict")  # fmt: skip
def namespace(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """An object that is nothing but its attributes."""
    path = site.path.replace("config_dict.", "") or "types.SimpleNamespace"
    found = InstanceV(SymbolV(path), dict(arguments.keywords), arguments.open_keywords)
    for each in arguments.positional:
        source = settle(m, each)
        if not isinstance(source, DictV):
            found.open = True
            continue
        found.open |= source.open
        for key, value in source.items.values():
            if isinstance(key, Const) and isinstance(key.value, str):
                nested = isinstance(value, DictV) and path != "types.SimpleNamespace"
                found.attributes[key.value] = namespace(m, site, Arguments([value], {})) if nested else value
    return found


@native("tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.notebook.tqdm", "tqdm.tqdm_notebook", "tqdm.std.tqdm", "rich.progress.track")
def progress(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A progress bar around an iterable."""
    value = arguments.get(0, "iterable")
    return m.resolve(iterable("tqdm", settle(m, value))) if value is not None else unknown("a progress bar")


@native("tqdm.trange", "tqdm.auto.trange", "tqdm.notebook.trange")
def progress_range(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    from bnlint.interpreter.builtins import range_

    return iterable("tqdm", range_(m, site, Arguments(arguments.positional, {}, arguments.open_positional)))


@dataclass(slots=True, eq=False)
class LoggerV(Value):
    """A logger: nothing it is told matters."""


@native("logging.getLogger", "absl.logging.get_absl_logger")
def get_logger(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return LoggerV()


@attributes(LoggerV)
def logger_attribute(m: Machine, logger: LoggerV, name: str, site: CallSite) -> Value | None:
    return logger


@calls(LoggerV)
def call_logger(m: Machine, logger: LoggerV, arguments: Arguments, site: CallSite) -> Value:
    return NONE
