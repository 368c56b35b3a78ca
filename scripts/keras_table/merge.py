"""Two generations' answers and the annotations, merged into what bnlint reads. Knows no Keras."""

from __future__ import annotations

import re
from collections import defaultdict
from difflib import SequenceMatcher
from typing import Any

Answer = dict[str, Any]
Answers = dict[str, Answer]

PREFERRED = (
    "layers", "models", "backend", "ops", "applications", "activations", "initializers", "regularizers", "constraints",
    "losses", "metrics", "optimizers", "callbacks", "random", "utils", "saving", "mixed_precision", "preprocessing",
)  # fmt: skip
"""Where a name is usually taken from, for a thing that has several public names."""

TOP = ("Model", "Sequential", "Input", "InputSpec", "KerasTensor", "Variable", "Function", "Operation")


def merge(newest: Answer, legacy: Answer, annotations: Answer) -> tuple[Answer, Answer]:
    """Return the contents of core.json and of signatures.json."""
    answers = {"3": newest, "2": legacy}
    canonical = canonical_names(answers)
    core: Answer = {"versions": {generation: answers[generation]["version"] for generation in answers}}
    core.update(_names(answers, canonical, annotations))
    core["words"] = " ".join(sorted({*newest["words"], *legacy["words"], *annotations["words"]}))
    core["ancestors"] = _ancestors(answers, canonical, annotations)
    core["layers"] = _layers(answers, canonical, annotations)
    core["operations"] = _operations(answers, canonical, annotations)
    core["operators"] = newest["operators"]
    core["base_keywords"] = annotations["base_keywords"]
    core["since"] = annotations["since"]
    return core, _signatures(answers, canonical)


def canonical_names(answers: Answers) -> dict[str, str]:
    """Return the canonical name of each public path: one for all paths that lead to one thing in either generation.

    Two things that only one generation keeps apart stay apart.
    """
    groups: dict[str, set[str]] = {}
    things = {generation: answer["names"] for generation, answer in answers.items()}
    for path in sorted({path for names in things.values() for path in names}):
        groups[path] = {path}
    for names in things.values():
        same: dict[int, list[str]] = defaultdict(list)
        for path, number in names.items():
            same[number].append(path)
        for paths in same.values():
            for other in paths[1:]:
                _join(groups, paths[0], other, things)
    chosen = {id(group): min(group, key=lambda path: _preference(path, answers)) for group in groups.values()}
    return {path: chosen[id(group)] for path, group in groups.items()}


def _join(groups: dict[str, set[str]], first: str, second: str, things: dict[str, dict[str, int]]) -> None:
    together = groups[first] | groups[second]
    for names in things.values():
        if len({names[path] for path in together if path in names}) > 1:
            return
    for path in together:
        groups[path] = together


def _preference(path: str, answers: Answers) -> tuple[object, ...]:
    area, _, rest = path.partition(".")
    names = {answer["things"][answer["names"][path]]["name"] for answer in answers.values() if path in answer["names"]}
    rank = PREFERRED.index(area) if rest and area in PREFERRED else -0.5 if path in TOP else 90 if rest else 80
    return (rank, path.count("."), path.rpartition(".")[2] not in names, len(path), path)


def _names(answers: Answers, canonical: dict[str, str], annotations: Answer) -> Answer:
    names: dict[str, str] = {}
    aliases: dict[str, str] = {}
    own: dict[str, set[str]] = defaultdict(set)
    for path, name in canonical.items():
        own[name] |= _generations(path, answers)
    for path, name in canonical.items():
        exact = "".join(sorted(_generations(path, answers)))
        if path != name:
            aliases[path] = f"{exact} {name}"
            continue
        kind = next(_thing(answer, path)["kind"] for answer in answers.values() if path in answer["names"])
        everywhere = "".join(sorted(own[name]))
        names[path] = f"{kind[0]}{everywhere}" + ("" if exact == everywhere else f" {exact}")
    names.update(annotations["names"])
    aliases.update({path: f" {name}" for path, name in annotations["aliases"].items() if path not in canonical})
    homes, paths = _homes(answers, canonical, annotations)
    return {
        "names": dict(sorted(names.items())),
        "aliases": dict(sorted(aliases.items())),
        "homes": homes,
        "paths": paths,
        "areas": annotations["areas"],
    }


def _generations(path: str, answers: Answers) -> set[str]:
    return {generation for generation, answer in answers.items() if path in answer["names"]}


def _thing(answer: Answer, path: str) -> Answer:
    thing: Answer = answer["things"][answer["names"][path]]
    return thing


def _homes(answers: Answers, canonical: dict[str, str], annotations: Answer) -> tuple[Answer, Answer]:
    """What lies where in Keras's private modules, as far as the public names do not tell.

    The first has the name by area and last word (``ops.get_source_inputs``), the second by the whole private path where area
    and last word fit several names (``optimizers.legacy.adam.Adam``).
    """
    public: dict[str, set[str]] = defaultdict(set)
    private: dict[str, set[str]] = defaultdict(set)
    tails: dict[str, str] = {}
    for path, name in canonical.items():
        public[_key(path)].add(name)
        for answer in answers.values():
            if path in answer["names"]:
                tail = re.sub(r"^(keras|tf_keras)\.src\.", "", _thing(answer, path)["home"])
                tails.setdefault(tail, name)
                private[_key(tail)].add(name)
    for word in annotations["engine"]:
        private[f"engine.{word}"] |= public.get(word, set()) | public.get(f"layers.{word}", set())
    private["engine.get_source_inputs"] = {canonical["utils.get_source_inputs"]}
    homes = {
        key: min(names)
        for key, names in sorted(private.items())
        if key not in public and len(names) == 1 and "." in key and key.partition(".")[0] not in ("legacy", "keras", "builtins")
    }
    ambiguous = {key for key, names in public.items() if len(names | private.get(key, set())) > 1}
    ambiguous |= {key for key, names in private.items() if len(names) > 1}
    paths = {tail: name for tail, name in sorted(tails.items()) if _key(tail) in ambiguous and canonical.get(tail) != name}
    return homes, paths


