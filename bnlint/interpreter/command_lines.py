"""Command lines other than argparse's: absl's flags, click, typer. Their defaults are assumed, for a user may say otherwise."""

from __future__ import annotations

from bnlint.interpreter.argument_parsers import assumed
from bnlint.interpreter.dispatch import ATTRIBUTES, CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.modules import symbol_attribute
from bnlint.interpreter.pure import settle
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Const,
    FunctionV,
    InstanceV,
    PartialV,
    SymbolV,
    Unknown,
    Value,
    unknown,
)

# -- absl's flags, also as TensorFlow 1 hands them on --------------------------------------------------------------

MODULES = ("absl.flags", "tensorflow.app.flags", "tensorflow.flags")
KINDS = ("integer", "float", "string", "bool", "boolean", "enum", "enum_class", "list", "multi_integer", "multi_string")
FLAGS = frozenset(f"{module}.FLAGS" for module in MODULES)


def flag(m: Machine, name: str) -> Value:
    """``FLAGS.name``: the default that it was defined with."""
    return m.settings.get(f"flag {name}") or Unknown(("flag", name), f"flag {name}")


def flags_attribute(m: Machine, symbol: SymbolV, name: str, site: CallSite) -> Value | None:
    """Attributes of ``FLAGS``; all other names outside the project are as they were."""
    if symbol.path in FLAGS and not name.startswith("__"):
        return flag(m, name)
    return symbol_attribute(m, symbol, name, site)


ATTRIBUTES[SymbolV] = flags_attribute


@native(*(f"{module}.DEFINE_{kind}" for module in MODULES for kind in KINDS))
def define_flag(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``DEFINE_integer("name", default, help)``."""
    name, default = settle(m, arguments.get(0, "name") or NONE), arguments.get(1, "default")
    value = assumed(settle(m, default)) if default is not None else unknown("a flag without default")
    if isinstance(value, Const) and value.value is None:
        value = unknown("a flag without default")
    if isinstance(name, Const) and isinstance(name.value, str):
        m.touch(m.settings)
        m.settings.items[f"flag {name.value}"] = (NONE, value)
    return InstanceV(SymbolV("absl.flags.FlagHolder"), {"value": value, "default": value}, open=True)


@native("absl.app.run", "tensorflow.app.run")
def run_app(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``app.run(main)`` calls ``main`` with the command line."""
    function = arguments.get(0, "main")
    if function is None:
        return unknown("an application")
    return m.call(function, Arguments([unknown("the command line")], {}), site)


# -- click ---------------------------------------------------------------------------------------------------------


@native("click.command", "click.group", "click.pass_context", "click.pass_obj", "click.version_option", "click.argument",
        "click.help_option")  # fmt: skip
def keep(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A decorator, with or without arguments, that leaves the function's own parameters as they are."""
    first = arguments.positional[0] if arguments.positional else None
    return first if isinstance(first, FunctionV) else SymbolV("functools.identity")


@native("click.option")
def option(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``@click.option("--batch-size", default=16)`` gives the parameter ``batch_size`` its default."""
    names = [settle(m, each) for each in arguments.positional]
    texts = [each.value for each in names if isinstance(each, Const) and isinstance(each.value, str)]
    required = settle(m, arguments.keywords.get("required", NONE))
    if len(texts) < len(names) or not texts or arguments.open_keywords or (isinstance(required, Const) and required.value):
        return SymbolV("functools.identity")
    absent = Const(False) if "is_flag" in arguments.keywords else NONE
    default = settle(m, arguments.keywords.get("default", absent))
    return PartialV(SymbolV("click.option.bind"), (Const(_destination(texts)), assumed(default)), {})


def _destination(names: list[str]) -> str:
    """The parameter that an option fills: a name without dashes, else the longest one."""
    plain = [each for each in names if not each.startswith("-")]
    wanted = plain[0] if plain else max((each.partition("/")[0] for each in names), key=lambda each: each.count("-", 0, 2))
    return wanted.lstrip("-").replace("-", "_").lower()


@native("click.option.bind")
def bind_option(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    name, default, function = arguments.positional[:3]
    if isinstance(function, FunctionV) and isinstance(name, Const):
        function.keyword_defaults = {**function.keyword_defaults, str(name.value): default}
    return function


# -- typer ---------------------------------------------------------------------------------------------------------


@native("typer.Option", "typer.Argument")
def typer_default(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``batch_size: int = typer.Option(16)``."""
    default = settle(m, arguments.get(0, "default") or Const(...))
    if isinstance(default, Const) and default.value is ...:
        return unknown("a value that the command line must give")
    return assumed(default)


@native("typer.run")
def typer_run(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    function = arguments.get(0, "function")
    return m.call(function, Arguments([], {}), site) if function is not None else NONE
