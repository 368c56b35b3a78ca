"""Which statements are kept: what the seeds depend on, and nothing that reads, asks or shows."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from bnlint.statements import depended_on


def kept(text: str) -> list[str]:
    """The kept statements, with ``# seed`` marking the seeds; a compound statement by its first line."""
    lines = dedent(text).strip().splitlines()
    seeds = [number for number, line in enumerate(lines, 1) if "# seed" in line]
    found = depended_on(ast.parse("\n".join(lines)), seeds)
    return [lines[number - 1].split("  #")[0].strip() for number in sorted(found)]


def test_a_seed_brings_in_what_it_reads_through_as_many_steps_as_it_takes() -> None:
    assert kept("""
        classes = 10
        width = classes * 2
        unrelated = width + 1
        model = build(width)  # seed
        """) == ["classes = 10", "width = classes * 2", "model = build(width)"]


def test_what_changes_a_kept_name_is_kept_wherever_it_stands() -> None:
    assert kept("""
        layers = []
        layers.append(Dense(4))
        layers[0].trainable = False
        sizes["x"] = 4
        model = Sequential(layers)  # seed
        layers.clear()
        """) == [
        "layers = []",
        "layers.append(Dense(4))",
        "layers[0].trainable = False",
        "model = Sequential(layers)",
        "layers.clear()",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "x = np.load('x.npy')",
        "x = pd.read_csv('x.csv')",
        "x = open('x').read()",
        "x = image_dataset_from_directory('x')",
        "x = input()",
        "x = requests_get(requests.get(url))",
        "x = plt.show()",
    ],
)
def test_what_reads_a_file_or_asks_or_shows_is_left_out(line: str) -> None:
    assert kept(f"{line}\nmodel = build(x)  # seed") == ["model = build(x)"]


@pytest.mark.parametrize(
    "line", ["x = load_data()", "x = load_model('x.h5')", "x.load_weights('x.h5')", "x = inputs()", "x = reload()"]
)
def test_what_the_run_can_stand_in_for_is_kept(line: str) -> None:
    assert kept(f"{line}\nmodel = build(x)  # seed") == [line, "model = build(x)"]


def test_a_seed_is_kept_though_it_reads_a_file() -> None:
    assert kept("model.fit(np.load('x.npy'))  # seed") == ["model.fit(np.load('x.npy'))"]


def test_what_functions_and_classes_read_of_the_module_is_kept() -> None:
    assert kept("""
        WIDTH = 4
        OTHER = 5
        RATE = 0.5
        def net():
            return Dense(WIDTH)
        class Net(Model):
            rate = RATE
        model = net()  # seed
        """) == ["WIDTH = 4", "RATE = 0.5", "model = net()"]


def test_what_a_method_gives_itself_is_kept_unless_it_comes_from_outside() -> None:
    assert kept("""
        class Net:
            def train(self):
                self.width = 4
                self.data = np.load("x.npy")
                self.layer = Dense(self.width)  # seed
        """) == ["self.width = 4", "self.layer = Dense(self.width)"]


def test_what_is_added_to_is_read_too() -> None:
    assert kept("""
        x = first()
        self.y = second()
        z[0] = third()
        x += Dense(4)(h)  # seed
        """) == ["x = first()", "x += Dense(4)(h)"]


def test_settings_of_keras_and_of_the_search_path_are_kept() -> None:
    assert kept("""
        import sys
        import keras as k
        from tensorflow.keras import backend as K, mixed_precision
        import numpy as np
        sys.path.append("lib")
        os.environ["KERAS_BACKEND"] = "jax"
        K.set_image_data_format("channels_first")
        k.backend.clear_session()
        mixed_precision.set_global_policy("mixed_float16")
        np.random.seed(1)
        model = build()  # seed
        """) == [
        'sys.path.append("lib")',
        'os.environ["KERAS_BACKEND"] = "jax"',
        'K.set_image_data_format("channels_first")',
        "k.backend.clear_session()",
        'mixed_precision.set_global_policy("mixed_float16")',
        "model = build()",
    ]


def test_the_head_of_a_loop_counts_for_itself_and_its_body_for_itself() -> None:
    assert kept("""
        unrelated = 3
        for size in sizes:
            total = total + size
            log = unrelated
        model = build(total)  # seed
        """) == ["for size in sizes:", "total = total + size", "model = build(total)"]
