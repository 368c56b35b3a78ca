"""The backend that Keras runs on, as far as code tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bnlint.index import Project
from bnlint.interpreter import analyse

NET = "import keras\nnet = keras.Sequential([keras.layers.BatchNormalization()])\n"


def backend(path: Path) -> str | None:
    project = Project.around(path)
    program = analyse(project, project.context([path]))
    layer = next(
        each for each in program.layers("keras.layers.BatchNormalization") if each.site and each.site.span.path == str(path)
    )
    return program.backend(layer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('import os\nos.environ["KERAS_BACKEND"] = "jax"\n' + NET, "jax"),
        ('from os import environ\nenviron.setdefault("KERAS_BACKEND", "torch")\n' + NET, "torch"),
        ('import os\nos.putenv("KERAS_BACKEND", "jax")\n' + NET, "jax"),
        ('import os\nos.environ.update({"KERAS_BACKEND": "jax"})\n' + NET, "jax"),
        ('import os\nos.environ.update(KERAS_BACKEND="jax")\n' + NET, "jax"),
        (NET + 'keras.config.set_backend("jax")\n', "jax"),
        (NET + "import jax\n\ndef loss(x, y):\n    return net.stateless_call(x, y)\n", "jax"),
        (NET + "import tensorflow as tf\nwith tf.GradientTape() as tape:\n    net(1)\n", "tensorflow"),
        (NET.replace("import keras", "import tf_keras as keras"), "tensorflow"),
        (NET, None),
        (NET + "import jax\nimport torch\n", None),
        ('import os\n# os.environ["KERAS_BACKEND"] = "jax"\n' + NET, None),
        ('import os\nif os.environ["KERAS_BACKEND"] == "jax":\n    pass\n' + NET, None),
        ('import os, sys\nos.environ["KERAS_BACKEND"] = sys.argv[1]\n' + NET, None),
        (
            'import os\nif os.name:\n    os.environ["KERAS_BACKEND"] = "jax"\nelse:\n    os.environ["KERAS_BACKEND"] = "torch"\n'
            + NET,
            None,
        ),
    ],
)
def test_the_backend_is_what_the_code_sets_or_can_only_run_on(text: str, expected: str | None, tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").touch()
    (tmp_path / "code.py").write_text(text)
    assert backend(tmp_path / "code.py") == expected


@pytest.mark.parametrize("line", ["%env KERAS_BACKEND=jax", "%set_env KERAS_BACKEND jax", '!export KERAS_BACKEND="jax"'])
def test_a_notebook_may_set_it_by_a_magic(line: str, tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").touch()
    cells = [{"cell_type": "code", "source": ["x = 1\n", line]}, {"cell_type": "code", "source": NET}]
    (tmp_path / "code.ipynb").write_text(json.dumps({"cells": cells}, indent=1))
    assert backend(tmp_path / "code.ipynb") == "jax"


def test_the_files_around_tell_it_where_they_agree(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").touch()
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "train.py").write_text('import os\nos.environ["KERAS_BACKEND"] = "jax"\nfrom net import net\nnet.fit(1)\n')
    (tmp_path / "other.py").write_text('import os\nos.environ["KERAS_BACKEND"] = "torch"\n')
    assert backend(tmp_path / "net.py") == "jax"
    (tmp_path / "again.py").write_text('import os\nos.environ["KERAS_BACKEND"] = "torch"\nfrom net import net\nnet.fit(1)\n')
    assert backend(tmp_path / "net.py") is None
