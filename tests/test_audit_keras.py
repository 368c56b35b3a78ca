"""What ``bnlint.verify.audit`` finds in live models of Keras 3 and Keras 2 (tf_keras), and that it leaves them as they were."""

from __future__ import annotations

import importlib
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import live_models as models
import numpy as np
import pytest
from live_models import X, Y, convnet, subclassed

from bnlint.finding import Finding
from bnlint.pytest_plugin import BatchNormAudit
from bnlint.registry import UnknownRule
from bnlint.verify import AuditWarning, audit
from bnlint.verify.live import Live, to_array
from bnlint.verify.samples import MOST_SAMPLES, made_up, samples_of
from bnlint.verify.unchanged import state_variables

FAULTS: list[tuple[str, Callable[[Any], Any], str, str]] = [
    # A fault, the model, the codes found under Keras 3 and under Keras 2.
    ("none", convnet, "", ""),
    ("none in a subclass", lambda keras: subclassed(keras, models.clean), "", ""),
    ("training not forwarded, which TensorFlow does not need", lambda keras: subclassed(keras, models.not_forwarded), "", ""),
    ("no training", lambda keras: subclassed(keras, models.without_training), "BN202", ""),
    ("always", lambda keras: subclassed(keras, models.always), "BN204", "BN204"),
    ("constant in a graph", models.constant_in_graph, "BN204", "BN204"),
    ("default true", lambda keras: subclassed(keras, models.default_true), "BN206", "BN206"),
    ("never", lambda keras: subclassed(keras, models.never), "BN205", "BN205"),
    ("explicit none", lambda keras: subclassed(keras, models.explicit_none), "BN210", ""),
    ("never called", lambda keras: subclassed(keras, models.never_called), "BN102", "BN102"),
    ("output unused", lambda keras: subclassed(keras, models.output_unused), "BN102", "BN102"),
    ("untracked", lambda keras: subclassed(keras, models.untracked, held=models.Held), "BN107", "BN107"),
    ("made in call", lambda keras: subclassed(keras, models.made_in_call), "BN105", "BN105"),
    ("shared", lambda keras: subclassed(keras, models.shared), "BN104", "BN104"),
    ("the same tensor twice", lambda keras: subclassed(keras, models.twice_the_same), "", ""),
    ("bias", lambda keras: convnet(keras, bias=True), "BN301", "BN301"),
    ("bias before the wrong axis", lambda keras: convnet(keras, bias=True, axis=1), "BN305 BN305", "BN305 BN305"),
    ("wrong axis", lambda keras: convnet(keras, axis=2), "BN305 BN305", "BN305 BN305"),
    ("momentum low", lambda keras: convnet(keras, momentum=0.1), "BN503", "BN503"),
    ("momentum 1", lambda keras: convnet(keras, momentum=1.0), "BN503", "BN503"),
    ("momentum 0.9997", lambda keras: convnet(keras, momentum=0.9997), "", ""),
    ("epsilon 0", lambda keras: convnet(keras, epsilon=0.0), "BN504", "BN504"),
    ("epsilon large", lambda keras: convnet(keras, epsilon=0.1), "BN504", "BN504"),
    ("epsilon of ResNet", lambda keras: convnet(keras, epsilon=1.001e-5), "", ""),
    ("frozen", models.frozen, "BN404", "BN404"),
    ("low precision", models.low_precision, "BN507", ""),  # Keras 2 keeps statistics in float32
    ("per step", models.per_step, "BN307", ""),
    ("not a number", lambda keras: models.with_statistics(keras, moving_mean=np.nan), "BN701", "BN701"),
    ("negative variance", lambda keras: models.with_statistics(keras, moving_variance=-1), "BN701", "BN701"),
    ("dead", lambda keras: models.with_statistics(keras, moving_variance=[1, 1, 1, 1e-12]), "BN702", "BN702"),
]


@pytest.fixture(scope="module", params=["3", "2"])
def generation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def keras(generation: str) -> Any:
    return importlib.import_module("keras" if generation == "3" else "tf_keras")


@pytest.fixture(autouse=True)
def always_the_same(keras: Any) -> Iterator[None]:
    keras.utils.set_random_seed(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="`build\\(\\)` was called on layer")
        yield


def data_for(model: Any) -> Any:
    return None if model.built else (X, Y)


def codes(findings: list[Finding]) -> str:
    return " ".join(each.code for each in findings)


@pytest.mark.parametrize(("make", "in_3", "in_2"), [each[1:] for each in FAULTS], ids=[each[0] for each in FAULTS])
def test_a_fault_is_found_and_nothing_else(keras: Any, generation: str, make: Callable[[Any], Any], in_3: str, in_2: str) -> None:
    model = make(keras)
    found = audit(model, data_for(model))
    assert codes(found) == (in_3 if generation == "3" else in_2), found
    for each in found:
        assert each.verdict is not None
        assert each.verdict.status == "confirmed"
        assert each.verdict.measured
        assert each.verdict.reason in each.message


