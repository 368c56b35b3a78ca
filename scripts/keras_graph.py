"""Write the graph that Keras builds for constructors of keras.applications with weights=None, as JSON.

python scripts/keras_graph.py FOLDER ResNet50 ...   one file a constructor in the folder
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from pathlib import Path
from typing import Any


def graph(model: Any) -> dict[str, Any]:
    """Return the nodes ``[class, name]`` of a model and its edges, an edge a tensor argument, by the nodes' numbers."""
    calls = [node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth]]
    numbers = {id(node): number for number, node in enumerate(calls)}
    edges = []
    for node in calls:
        for tensor in node.input_tensors:
            operation, index, _ = tensor._keras_history
            producer = operation._inbound_nodes[index]
            if producer is not node:
                edges.append([numbers[id(producer)], numbers[id(node)]])
    return {"nodes": [[type(node.operation).__name__, node.operation.name] for node in calls], "edges": edges}


def main(folder: str, names: list[str]) -> None:
    """Write one file for each constructor, ``constructors.json`` with their source files for all of them."""
    import keras

    sys.path.insert(0, str(Path(__file__).parent))
    from keras_table.applications import constructors, quick_weights

    quick_weights(keras)
    package = Path(keras.__file__).parent
    found = {name: inspect.getsourcefile(getattr(keras.applications, name)) or "" for name in constructors(keras)}
    listed = {name: Path(path).relative_to(package).as_posix() for name, path in found.items()}
    content = {"package": str(package), "version": keras.__version__, "constructors": listed}
    (Path(folder) / "constructors.json").write_text(json.dumps(content), "utf-8")
    for name in names:
        keras.backend.clear_session()
        begun = time.perf_counter()
        built = graph(getattr(keras.applications, name)(weights=None))
        built["seconds"] = round(time.perf_counter() - begun, 2)
        (Path(folder) / f"{name}.json").write_text(json.dumps(built), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
