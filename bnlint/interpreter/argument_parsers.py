"""Command lines: argparse. What an argument's default says is assumed, for a caller may say otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bnlint.interpreter.dispatch import METHODS, CallSite, attributes, method, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import derive, part, settle
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    InstanceV,
    ListV,
    Mutable,
    NativeMethodV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)


@dataclass(slots=True, eq=False)
class ParserV(Mutable):
    """An argument parser with all its groups and commands: what each destination is by default."""

    defaults: dict[str, Value] = field(default_factory=dict)
    open: bool = False

    def save(self) -> Any:
        return dict(self.defaults), self.open

    def restore(self, state: Any) -> None:
        self.defaults, self.open = state


@attributes(ParserV)
def parser_attribute(m: Machine, parser: ParserV, name: str, site: CallSite) -> Value | None:
    return NativeMethodV(parser, name) if (ParserV, name) in METHODS else None


@native("argparse.ArgumentParser", "configargparse.ArgumentParser", "configargparse.ArgParser", "jsonargparse.ArgumentParser")
def make_parser(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``ArgumentParser(...)``."""
    found = ParserV()
    parents = arguments.keywords.get("parents")
    for each in (m.items(parents, site) or []) if parents is not None else []:
        if isinstance(each, ParserV):
            found.defaults.update(each.defaults)
        else:
            found.open = True
    return found


@method(ParserV, "add_argument_group", "add_mutually_exclusive_group", "add_subparsers", "add_parser")
def same_parser(m: Machine, site: CallSite, parser: ParserV, arguments: Arguments) -> Value:
    """Groups and commands add to the namespace of their parser."""
    destination = arguments.keywords.get("dest")
    if destination is not None:
        _set(m, parser, settle(m, destination), unknown("a command"))
    return parser


def _set(m: Machine, parser: ParserV, name: Value, value: Value) -> None:
    m.touch(parser)
    if isinstance(name, Const) and isinstance(name.value, str):
        if isinstance(value, Unknown):
            value = Unknown(("argument", name.value), f"argument {name.value}")
        parser.defaults[name.value] = value
    else:
        parser.open = True


@method(ParserV, "add_argument", "add")
def add_argument(m: Machine, site: CallSite, parser: ParserV, arguments: Arguments) -> Value:
    """``add_argument("--name", ...)``."""
    names = [settle(m, each) for each in arguments.positional]
    destination = _destination(m, names, arguments)
    if destination is None or arguments.open_keywords:
        m.touch(parser)
        parser.open = True
        if destination is None:
            return NONE
    positional = bool(names) and isinstance(names[0], Const) and not str(names[0].value).startswith("-")
    _set(m, parser, destination, _default(m, site, arguments, positional))
    return NONE


def _destination(m: Machine, names: list[Value], arguments: Arguments) -> Value | None:
    """The attribute an argument is stored as; None where that is not known."""
    given = arguments.keywords.get("dest")
    if given is not None:
        return settle(m, given)
    texts = [str(each.value) for each in names if isinstance(each, Const)]
    if len(texts) < len(names) or not texts or arguments.open_positional:
        return None
    wanted = next((each for each in texts if each.startswith("--")), texts[0])
    return Const(wanted.lstrip("-").replace("-", "_"))


def _default(m: Machine, site: CallSite, arguments: Arguments, positional: bool) -> Value:
    """What an argument is when nobody gives it."""
    keywords = {name: settle(m, value) for name, value in arguments.keywords.items()}
    default, action, required = (keywords.get(name) for name in ("default", "action", "required"))
    kind = action.value if isinstance(action, Const) else ""
    if arguments.open_keywords and default is None:
        return unknown("argument")
    if isinstance(required, Const) and required.value or positional and default is None:
        return unknown("argument")
    if default is None:
        default = Const({"store_true": False, "store_false": True}.get(str(kind)))
    elif isinstance(default, Const) and isinstance(default.value, str) and "type" in keywords:
        default = settle(m, m.call(keywords["type"], Arguments([default], {}), site))
    return assumed(default)


def assumed(value: Value) -> Value:
    """A default that a command line may replace."""
    if isinstance(value, Const):
        return Const(value.value, True, value.origin)
    if isinstance(value, TupleV):
        return TupleV(tuple(assumed(item) for item in value.items), value.kind, value.fields)
    if isinstance(value, ListV):
        return ListV([assumed(item) for item in value.items], value.open, value.kind)
    return value


@method(ParserV, "set_defaults")
def set_defaults(m: Machine, site: CallSite, parser: ParserV, arguments: Arguments) -> Value:
    m.touch(parser)
    parser.defaults = {**parser.defaults, **{name: assumed(value) for name, value in arguments.keywords.items()}}
    parser.open |= arguments.open_keywords
    return NONE


@method(ParserV, "get_default")
def get_default(m: Machine, site: CallSite, parser: ParserV, arguments: Arguments) -> Value:
    name = settle(m, arguments.get(0, "dest") or NONE)
    found = parser.defaults.get(name.value) if isinstance(name, Const) and isinstance(name.value, str) else None
    return found if found is not None else derive(m, "argument", part(name))


@method(ParserV, "parse_args")
def parse_args(m: Machine, site: CallSite, parser: ParserV, arguments: Arguments) -> Value:
    """The namespace, as it is when no argument is given."""
    return InstanceV(SymbolV("argparse.Namespace"), dict(parser.defaults), open=True)


@method(ParserV, "parse_known_args")
def parse_known_args(m: Machine, site: CallSite, parser: ParserV, arguments: Arguments) -> Value:
    return TupleV((parse_args(m, site, parser, arguments), ListV([], open=True)))


@method(ParserV, "print_help", "print_usage", "error", "exit", "register")
def ignored(m: Machine, site: CallSite, parser: ParserV, arguments: Arguments) -> Value:
    return NONE
