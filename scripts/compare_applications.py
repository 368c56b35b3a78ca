"""Compare the graphs that bnlint reads from keras.applications with those that Keras builds.

    python scripts/compare_applications.py                     all constructors, a process each
    python scripts/compare_applications.py ResNet50 VGG16      only these
    python scripts/compare_applications.py --one-process       all in one process of bnlint
    python scripts/compare_applications.py --renamed DIR       on a copy of keras in DIR with other local names
    python scripts/compare_applications.py --keras-only        build and keep Keras's graphs

For every constructor must be equal, with ``weights=None``: how many nodes there are of each class, how many edges between
each two classes; every edge between nodes that the source names must be one of Keras's; and bnlint must call its graph complete.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent


class Run(NamedTuple):
    """One process of bnlint."""

    output: str
    errors: str
    seconds: float
    megabytes: float


def main() -> int:
    """Run the comparison; 1 where a graph differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--one-process", action="store_true")
    parser.add_argument("--renamed", type=Path, metavar="DIR")
    parser.add_argument("--keras-only", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "bnlint-keras-graphs")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(read_in_one_process(options.child[0], options.child[1], options.names)))
        return 0
    known = keras_graphs(options.cache, options.names)
    if options.keras_only:
        return 0
    names = options.names or sorted(known["constructors"])
    package = Path(known["package"])
    if options.renamed:
        package = renamed_copy(package, options.renamed)
    print(f"keras {known['version']}, {len(names)} constructors, sources in {package}")
    recovered = one_process(options.cache, package, names) if options.one_process else a_process_each(known, package, names)
    wrong = 0
    for name, (model, about) in recovered:
        faults = differences(json.loads((options.cache / f"{name}.json").read_text("utf-8")), model)
        wrong += bool(faults)
        print(f"{name:20} {'DIFFERENT' if faults else 'equal':10} {about}", flush=True)
        for fault in faults:
            print(f"    {fault}")
    print(f"{len(names) - wrong} of {len(names)} equal")
    return 1 if wrong else 0


# -- Keras's side ------------------------------------------------------------------------------------------------


def keras_graphs(cache: Path, names: list[str]) -> dict[str, Any]:
    """Have Keras build what the cache lacks; return where the constructors are defined."""
    cache.mkdir(parents=True, exist_ok=True)
    index = cache / "constructors.json"
    if not index.is_file():
        _build(cache, [])
    known: dict[str, Any] = json.loads(index.read_text("utf-8"))
    unknown = set(names) - set(known["constructors"])
    if unknown:
        raise SystemExit(f"keras.applications has no {', '.join(sorted(unknown))}")
    missing = [name for name in names or sorted(known["constructors"]) if not (cache / f"{name}.json").is_file()]
    if missing:
        print(f"Keras builds {len(missing)} models ...", flush=True)
        _build(cache, missing)
    return known


def _build(cache: Path, names: list[str]) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, str(SCRIPTS / "keras_graph.py"), str(cache), *names], check=True, env=environment)


def renamed_copy(package: Path, folder: Path) -> Path:
    """Copy Keras's sources into a folder and rename the local names of its applications."""
    from rename_locals import rename_package

    copy = folder / "keras"
    if copy.exists():
        shutil.rmtree(copy)
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text('[project]\nname = "renamed"\n', "utf-8")
    print(f"{rename_package(copy / 'src' / 'applications')} names replaced")
    return copy


# -- bnlint's side -----------------------------------------------------------------------------------------------


def arguments(package: Path, source: str, name: str) -> list[str]:
    """Return the command line that recovers one constructor's model."""
    return ["graph", f"{package / source}:{name}", "--arg", "weights=None", "--output-format", "json"]


def a_process_each(known: dict[str, Any], package: Path, names: list[str]) -> Any:
    """Yield name, model and a remark for each constructor."""
    for name in names:
        run = measured([sys.executable, "-m", "bnlint", *arguments(package, known["constructors"][name], name)])
        yield name, (_model(run.output, run.errors), f"{run.seconds:6.2f} s {run.megabytes:6.0f} MB")


def one_process(cache: Path, package: Path, names: list[str]) -> Any:
    """Yield name, model and a remark for each constructor, all of them read by one process."""
    run = measured([sys.executable, __file__, "--child", str(cache), str(package), *names])
    print(f"one process: {run.seconds:.2f} s, {run.megabytes:.0f} MB")
    results = json.loads(run.output) if run.output else {}
    for name in names:
        text, seconds = results.get(name, ["", 0.0])
        yield name, (_model(text, run.errors), f"{seconds:6.2f} s")


def read_in_one_process(cache: str, package: str, names: list[str]) -> dict[str, tuple[str, float]]:
    """Recover several models in this process: the JSON text and the seconds of each."""
    sys.path.insert(0, str(ROOT))
    from bnlint.cli import main as command

    known = json.loads((Path(cache) / "constructors.json").read_text("utf-8"))["constructors"]
    found: dict[str, tuple[str, float]] = {}
    for name in names:
        begun = time.perf_counter()
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
            command(arguments(Path(package), known[name], name))
        found[name] = (output.getvalue(), time.perf_counter() - begun)
    return found


def measured(command: list[str]) -> Run:
    """Run a command and measure its time and its greatest memory."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        return Run(output.read(), errors.read(), seconds, usage.ru_maxrss / 1024)


def _model(text: str, errors: str) -> dict[str, Any] | str:
    try:
        models = json.loads(text)["models"]
    except (ValueError, KeyError, TypeError):
        return f"no JSON: {(errors or text).strip()[-500:]}"
    return models[0] if models else "no model found"


# -- the comparison ----------------------------------------------------------------------------------------------


def differences(built: dict[str, Any], model: dict[str, Any] | str) -> list[str]:
    """Return in sentences what distinguishes bnlint's model from Keras's; nothing if they are equal."""
    if isinstance(model, str):
        return [model]
    faults = []
    if not model["complete"]:
        faults.append('bnlint does not call the graph complete ("complete" is false)')
    classes = [node[0] for node in built["nodes"]]
    ours = {node["id"]: node["layer"].rpartition(".")[2] for node in model["nodes"]}
    faults += _counted("node", Counter(classes), Counter(ours.values()))
    between = Counter(f"{classes[start]} -> {classes[end]}" for start, end in built["edges"])
    faults += _counted("edge", between, Counter(f"{ours[start]} -> {ours[end]}" for start, end in model["edges"]))
    names = {node["id"]: node["name"] for node in model["nodes"]}
    theirs = {(built["nodes"][start][1], built["nodes"][end][1]) for start, end in built["edges"]}
    named = {(names[start], names[end]) for start, end in model["edges"] if names[start] and names[end]}
    faults += [f"edge {start} -> {end} is not in Keras's graph" for start, end in sorted(named - theirs)[:10]]
    return faults


def _counted(what: str, built: Counter[str], ours: Counter[str]) -> list[str]:
    different = sorted(key for key in built.keys() | ours.keys() if built[key] != ours[key])
    return [f"{what} {key}: Keras {built[key]}, bnlint {ours[key]}" for key in different]


if __name__ == "__main__":
    sys.exit(main())
