"""What is measured of copies of weights: the variables that the code at a place writes or lists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bnlint.finding import Span, Verdict
from bnlint.registry import load
from bnlint.verify.jobs import Environment, Job, Question
from bnlint.verify.objects import backend_in_use
from bnlint.verify.perform import decide
from bnlint.verify.runs import Runs

pytest.importorskip("keras")

HEAD = """
import keras
import numpy as np


def network():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(6, use_bias=False)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.BatchNormalization()(x)))


"""


def verdict(tmp_path: Path, body: str, fragment: str) -> Verdict:
    """The verdict of BN601's experiment on the first line of a module that holds a fragment."""
    text = HEAD + body
    path = str(tmp_path / "copies.py")
    Path(path).write_text(text)
    line = next(number for number, each in enumerate(text.splitlines(), 1) if fragment in each)
    question = Question("BN601", Span(path, line, 1, line + 1, 1))
    return decide(Runs(Job(path, text, "copies", (), (question,))), 0, question)


AGENT = """
class Agent:
    def __init__(self):
        self.q, self.target = network(), network()
        self.target.set_weights(self.q.get_weights())

    def follow(self, one, other):
        for a, b in zip(one, other):
            a.assign(0.9 * a + 0.1 * b)

    def update(self):
        self.follow(self.target.trainable_variables, self.q.trainable_variables)  # here
"""


def test_a_copy_made_in_a_helper_method_is_confirmed(tmp_path: Path) -> None:
    found = verdict(tmp_path, AGENT, "# here")
    assert found.status == "confirmed", found.reason
    assert found.measured["statistics"] == 0 and found.measured["outputs"] > 0.01


def test_statistics_copied_by_a_second_call_of_the_function_refute(tmp_path: Path) -> None:
    body = AGENT + "        self.follow(self.target.non_trainable_variables, self.q.non_trainable_variables)\n"
    found = verdict(tmp_path, body, "# here")
    assert found.status == "refuted", found.reason


def test_statistics_copied_by_the_caller_decide_nothing(tmp_path: Path) -> None:
    body = AGENT.replace("def update(self)", "def soft(self)") + (
        "\n    def update(self):\n        self.soft()\n"
        "        self.follow(self.target.non_trainable_variables, self.q.non_trainable_variables)\n"
        "\n\nAgent().update()\n"
    )
    found = verdict(tmp_path, body, "# here")
    assert found.status == "inconclusive" and "are written in line" in found.reason


def test_gradients_of_the_weights_are_no_copy(tmp_path: Path) -> None:
    body = """
import tensorflow as tf

model, optimizer = network(), keras.optimizers.SGD()
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(model(np.ones((4, 4), "float32"), training=True) ** 2)
optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_weights), model.trainable_weights))  # here
"""
    found = verdict(tmp_path, body, "# here")
    assert found.status == "inconclusive", found.reason


@pytest.mark.parametrize(("listed", "status"), [("trainable_weights", "confirmed"), ("weights", "refuted")])
def test_a_file_is_judged_by_the_list_it_is_made_of(listed: str, status: str, tmp_path: Path) -> None:
    body = f"\ndef export(model, path):\n    np.savez(path, *[w.numpy() for w in model.{listed}])  # here\n"
    found = verdict(tmp_path, body, "# here")
    assert found.status == status, found.reason


@pytest.mark.parametrize(("line", "status"), [("", "confirmed"), ("best.set_weights(model.get_weights())\n", "refuted")])
def test_a_clone_is_compared_with_its_original(line: str, status: str, tmp_path: Path) -> None:
    body = f"model = network()\nbest = keras.models.clone_model(model)  # here\n{line}best.predict(np.ones((4, 4)))\n"
    found = verdict(tmp_path, body, "# here")
    assert found.status == status, found.reason


def test_a_loop_without_end_keeps_what_ends_it(tmp_path: Path) -> None:
    body = """
model, target = network(), network()
rounds = 0
while True:
    for a, b in zip(target.trainable_weights, model.trainable_weights):  # here
        a.assign(b)
    if rounds == 0:
        break
"""
    text = HEAD + body
    path = str(tmp_path / "copies.py")
    lines = text.splitlines()
    kept = [
        number for number, each in enumerate(lines, 1) if each.startswith(("model", "rounds", "while", "    for a", "        a."))
    ]
    here = next(number for number, each in enumerate(lines, 1) if "# here" in each)
    question = Question("BN601", Span(path, here, 1, here + 1, 1))
    found = decide(Runs(Job(path, text, "copies", (), (question,), lines=tuple(kept))), 0, question)
    assert found.status == "confirmed", found.reason


def test_a_missing_training_argument_is_judged_by_the_normalization_it_names(tmp_path: Path) -> None:
    body = """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(6)
        self.norm, self.always = keras.layers.BatchNormalization(), keras.layers.BatchNormalization()

    def call(self, x):  # here
        x = self.norm(self.dense(x))  # named
        return self.always(x, training=True)


model = Net()
model.compile("sgd", "mse")
"""
    text = HEAD + body
    path = str(tmp_path / "net.py")
    Path(path).write_text(text)
    lines = {each.rpartition("# ")[2]: number for number, each in enumerate(text.splitlines(), 1) if "# " in each}
    here, named = (Span(path, lines[name], 1, lines[name] + 1, 1) for name in ("here", "named"))
    for related, status in (((named,), "confirmed"), ((), "inconclusive")):
        question = Question("BN202", here, related)
        found = decide(Runs(Job(path, text, "net", (), (question,))), 0, question)
        assert found.status == status, found.reason


@pytest.mark.parametrize(("backend", "status"), [("tensorflow", "refuted"), ("jax", "inconclusive")])
def test_code_for_another_backend_is_not_acquitted_on_this_one(backend: str, status: str, tmp_path: Path) -> None:
    if backend_in_use() != "tensorflow":
        pytest.skip("runs on TensorFlow")
    rule = load()["BN203"]
    text = rule.page.examples("Good")[0]
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "def call(" in each)
    path = str(tmp_path / "told.py")
    question = Question("BN203", Span(path, line, 1, line + 1, 1))
    job = Job(path, text, "told", (), (question,), environment=Environment("3", backend))
    found = decide(Runs(job), 0, question)
    assert found.status == status, found.reason


KERAS_2 = """
import sys

sys.path.insert(0, sys.argv[2])
import tf_keras

sys.modules["keras"] = tf_keras
from test_copied_keras import AGENT, verdict

from pathlib import Path

LAST = "        self.follow(self.target.{0}, self.q.{0})\\n"
for more in ("", LAST.format("non_trainable_variables"), "        self.helper()\\n    def helper(self):\\n" + LAST.format("weights")):
    print("found", verdict(Path(sys.argv[1]), AGENT + more, "# here").reason)
"""


def test_writes_of_keras_2_variables_are_seen(tmp_path: Path) -> None:
    pytest.importorskip("tf_keras")
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    command = [sys.executable, "-c", KERAS_2, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    reasons = [each.removeprefix("found ") for each in done.stdout.splitlines() if each.startswith("found ")]
    assert len(reasons) == 3, done.stderr
    assert "0 of 2 moving statistics" in reasons[0] and "are written here" in reasons[0]
    assert "2 of 2 moving statistics" in reasons[1] and "2 of 2 moving statistics" in reasons[2]
