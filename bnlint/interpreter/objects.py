"""``__new__``: making an object before ``__init__``, also where the class derives from a named tuple."""

from __future__ import annotations

from bnlint.interpreter.dispatch import CallSite, method, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.values import (
    Arguments,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    NamedTupleV,
    StaticMethodV,
    SuperV,
    Unknown,
    Value,
    unknown,
)


def own_maker(cls: ClassV) -> FunctionV | None:
    """The project's ``__new__`` of a class."""
    maker = cls.find("__new__")
    function = maker.function if isinstance(maker, StaticMethodV) else maker
    return function if isinstance(function, FunctionV) else None


def named_fields(cls: ClassV) -> NamedTupleV | None:
    """The named tuple that a class derives from."""
    return next((each for each in cls.mro if isinstance(each, NamedTupleV)), None)


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
