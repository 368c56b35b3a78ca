"""Reading the files of data/applications."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from bnlint.keras_api.records import Application, chosen, decode


def read(name: str, found: Mapping[str, Any], generation: str) -> Application:
    """Make a record of a file's contents."""
    known = next((key for key in found if generation[:1] in key), max(found))
    entry = chosen(found, generation)
    classes = entry["classes"]
    whole = [_layer(each, classes, known) for each in entry["layers"].split()]
    variants = {"top": tuple(whole)}
    for variant, parts in entry["variants"].items():
        layers: list[tuple[str, str]] = []
        for part in parts:
            layers += (
                [_layer(each, classes, known) for each in part.split()] if isinstance(part, str) else whole[part[0] : part[1]]
            )
        variants[variant] = tuple(layers)
    return Application(
        name=name,
        generation=generation[:1] if generation[:1] in known else known[-1:],
        parameters=decode(entry["parameters"]),
        input_shape=tuple(entry["input_shape"]),
        batchnorms=entry["batchnorms"],
        variants=variants,
    )


def _layer(text: str, classes: list[str], generation: str) -> tuple[str, str]:
    number, _, name = text.partition(":")
    cls = classes[int(number)]
    if name[0] == "#":
        base = _base(cls, generation)
        name = f"{base}_{name[1:]}" if name != "#0" else base
    return cls, name.removeprefix("@")


@cache
def _base(cls: str, generation: str) -> str:
    """The name that Keras gives to the first layer of a class."""
    word = cls.rpartition(".")[2]
    if word == "InputLayer" and generation == "2":
        return "input"
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", word)).lower()
