"""How to get to a place that the module itself does not reach: the functions and classes around it, with arguments to try."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bnlint.finding import Span
from bnlint.verify.instrument import training_functions


@dataclass(frozen=True)
class Entry:
    """A function or class of the module, by the names that lead to it, and arguments beside the defaults.

    ``within`` is the method that holds the place, if it is in a class; ``outermost`` tells that nothing in the file uses it.
    """

    name: str
    within: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    outermost: bool = False


def entries_for(text: str, span: Span, configured: Mapping[str, Mapping[str, Any]]) -> Iterator[Entry]:
    """The entries that may lead to a span: the definition around it, then those that call that, outwards.

    Each is tried with the configured arguments, with its defaults, and with the arguments of the calls in the file.
    """
    tree = ast.parse(text)
    yield from _entries(tree, _definitions(tree, span), configured)


def training_entries(text: str) -> Iterator[Entry]:
    """The entries through functions and classes that train and that nothing in the file uses."""
    tree = ast.parse(text)
    trainers = training_functions(tree)
    for each in (each for statement in tree.body for each in top_level(statement)):
        methods = [inner.name for inner in each.body if isinstance(each, ast.ClassDef) and isinstance(inner, ast.FunctionDef)]
        trains = [name for name in methods if name in trainers]
        if (each.name in trainers or trains) and not _users(tree, each):
            yield Entry(each.name, trains[-1] if trains else "", outermost=True)


def entries_named(text: str, name: str, configured: Mapping[str, Mapping[str, Any]]) -> Iterator[Entry]:
    """The entries through a function or class of a file that is known to lead to a place."""
    tree = ast.parse(text)
    named = [(each, "") for statement in tree.body for each in top_level(statement) if each.name == name]
    yield from _entries(tree, named, configured)


def _entries(
    tree: ast.Module, definitions: Iterable[tuple[Any, str]], configured: Mapping[str, Mapping[str, Any]]
) -> Iterator[Entry]:
    seen: set[str] = set()
    for definition, method in definitions:
        if definition.name in seen:
            continue
        seen.add(definition.name)
        for name, arguments in configured.items():
            if name.rpartition(":")[2] == definition.name:
                yield Entry(definition.name, method, dict(arguments), outermost=True)
        outermost = not _users(tree, definition)
        calls = [Entry(definition.name, method, each, outermost) for each in _literal_calls(tree, definition) if each][:3]
        plain = Entry(definition.name, method, outermost=outermost)
        calls = calls or [Entry(definition.name, method, each, outermost) for each in _choices(definition)]
        yield from (calls + [plain] if required(definition) else [plain, *calls])


def _definitions(tree: ast.Module, span: Span) -> Iterator[tuple[Any, str]]:
    """The top-level definition around a span, with the method, and the definitions that use it, users of users last."""
    top = [each for each in tree.body for each in top_level(each)]
    around = next((each for each in top if each.lineno <= span.line <= (each.end_lineno or 0)), None)
    method = ""
    if around is None:
        statement = next((each for each in tree.body if each.lineno <= span.line <= (each.end_lineno or 0)), None)
        fresh = [
            each.id for each in ast.walk(statement or tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        ]
        yield from _users_of(top, fresh if statement else [])
        return
    if isinstance(around, ast.ClassDef):
        inner = [each for each in around.body if isinstance(each, ast.FunctionDef)]
        method = next((each.name for each in inner if each.lineno <= span.line <= (each.end_lineno or 0)), "")
    yield around, method
    yield from _users_of(top, [around.name])


def _users_of(top: list[Any], names: list[str]) -> Iterator[tuple[Any, str]]:
    """The definitions that use names, directly or through each other."""
    known, fresh = set(names), list(names)
    while fresh:
        name = fresh.pop(0)
        for each in top:
            if each.name not in known and any(mentions(node, name) for node in ast.walk(each)):
                known.add(each.name)
                fresh.append(each.name)
                yield each, ""


def _users(tree: ast.Module, definition: Any) -> bool:
    """Whether anything outside a definition mentions it."""
    inside = {id(each) for each in ast.walk(definition)}
    return any(id(each) not in inside and mentions(each, definition.name) for each in ast.walk(tree))


def top_level(statement: ast.stmt) -> list[Any]:
    """The functions and classes that a statement of a module defines, also below a condition."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement]
    if isinstance(statement, (ast.If, ast.Try)):
        return [each for inner in statement.body for each in top_level(inner)]
    return []


def mentions(node: ast.AST, name: str) -> bool:
    """Whether a node is a name, or an attribute of that name."""
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def required(definition: Any) -> list[str]:
    """The parameters without a default."""
    function = definition
    if isinstance(definition, ast.ClassDef):
        function = next((each for each in definition.body if getattr(each, "name", "") == "__init__"), None)
        if function is None:
            return []
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    needed += [each for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    return [each.arg for each in needed if each.arg not in ("self", "cls")]


def _literal_calls(tree: ast.Module, definition: Any) -> Iterator[dict[str, Any]]:
    """The literal arguments of the calls in the file."""
    function = definition
    if isinstance(definition, ast.ClassDef):
        function = next((each for each in definition.body if getattr(each, "name", "") == "__init__"), None)
    names = [each.arg for each in function.args.args if each.arg not in ("self", "cls")] if function else []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and mentions(call.func, definition.name):
            pairs = [*zip(names, call.args, strict=False), *((each.arg, each.value) for each in call.keywords if each.arg)]
            found = {}
            for name, value in pairs:
                try:
                    found[name] = ast.literal_eval(value)
                except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                    continue
            yield found


def _choices(definition: Any) -> Iterator[dict[str, Any]]:
    """Texts that a required parameter is compared with in the body, at most four of the first such parameter."""
    for name in required(definition):
        found: dict[str, None] = {}
        for node in ast.walk(definition):
            if isinstance(node, ast.Compare) and mentions(node.left, name):
                for each in ast.walk(ast.Tuple(node.comparators, ast.Load())):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        found[each.value] = None
        if found:
            yield from ({name: each} for each in list(found)[:4])
            return