def _key(path: str) -> str:
    area, _, rest = path.partition(".")
    return f"{area}.{rest.rpartition('.')[2]}" if rest else area


def _ancestors(answers: Answers, canonical: dict[str, str], annotations: Answer) -> Answer:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for generation, answer in answers.items():
        places = {number: canonical[path] for path, number in answer["names"].items()}
        for path in answer["names"]:
            if canonical[path] == places[answer["names"][path]] and "ancestors" in _thing(answer, path):
                above = [places[number] for number in _thing(answer, path)["ancestors"]]
                above += [name for name in annotations["ancestors"].get(canonical[path], []) if name not in above]
                found[canonical[path]][generation] = " ".join(dict.fromkeys(above))
    return {name: _shared(each) for name, each in sorted(found.items()) if any(each.values())}


def _shared(values: dict[str, Any]) -> Answer:
    """Write what both generations agree on once, under ``23``."""
    if len(values) == 2 and values["2"] == values["3"]:
        return {"23": values["3"]}
    return dict(sorted(values.items()))


def _layers(answers: Answers, canonical: dict[str, str], annotations: Answer) -> Answer:
    family = {f"layers.{name}": family for family, members in annotations["families"].items() for name in members}
    signed: dict[str, dict[str, Any]] = defaultdict(dict)
    for generation, answer in answers.items():
        for path, described in answer["layers"].items():
            constructor = annotations["parameters"].get(canonical[path]) or described["constructor"]
            signed[canonical[path]][generation] = [constructor, described["call"]]
    layers: Answer = {}
    for name, signatures in sorted(signed.items()):
        entry: Answer = {"family": family.get(name)}
        rank = re.search(r"([123])D", name)
        if rank:
            entry["rank"] = int(rank[1])
        short = name.removeprefix("layers.")
        for answer in reversed(answers.values()):
            entry.update(answer["behaviour"].get(short, {}))
        entry.update({flag: True for flag in ("activation", "normalization") if short in annotations[f"{flag}s"]})
        entry.update(annotations["corrections"].get(short, {}))
        if entry.get("shift") == "breaks":
            del entry["shift"]
        layers[name] = {**entry, "signatures": _shared(signatures)}
    return layers


def _operations(answers: Answers, canonical: dict[str, str], annotations: Answer) -> Answer:
    operations: dict[str, Answer] = {}
    for answer in answers.values():
        for path, described in answer["operations"].items():
            name = canonical[path]
            if name in operations:
                continue
            entry = dict(described)
            if "layer" in entry:
                entry["layer"] = canonical[f"layers.{entry['layer']}"]
            family = annotations["operations"].get(name)
            if family is not None:
                entry["family"], entry["elementwise"] = family, family in ("elementwise", "broadcast")
            operations[name] = {key: value for key, value in entry.items() if value and value != "unknown"}
    return dict(sorted(operations.items()))


def _signatures(answers: Answers, canonical: dict[str, str]) -> Answer:
    signed: dict[str, dict[str, Any]] = defaultdict(dict)
    for generation, answer in answers.items():
        for path, encoded in answer["signatures"].items():
            owner, colon, method = path.partition(":")
            signed[canonical[owner] + colon + method].setdefault(generation, encoded)
    return {"signatures": {name: _shared(each) for name, each in sorted(signed.items())}}


def merge_applications(newest: Answer, legacy: Answer, core: Answer) -> Answer:
    """Return the contents of each constructor's file."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for generation, answer in (("3", newest), ("2", legacy)):
        for name, described in answer.items():
            found[name][generation] = _application(described, core)
    return {
        name: {key: _shared({generation: entry[key] for generation, entry in each.items()}) for key in next(iter(each.values()))}
        for name, each in sorted(found.items())
    }


def _application(described: Answer, core: Answer) -> Answer:
    """Layers as ``class:name``, the class by its number; the variants by what they keep of the whole and what they have instead."""
    classes: list[str] = []
    written: dict[str, list[str]] = {}
    for variant, layers in described["variants"].items():
        written[variant] = []
        for home, name in layers:
            cls = _public_class(home, core)
            if cls not in classes:
                classes.append(cls)
            written[variant].append(f"{classes.index(cls)}:{name}")
    whole = written.pop("top")
    return {
        "parameters": described["parameters"],
        "input_shape": described["input_shape"],
        "batchnorms": described["batchnorms"],
        "classes": classes,
        "layers": " ".join(whole),
        "variants": {variant: _difference(whole, layers) for variant, layers in written.items()},
    }


def _difference(whole: list[str], layers: list[str]) -> list[Any]:
    """``[start, stop]`` for what is taken from the whole, text for what is not in it."""
    parts: list[Any] = []
    for kind, start, stop, new, end in SequenceMatcher(None, whole, layers, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append([start, stop])
        elif end > new:
            parts.append(" ".join(layers[new:end]))
    return parts


def _public_class(home: str, core: Answer) -> str:
    name = home.rpartition(".")[2]
    for path in (f"layers.{name}", name, f"models.{name}"):
        if path in core["names"]:
            return f"keras.{path}"
        if path in core["aliases"]:
            return f"keras.{core['aliases'][path].partition(' ')[2]}"
    return home
