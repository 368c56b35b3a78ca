"""Write bnlint/keras_api/data from the installed Keras 3 (keras) and Keras 2 (tf_keras).

    python scripts/make_keras_table.py                    everything
    python scripts/make_keras_table.py names              names, layers, operations, signatures only
    python scripts/make_keras_table.py applications [X]   the models of keras.applications, or only those named

``--to DIR`` writes elsewhere.

Each generation is asked in a process of its own. The output depends on nothing but the installed versions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "bnlint" / "keras_api" / "data"
ANNOTATIONS = ROOT / "bnlint" / "keras_api" / "annotations.json"


def main(arguments: list[str]) -> int:
    """Run one of the commands above."""
    if arguments[:1] == ["--child"]:
        from keras_table.child import answer

        generation, question, path, *only = arguments[1:]
        answer(generation, question, path, only)
        return 0
    folder = DATA
    if "--to" in arguments:
        place = arguments.index("--to")
        folder = Path(arguments[place + 1])
        arguments = arguments[:place] + arguments[place + 2 :]
    command, *only = arguments or ["all"]
    if command not in ("all", "names", "applications"):
        print(__doc__, file=sys.stderr)
        return 2
    if command in ("all", "names"):
        from keras_table.merge import merge

        annotations = json.loads(ANNOTATIONS.read_text("utf-8"))
        core, signatures = merge(ask("3", "names"), ask("2", "names"), annotations)
        write(folder / "core.json", core)
        write(folder / "signatures.json", signatures)
    if command in ("all", "applications"):
        from keras_table.merge import merge_applications

        core = json.loads((folder / "core.json").read_text("utf-8"))
        for name, model in merge_applications(ask("3", "applications", only), ask("2", "applications", only), core).items():
            write(folder / "applications" / f"{name}.json", model)
    return 0


def ask(generation: str, question: str, only: list[str] | None = None) -> dict[str, Any]:
    """Ask one generation of Keras in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.json"
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, __file__, "--child", generation, question, str(path), *(only or [])]
        subprocess.run(command, check=True, env=environment)
        answer: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return answer


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, one line for each second-level entry, so that a diff shows what a new release changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = ",\n".join(f"{compact(key)}:{_block(value)}" for key, value in content.items())
    path.write_text("{\n" + text + "\n}\n", "utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


def _block(value: Any) -> str:
    if not isinstance(value, dict) or len(compact(value)) < 100:
        return compact(value)
    return "{\n" + ",\n".join(f"{compact(key)}:{compact(each)}" for key, each in value.items()) + "\n}"


def compact(value: Any) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
