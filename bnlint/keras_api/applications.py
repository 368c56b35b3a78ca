"""Reading the files of data/applications."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from bnlint.keras_api.records import Application, chosen, decode


def read(name: str, found: Mapping[str, Mapping[str, Any]], generation: str) -> Application:
    """Make a record of a file's contents."""
    known = "".join(found["layers"])
    generation = generation[:1] if generation[:1] in known else max(known)
    entry = {key: chosen(values, generation) for key, values in found.items()}
    classes = entry["classes"]
    whole = [_layer(each, classes, generation) for each in entry["layers"].split()]
    variants = {"top": tuple(whole)}
    for variant, parts in entry["variants"].items():
        layers: list[tuple[str, str]] = []
        for part in parts:
            layers += (
                [_layer(each, classes, generation) for each in part.split()]
                if isinstance(part, str)
                else whole[part[0] : part[1]]
            )
        variants[variant] = tuple(layers)
    return Application(
        name=name,
        generation=generation,
        parameters=decode(entry["parameters"]),
        input_shape=tuple(entry["input_shape"]),
        batchnorms=entry["batchnorms"],
        variants=variants,
    )


def _layer(text: str, classes: list[str], generation: str) -> tuple[str, str]:
    number, _, name = text.partition(":")
    cls = classes[int(number)]
    if name[0] == "#":
        number = name[1:]
        name = _base(cls, generation) + (f"_{number}" if number != "0" else "")
    return cls, name.removeprefix("@")


@cache
def _base(cls: str, generation: str) -> str:
    """The name that Keras gives to the first layer of a class."""
    word = cls.rpartition(".")[2]
    if word == "InputLayer" and generation == "2":
        return "input_1"
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", word)).lower()
