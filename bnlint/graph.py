"""The models of a file as plain data: nodes and edges, for ``bnlint graph``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnlint.interpreter import new_machine
from bnlint.interpreter.calls import run_function
from bnlint.interpreter.classes import instantiate
from bnlint.interpreter.courses import run_courses
from bnlint.interpreter.dispatch import CallSite
from bnlint.interpreter.entries import Entries, top_level
from bnlint.interpreter.graphs import producer, trace
from bnlint.interpreter.layers import all_sublayers
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.models import realise
from bnlint.interpreter.records import Call, LayerV, ModelV, TensorV, World
from bnlint.interpreter.scope import Frame, Module
from bnlint.interpreter.tensors import tensors_in
from bnlint.interpreter.values import Arguments, ClassV, Const, FunctionV, NotPlain, Value, lift, plain

if TYPE_CHECKING:
    from bnlint.index import Project

Json = dict[str, Any]


class NoSuchName(LookupError):
    """The file has no function or class of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        close = get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        super().__init__(f"no function or class is called {name}{hint}")


def models_of(
    project: Project,
    file: str | Path,
    name: str | None = None,
    arguments: Mapping[str, object] | None = None,
    version: str = "auto",
) -> list[Json]:
    """The models recovered from a file, as ``bnlint graph --output-format json`` prints them.

    With ``name``, the function or class of that name is interpreted with its defaults and ``arguments`` (parameter to
    Python literal), and its model comes first. Raises :class:`NoSuchName`, ``bnlint.parse.ParseError`` and
    ``bnlint.source.SourceError``.
    """
    file = Path(file)
    machine = new_machine(project, version)
    entries = Entries(machine)
    module = machine.modules.at(file)
    if module is None:
        raise machine.modules.failures.get(file) or FileNotFoundError(file)
    writer = Writer(machine)
    if name is None:
        machine.keep_all = True
        entries.run(project.context([file]) or [file])
        first = {world.entry: world for world in reversed(machine.worlds) if world.module is module}
        for world in sorted(first.values(), key=machine.worlds.index):
            writer.add_world(world)
    else:
        entries.load(module)
        world, result = call_definition(machine, entries, module, name, arguments or {})
        writer.add_result(name, result, world)
    return writer.models


def call_definition(
    m: Machine, entries: Entries, module: Module, name: str, arguments: Mapping[str, object]
) -> tuple[World, Value]:
    """Interpret one function or class of a module with the arguments given."""
    definitions = {node.name: node for node in top_level(module.tree)}
    node = definitions.get(name)
    target = None if node is None else m.functions.get(node) or m.classes.get(node)
    if target is None:
        raise NoSuchName(name, list(definitions))
    results: list[tuple[World, Value]] = []
    given = Arguments([], {key: lift(value) for key, value in arguments.items()})

    def action() -> None:
        site = CallSite(target.node, Frame(module, module.scope))
        if isinstance(target, ClassV):
            result = instantiate(m, target, given, site)
        else:
            assert isinstance(target, FunctionV)
            result = run_function(m, target, given, site, None)
        results.append((m.world, result))

    first = run_courses(m, name, module, entries.base.get(id(module)), action)
    if not results:
        return first, Const(None)
    if first.explored and all_alike([_outline(m, name, world, result) for world, result in results]):
        for world, _ in results:
            world.forked = False
    return results[0]


def _outline(m: Machine, name: str, world: World, result: Value) -> object:
    """What tells one graph from another: the nodes and edges of all models in a result."""
    writer = Writer(m)
    writer.add_result(name, result, world)
    return [([(node["layer"], node["name"]) for node in each["nodes"]], each["edges"]) for each in writer.models]


def all_alike(items: Sequence[object]) -> bool:
    """Whether all are equal."""
    return all(each == items[0] for each in items[1:])


