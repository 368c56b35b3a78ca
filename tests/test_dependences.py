"""What has to run to bring a place to life: which statements of its file, which other files, from which function on."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from bnlint.dependences import Dependences, dependences
from bnlint.finding import Span
from bnlint.index import Project
from bnlint.interpreter import analyse


def depends(folder: Path, where: str, **files: str) -> Dependences:
    """The dependences of the line ``# here`` of a file of a project of several."""
    (folder / "setup.cfg").touch()
    paths = {}
    for name, text in files.items():
        paths[name] = folder / f"{name}.py"
        paths[name].write_text(dedent(text).lstrip())
    path = str(paths[where])
    line = next(number for number, text in enumerate(paths[where].read_text().splitlines(), 1) if "# here" in text)
    project = Project.around(path)
    return dependences(analyse(project, project.context([path])), Span(path, line, 1, line + 1, 1))


def starts(found: Dependences) -> list[tuple[str, str, bool]]:
    """The files, functions, and whether nobody calls them."""
    return [(Path(each.path).stem, each.name, each.outermost) for each in found.starts]


LAYER = "import keras; layer = keras.layers.BatchNormalization()"
NET = """
    from keras import layers

    def block(x):
        x = layers.Dense(4)(x)
        return layers.BatchNormalization()(x)  # here
"""


def test_a_script_starts_at_itself_and_keeps_what_its_model_depends_on(tmp_path: Path) -> None:
    found = depends(
        tmp_path,
        "script",
        script="""
        import keras
        width = 4
        title = "unrelated"
        x = keras.Input((width,))
        y = keras.layers.BatchNormalization()(x)  # here
        model = keras.Model(x, y)
        """,
    )
    assert starts(found) == [("script", "", True)]
    assert found.starts[0].lines == {2, 4, 5, 6}


def test_the_files_and_functions_that_call_a_place_follow_it(tmp_path: Path) -> None:
    found = depends(
        tmp_path,
        "net",
        net=NET,
        build="""
        import keras
        from net import block

        def build():
            x = keras.Input((4,))
            return keras.Model(x, block(x))
        """,
        train="""
        from build import build

        def main():
            unrelated = 3
            model = build()
            model.compile("sgd", "mse")
        """,
    )
    assert starts(found) == [("net", "", True), ("build", "build", False), ("train", "main", True)]
    assert found.starts[1].lines == {5, 6}
    assert found.starts[2].lines == {5, 6}


def test_a_file_that_calls_nothing_of_the_place_is_no_start(tmp_path: Path) -> None:
    found = depends(tmp_path, "net", net=NET, other=f"from net import block\n\n\n\n{LAYER}\n")
    assert starts(found) == [("net", "", True)]


def test_the_training_and_the_calls_that_lead_to_a_place_are_kept(tmp_path: Path) -> None:
    found = depends(
        tmp_path,
        "script",
        script="""
        import keras
        def net():
            x = keras.Input((4,))
            return keras.Model(x, keras.layers.BatchNormalization()(x))  # here
        model = net()
        model.compile("sgd", "mse")
        history = model.fit(x, y)
        other = 1
        """,
    )
    assert found.starts[0].lines == {3, 4, 5, 6, 7}


def test_a_call_is_kept_though_nobody_takes_what_it_gives(tmp_path: Path) -> None:
    callers = "import keras\nfrom net import block\nother = 1\nx = keras.Input((4,))\nblock(x)\n"
    assert depends(tmp_path, "net", net=NET, train=callers).starts[1].lines == {4, 5}


def test_at_most_three_others_are_named_besides_the_file(tmp_path: Path) -> None:
    callers = {f"train{number}": "import keras\nfrom net import block\ny = block(keras.Input((4,)))\n" for number in range(6)}
    assert len(depends(tmp_path, "net", net=NET, **callers).starts) == 4


def test_the_generation_is_that_of_the_layers_at_the_place(tmp_path: Path) -> None:
    two = "import keras, tf_keras\na = keras.layers.BatchNormalization()\nb = tf_keras.layers.BatchNormalization()  # here\n"
    assert depends(tmp_path, "two", two=two).generation == "2"
    three = "import keras, tf_keras\na = keras.layers.BatchNormalization()  # here\nb = tf_keras.layers.BatchNormalization()\n"
    assert depends(tmp_path, "three", three=three).generation == "3"


def test_a_place_without_layers_has_the_generation_of_its_file(tmp_path: Path) -> None:
    text = "import tf_keras\nlayer = tf_keras.layers.BatchNormalization()\nn = 1  # here\n"
    assert depends(tmp_path, "two", two=text).generation == "2"


def test_the_backend_is_the_one_that_the_code_sets(tmp_path: Path) -> None:
    text = "import os\nos.environ['KERAS_BACKEND'] = 'jax'\nimport keras\nlayer = keras.layers.BatchNormalization()  # here\n"
    assert depends(tmp_path, "script", script=text).backend == "jax"
    assert (
        depends(tmp_path, "plain", plain="import keras\nlayer = keras.layers.BatchNormalization()  # here\n").backend
        == "tensorflow"
    )
