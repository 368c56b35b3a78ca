"""What ``BatchNormMonitor`` says of real trainings with Keras 3 and Keras 2 (tf_keras), and that it does not change them."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import live_models as models
import numpy as np
import pytest
from live_models import X, Y, convnet, subclassed

from bnlint.verify import BatchNormMonitor, BatchNormWarning
from bnlint.verify.live import Live, to_array
from bnlint.verify.monitor import batch_moments
from bnlint.verify.monitor_course import LayerCourse, State, unsettled
from bnlint.verify.norm_calls import Recorder
from bnlint.verify.reference import Moments

BATCH = 8


@pytest.fixture(scope="module", params=["3", "2"])
def keras(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module("keras" if request.param == "3" else "tf_keras")


def train(keras: Any, model: Any, monitor: Any, epochs: int = 2, x: Any = X, optimizer: str | None = "adam") -> list[str]:
    """What the monitor warns of during a training."""
    if optimizer is not None:
        model.compile(optimizer, "mse")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, Y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[monitor])
    said = [str(each.message) for each in caught if issubclass(each.category, BatchNormWarning)]
    assert said == [f"{each.code} {each.message}" for each in monitor.findings]
    return said


def seeded(keras: Any, make: Callable[[Any], Any]) -> Any:
    keras.utils.set_random_seed(2)
    return make(keras)


def settling(keras: Any) -> Any:
    return convnet(keras, momentum=0.5, dropout=0)


def dying(keras: Any) -> Any:
    """Three channels of the first convolution are 0 for good."""
    model = settling(keras)
    kernel = model.layers[0].kernel
    value = to_array(kernel)
    value[..., :3] = 0
    kernel.assign(value)
    model.layers[0].trainable = False
    return model


def diverged(keras: Any) -> Any:
    model = settling(keras)
    model.layers[0].kernel.assign(np.full(tuple(model.layers[0].kernel.shape), np.inf, "float32"))
    return model


@pytest.mark.parametrize("data", [X, None], ids=["with samples", "without"])
@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda keras: subclassed(keras, models.never), "BN205", "after 8 steps the moving mean is still 0"),
        (lambda keras: convnet(keras, momentum=0.999), "BN509", "after 16 steps at momentum 0.999 98 % of the moving statistics"),
        (diverged, "BN701", "since epoch 1"),
        (dying, "BN702", "the input of 3 of 8 never varied"),
        (settling, "", ""),
    ],
    ids=["never updated", "not settled", "diverged", "dead", "clean"],
)
def test_a_fault_is_warned_of_once(keras: Any, make: Callable[[Any], Any], code: str, words: str, data: Any) -> None:
    said = train(keras, seeded(keras, make), BatchNormMonitor(data), 2 if code != "BN702" else 6)
    assert [each[:5] for each in said] == [code][: len(code)], said
    assert all(words in each for each in said)


def test_a_missing_training_argument_is_named_where_keras_3_needs_it(keras: Any) -> None:
    said = train(keras, subclassed(keras, models.without_training), BatchNormMonitor(X))
    if keras.__version__.startswith("2"):
        assert all(each.startswith("BN509") for each in said)  # it is trained, and 16 steps are few
    else:
        assert len(said) == 1
        assert said[0].startswith("BN202")
        assert "add training=None" in said[0]


def test_a_pretrained_model_that_leaves_its_statistics_is_named(keras: Any) -> None:
    pretrained = seeded(keras, settling)
    train(keras, pretrained, BatchNormMonitor(), 4)
    weights = pretrained.get_weights()
    other = (X * 2 - 9).astype("float32")
    for data, expected in ((X, []), (other, ["BN401"])):
        model = seeded(keras, settling)
        model.set_weights(weights)
        monitor = BatchNormMonitor(data)
        said = train(keras, model, monitor, x=data)
        assert [each[:5] for each in said] == expected, said
    assert "norm1" in said[0]
    assert "trainable = False" in said[0]


def test_going_on_with_a_training_is_no_drift(keras: Any) -> None:
    model = seeded(keras, settling)
    train(keras, model, BatchNormMonitor(X))
    assert train(keras, model, BatchNormMonitor(), x=(X * 2 - 9).astype("float32"), optimizer=None) == []


def test_a_frozen_pretrained_model_keeps_its_statistics(keras: Any) -> None:
    model = seeded(keras, settling)
    train(keras, model, BatchNormMonitor(X))
    for name in ("norm1", "norm2"):
        model.get_layer(name).trainable = False
    assert train(keras, model, BatchNormMonitor(X), x=(X * 2 - 9).astype("float32")) == []


@pytest.mark.parametrize("make", [convnet, lambda keras: subclassed(keras, models.clean)], ids=["sequential", "subclassed"])
def test_a_watched_training_is_the_same_as_an_unwatched_one(keras: Any, make: Callable[[Any], Any]) -> None:
    ends = []
    for callbacks in ([], [BatchNormMonitor(X)]):
        model = seeded(keras, make)
        model.compile("adam", "mse")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BatchNormWarning)
            history = model.fit(X, Y, batch_size=BATCH, epochs=3, verbose=0, callbacks=callbacks)
        ends.append([*(to_array(weight) for weight in model.weights), np.array(history.history["loss"]), np.random.rand(3)])
    for watched, unwatched in zip(*ends, strict=True):
        np.testing.assert_array_equal(watched, unwatched)


def test_batch_statistics_are_those_of_a_training_step(keras: Any) -> None:
    model = seeded(keras, lambda keras: convnet(keras, dropout=0))
    live = Live(model)
    before = [to_array(weight) for weight in model.weights]
    seen = batch_moments(live, X[:16], {id(norm) for norm in live.norms()})
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_array(weight), value)
    with Recorder(live, measured=True) as recorder:
        live(X[:16], training=True)
    for call in recorder.calls:
        assert call.moments is not None
        np.testing.assert_allclose(seen[id(call.layer)].mean, call.moments.mean, 1e-4, 1e-5)
        np.testing.assert_allclose(seen[id(call.layer)].variance, call.moments.variance, 1e-4)


def test_the_gap_to_the_batches_closes_during_a_training(keras: Any) -> None:
    model, monitor = seeded(keras, lambda keras: convnet(keras, momentum=0.9, dropout=0)), BatchNormMonitor(X)
    train(keras, model, monitor, 6)
    course = monitor.courses["norm1"]
    gaps = [course.gap(state) for state in course.states[1:]]
    assert len(gaps) == 6
    assert gaps[0] is not None
    assert gaps[-1] is not None
    assert gaps[0][0] > 0.5 > gaps[-1][0]
    assert course.last.updates == 6 * len(X) // BATCH


def test_it_is_a_callback_of_the_models_keras_and_can_be_copied(keras: Any) -> None:
    monitor = BatchNormMonitor()
    assert isinstance(monitor, BatchNormMonitor)
    assert isinstance(monitor, keras.callbacks.Callback)
    assert isinstance(copy.deepcopy(monitor), keras.callbacks.Callback)


def test_it_works_in_a_callback_list_of_a_loop_of_ones_own(keras: Any) -> None:
    model = seeded(keras, lambda keras: convnet(keras, momentum=0.99))
    model.compile("sgd", "mse")
    monitor = BatchNormMonitor(X)
    callbacks = keras.callbacks.CallbackList([monitor], model=model)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        for step in range(4):
            callbacks.on_train_batch_begin(step)
            model.train_on_batch(X[step * 16 :][:16], Y[step * 16 :][:16])
            callbacks.on_train_batch_end(step)
        callbacks.on_epoch_end(epoch)
    with pytest.warns(BatchNormWarning, match="after 8 steps"):
        callbacks.on_train_end()


def test_several_steps_in_one_execution_are_all_counted(keras: Any) -> None:
    model, monitor = seeded(keras, settling), BatchNormMonitor()
    model.compile("sgd", "mse", steps_per_execution=3)
    train(keras, model, monitor, 2, optimizer=None)
    assert monitor.courses["norm1"].last.updates == 2 * len(X) // BATCH


def test_every_other_epoch_is_enough(keras: Any) -> None:
    model, monitor = seeded(keras, settling), BatchNormMonitor(X, every=2)
    train(keras, model, monitor, 5)
    assert [state.epoch for state in monitor.courses["norm1"].states] == [-1, 0, 1, 3, 4]


def test_rules_can_be_ignored(keras: Any) -> None:
    monitor = BatchNormMonitor(X, ignore=["BN5"])
    assert train(keras, seeded(keras, lambda keras: convnet(keras, momentum=0.999)), monitor) == []


def test_a_model_that_cannot_be_run_apart_is_still_trained_and_watched(keras: Any) -> None:
    model, monitor = seeded(keras, lambda keras: convnet(keras, momentum=0.999)), BatchNormMonitor(X[:, :3, :3])
    model.compile("sgd", "mse")
    with pytest.warns(BatchNormWarning, match="only moving statistics are watched"):
        model.fit(X, Y, batch_size=BATCH, epochs=1, verbose=0, callbacks=[monitor])
    assert [each.code for each in monitor.findings] == ["BN509"]


def test_the_course_goes_to_tensorboard(keras: Any, tmp_path: Path) -> None:
    model, monitor = seeded(keras, settling), BatchNormMonitor(X, tensorboard=tmp_path)
    train(keras, model, monitor)
    summaries = importlib.import_module("tensorflow").compat.v1.train.summary_iterator
    (written,) = tmp_path.iterdir()
    tags = {value.tag for event in summaries(str(written)) for value in event.summary.value}
    assert "batch_normalization/norm1/mean_gap" in tags
    assert "batch_normalization/norm2/variance_drift" in tags


def course(layers: int = 1) -> list[LayerCourse]:
    states = [State(-1, 0, np.zeros(4), np.ones(4))]
    states += [State(epoch, 10 * epoch, np.ones(4), np.ones(4), Moments(np.ones(4), np.ones(4), 32)) for epoch in range(1, 4)]
    return [LayerCourse(f"norm{index}", 0.9, 1e-3, 32, True, list(states)) for index in range(layers)]


@pytest.mark.parametrize("layers", [2, 40])
def test_the_course_can_be_drawn(layers: int, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    monitor = BatchNormMonitor()
    monitor.courses = {each.name: each for each in course(layers)}
    figure = monitor.plot(tmp_path / "course.png")
    assert (tmp_path / "course.png").read_bytes().startswith(b"\x89PNG")
    assert "standard deviations" in figure.axes[0].get_title()


def test_a_picture_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    monitor = BatchNormMonitor()
    with pytest.raises(ValueError, match="fit the model"):
        monitor.plot()
    monitor.courses = {each.name: each for each in course()}
    with pytest.raises(ImportError, match="pip install"):
        monitor.plot()


def test_samples_unlike_the_training_are_not_too_few_steps() -> None:
    settled = course()
    settled[0].states[-1] = State(3, 1000, np.full(4, 9.0), np.ones(4), Moments(np.ones(4), np.ones(4), 32))
    (remark,) = unsettled(settled)
    assert "8 standard deviations off" in remark.text
    assert "samples unlike those of the training" in remark.text


def test_chance_in_a_few_samples_is_no_gap() -> None:
    random = np.random.default_rng(0)
    few = random.normal(0, 1, (16, 1000))
    state = State(0, 100, np.zeros(1000), np.ones(1000), Moments(few.mean(0), few.var(0), 16))
    gap = LayerCourse("norm", 0.9, 1e-3, 16, True, [state]).gap(state)
    assert gap is not None
    assert gap[0] < 0.1
    assert gap[1] < 0.25
