"""HDF5 files as Keras 2 wrote them, of models or of weights alone: a group a layer, its variables by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bnlint.inspect.config import Configured, models_of, norms_of, trainable
from bnlint.inspect.hdf5 import Tree
from bnlint.inspect.layout import read_layout, remarks
from bnlint.inspect.limits import Unreadable, parse_json
from bnlint.inspect.results import VARIABLES
from bnlint.inspect.saved import Norm, Saved, Vector

_VARIABLE = re.compile(r"(?:(?P<prefix>.*)/)?(?P<name>gamma|beta|moving_mean|moving_variance)(?:_\d+)?(?::\d+)?")
_STEPS = re.compile(r"(?:.*/)?iter(?:ation|ations)?(?::\d+)?")


def read_hdf5(tree: Tree) -> Saved:
    """A model or weights in an HDF5 file of any layout that Keras has; raises Unreadable."""
    if tree.has("", "model_config") or tree.has("model_weights", "layer_names") or "model_weights" in tree.groups:
        return _model(tree)
    if any(tree.has("", name) for name in ("layer_names", "layer_names0")):
        return Saved("legacy-weights", _norms(tree, "", []), keras_version=tree.text("", "keras_version"))
    if any(path.rpartition("/")[2] == "vars" for path in tree.groups):
        return read_layout(tree, None)
    if not tree.datasets:
        raise Unreadable("the HDF5 file holds no weights; give a file that Keras saved a model or weights in")
    raise Unreadable(
        "the HDF5 file has none of the layouts that Keras writes; give a file that Keras saved a model or weights in"
    )


def _model(tree: Tree) -> Saved:
    text = tree.text("", "model_config")
    config = parse_json(text, "the attribute model_config") if text is not None else None
    config = config if isinstance(config, dict) else None
    configured = list(norms_of(config)) if config is not None else []
    norms = _norms(tree, "model_weights", configured)
    version = tree.text("", "keras_version") or tree.text("model_weights", "keras_version")
    saved = Saved("legacy-h5", norms, list(models_of(config)), version, _steps(tree))
    matched = {id(norm.config) for norm in norms}
    saved.notes += remarks(config, [each for each in configured if id(each.config) not in matched])
    return saved


def _norms(tree: Tree, top: str, configured: Sequence[Configured]) -> list[Norm]:
    norms = []
    for layer in dict.fromkeys(tree.texts(top, "layer_names")):
        group = f"{top}/{layer}" if top else layer
        groups = grouped([(name, f"{group}/{name}") for name in dict.fromkeys(tree.texts(group, "weight_names"))])
        for prefix, paths in groups:
            variables = {name: vector for name, path in paths.items() if (vector := tree.vector(path)) is not None}
            if {"moving_mean", "moving_variance"} <= variables.keys():
                norms.append(named(prefix, f"{group}/{prefix}".strip("/"), variables, layer, configured))
    return norms


def grouped(weights: Sequence[tuple[str, str]]) -> list[tuple[str, dict[str, str]]]:
    """Weights, each with its name and where it lies, by the batch normalization they belong to: its name, places by variable.

    Two layers of one name, as in a subclassed model, come one after the other: a variable that a layer has already begins
    the next one. Only whole batch normalizations are returned.
    """
    found: list[tuple[str, dict[str, str]]] = []
    current: dict[str, dict[str, str]] = {}
    for name, path in weights:
        match = _VARIABLE.fullmatch(name)
        if match is None:
            continue
        prefix = match["prefix"] or ""
        if prefix not in current or match["name"] in current[prefix]:
            current[prefix] = {}
            found.append((prefix, current[prefix]))
        current[prefix][match["name"]] = path
    whole = {"moving_mean", "moving_variance"}
    return [
        (prefix, {name: paths[name] for name in VARIABLES if name in paths}) for prefix, paths in found if whole <= paths.keys()
    ]


def named(prefix: str, path: str, variables: dict[str, Vector], layer: str | None, configured: Sequence[Configured]) -> Norm:
    """A batch normalization with its configuration, looked for by the names of its weights and of the layer they are in."""
    last = prefix.rpartition("/")[2]
    inside = [each for each in configured if layer is None or layer in each.names]
    candidates = [each for each in inside if last in each.names[-2:]] or (inside if len(inside) == 1 else [])
    exact = [each for each in candidates if each.name == last] or candidates
    if len(exact) != 1:
        return Norm(prefix or layer or path, path, variables)
    one = exact[0]
    frozen = trainable(one.config)
    return Norm("/".join(one.names), path, variables, one.config, None if frozen is None else not frozen)


def _steps(tree: Tree) -> int | None:
    for name in tree.texts("optimizer_weights", "weight_names"):
        if _STEPS.fullmatch(name):
            return tree.scalar(f"optimizer_weights/{name}")
    return None
