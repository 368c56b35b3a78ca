"""The side of the table's script that imports Keras."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

ANNOTATIONS = Path(__file__).resolve().parents[2] / "bnlint" / "keras_api" / "annotations.json"


def answer(generation: str, question: str, path: str, only: list[str]) -> None:
    """Answer ``question`` (``names`` or ``applications``) about a generation, as JSON in the file ``path``."""
    keras = importlib.import_module("keras" if generation == "3" else "tf_keras")
    if question == "names":
        content = describe(generation, keras)
    else:
        from keras_table.applications import describe_all

        content = describe_all(generation, keras, only)
    Path(path).write_text(json.dumps(content), "utf-8")


def describe(generation: str, keras: Any) -> dict[str, Any]:
    """Return all that the table has of a generation but its applications."""
    from keras_table import layers, names, operations

    annotations = json.loads(ANNOTATIONS.read_text("utf-8"))
    found = names.objects(generation, annotations["private"])
    described = names.describe(generation, annotations["private"])
    described["version"] = keras.__version__
    described["layers"] = layers.layers(found)
    described["signatures"] = layers.signatures(found)
    described["operations"] = operations.operations(found)
    described["operators"] = operations.operators(keras.KerasTensor) if generation == "3" else {}
    described["behaviour"] = behaviours(keras, annotations)
    return described


def behaviours(keras: Any, annotations: dict[str, Any]) -> dict[str, Any]:
    """Return what was measured of each layer that the annotations give arguments for."""
    from keras_table.behaviour import behaviour

    family = {name: family for family, members in annotations["families"].items() for name in members}
    return {
        name: behaviour(keras, getattr(keras.layers, name), {**arguments, "family": family[name]})
        for name, arguments in annotations["measure"].items()
        if hasattr(keras.layers, name)
    }
