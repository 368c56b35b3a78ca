"""Runs with Keras: what is stood in for, what is recorded, and whether an experiment has left a run as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import keras
import numpy as np
import pytest

from bnlint.finding import Span, Verdict
from bnlint.verify import perform
from bnlint.verify.entries import Entry
from bnlint.verify.jobs import Job, Question
from bnlint.verify.patches import in_place
from bnlint.verify.stage import Stage

MODEL = """
    import keras
    from keras import layers
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])  # here
"""


def job(folder: Path, text: str) -> Job:
    """A job with one question, about the line ``# here``."""
    text = dedent(text).lstrip()
    path = folder / "zz_script.py"
    path.write_text(text)
    line = next((number for number, each in enumerate(text.splitlines(), 1) if "# here" in each), 1)
    return Job(str(path), text, "zz_script", (), (Question("BN301", Span(str(path), line, 1, line + 1, 1)),))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Stage]:
    def ran(text: str, entry: Entry | None = None, shape: tuple[int, ...] = (6,), trains: bool = False) -> Stage:
        asked = job(tmp_path, text)
        stage = Stage(asked, asked.scripts()[0], shape, trains)
        stage.run(entry)
        return stage

    return ran


Run = Callable[..., Stage]


# What is stood in for


@pytest.fixture
def notes() -> Iterator[list[str]]:
    found: list[str] = []
    with in_place(found.append):
        yield found


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("mnist", (28, 28), 10), ("fashion_mnist", (28, 28), 10), ("cifar10", (32, 32, 3), 10), ("cifar100", (32, 32, 3), 100)],
)
def test_images_have_the_shape_type_and_labels_of_the_true_ones(name: str, shape: Any, classes: int, notes: list[str]) -> None:
    (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    assert x.shape == (64, *shape) and x.dtype == "uint8" and x_test.shape == x.shape and x.max() > 200
    assert y.shape == ((64, 1) if name.startswith("cifar") else (64,)) and y.max() < classes and y_test.shape == y.shape
    assert notes == [f"{name} is made up"]


def test_rows_and_texts_are_made_up_too(notes: list[str]) -> None:
    (x, y), _ = keras.datasets.boston_housing.load_data()
    assert x.shape == (64, 13) and y.shape == (64,)
    (texts, labels), _ = keras.datasets.imdb.load_data(num_words=50)
    assert len(texts) == 64 and isinstance(texts[0], list) and set(labels) <= {0, 1}


def test_data_have_their_true_size_only_where_it_is_asked_for() -> None:
    with in_place(lambda note: None, true_sizes=True):
        (x, _), (x_test, _) = keras.datasets.boston_housing.load_data()
    assert (len(x), len(x_test)) == (404, 102)


def test_behind_the_run_keras_is_what_it_was() -> None:
    before = keras.datasets.mnist.load_data, keras.Model.load_weights, keras.utils.get_file
    with in_place(lambda note: None):
        assert keras.datasets.mnist.load_data is not before[0]
    assert (keras.datasets.mnist.load_data, keras.Model.load_weights, keras.utils.get_file) == before


def test_weights_stay_random_where_they_would_be_loaded(run: Run) -> None:
    stage = run(MODEL + '    model.load_weights("not-here.h5")\n')
    assert stage.recording.notes == ["the weights are random instead of loaded"] and not stage.recording.failures
    assert [each.kind for each in stage.recording.happenings] == ["load_weights"]


def test_nothing_is_downloaded(run: Run) -> None:
    stage = run("import keras\nfile = keras.utils.get_file('x', origin='http://nowhere.invalid/x')\n")
    assert not stage.recording.failures and stage.recording.notes == ["downloaded files are left out"]


# Entries, called


def test_an_entry_is_called_with_likely_arguments_and_its_tensors_become_a_model(run: Run) -> None:
    text = """
        from keras import layers
        def head(x, num_classes, use_bn):
            x = layers.Dense(num_classes)(x)
            return layers.BatchNormalization()(x) if use_bn else x  # here
    """
    stage = run(text, Entry("head"))
    assert stage.problem == "" and stage.used_shape
    assert [tuple(each.input_shape) + tuple(each.output_shape) for each in stage.models()] == [(None, 6, None, 10)]


def test_arguments_that_are_known_beat_likely_ones(run: Run) -> None:
    text = "from keras import layers\ndef head(x, num_classes):\n    return layers.Dense(num_classes)(x)  # here\n"
    assert run(text, Entry("head", arguments={"num_classes": 3})).models()[0].output_shape == (None, 3)


def test_a_method_is_called_on_an_instance(run: Run) -> None:
    text = """
        import keras
        class Net:
            def __init__(self, filters):
                self.filters = filters
            def build(self, input_shape):
                x = keras.Input(input_shape)
                return keras.Model(x, keras.layers.BatchNormalization()(x))  # here
    """
    stage = run(text, Entry("Net", "build"))  # not the method of Keras of that name
    assert stage.problem == "" and stage.models()[0].input_shape == (None, 6) and stage.recording.reached[0]


def test_a_model_that_a_step_needs_is_built_by_a_function_of_the_file(run: Run) -> None:
    text = """
        import keras
        def train_step(model, images, labels):
            return model(images, training=True)  # here
        def build_model():
            x = keras.Input((5,))
            return keras.Model(x, keras.layers.BatchNormalization()(x))
    """
    stage = run(text, Entry("train_step"))
    assert stage.problem == "" and len(stage.recording.reached[0]) == 1


def test_options_give_a_likely_value_for_each_name(run: Run) -> None:
    text = """
        from keras import layers
        def head(x, args):
            return layers.Dense(args.num_classes + args["batch_size"] + args.get("other", 1))(x)  # here
    """
    assert run(text, Entry("head")).models()[0].output_shape == (None, 27)


def test_an_entry_that_is_not_there_is_a_problem(run: Run) -> None:
    assert run("x = 1\n", Entry("net")).problem == "NameError: net is not defined when the module has run"


# Whether a run is as it was


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.layers[0].kernel.assign_add(np.ones((4, 3))),
        lambda model: model.layers[1].moving_mean.assign([1.0, 0.0, 0.0]),
        lambda model: setattr(model.layers[0], "trainable", False),
        lambda model: model.compile("sgd", "mse"),
        lambda model: (model.compile("sgd", "mse"), model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)),
    ],
    ids=["weights", "statistics", "frozen", "compiled", "trained"],
)
def test_a_change_of_the_models_is_seen(change: Callable[[Any], Any], run: Run) -> None:
    stage = run(MODEL)
    assert stage.is_untouched()
    change(stage.models()[0])
    assert not stage.is_untouched()


def test_a_look_at_the_models_leaves_them_untouched(run: Run) -> None:
    stage = run(MODEL)
    stage.models()[0](np.ones((2, 4)), training=False)
    stage.models()[0].get_config()
    assert stage.is_untouched()


def test_a_refutation_from_a_helper_that_others_call_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        from keras import layers
        def block(x):
            return layers.BatchNormalization()(x)  # here
        def net(x, unknowable):
            raise OSError("no data")
            return block(x)
    """

    def experiment(bench: Any) -> Verdict:
        return bench.decided(False, f"{len(bench.made())} layer is fine")  # type: ignore[no-any-return]

    monkeypatch.setattr(perform, "load", lambda: {"BN301": type("Rule", (), {"experiment": staticmethod(experiment)})})
    (verdict,) = (each for _, each in perform.perform(job(tmp_path, text), lambda index: None))
    assert verdict == Verdict("inconclusive", "1 layer is fine, but only a part of the code could be run")
    (verdict,) = (each for _, each in perform.perform(job(tmp_path, text.replace("return block(x)", "")), lambda index: None))
    assert verdict.status == "refuted"
