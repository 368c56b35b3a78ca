"""Recovered models as text, JSON, Mermaid and Graphviz."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bnlint.report.graph import render_graph


def node(
    number: int, layer: str, name: str | None = None, model: int | None = None, trainable: bool = True, **arguments: Any
) -> Any:
    return {
        "id": number,
        "layer": layer,
        "name": name,
        "filename": "/m.py",
        "line": number + 1,
        "column": 1,
        "arguments": arguments,
        "trainable": trainable,
        "model": model,
    }


OUTER = {
    "name": "outer",
    "kind": "functional",
    "filename": "/m.py",
    "line": 9,
    "complete": True,
    "nodes": [
        node(0, "keras.layers.InputLayer"),
        node(1, "mine.Block", name='my "block"', model=1),
        node(2, "keras.ops.Add"),
        node(3, "keras.layers.BatchNormalization", trainable=False, axis=-1, name="bn"),
    ],
    "edges": [[0, 1], [1, 2], [1, 2], [2, 3]],
}
INNER = {
    "name": "Block",
    "kind": "subclassed",
    "filename": "/m.py",
    "line": 1,
    "complete": False,
    "nodes": [node(0, "keras.layers.Dense", units=3)],
    "edges": [],
}


def test_the_text_shows_each_node_with_its_inputs_and_the_inner_model_below_it() -> None:
    assert render_graph([OUTER, INNER], "text") == (
        "outer (functional, 4 nodes) /m.py:9\n"
        "  0  InputLayer /m.py:1\n"
        '  1  mine.Block "my "block"" <- 0 /m.py:2\n'
        "     | Block (subclassed, 1 node, incomplete) /m.py:1\n"
        "     |   0  Dense(units=3) /m.py:1\n"
        "  2  keras.ops.Add <- 1, 1 /m.py:3\n"
        '  3  BatchNormalization "bn"(axis=-1) frozen <- 2 /m.py:4\n'
    )


def test_a_model_that_holds_itself_ends() -> None:
    INNER_AGAIN = {**INNER, "nodes": [node(0, "Block", model=0)]}
    assert render_graph([INNER_AGAIN], "text").count("Block") == 2


def test_json_is_the_models_as_they_are() -> None:
    assert json.loads(render_graph([OUTER, INNER], "json")) == {"models": [OUTER, INNER]}


def test_mermaid_has_a_subgraph_a_model_and_quotes_labels() -> None:
    text = render_graph([OUTER, INNER], "mermaid")
    assert text.startswith('flowchart TD\n    subgraph m0 ["outer (functional)"]\n        m0n0["InputLayer"]\n')
    assert 'm0n1["mine.Block &quot;my &quot;block&quot;&quot;"]' in text
    assert text.count("m0n1 --> m0n2") == 2
    assert "m0n1 -.-> m1" in text


def test_dot_has_a_cluster_a_model_and_quotes_labels() -> None:
    text = render_graph([OUTER, INNER], "dot")
    assert text.startswith("digraph models {\n")
    assert r'm0n1 [label="mine.Block \"my \"block\"\""]' in text
    assert "m0n1 -> m1n0 [lhead=cluster_1 style=dotted]" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("output_format", ["text", "json", "mermaid", "dot"])
def test_no_model_is_a_result(output_format: str) -> None:
    assert render_graph([], output_format)
