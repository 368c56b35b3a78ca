"""SavedModel folders and TensorFlow's checkpoints: variables with the names that the object graph beside them gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from bnlint.inspect.checkpoint import Bundle, read_bundle
from bnlint.inspect.config import Configured, Json, entry_of, is_norm, models_of, norms_of, trainable
from bnlint.inspect.layout import natural, remarks
from bnlint.inspect.legacy import grouped, named
from bnlint.inspect.limits import CONFIGURATION, Unreadable, parse_json, size
from bnlint.inspect.opening import open_file
from bnlint.inspect.protobuf import messages, numbers, text
from bnlint.inspect.results import VARIABLES
from bnlint.inspect.saved import Norm, Saved

_METADATA = "keras_metadata.pb"
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_WHAT = "the object graph"
_STEPS = ("iter", "iteration", "iterations", "_iterations")


@dataclass(frozen=True)
class Object:
    """An object of the graph: the numbers of its children by name, the name and key of the variable that it is."""

    children: dict[str, int]
    variable: str
    key: str


def read_saved_model(folder: str) -> Saved:
    """A SavedModel folder; raises Unreadable."""
    if not any(os.path.lexists(os.path.join(folder, name)) for name in ("saved_model.pb", "saved_model.cpb")):
        raise Unreadable("the folder has no saved_model.pb, so it is no SavedModel; give a file or folder that Keras saved")
    saved = _read(read_bundle(os.path.join(folder, "variables", "variables")), _metadata(os.path.join(folder, _METADATA)))
    saved.format = "saved-model"
    return saved


def read_checkpoint(prefix: str) -> Saved:
    """A checkpoint, which holds weights alone; raises Unreadable."""
    return _read(read_bundle(prefix), {})


def _metadata(path: str) -> dict[str, Json]:
    """The configurations that Keras 2 writes beside saved_model.pb, by the paths of the objects they are of (``root.layer-1``)."""
    if not os.path.lexists(path):
        return {}
    with open_file(path, f"{_METADATA} cannot be read") as file:
        data = file.read(CONFIGURATION * 4 + 1)
    if len(data) > CONFIGURATION * 4:
        raise Unreadable(f"{_METADATA} is bigger than {size(CONFIGURATION * 4)}; this is no model that Keras wrote")
    found: dict[str, Json] = {}
    for node in messages(data, 1, _METADATA):
        path_of = text(node, 3, _METADATA)
        content = text(node, 5, _METADATA)
        if path_of == "root" or "moving_variance_initializer" in content:
            parsed = parse_json(content, _METADATA)
            if isinstance(parsed, dict):
                found[path_of] = parsed
    return found


def _read(bundle: Bundle, metadata: dict[str, Json]) -> Saved:
    objects = _objects(bundle)
    config = metadata.get("root")
    configured = list(norms_of(config)) if config is not None else []
    norms = list(_by_children(bundle, objects, configured, _own(metadata, objects))) or list(_by_names(bundle, objects))
    order = {id(each.config): index for index, each in enumerate(configured)}
    norms.sort(key=lambda norm: order.get(id(norm.config), len(order)))
    saved = Saved("checkpoint", norms, list(models_of(config)), steps=_steps(bundle, objects))
    matched = {id(norm.config) for norm in norms}
    saved.notes += remarks(config, [each for each in configured if id(each.config) not in matched])
    return saved


def _own(metadata: dict[str, Json], objects: list[Object]) -> dict[int, Json]:
    """The configurations of batch normalizations by the numbers of their objects, found by following their paths."""
    found = {}
    for path, each in metadata.items():
        entry, at = entry_of(each), 0
        for name in path.split(".")[1:]:
            at = objects[at].children.get(name, -1) if 0 <= at < len(objects) else -1
        if entry and is_norm(*entry) and at > 0:
            found[at] = entry[1]
    return found


def _objects(bundle: Bundle) -> list[Object]:
    graph = bundle.text(_GRAPH)
    if graph is None:
        raise Unreadable("the checkpoint has no object graph, so that it was not written by Keras of TensorFlow 2")
    found = []
    for node in messages(graph, 1, _WHAT):
        children = {text(each, 2, _WHAT): numbers(each, _WHAT).get(1, 0) for each in messages(node, 1, _WHAT)}
        attributes = messages(node, 2, _WHAT)
        first = attributes[0] if attributes else b""
        found.append(Object(children, text(first, 2, _WHAT), text(first, 3, _WHAT)))
    return found


def _by_children(bundle: Bundle, objects: list[Object], configured: list[Configured], own: dict[int, Json]) -> Iterator[Norm]:
    """Layers as the graph has them (Keras 2): objects with the variables of a batch normalization as children."""
    for index, place in enumerate(objects):
        keys = {
            name: objects[place.children[name]].key
            for name in VARIABLES
            if name in place.children and place.children[name] < len(objects)
        }
        variables = {name: vector for name, key in keys.items() if (vector := bundle.vector(key)) is not None}
        if not {"moving_mean", "moving_variance"} <= variables.keys():
            continue
        path = keys["moving_mean"].removesuffix(f"/moving_mean{_SUFFIX}")
        prefix = objects[place.children["moving_mean"]].variable.rpartition("/")[0]
        norm = named(prefix or path, path, variables, None, configured)
        if norm.config is None and index in own:
            frozen = trainable(own[index])
            norm.config, norm.frozen = own[index], None if frozen is None else not frozen
        yield norm


def _by_names(bundle: Bundle, objects: list[Object]) -> Iterator[Norm]:
    """Layers by the names of their variables, as in what Keras 3 exports: the root lists variables, without the layers."""
    root = objects[0].children if objects else {}
    listed = root.get("variables")
    if listed is None or listed >= len(objects):
        return
    frozen = _members(objects, root.get("non_trainable_variables"))
    members = objects[listed].children
    variables = [objects[members[name]] for name in sorted(members, key=natural) if members[name] < len(objects)]
    keys = {id(each): each.key for each in variables}
    for prefix, paths in grouped([(each.variable, each.key) for each in variables if keys[id(each)]]):
        found = {name: vector for name, key in paths.items() if (vector := bundle.vector(key)) is not None}
        if not {"moving_mean", "moving_variance"} <= found.keys():
            continue
        own = [paths[name] for name in ("gamma", "beta") if name in paths]
        yield Norm(prefix, prefix, found, None, own[0] in frozen if own and frozen else None)


def _members(objects: list[Object], list_at: int | None) -> set[str]:
    if list_at is None or list_at >= len(objects):
        return set()
    return {objects[each].key for each in objects[list_at].children.values() if each < len(objects)}


def _steps(bundle: Bundle, objects: list[Object]) -> int | None:
    for each in objects:
        if each.variable.rpartition("/")[2] in _STEPS and each.key.startswith("optimizer"):
            return bundle.number(each.key)
    return next((bundle.number(key) for key in bundle.entries if key in (f"optimizer/{name}{_SUFFIX}" for name in _STEPS)), None)
