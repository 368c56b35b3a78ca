"""Making objects before ``__init__``, and what Python offers on records: named tuples and dataclasses."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.interpreter.dispatch import ITERATORS, CallSite, method, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.values import (
    Arguments,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    NamedTupleV,
    StaticMethodV,
    SuperV,
    TupleV,
    Unknown,
    Value,
    unknown,
)

MAX_DEPTH = 30
"""Records within records."""


def own_maker(cls: ClassV) -> FunctionV | None:
    """The project's ``__new__`` of a class."""
    maker = cls.find("__new__")
    function = maker.function if isinstance(maker, StaticMethodV) else maker
    return function if isinstance(function, FunctionV) else None


def named_fields(cls: ClassV) -> NamedTupleV | None:
    """The named tuple that a class derives from."""
    return next((each for each in cls.mro if isinstance(each, NamedTupleV)), None)


def field_names(cls: ClassV) -> list[str]:
    """The fields of a dataclass or of a class derived from NamedTuple, inherited ones first."""
    names: list[str] = []
    for each in reversed(cls.mro):
        declared = each.attributes.get("__annotations__") if isinstance(each, ClassV) else None
        if isinstance(declared, ListV):
            found = [item.value for item in declared.items if isinstance(item, Const)]
            names += [name for name in found if name not in names]
    return names


def is_record(cls: ClassV) -> bool:
    """Whether the instances of a class are named tuples with methods of their own."""
    return named_fields(cls) is not None or any(base.path.endswith(".NamedTuple") for base in cls.symbols())


@method(InstanceV, "_replace")
def replace_fields(m: Machine, site: CallSite, record: InstanceV, arguments: Arguments) -> Value:
    """``record._replace(name=value)``."""
    return InstanceV(record.cls, {**record.attributes, **arguments.keywords}, record.open or arguments.open_keywords)


@method(InstanceV, "_asdict")
def as_dictionary(m: Machine, site: CallSite, record: InstanceV, arguments: Arguments) -> Value:
    """``record._asdict()``."""
    return DictV({("c", name): (Const(name), value) for name, value in record.attributes.items()}, record.open)


def iterate_record(m: Machine, record: InstanceV, site: CallSite) -> Iterator[Value] | None:
    """The items of an instance of a class derived from a named tuple."""
    if not isinstance(record.cls, ClassV) or not is_record(record.cls) or record.open and not record.attributes:
        return None
    return iter(list(record.attributes.values()))


ITERATORS[InstanceV] = iterate_record


@native("dataclasses.replace", "attr.evolve", "attrs.evolve", "copy.replace")
def replace(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``dataclasses.replace(record, name=value)``: made anew from the fields."""
    record = m.resolve(arguments.positional[0]) if arguments.positional else None
    if not isinstance(record, InstanceV) or not isinstance(record.cls, ClassV):
        m.escape_all(arguments.values())
        return unknown("a changed record")
    if is_record(record.cls):
        return replace_fields(m, site, record, arguments)
    kept = {name: record.attributes[name] for name in field_names(record.cls) if name in record.attributes}
    return m.call(record.cls, Arguments([], {**kept, **arguments.keywords}, False, arguments.open_keywords), site)


@native("dataclasses.asdict", "attr.asdict", "attrs.asdict")
def asdict(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``dataclasses.asdict(record)``: a copy, dataclasses and containers inside copied too."""
    return _plainer(m, m.resolve(arguments.positional[0]), 0) if arguments.positional else unknown("asdict()")


def _plainer(m: Machine, value: Value, depth: int) -> Value:
    m.step()
    if depth > MAX_DEPTH:
        return unknown("a record nested too deeply")
    if isinstance(value, InstanceV) and isinstance(value.cls, ClassV) and value.cls.dataclass:
        fields = {name: value.attributes[name] for name in field_names(value.cls) if name in value.attributes}
        return DictV({("c", name): (Const(name), _plainer(m, item, depth + 1)) for name, item in fields.items()})
    if isinstance(value, ListV):
        return ListV([_plainer(m, item, depth + 1) for item in value.items], value.open, value.kind)
    if isinstance(value, TupleV):
        return TupleV(tuple(_plainer(m, item, depth + 1) for item in value.items), value.kind, value.fields)
    if isinstance(value, DictV):
        items = {key: (name, _plainer(m, item, depth + 1)) for key, (name, item) in value.items.items()}
        return DictV(items, value.open, value.default)
    return value


@native("dataclasses.astuple", "attr.astuple")
def astuple(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``dataclasses.astuple(record)``."""
    found = asdict(m, site, arguments)
    return TupleV(tuple(item for _, item in found.items.values())) if isinstance(found, DictV) else found


def new_object(m: Machine, cls: ClassV, arguments: Arguments, site: CallSite) -> Value:
    """What ``object.__new__`` gives; the fields of a class derived from a named tuple are filled from the arguments."""
    instance = m.hooks.new_instance(m, cls, arguments, site)
    fields = named_fields(cls)
    if fields is not None and isinstance(instance, InstanceV):
        defaults = dict(zip(fields.fields[len(fields.fields) - len(fields.defaults) :], fields.defaults))
        for index, name in enumerate(fields.fields):
            value = arguments.get(index, name) or defaults.get(name)
            instance.attributes[name] = value or Unknown(("parameter", cls.module.name, cls.qualname, name))
    return instance


@method(SuperV, "__new__")
def super_new(m: Machine, site: CallSite, parent: SuperV, arguments: Arguments) -> Value:
    """``super().__new__(cls, ...)`` where no base class of the project has a ``__new__``."""
    return object_new(m, site, arguments)


@native("builtins.object.__new__")
def object_new(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``object.__new__(cls, ...)``."""
    cls = arguments.positional[0] if arguments.positional else None
    if not isinstance(cls, ClassV):
        m.escape_all(arguments.values())
        return unknown("an object of an unknown class")
    rest = Arguments(arguments.positional[1:], arguments.keywords, arguments.open_positional, arguments.open_keywords)
    return new_object(m, cls, rest, site)
