"""Functions of the project: making them, binding their parameters, running their bodies."""

from __future__ import annotations

import ast
from functools import lru_cache

from bnlint.interpreter import budget
from bnlint.interpreter.dispatch import NATIVES, CallSite, calls, method, native
from bnlint.interpreter.iteration import RestV
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.scope import Frame, Scope
from bnlint.interpreter.signals import ReturnSignal, StopGenerator
from bnlint.interpreter.terms import term_of
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    ClassMethodV,
    Const,
    DictV,
    FunctionNode,
    FunctionV,
    ListV,
    MethodV,
    PartialV,
    PropertyV,
    StaticMethodV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)


@lru_cache(maxsize=20_000)
def declarations(node: FunctionNode) -> tuple[bool, frozenset[str], frozenset[str]]:
    """Whether a function is a generator, and the names it declares global and nonlocal."""
    generator = False
    names: dict[type, set[str]] = {ast.Global: set(), ast.Nonlocal: set()}
    pending: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    while pending:
        each = pending.pop()
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(each, (ast.Yield, ast.YieldFrom)):
            generator = True
        elif isinstance(each, (ast.Global, ast.Nonlocal)):
            names[type(each)].update(each.names)
        pending.extend(ast.iter_child_nodes(each))
    return generator, frozenset(names[ast.Global]), frozenset(names[ast.Nonlocal])


def make_function(m: Machine, node: FunctionNode, frame: Frame) -> Value:
    """The value of a ``def`` or ``lambda``, decorated."""
    arguments = node.args
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    outer = frame.function.qualname + ".<locals>." if frame.function is not None else ""
    if frame.scope.kind == "class":
        qualifier = frame.scope.names.get("__qualname__")
        outer = f"{qualifier.value}." if isinstance(qualifier, Const) else outer
    scope = frame.scope
    function = FunctionV(
        node,
        scope,
        frame.module,
        outer + name,
        [m.eval(default, frame) for default in arguments.defaults],
        {
            each.arg: m.eval(default, frame)
            for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults)
            if default is not None
        },
    )
    m.functions.setdefault(node, function)
    if frame.function is not None and not isinstance(node, ast.Lambda):
        m.created.append(function)
    if isinstance(node, ast.Lambda):
        return function
    decorators = [(each, m.eval(each, frame)) for each in node.decorator_list]
    function.decorators = tuple(value for _, value in decorators)
    decorated: Value = function
    for expression, decorator in reversed(decorators):
        decorated = _decorate(m, decorator, decorated, CallSite(expression, frame))
    return decorated


def _decorate(m: Machine, decorator: Value, function: Value, site: CallSite) -> Value:
    if isinstance(decorator, SymbolV) and decorator.path not in NATIVES or isinstance(decorator, Unknown):
        return Unknown(("decorated", term_of(function)), "a decorator that cannot be followed")
    return m.call(decorator, Arguments([function], {}), site)


@native("builtins.property", "functools.cached_property", "abc.abstractproperty")
def property_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    setter = arguments.get(1, "fset")
    return PropertyV(arguments.get(0, "fget"), setter)


@native("builtins.staticmethod")
def staticmethod_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return StaticMethodV(arguments.positional[0]) if arguments.positional else unknown()