class Writer:
    """Collects models, each once; nested ones are referred to by their index."""

    def __init__(self, machine: Machine) -> None:
        self.m = machine
        self.models: list[Json] = []
        self.index: dict[tuple[int, int], int] = {}

    def add_world(self, world: World) -> None:
        """All models made in a world that no other model there holds, and functions from tensors to tensors."""
        made = [layer for layer in world.layers if isinstance(layer, ModelV) and layer.kind != "loaded"]
        held = {id(inner) for model in made for inner in all_sublayers(self.m, model)}
        for model in made:
            if id(model) not in held and model.kind != "application":
                self.model(model, world)
        for function, result in world.results:
            outputs = list(tensors_in(result))
            if outputs and function is not None and not any(set(map(id, outputs)) & set(map(id, each.outputs)) for each in made):
                self.function(function.qualname, outputs, world)

    def add_result(self, name: str, result: Value, world: World) -> None:
        """What an interpreted function gave: a model, tensors, or a structure with models in it."""
        if isinstance(result, LayerV):
            self.model(result, world)
        elif any(True for _ in tensors_in(result)):
            self.function(name, list(tensors_in(result)), world)
        else:
            for item in getattr(result, "items", ()):
                if isinstance(item, ModelV):
                    self.model(item, world)

    def model(self, model: LayerV, world: World) -> int:
        """The index of a model's or own layer's graph."""
        if isinstance(model, ModelV) and model.kind == "sequential":
            realise(self.m, model)
        functional = isinstance(model, ModelV) and model.kind in ("functional", "sequential")
        level = None if functional else model.last_call
        key = (id(model), id(level))
        if key in self.index:
            return self.index[key]
        self.index[key] = number = len(self.models)
        entry: Json = {"name": _name(model), "kind": model.kind if isinstance(model, ModelV) else "subclassed"}
        entry["filename"], entry["line"] = _place(model)
        self.models.append(entry)
        if functional and isinstance(model, ModelV):
            inputs, outputs, complete = model.inputs, model.outputs, model.complete
        elif level is not None:
            inputs, complete = level.inputs, level.known_function
            outputs = [each.alias for each in level.outputs if each.alias is not None]
            complete = complete and len(outputs) == len(level.outputs)
        else:
            inputs, outputs, complete = [], [], False
        self.fill(entry, inputs, outputs, level, complete and not world.forked and world.complete, world)
        return number

    def function(self, name: str, outputs: list[TensorV], world: World) -> None:
        """A function that takes tensors and returns tensors."""
        entry: Json = {"name": name, "kind": "function", "filename": world.module.path, "line": 1}
        first = outputs[0].call
        if first is not None:
            entry["line"] = first.span.line
        self.models.append(entry)
        sources = _sources(outputs)
        self.fill(entry, sources, outputs, None, not world.forked and world.complete, world)

    def fill(
        self, entry: Json, inputs: list[TensorV], outputs: list[TensorV], level: Call | None, complete: bool, world: World
    ) -> None:
        graph = trace(inputs, outputs, level)
        entry["complete"] = complete and graph.complete and not graph.backbones
        entry["nodes"], entry["edges"] = [], []
        numbers = {id(call): index for index, call in enumerate(graph.calls)}
        for call in graph.calls:
            entry["nodes"].append(self.node(numbers[id(call)], call, world))
            for tensor in call.inputs:
                maker = producer(tensor, level)
                if maker is not None and id(maker) in numbers and maker is not call:
                    entry["edges"].append([numbers[id(maker)], numbers[id(call)]])

    def node(self, number: int, call: Call, world: World) -> Json:
        layer = call.layer
        place = layer.site.span if layer is not None and layer.site is not None else call.span
        node: Json = {"id": number, "layer": _class_name(call), "name": None, "filename": place.path, "line": place.line}
        node |= {"column": place.column, "arguments": {}, "trainable": None, "model": None}
        if layer is None:
            return node
        node["name"] = _name(layer)
        node["arguments"] = _arguments(layer)
        node["trainable"] = bool(layer.trainable.value) if isinstance(layer.trainable, Const) else None
        nested = isinstance(layer, ModelV) and layer.kind in ("functional", "sequential")
        if nested or layer.own_class is not None and call.children:
            node["model"] = self.model(layer, world)
        return node


def _sources(outputs: list[TensorV]) -> list[TensorV]:
    """The tensors without a producer from which others are made."""
    found: dict[int, TensorV] = {}
    for call in trace([], outputs).calls:
        for tensor in call.inputs:
            if tensor.call is None:
                found[id(tensor)] = tensor
    return list(found.values())


def _class_name(call: Call) -> str:
    layer = call.layer
    if layer is None:
        return call.function
    if layer.own_class is not None:
        return f"{layer.own_class.module.name}.{layer.own_class.qualname}"
    return layer.symbol


def _name(layer: LayerV) -> str | None:
    return layer.name.value if isinstance(layer.name, Const) and isinstance(layer.name.value, str) else None


def _place(layer: LayerV) -> tuple[str | None, int | None]:
    span = layer.site.span if layer.site is not None else layer.context.span if layer.context is not None else None
    return (span.path, span.line) if span is not None else (None, None)


def _arguments(layer: LayerV) -> Json:
    found: Json = {}
    for name, value in layer.arguments.items():
        if name == "name":
            continue
        try:
            found[name] = jsonable(plain(value))
        except (NotPlain, ValueError):
            continue
    return found


def jsonable(value: object) -> object:
    """A Python constant as JSON has it; raises ValueError where it has no such value."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, range)):
        return [jsonable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    raise ValueError
