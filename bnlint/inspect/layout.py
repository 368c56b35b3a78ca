"""Files of weights as Keras 3 and the .keras format of Keras 2 lay them out: a group a layer, its variables numbered in "vars"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bnlint.inspect.config import LAYERS, OLD_LAYERS, Configured, Json, lambdas_of, models_of, norms_of, trainable
from bnlint.inspect.hdf5 import Tree
from bnlint.inspect.results import FEW, VARIABLES, count
from bnlint.inspect.saved import Norm, Saved, Vector

VARS = "vars"
_NAMED = re.compile(r"batch_?norm|(?:^|_|\b)bn(?:\d|_|\b)", re.IGNORECASE)
_CLASS = re.compile(r"(?:.*/)?(?:sync_)?batch_normalization(?:_\d+)?")


def read_layout(tree: Tree, config: Json | None) -> Saved:
    """The batch normalizations of a file of weights; ``config`` is the model's where it is known."""
    layers = OLD_LAYERS if OLD_LAYERS in tree.groups else LAYERS
    configured = {each.place: each for each in norms_of(config, layers)} if config is not None else {}
    places = [path[: -len(VARS)].rstrip("/") for path in tree.groups if path == VARS or path.endswith(f"/{VARS}")]
    norms, known = [], set()
    for place in places:
        if place.partition("/")[0] in ("optimizer", "metrics"):
            continue
        found = _match(tree, place, configured)
        norm = _configured(tree, place, found) if found else _guessed(tree, place)
        if norm:
            norms.append(norm)
            known |= {found.place} if found else set()
    order = {place: index for index, place in enumerate(configured)}
    norms.sort(key=lambda norm: (order.get(norm.path, len(order)), natural(norm.path)))
    saved = Saved("weights", norms, list(models_of(config)), steps=tree.scalar("optimizer/vars/0"))
    saved.notes += remarks(config, [each for place, each in configured.items() if place not in known])
    return saved


def natural(path: str) -> list[tuple[int, str]]:
    """A key that sorts "bn_10" behind "bn_9"."""
    return [(int(part) if part.isdigit() and len(part) < 18 else -1, part) for part in re.split(r"([0-9]+)", path)]


def remarks(config: Json | None, missing: Sequence[Configured]) -> Iterator[str]:
    """What is worth saying about a configuration: what has no weights in the file, and code that lies in it."""
    if missing:
        names = ", ".join(each.name for each in missing[:FEW])
        yield f"No weights were found for {count(len(missing), 'configured batch normalization')}: {names}."
    code = lambdas_of(config) if config is not None else []
    if code:
        names = ", ".join(code[:FEW])
        yield f"The file holds the Python code of {count(len(code), 'Lambda layer')} ({names}): loading the model can run it."


def _match(tree: Tree, place: str, configured: dict[str, Configured]) -> Configured | None:
    found = configured.get(place)
    name = tree.text(_vars(place), "name")
    if found and name in (None, found.name):
        return found
    named = [each for each in configured.values() if each.name == name]
    return named[0] if name and len(named) == 1 else None


def _vars(place: str) -> str:
    return f"{place}/{VARS}" if place else VARS


def _vectors(tree: Tree, place: str) -> list[str] | None:
    """The datasets of a layer whose variables are all vectors of one length, in their order."""
    prefix = f"{_vars(place)}/"
    names = [name for name in (f"{prefix}{index}" for index in range(8)) if name in tree.datasets]
    shapes = {tree.datasets[name].shape for name in names}
    whole = len(shapes) == 1 and len(next(iter(shapes)) or ()) == 1
    return names if whole and f"{prefix}8" not in tree.datasets else None


def _configured(tree: Tree, place: str, found: Configured) -> Norm | None:
    config = found.config
    own = [name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True) is not False]
    names = [*own, "moving_mean", "moving_variance"]
    frozen = trainable(config)
    variables: dict[str, Vector] = {}
    for index, name in enumerate(names):
        vector = tree.vector(f"{_vars(place)}/{index}")
        if vector is None:
            return None
        variables[name] = vector
    return Norm("/".join(found.names), place, variables, config, None if frozen is None else not frozen)


def _guessed(tree: Tree, place: str) -> Norm | None:
    """A layer that only its variables tell: Keras keeps gamma, beta, mean and variance in this order, without their names."""
    paths = _vectors(tree, place)
    if not paths or len(paths) not in (2, 3, 4, 7):
        return None
    own = tree.text(_vars(place), "name") or ""
    named = bool(_NAMED.search(own) or _CLASS.fullmatch(place) or _NAMED.search(place.rpartition("/")[2]))
    if len(paths) != 4 and not named:
        return None
    vectors = [vector for path in paths[:4] if (vector := tree.vector(path)) is not None]
    if len(paths) == 4 and not named and (vectors[3] < 0).any():
        return None
    names = VARIABLES if len(vectors) == 4 else ("scale or offset", *VARIABLES[2:])[-len(vectors) :]
    return Norm(own or place, place, dict(zip(names, vectors, strict=True)))