@native("builtins.classmethod")
def classmethod_(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return ClassMethodV(arguments.positional[0]) if arguments.positional else unknown()


@method(PropertyV, "setter")
def property_setter(m: Machine, site: CallSite, value: PropertyV, arguments: Arguments) -> Value:
    return PropertyV(value.getter, arguments.get(0, "fset"), value.cached)


@method(PropertyV, "getter", "deleter")
def property_getter(m: Machine, site: CallSite, value: PropertyV, arguments: Arguments) -> Value:
    return value


# -- calling -----------------------------------------------------------------------------------------------------


@calls(FunctionV)
def call_function(m: Machine, function: FunctionV, arguments: Arguments, site: CallSite) -> Value:
    """Interpret the body of a function with these arguments."""
    return run_function(m, function, arguments, site, None)


def run_function(m: Machine, function: FunctionV, arguments: Arguments, site: CallSite, instance: Value | None) -> Value:
    """Interpret a body; ``instance`` is what a method is bound to."""
    m.called.add(function.node)
    caller = site.frame
    if caller.depth >= budget.DEPTH or _recursion(caller, function) >= budget.RECURSION:
        m.cut(site, "calls are nested too deeply")
        m.escape_all(arguments.values())
        return unknown("a call nested too deeply")
    generator, global_names, nonlocal_names = declarations(function.node)
    names = bind_parameters(m, function, arguments)
    scope = Scope(names, function.scope, "function", global_names, nonlocal_names)
    frame = Frame(function.module, scope, function, caller, site.node, caller.depth + 1)
    frame.instance = (
        instance if instance is not None else (arguments.positional[0] if function.owner and arguments.positional else None)
    )
    frame.layer_call = caller.layer_call
    frame.yields = [] if generator else None
    if isinstance(function.node, ast.Lambda):
        frame.statement = caller.statement
        return m.eval(function.node.body, frame)
    result: Value = NONE
    try:
        m.execute(function.node.body, frame)
    except ReturnSignal as signal:
        result = signal.value
    except StopGenerator:
        return ListV(frame.yields or [], open=True, kind="iterator", names=names)
    if frame.yields is not None:
        return ListV(frame.yields, any(isinstance(each, RestV) for each in frame.yields), kind="iterator", names=names)
    return result


def _recursion(frame: Frame, function: FunctionV) -> int:
    """How often a function is on the stack: itself, for the closures that a composition nests are each another one."""
    count = 0
    each: Frame | None = frame
    while each is not None:
        around = each.function
        count += around is not None and around.node is function.node and around.scope is function.scope
        each = each.caller
    return count


def bind_parameters(m: Machine, function: FunctionV, arguments: Arguments) -> dict[str, Value]:
    """The names a function starts with. A parameter that gets no value in sight is Unknown, the same in every world."""
    parameters = function.node.args
    positional = [*parameters.posonlyargs, *parameters.args]
    names: dict[str, Value] = {}
    for parameter, value in zip(positional, arguments.positional):
        names[parameter.arg] = value
    rest = dict(arguments.keywords)
    defaults = dict(zip([each.arg for each in positional[len(positional) - len(function.defaults) :]], function.defaults))
    defaults.update(function.keyword_defaults)
    for index, parameter in enumerate([*positional, *parameters.kwonlyargs]):
        name = parameter.arg
        if name in rest and name not in names:
            names[name] = rest.pop(name)
        elif name not in names:
            may_come = arguments.open_keywords or (arguments.open_positional and index < len(positional))
            default = defaults.get(name)
            missing = Unknown(("parameter", function.module.name, function.qualname, name), f"parameter {name}")
            names[name] = missing if default is None or may_come else default
    if parameters.vararg is not None:
        extra = ListV(list(arguments.positional[len(positional) :]), arguments.open_positional)
        names[parameters.vararg.arg] = extra if arguments.open_positional else TupleV(tuple(extra.items))
    if parameters.kwarg is not None:
        names[parameters.kwarg.arg] = DictV(
            {("c", key): (Const(key), value) for key, value in rest.items()}, arguments.open_keywords
        )
    return names


@calls(MethodV)
def call_method(m: Machine, bound: MethodV, arguments: Arguments, site: CallSite) -> Value:
    shifted: dict[int | str, ast.AST] = {key + 1 if isinstance(key, int) else key: node for key, node in arguments.nodes.items()}
    full = Arguments(
        [bound.instance, *arguments.positional],
        arguments.keywords,
        arguments.open_positional,
        arguments.open_keywords,
        shifted,
    )
    if isinstance(bound.function, FunctionV):
        return run_function(m, bound.function, full, site, bound.instance)
    return m.call(bound.function, full, site)


@calls(PartialV)
def call_partial(m: Machine, partial: PartialV, arguments: Arguments, site: CallSite) -> Value:
    full = Arguments(
        [*partial.positional, *arguments.positional],
        {**partial.keywords, **arguments.keywords},
        arguments.open_positional,
        arguments.open_keywords,
        dict(arguments.nodes),
        dict(arguments.bound),
    )
    if isinstance(partial.call, CallSite):
        place = partial.call.span
        full.bound.update({name: place for name in partial.keywords if name not in arguments.keywords})
    return m.call(partial.function, full, site)


@calls(StaticMethodV, ClassMethodV)
def call_static(m: Machine, wrapper: StaticMethodV, arguments: Arguments, site: CallSite) -> Value:
    return m.call(wrapper.function, arguments, site)
