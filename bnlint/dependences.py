"""Which statements the models of a file depend on, and where the code comes to a place from: what `bnlint verify` runs."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bnlint.finding import Span
from bnlint.interpreter.records import Context
from bnlint.interpreter.scope import Module
from bnlint.program import Program, once
from bnlint.statements import depended_on

_EVENTS = (
    "compile",
    "fit",
    "train_on_batch",
    "evaluate",
    "predict",
    "trainable",
    "load",
    "copy",
    "gradient",
    "update",
    "scope",
    "assign",
)


@dataclass(frozen=True)
class Start:
    """Where a course that comes to a place begins: a file, and the function or class that nobody calls, or none for its body."""

    path: str
    name: str
    lines: frozenset[int]
    """The first lines of the statements that the file's models depend on; empty where all of them do."""
    outermost: bool
    """Whether nobody in sight calls it."""


@dataclass(frozen=True)
class Dependences:
    """What has to run to bring a place to life: the file itself, and the other places that lead there, nearest first."""

    generation: str
    backend: str
    starts: tuple[Start, ...]


def dependences(program: Program, span: Span) -> Dependences:
    """What the layers, calls and models at a place depend on."""
    contexts = [context for context in _contexts(program) if _is_at(context.span, span)]
    layers = [layer for layer in program.layers() if layer.site is not None and _is_at(layer.site.span, span)]
    generations = {program.generation(layer) for layer in layers} or _generations_in(program, span.path)
    starts: dict[tuple[str, str], Start] = {}
    for path, name, outermost in ((span.path, "", True), *_origins(contexts, span.path)):
        known = starts.get((path, name))
        whole = outermost or (known is not None and known.outermost)
        starts[path, name] = Start(path, name, _statements(program).get(path, frozenset()), whole)
    backend = program.backend(span) or "tensorflow"
    return Dependences("2" if generations == {"2"} else "3", backend, tuple(starts.values())[:4])


def _is_at(place: Span, span: Span) -> bool:
    return place.path == span.path and place.line <= span.end_line and span.line <= place.end_line


def _contexts(program: Program) -> Iterator[Context]:
    """Where layers are made and called, and where something happens to models."""
    yield from (layer.context for layer in program.layers() if layer.context is not None)
    yield from (call.context for call in program.calls() if call.layer is not None)
    yield from (event.context for event in program.events(*_EVENTS))


def _generations_in(program: Program, path: str) -> set[str]:
    """The generations of the normalizations, else of all layers, of a file."""
    layers = [layer for layer in program.layers() if layer.site is not None and layer.site.span.path == path]
    norms = [layer for layer in layers if program.is_batchnorm(layer)]
    return {program.generation(layer) for layer in norms or layers} or {program.target}


def _origins(contexts: Iterable[Context], path: str) -> Iterator[tuple[str, str, bool]]:
    """The files, other than this one, and their functions that the courses through a place come by; whether they start there."""
    for context in contexts:
        chain = context.chain()
        for each in chain:
            if each.module.path != path:
                yield each.module.path, _top_name(each.module, each.span), each is chain[-1]


def _top_name(module: Module, span: Span) -> str:
    """The top-level function or class around a place."""
    around = (
        each.name
        for each in module.tree.body
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and each.lineno <= span.line <= (each.end_lineno or 0)
    )
    return next(around, "")


@once
def _statements(program: Program) -> dict[str, frozenset[int]]:
    """By file, the statements in which models are made, called, compiled, trained and frozen, and those that these depend on."""
    seeds: dict[str, set[int]] = defaultdict(set)
    for context in _contexts(program):
        for each in context.chain():
            if each.statement is not None:
                seeds[each.module.path].add(each.statement.lineno)
    trees = program.trees()
    return {path: frozenset(depended_on(trees[path], lines)) for path, lines in seeds.items() if path in trees}