def test_six_faults_of_a_convnet_are_named_after_a_training(keras: Any) -> None:
    model = models.six_faults(keras)
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    found = audit(model, (X, Y))
    assert codes(found) == "BN102 BN104 BN205 BN301 BN305 BN503", found
    for attribute, finding in zip(("forgotten", "norm", "still", "other_conv", "wrong_axis", "short_memory"), found, strict=True):
        assert f"Net.{attribute})" in finding.message


def test_the_clean_twin_is_clean_after_a_training(keras: Any) -> None:
    model = models.no_fault(keras)
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    assert audit(model, (X, Y)) == []


def test_a_training_after_an_audit_is_the_same_as_without(keras: Any) -> None:
    weights = []
    for audited in (True, False):
        keras.utils.set_random_seed(1)
        model = convnet(keras, bias=True)
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, Y, batch_size=16, epochs=1, verbose=0)
        if audited:
            assert codes(audit(model, (X, Y))) == "BN301"
        history = model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
        weights.append([*(to_array(weight) for weight in model.weights), np.array(history.history["mae"])])
        later = keras.layers.Dense(3)
        later.build((None, 4))
        weights[-1] += [to_array(later.kernel), np.array(random.random()), np.random.rand(2)]
    for with_audit, without in zip(*weights, strict=True):
        np.testing.assert_array_equal(with_audit, without)


@pytest.mark.parametrize("make", [convnet, lambda keras: subclassed(keras, models.without_training)])
@pytest.mark.parametrize("compiled", [True, False])
def test_an_audit_changes_nothing_of_the_model(keras: Any, make: Callable[[Any], Any], compiled: bool) -> None:
    model = make(keras)
    model(X[:2])
    if compiled:
        model.compile("adam", "mse")
        model.fit(X[:16], Y[:16], verbose=0)
    variables = state_variables(Live(model))
    before, values = dict(vars(model)), [to_array(variable) for variable in variables]
    audit(model, (X, Y))
    assert all(vars(model)[key] is value for key, value in before.items())
    assert vars(model).keys() == before.keys()
    for variable, value in zip(variables, values, strict=True):
        np.testing.assert_array_equal(to_array(variable), value)


def test_later_layers_are_called_what_they_would_have_been(keras: Any) -> None:
    model = subclassed(keras, models.made_in_call)
    model(X[:2])
    counts = []
    for _ in range(2):
        counts.append(int(keras.layers.BatchNormalization().name.rpartition("_")[2]))
        assert codes(audit(model, X)) == "BN105"
    assert counts[1] == counts[0] + 1


def test_one_encoder_for_two_inputs_is_meant(keras: Any) -> None:
    encoder = convnet(keras)
    one, other = keras.layers.Input((8, 8, 3)), keras.layers.Input((8, 8, 3))
    assert audit(keras.Model([one, other], keras.layers.Subtract()([encoder(one), encoder(other)]))) == []


