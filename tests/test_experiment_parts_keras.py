"""What experiments are made of: passes that are watched, sizes that are read off calls, expressions at a place."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tf_keras

from bnlint.finding import Span
from bnlint.verify.expressions import Unknowable, Written
from bnlint.verify.objects import is_norm
from bnlint.verify.passes import forward, settle
from bnlint.verify.plans import Plan, planned
from bnlint.verify.synthetic import leaves, mapped

layers = keras.layers
ROWS = np.zeros((65, 4), "float32")


@pytest.mark.parametrize(
    ("kind", "args", "kwargs", "plan"),
    [
        ("fit", (ROWS, ROWS), {"batch_size": 32, "epochs": 2}, Plan(32, 1, 6, True)),
        ("fit", (ROWS,), {}, Plan(32, 1, 3, False)),
        ("fit", (ROWS, ROWS, 16, 3), {"validation_split": 0.5}, Plan(16, 16, 6, True)),
        ("fit", ({"a": ROWS},), {"steps_per_epoch": 7}, Plan(32, 1, 7, False)),
        ("fit", (), {"batch_size": 4}, Plan(4, None, None, True)),
        ("train_on_batch", (ROWS[:3], ROWS[:3]), {}, Plan(3, 3, 1, False)),
        ("fit", (iter([(ROWS[:5], ROWS[:5])]),), {"steps_per_epoch": 10, "epochs": 4}, Plan(5, None, 40, False)),
    ],
)
def test_a_call_of_fit_tells_how_much_it_asks_for(kind: str, args: Any, kwargs: Any, plan: Plan) -> None:
    assert planned(kind, args, kwargs) == plan


def test_what_merely_has_a_shape_is_no_array_of_samples() -> None:
    class Batches:
        shape = (32, 32, 3)

        def __len__(self) -> int:
            return 9

        def __getitem__(self, index: int) -> Any:
            return ROWS[:2], ROWS[:2]

    assert planned("fit", (Batches(),), {"epochs": 2}) == Plan(2, None, 18, False)


def test_an_expression_is_worth_what_the_names_at_its_place_are() -> None:
    text = "for i in range(3):\n    for j in range(n):\n        f(x, size=n + 1)\n"
    written = Written(text, Span("f.py", 3, 9, 3, 25), [{"n": 4}, {"n": 5}])
    call = written.nodes(ast.Call)[0]
    assert written.value(call.keywords[0].value) == 5
    assert [len(written.value(loop.iter)) for loop in written.loops(call)] == [4, 3]
    with pytest.raises(Unknowable, match="x cannot be evaluated: NameError"):
        written.value(call.args[0])


def model_with(*middle: Any) -> Any:
    return keras.Sequential([keras.Input((6,)), layers.Dense(8), *middle, layers.BatchNormalization(), layers.Dense(2)])


def test_settled_statistics_give_in_inference_what_training_gives() -> None:
    model = model_with()
    batch = np.random.default_rng(0).normal(3.0, 2.0, (32, 6)).astype("float32")
    before = [weight.numpy() for weight in model.trainable_weights]
    assert settle(model, [batch]) == [model.layers[1]]
    trained, inferred = (forward(model, batch, mode)[0][0] for mode in (True, False))
    assert np.max(np.abs(trained - inferred)) < 1e-4
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, model.trainable_weights, strict=True))


def test_a_frozen_normalization_does_not_settle() -> None:
    model = model_with()
    model.layers[1].trainable = False
    assert settle(model, [np.ones((4, 6), "float32")]) == []
    assert not np.any(model.layers[1].moving_mean.numpy())


def test_a_pass_shows_what_layers_are_given_and_takes_changed_outputs() -> None:
    model = model_with()
    norm, last = model.layers[1:]
    batch = np.ones((4, 6), "float32")
    _, seen = forward(model, batch, False, lambda layer: layer in (norm, last))
    assert [each.layer for each in seen] == [norm, last]
    assert np.array_equal(seen[0].gave, seen[1].given)
    outputs, _ = forward(model, batch, False, lambda layer: layer is norm, lambda layer, output: output * 0.0)
    assert np.array_equal(outputs[0], np.tile(last.bias.numpy(), (4, 1)))


@pytest.mark.parametrize(
    ("layer", "is_one"),
    [
        (layers.BatchNormalization(), True),
        (tf_keras.layers.BatchNormalization(), True),
        (tf_keras.layers.experimental.SyncBatchNormalization(), True),
        (layers.LayerNormalization(), False),
        (tf_keras.layers.LayerNormalization(), False),
        (tf_keras.layers.Dense(1), False),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_batch_normalizations_of_both_generations_are_known(layer: Any, is_one: bool) -> None:
    assert is_norm(layer) == is_one


class Pair(NamedTuple):
    first: Any
    second: Any


def test_a_structure_is_mapped_as_it_is() -> None:
    tree = {"a": [1, None], "b": (2, Pair(3, [4]))}
    assert mapped(tree, lambda each: each + 1) == {"a": [2, None], "b": (3, Pair(4, [5]))}
    assert leaves(tree) == [1, 2, 3, 4]
