"""The graph that ``bnlint graph FILE:NAME`` recovers: by class of code, each in the smallest builder that has it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

from bnlint.graph import models_of
from bnlint.index import Project


class Recovered(NamedTuple):
    """The classes of the nodes in order, the edges between them as text, and whether that is all."""

    nodes: list[str]
    edges: list[str]
    complete: bool
    names: list[str | None]


def recovered(folder: Path, source: str, version: str = "3", **files: str) -> Recovered:
    """What ``model()`` in a file builds; ``files`` are modules beside it."""
    (folder / "pyproject.toml").write_text('[project]\nname = "builders"\n', "utf-8")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(dedent(text), "utf-8")
    file = folder / "builder.py"
    file.write_text(dedent(source), "utf-8")
    model: dict[str, Any] = models_of(Project(folder), file, "model", {}, version)[0]
    kinds = [node["layer"].rpartition(".")[2] for node in model["nodes"]]
    edges = [f"{kinds[start]} -> {kinds[end]}" for start, end in model["edges"]]
    return Recovered(kinds, edges, model["complete"], [node["name"] for node in model["nodes"]])


def test_a_model_without_any_normalization_is_recovered(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers

        def model():
            x = Input((4,))
            return Model(x, layers.Dense(2)(x))
        """,
    )
    assert found[:3] == (["InputLayer", "Dense"], ["InputLayer -> Dense"], True)


def test_names_reach_a_builder_through_locals_eval_and_globals(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model
        from keras.layers import Dense, ELU, LeakyReLU, ReLU

        def build(units, activation="ReLU", deep=False, **kwargs):
            x = inputs = Input((units,))
            x = eval(activation)(name="act")(x)
            if deep:
                x = Dense(units)(x)
            return Model(inputs, globals()["ELU"]()(x))

        def small(units=4, activation="LeakyReLU", **kwargs):
            return build(**locals(), **kwargs)

        def model():
            return small()
        """,
    )
    assert found.nodes == ["InputLayer", "LeakyReLU", "ELU"]
    assert found.complete
    assert found.names[1] == "act"


def test_modules_are_imported_by_name(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        import importlib

        def model():
            return importlib.import_module("small_" + "net").build()
        """,
        small_net="""
        from keras import Input, Model, layers

        def build():
            x = Input((4,))
            return Model(x, layers.ReLU()(x))
        """,
    )
    assert found.nodes == ["InputLayer", "ReLU"]


def test_what_keras_has_and_has_not_is_known(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from tensorflow import keras

        def model():
            layers = keras.layers
            Scale = layers.Rescaling if hasattr(layers, "Rescaling") else layers.experimental.preprocessing.Rescaling
            Act = layers.Swish if hasattr(layers, "Swish") else layers.ReLU
            x = keras.Input((4,))
            return keras.Model(x, Act()(Scale(2.0)(x)))
        """,
        "2",
    )
    assert found[:3] == (["InputLayer", "Rescaling", "ReLU"], ["InputLayer -> Rescaling", "Rescaling -> ReLU"], True)


def test_an_attribute_that_a_module_lacks_gives_the_default(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        import blocks
        from keras import Input, Model

        def model():
            x = y = Input((4,))
            for name in ("dense", "conv"):
                block = getattr(blocks, name, None)
                y = block(y) if block is not None else y
            return Model(x, y)
        """,
        blocks="""
        from keras import layers

        def dense(x):
            return layers.Dense(4)(x)
        """,
    )
    assert (found.nodes, found.complete) == (["InputLayer", "Dense"], True)


def test_loops_of_both_pythons_are_unrolled(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers
        from six.moves import xrange as steps, zip

        def model():
            x = y = Input((4,))
            for i, name in zip(steps(3), "abc"):
                y = layers.Dense(4, name=name)(y)
            for i in xrange(2):
                y = layers.ReLU()(y)
            return Model(x, y)
        """,
        "2",
    )
    assert (found.nodes, found.complete) == (["InputLayer", *["Dense"] * 3, *["ReLU"] * 2], True)


def test_names_of_a_library_come_through_a_star_import(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        import functional
        from tensorflow.keras import Input, Model, layers

        def model():
            x = Input((8, 8, 3))
            y = functional.reduce_mean(x, [1, 2], keepdims=True)
            return Model(x, layers.Conv2D(y.shape[-1], 1)(y))
        """,
        "2",
        functional="""
        from tensorflow.nn import *
        from tensorflow.math import *
        """,
    )
    assert found[:3] == (["InputLayer", "reduce_mean", "Conv2D"], ["InputLayer -> reduce_mean", "reduce_mean -> Conv2D"], True)


