"""Recovered models as a text tree, JSON, Mermaid and Graphviz."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from bnlint.report.text import Painter, count, short_path

Model = dict[str, Any]
Node = dict[str, Any]
_LONGEST = 60


def render_graph(models: list[Model], output_format: str, colour: bool = False) -> str:
    """Models as :func:`bnlint.graph.models_of` gives them, in one of text, json, mermaid and dot."""
    if output_format == "json":
        return json.dumps({"models": models}, indent=2) + "\n"
    if output_format == "text":
        return _text(models, Painter(colour))
    return (_mermaid if output_format == "mermaid" else _dot)(models)


def _text(models: list[Model], paint: Painter) -> str:
    if not models:
        return "No model was found.\n"
    inner = {node["model"] for model in models for node in model["nodes"] if node["model"] is not None}
    blocks = ["\n".join(_tree(models, index, paint, ())) for index in range(len(models)) if index not in inner]
    return "\n\n".join(blocks or ["\n".join(_tree(models, 0, paint, ()))]) + "\n"


def _tree(models: list[Model], index: int, paint: Painter, around: tuple[int, ...]) -> Iterator[str]:
    """A model's nodes in their order, each with where its tensors come from; inner models are indented below their node."""
    model = models[index]
    known = "" if model["complete"] else ", incomplete"
    facts = f"({model['kind']}, {count(len(model['nodes']), 'node')}{known})"
    yield f"{paint(str(model['name']), 'bold')} {facts} {paint(_place(model), 'dim')}"
    shown = [(str(node["id"]), _label(node), _inputs(model, node), node) for node in model["nodes"]]
    width = max((len(each[0]) for each in shown), default=0)
    for number, label, inputs, node in shown:
        arguments = _arguments(node)
        frozen = " frozen" if node["trainable"] is False else ""
        yield f"  {number.rjust(width)}  {label}{arguments}{frozen}{inputs} {paint(_place(node), 'dim')}"
        if node["model"] is not None and node["model"] not in (*around, index):
            for line in _tree(models, node["model"], paint, (*around, index)):
                yield f"  {' ' * width}  | {line}"


def _inputs(model: Model, node: Node) -> str:
    sources = [str(source) for source, target in model["edges"] if target == node["id"]]
    return f" <- {', '.join(sources)}" if sources else ""


def _place(entry: dict[str, Any]) -> str:
    return f"{short_path(entry['filename'])}:{entry['line']}" if entry.get("filename") else ""


def _label(node: Node) -> str:
    layer = node["layer"].removeprefix("keras.layers.")
    return f'{layer} "{node["name"]}"' if node["name"] else str(layer)


def _arguments(node: Node) -> str:
    given = ", ".join(f"{key}={_short(value)}" for key, value in (node["arguments"] or {}).items() if key != "name")
    return f"({given})" if given else ""


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _mermaid(models: list[Model]) -> str:
    def quoted(text: str) -> str:
        entities = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "#": "&#35;", "`": "&#96;"}
        return '"' + "".join(entities.get(each, each) for each in text).replace("\n", " ") + '"'

    lines = ["flowchart TD"]
    for index, model in enumerate(models):
        lines.append(f"    subgraph m{index} [{quoted(_title(model))}]")
        lines += [f"        {_id(index, node['id'])}[{quoted(_label(node) + _arguments(node))}]" for node in model["nodes"]]
        lines += [f"        {_id(index, source)} --> {_id(index, target)}" for source, target in model["edges"]]
        lines.append("    end")
    lines += _links(models, lambda node, inner: f"    {node} -.-> m{inner}")
    return "\n".join(lines) + "\n"


def _dot(models: list[Model]) -> str:
    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    lines = ["digraph models {", "    compound=true", "    node [shape=box]"]
    for index, model in enumerate(models):
        lines += [f"    subgraph cluster_{index} {{", f"        label={quoted(_title(model))}"]
        lines += [
            f"        {_id(index, node['id'])} [label={quoted(_label(node) + _arguments(node))}]" for node in model["nodes"]
        ]
        lines += [f"        {_id(index, source)} -> {_id(index, target)}" for source, target in model["edges"]]
        lines.append("    }")

    def link(node: str, inner: int) -> str:
        first = models[inner]["nodes"][0]["id"] if models[inner]["nodes"] else None
        return "" if first is None else f"    {node} -> {_id(inner, first)} [lhead=cluster_{inner} style=dotted]"

    lines += [line for line in _links(models, link) if line]
    return "\n".join([*lines, "}"]) + "\n"


def _links(models: list[Model], link: Callable[[str, int], str]) -> list[str]:
    """From each node that is a model of its own to that model."""
    return [
        link(_id(index, node["id"]), node["model"])
        for index, model in enumerate(models)
        for node in model["nodes"]
        if node["model"] is not None
    ]


def _title(model: Model) -> str:
    return f"{model['name']} ({model['kind']}{'' if model['complete'] else ', incomplete'})"


def _id(model: int, node: object) -> str:
    return f"m{model}n{node}"