def test_a_step_of_the_models_own_is_taken_on_the_data_given(keras: Any, generation: str) -> None:
    tensorflow = importlib.import_module("tensorflow")

    def train_step(self: Any, data: Any) -> Any:
        x, y = data
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_mean((self(x) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}

    model = subclassed(keras, models.clean)
    type(model).train_step = train_step
    model.compile("adam")
    model.fit(X[:16], Y[:16], verbose=0)
    optimizer = [to_array(each) for each in state_variables(Live(model))]
    assert codes(audit(model, (X, Y))) == "BN207"
    for variable, value in zip(state_variables(Live(model)), optimizer, strict=True):
        np.testing.assert_array_equal(to_array(variable), value)


def test_what_cannot_be_fitted_is_said_and_the_rest_is_found(keras: Any) -> None:
    def train_step(self: Any, data: Any) -> Any:
        raise RuntimeError("needs a robot")

    model = subclassed(keras, models.always)
    type(model).train_step = train_step
    with pytest.warns(AuditWarning, match="BN202.*needs a robot"):
        assert codes(audit(model, X)) == "BN204"


def test_a_pretrained_backbone_in_inference_mode_is_meant(keras: Any) -> None:
    model = subclassed(keras, models.never)
    model(X[:2])
    model.norm.moving_mean.assign(np.full(4, 2.0, "float32"))
    assert audit(model, X) == []


def test_a_finding_stands_where_the_users_class_makes_the_layer(keras: Any) -> None:
    (found,) = audit(subclassed(keras, models.shared), X)
    lines = Path(models.__file__).read_text().splitlines()
    assert Path(found.span.path) == Path(models.__file__)
    assert lines[found.span.line - 1][found.span.column - 1 : found.span.end_column - 1] == "layers.BatchNormalization()"
    assert "(Net.norm)" in found.message


def test_a_missing_training_stands_at_the_call(keras: Any, generation: str) -> None:
    if generation == "2":
        pytest.skip("it is no fault there")
    (found,) = audit(subclassed(keras, models.without_training), X)
    assert Path(models.__file__).read_text().splitlines()[found.span.line - 1].startswith("def without_training")


def test_a_finding_of_kerass_own_classes_stands_at_the_line_that_asked(keras: Any) -> None:
    (found,) = audit(convnet(keras, momentum=0.1))  # here
    assert Path(found.span.path) == Path(__file__)
    assert Path(__file__).read_text().splitlines()[found.span.line - 1].endswith("# here")


def test_a_message_names_the_layer_the_number_and_what_to_do(keras: Any) -> None:
    (found,) = audit(convnet(keras, bias=True))
    assert found.name == "redundant-bias"
    assert found.verdict is not None
    assert found.verdict.measured["change"] < 1e-5
    assert found.verdict.measured["parameters"] == 14
    assert "shifting them together by 1 changes the training outputs by" in found.message
    assert "use_bias=False" in found.message


def test_rules_can_be_ignored_by_code_prefix_and_name(keras: Any) -> None:
    model = convnet(keras, bias=True, momentum=0.1)
    assert codes(audit(model)) == "BN301 BN503"
    assert codes(audit(model, ignore=["BN3"])) == "BN503"
    assert codes(audit(model, ignore=["redundant-bias", "BN503"])) == ""
    with pytest.raises(UnknownRule, match="BN999"):
        audit(model, ignore=["BN999"])


def datasets(keras: Any) -> list[Any]:
    tensorflow = importlib.import_module("tensorflow")

    class Batches(keras.utils.Sequence):  # type: ignore[misc, name-defined, unused-ignore]
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return X[16 * index : 16 * index + 16], Y[16 * index : 16 * index + 16]

    pairs = tensorflow.data.Dataset.from_tensor_slices((X, Y))
    return [X, (X, Y), (X, Y, Y[:, 0]), pairs.batch(8), ((X[k : k + 8], Y[k : k + 8]) for k in range(0, 64, 8)), Batches(), [X]]


def test_data_is_whatever_fit_takes(keras: Any) -> None:
    for data in datasets(keras):
        if isinstance(data, list):
            continue
        assert codes(audit(subclassed(keras, models.always), data)) == "BN204"


def test_samples_are_the_first_of_the_data(keras: Any) -> None:
    for data in datasets(keras):
        samples = samples_of(data)
        assert samples.count == MOST_SAMPLES
        np.testing.assert_array_equal(samples.x[0] if isinstance(samples.x, list) else samples.x, X[:MOST_SAMPLES])
        if samples.y is not None:
            np.testing.assert_array_equal(samples.y, Y[:MOST_SAMPLES])
    named = samples_of(({"a": X, "b": [Y, Y]}, Y))
    assert named.x["b"][1].shape == (MOST_SAMPLES, 2)
    assert [len(samples_of(X[:count]).x) % max(2, count // 4) for count in (2, 5, 9, 31)] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (X[:1], ValueError, "a single sample"),
        (3j, TypeError, "a dataset is needed"),
        ((X, Y[:5]), ValueError, "different numbers"),
    ],
)
def test_data_that_is_none_is_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        samples_of(data)


def test_samples_are_made_up_where_none_are_given(keras: Any) -> None:
    layers = keras.layers
    words, image = layers.Input((None,), dtype="int32", name="words"), layers.Input((None, None, 3), name="image")
    text = layers.GlobalAveragePooling1D()(layers.Embedding(7, 4)(words))
    seen = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(image))
    model = keras.Model({"words": words, "image": image}, layers.Dense(1)(layers.Concatenate()([text, seen])))
    samples = made_up(Live(model))
    assert samples.x["words"].max() == 6
    assert samples.x["image"].ndim == 4
    assert audit(model) == []


def test_an_unbuilt_model_needs_data(keras: Any) -> None:
    with pytest.raises(ValueError, match="give data="):
        audit(subclassed(keras, models.clean))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match="a model of Keras is needed"):
        audit(object())


def test_a_model_without_batch_normalization_is_clean(keras: Any) -> None:
    assert audit(keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])) == []


def test_several_outputs_and_a_nested_backbone(keras: Any) -> None:
    layers = keras.layers
    inputs = layers.Input((8, 8, 3))
    backbone = convnet(keras, bias=True)
    features = backbone(inputs)
    model = keras.Model(inputs, {"one": layers.Dense(1, name="one")(features), "two": layers.Dense(3, name="two")(features)})
    assert codes(audit(model)) == "BN301"


def test_the_bias_that_softmax_cancels_is_not_batch_normalizations(keras: Any) -> None:
    layers = keras.layers
    inputs = layers.Input((5, 8))
    normed = layers.BatchNormalization()(inputs)
    attended = layers.MultiHeadAttention(2, 4)(normed, normed)  # the bias of the keys is cancelled by the softmax
    assert audit(keras.Model(inputs, layers.Dense(1)(layers.Flatten()(attended)))) == []


def test_the_fixture_fails_with_the_findings_as_text(keras: Any) -> None:
    with pytest.raises(pytest.fail.Exception) as failed:
        BatchNormAudit()(convnet(keras, bias=True, momentum=0.1))
    text = str(failed.value)
    assert "BN301 [redundant-bias]" in text
    assert text.endswith("2 faults of batch normalization")
    BatchNormAudit(["BN301"])(convnet(keras, bias=True))
    BatchNormAudit()(convnet(keras, bias=True), X, ignore=["BN301"])