def test_a_condition_that_changes_no_graph_leaves_it_complete(tmp_path: Path) -> None:
    source = """
        import os
        from keras import Input, Model, layers

        def model():
            x = Input((4,))
            y = layers.Dense(4)(x)
            if os.path.isdir(os.environ["LOGS"]):
                {}
            return Model(x, y)
        """
    assert recovered(tmp_path, source.format("print(y)")).complete
    assert not recovered(tmp_path, source.format("y = layers.ReLU()(y)")).complete


def test_a_condition_in_a_function_that_is_only_made_leaves_the_graph_complete(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers

        def model():
            x = Input((4,))
            net = Model(x, layers.Dense(4)(x))

            def accuracy(y_true, y_pred):
                if len(y_true.shape) == len(y_pred.shape):
                    y_true = y_true[0]
                return y_true

            net.compile("adam", metrics=[accuracy])
            return net
        """,
    )
    assert found.complete


def test_a_layer_whose_own_computation_is_out_of_sight_is_still_one_node(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers
        from elsewhere import Base

        class Mixed(Base, layers.Layer):
            pass

        def model():
            x = Input((4,))
            return Model(x, layers.Dense(2)(Mixed()(x)))
        """,
    )
    assert found[:3] == (["InputLayer", "Mixed", "Dense"], ["InputLayer -> Mixed", "Mixed -> Dense"], True)


def test_a_layer_declares_its_output_shape(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers
        from elsewhere import kernel

        class Same(layers.Layer):
            def call(self, x):
                return kernel(x)

            def compute_output_shape(self, input_shape):
                return (*input_shape[:-1], 7)

        def model():
            x = Input((4,))
            y = Same()(x)
            return Model(x, layers.ReLU()(y) if y.shape[-1] == 7 else layers.Dense(2)(y))
        """,
    )
    assert (found.nodes, found.complete) == (["InputLayer", "Same", "ReLU"], True)


def test_a_layer_has_the_name_that_it_hands_to_its_base(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers

        class Silent(layers.Layer):
            def __init__(self, units, name=None):
                super().__init__()
                self.inner = layers.Dense(units)

            def call(self, x):
                return self.inner(x)

        class Named(Silent):
            def __init__(self, units, **kwargs):
                layers.Layer.__init__(self, **kwargs)
                self.inner = layers.Dense(units)

        def model():
            x = Input((4,), name="in")
            return Model(x, Named(3, name="second")(Silent(2, name="first")(x)))
        """,
    )
    assert found.nodes == ["InputLayer", "Silent", "Named"]
    assert found.names[:2] == ["in", None]


def test_the_mask_that_keras_passes_on_is_not_none(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers

        class Masked(layers.Layer):
            def call(self, x, mask=None):
                if mask is None:
                    raise ValueError("a mask is needed")
                return x * mask

        def model():
            x = Input((4,), dtype="int32")
            y = layers.Embedding(10, 3, mask_zero=True)(x)
            return Model(x, layers.ReLU()(Masked()(y)))
        """,
    )
    assert found[:3] == (
        ["InputLayer", "Embedding", "Masked", "ReLU"],
        ["InputLayer -> Embedding", "Embedding -> Masked", "Masked -> ReLU"],
        True,
    )


def test_an_input_that_leads_nowhere_is_a_node(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers

        def model():
            a, length = Input((4,), name="a"), Input((1,), name="length")
            return Model([a, length], layers.Dense(1)(a))
        """,
    )
    assert sorted(found.nodes) == ["Dense", "InputLayer", "InputLayer"]
    assert found.complete


def test_configurations_are_named_tuples_with_a_new_of_their_own(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from collections import namedtuple
        from keras import Input, Model, layers

        class Feature(namedtuple("Feature", ["name", "size", "norm"])):
            __slots__ = ()

            def __new__(cls, name, size=4, norm=True):
                if size == "auto":
                    size = 6
                return super(Feature, cls).__new__(cls, name, size, norm)

            @property
            def layer_name(self):
                return self.name + "_dense"

        def model():
            features = [Feature("a", "auto"), Feature("b", norm=False)]
            features[0] = features[0]._replace(norm=features[0].size == 6)
            inputs = {each.name: Input((each.size,), name=each.name) for each in features}
            outputs = []
            for each in filter(lambda x: isinstance(x, Feature), features):
                y = layers.Dense(2, name=each.layer_name)(inputs[each.name])
                outputs.append(layers.BatchNormalization()(y) if each.norm else y)
            return Model(list(inputs.values()), layers.concatenate(outputs))
        """,
    )
    assert sorted(found.nodes) == ["BatchNormalization", "Concatenate", "Dense", "Dense", "InputLayer", "InputLayer"]
    assert sorted(found.edges) == [
        "BatchNormalization -> Concatenate",
        "Dense -> BatchNormalization",
        "Dense -> Concatenate",
        "InputLayer -> Dense",
        "InputLayer -> Dense",
    ]
    assert found.complete
    assert {"a_dense", "b_dense"} <= set(found.names)


def test_records_are_replaced_unpacked_and_turned_into_dictionaries(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from dataclasses import asdict, dataclass, field, replace
        from typing import NamedTuple
        from keras import Input, Model, layers

        @dataclass
        class Stage:
            units: int
            act: str = "relu"
            extras: list = field(default_factory=list)

        class Head(NamedTuple):
            classes: int
            drop: float = 0.0

        def model():
            stage = Stage(4)
            x = y = Input((4,))
            for each in (stage, replace(stage, act=None), Stage(**{**asdict(stage), "extras": ["drop"]})):
                y = layers.Dense(each.units)(y)
                if each.act:
                    y = layers.Activation(each.act)(y)
                if "drop" in each.extras:
                    y = layers.Dropout(0.2)(y)
            classes, drop = Head(3)._replace(drop=0.5)
            return Model(x, layers.Dense(classes)(layers.Dropout(drop)(y) if drop else y))
        """,
    )
    assert found.nodes == [*["InputLayer", "Dense", "Activation", "Dense", "Dense", "Activation", "Dropout", "Dropout", "Dense"]]
    assert found.complete


def test_numpy_cuts_configurations_up(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        import numpy as np
        from keras import Input, Model, layers

        def model():
            depths = [1, 2]
            cuts = [sum(depths[: i + 1]) for i, _ in enumerate(depths[:-1])]
            rates = [part.tolist() for part in np.split(np.linspace(0.0, 0.2, sum(depths)), cuts)]
            x = y = Input((4,))
            for depth, rate in zip(depths, rates):
                for i in range(depth):
                    each = rate[i] if isinstance(rate, (list, tuple)) else rate
                    y = layers.Dense(4)(y)
                    y = layers.Dropout(each)(y) if each > 0 else y
            return Model(x, y)
        """,
    )
    assert (found.nodes, found.complete) == (["InputLayer", "Dense", "Dense", "Dropout", "Dense", "Dropout"], True)


def test_functions_with_several_results_keep_shapes(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        from keras import Input, Model, layers, ops

        def model():
            x = Input((8, 6))
            a, b = ops.split(x, [2], axis=-1)
            y = ops.einsum("btc,bsd->btsd", a, b)
            y = ops.pad(y, [[0, 0], [1, 1], [0, 0], [0, 0]])
            y = layers.Conv2D(2, 3)(y) if y.shape == (None, 10, 8, 4) else y
            return Model(x, y)
        """,
    )
    assert found[:3] == (
        ["InputLayer", "Split", "Einsum", "Pad", "Conv2D"],
        ["InputLayer -> Split", "Split -> Einsum", "Split -> Einsum", "Einsum -> Pad", "Pad -> Conv2D"],
        True,
    )


def test_asking_tensorflow_for_a_shape_is_a_node_of_keras_2(tmp_path: Path) -> None:
    found = recovered(
        tmp_path,
        """
        import tensorflow as tf
        from tensorflow.keras import Input, Model, layers

        def model():
            x = Input((8, 8, 3))
            small = layers.MaxPooling2D()(x)
            y = tf.image.resize(small, tf.shape(x)[1:3])
            y = layers.Conv2D(2, 1)(y) if y.shape[1] == 8 else y
            return Model(x, y)
        """,
        "2",
    )
    assert sorted(found.nodes) == ["Conv2D", "GetItem", "InputLayer", "MaxPooling2D", "resize", "shape"]
    assert {"InputLayer -> shape", "shape -> GetItem", "GetItem -> resize", "MaxPooling2D -> resize"} <= set(found.edges)
    assert found.complete
