"""Keras's table: names by any import style, what layers and functions do, and that it has all of installed Keras."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bnlint.keras_api.records import Opaque
from bnlint.keras_api.shapes import FAMILIES
from bnlint.keras_api.table import DATA, Table, table

STYLES = {
    "keras.layers.Conv2D": """
        keras.layers.Conv2D  tensorflow.keras.layers.Conv2D  tf_keras.layers.Conv2D  keras_core.layers.Conv2D
        tensorflow.python.keras.layers.Conv2D  tensorflow.python.keras.layers.convolutional.Conv2D
        tensorflow.compat.v1.keras.layers.Conv2D  tensorflow.compat.v2.keras.layers.Conv2D
        tensorflow._api.v2.keras.layers.Conv2D  tensorflow.contrib.keras.layers.Conv2D
        tensorflow.contrib.keras.python.keras.layers.convolutional.Conv2D
        keras.src.layers.Conv2D  keras.src.layers.convolutional.conv2d.Conv2D  tf_keras.src.layers.convolutional.conv2d.Conv2D
        keras.api.layers.Conv2D  keras.api._v2.keras.layers.Conv2D  keras._tf_keras.keras.layers.Conv2D
        keras.layers.Convolution2D  keras.layers.convolutional.Convolution2D  keras.layers.AtrousConvolution2D
    """,
    "keras.layers.BatchNormalization": """
        keras.layers.normalization.BatchNormalization  keras.layers.normalization.batch_normalization.BatchNormalization
        keras.layers.BatchNormalizationV1  tensorflow.python.keras.layers.normalization_v2.BatchNormalization
        keras.layers.normalization.BatchNormalizationV2  keras.src.layers.normalization.batch_normalization.BatchNormalization
    """,
    "keras.layers.experimental.SyncBatchNormalization": """
        keras.layers.experimental.SyncBatchNormalization  tensorflow.keras.layers.experimental.SyncBatchNormalization
    """,
    "keras.layers.Conv2DTranspose": "keras.layers.Deconvolution2D  keras.layers.Convolution2DTranspose",
    "keras.layers.SeparableConv2D": "keras.layers.SeparableConvolution2D  keras.layers.convolutional.SeparableConv2D",
    "keras.layers.MaxPooling2D": "keras.layers.MaxPool2D  keras.layers.pooling.MaxPooling2D",
    "keras.layers.GlobalAveragePooling2D": "keras.layers.GlobalAvgPool2D",
    "keras.layers.Dense": "keras.layers.core.Dense  keras.layers.core.dense.Dense",
    "keras.layers.PReLU": "keras.layers.advanced_activations.PReLU",
    "keras.layers.LSTM": "keras.layers.recurrent.LSTM  keras.layers.recurrent_v2.LSTM",
    "keras.layers.TimeDistributed": "keras.layers.wrappers.TimeDistributed",
    "keras.layers.GaussianNoise": "keras.layers.noise.GaussianNoise",
    "keras.layers.LocallyConnected2D": "keras.layers.local.LocallyConnected2D",
    "keras.layers.CuDNNLSTM": "keras.layers.CuDNNLSTM  keras.layers.cudnn_recurrent.CuDNNLSTM",
    "keras.layers.Rescaling": "keras.layers.experimental.preprocessing.Rescaling",
    "keras.layers.Merge": "keras.layers.Merge  keras.legacy.layers.Merge",
    "keras.layers.merge": "keras.layers.merge  keras.layers.merge.merge",
    "keras.layers.add": "keras.layers.add  keras.layers.merge.add  keras.src.layers.merging.add.add",
    "keras.layers.Layer": """
        keras.Layer  keras.layers.Layer  keras.engine.topology.Layer  keras.engine.base_layer.Layer  keras.engine.Layer
        keras.src.layers.layer.Layer  tensorflow.python.keras.engine.base_layer.Layer
    """,
    "keras.Input": "keras.layers.Input  keras.Input  keras.engine.input_layer.Input  keras.src.layers.core.input_layer.Input",
    "keras.layers.InputLayer": "keras.layers.InputLayer  keras.src.layers.core.input_layer.InputLayer",
    "keras.InputSpec": "keras.InputSpec  keras.layers.InputSpec  keras.engine.InputSpec",
    "keras.Model": "keras.Model  keras.models.Model  keras.engine.training.Model  keras.engine.Model  keras.src.models.model.Model",
    "keras.Sequential": "keras.models.Sequential  keras.src.models.sequential.Sequential",
    "keras.models.Functional": "keras.src.models.functional.Functional  keras.src.models.Functional  keras.engine.network.Network",
    "keras.backend.image_data_format": """
        keras.backend.image_data_format  keras.config.image_data_format  keras.src.backend.image_data_format
        keras.src.backend.config.image_data_format  tensorflow.keras.backend.image_data_format
    """,
    "keras.backend.relu": "keras.backend.relu  keras.src.legacy.backend.relu  keras.backend.tensorflow_backend.relu",
    "keras.ops.relu": "keras.ops.relu  keras.ops.nn.relu  keras.src.ops.relu  keras.src.ops.nn.relu",
    "keras.utils.get_source_inputs": "keras.src.ops.operation_utils.get_source_inputs  keras.engine.get_source_inputs",
    "keras.applications.ResNet50": """
        keras.applications.ResNet50  keras.applications.resnet.ResNet50  keras.applications.resnet50.ResNet50
        keras.src.applications.resnet.ResNet50
    """,
    "keras.applications.resnet.preprocess_input": "keras.src.applications.resnet.preprocess_input",
    "keras.applications.vgg16.preprocess_input": "keras.applications.vgg16.preprocess_input",
    "keras.utils.to_categorical": "keras.utils.np_utils.to_categorical",
    "keras.preprocessing.image.ImageDataGenerator": "keras.preprocessing.image.ImageDataGenerator",
    "keras.optimizers.Adam": "keras.optimizers.Adam  keras.optimizers.adam.Adam  tensorflow.python.keras.optimizer_v2.adam.Adam",
    "keras.optimizers.legacy.Adam": "keras.optimizers.legacy.Adam",
    "keras.losses.mean_squared_error": "keras.losses.mse  keras.metrics.mse  keras.objectives.mean_squared_error",
    "keras.__version__": "keras.__version__  tensorflow.keras.__version__",
}
NOT_KERAS = """
    keras.src.applications.imagenet_utils.obtain_input_shape  keras.src.applications.resnet.stack_residual_blocks_v1
    keras.src.applications.resnet.ResNet  keras.src.applications.mobilenet_v3.relu  keras.src.applications.convnext.LayerScale
    keras.applications.resnet50.Model  keras.src.backend.standardize_data_format  tensorflow.layers.Dense
    tensorflow.layers.batch_normalization  tensorflow.nn.relu  torch.nn.BatchNorm2d  keras.layers.Dense.call  keras_contrib.layers.Dense
    kerastuner.HyperModel  keras
"""


@pytest.mark.parametrize(("canonical", "dotted"), [(name, each) for name, styles in STYLES.items() for each in styles.split()])
def test_every_way_to_import_a_name_leads_to_one_canonical_name(canonical: str, dotted: str) -> None:
    resolved = table().resolve(dotted)
    assert resolved is not None
    assert resolved.name == canonical
    again = table().resolve(canonical)
    assert again is not None and again.name == canonical


@pytest.mark.parametrize("dotted", NOT_KERAS.split())
def test_what_is_not_public_is_not_in_the_table(dotted: str) -> None:
    assert table().resolve(dotted) is None


@pytest.mark.parametrize(
    ("dotted", "generation"),
    [
        ("tf_keras.layers.Dense", "2"),
        ("tensorflow.python.keras.layers.Dense", "2"),
        ("tensorflow.contrib.keras.layers.Dense", "2"),
        ("keras.ops.add", "3"),
        ("keras.config.image_data_format", "3"),
        ("keras_core.layers.Dense", "3"),
        ("keras.layers.GroupQueryAttention", "3"),
        ("keras.layers.Dense", None),
        ("tensorflow.keras.layers.Dense", None),
        ("keras.src.layers.Dense", None),
        ("keras.layers.normalization.BatchNormalization", None),
        ("keras.layers.experimental.SyncBatchNormalization", None),
    ],
)
def test_generation_is_told_by_the_import_alone(dotted: str, generation: str | None) -> None:
    resolved = table().resolve(dotted)
    assert resolved is not None
    assert resolved.generation == generation


@pytest.mark.parametrize(
    ("dotted", "importable"),
    [
        ("keras.layers.BatchNormalization", "23"),
        ("tensorflow.keras.layers.BatchNormalization", "23"),
        ("keras.layers.experimental.SyncBatchNormalization", "2"),
        ("keras.layers.SyncBatchNormalization", ""),
        ("keras.layers.BatchNormalizationV1", ""),
        ("keras.layers.normalization.BatchNormalization", ""),
        ("tensorflow.python.keras.layers.BatchNormalization", ""),
        ("keras.ops.add", "3"),
        ("keras.backend.set_learning_phase", "2"),
    ],
)
def test_where_a_path_can_be_imported(dotted: str, importable: str) -> None:
    resolved = table().resolve(dotted)
    assert resolved is not None
    assert resolved.importable == importable


def test_namespaces_are_told_from_names() -> None:
    known = table()
    namespaces = """
        keras  keras.layers  tensorflow  tensorflow.keras  tensorflow.keras.layers  tensorflow.compat.v1  tensorflow.python
        keras.src  keras.src.layers  keras.src.backend  keras.src.ops  keras.src.applications.imagenet_utils
        keras.layers.normalization  keras.engine.topology  keras.layers.merge  keras.utils.np_utils  keras.legacy
    """
    names = """
        keras.layers.Dense  keras.src.backend.standardize_data_format  keras.src.applications.resnet.stack_residual_blocks_v1
        tensorflow.layers  tensorflow.nn  torch  kerastuner  os.path
    """
    assert [each for each in namespaces.split() if not known.is_namespace(each)] == []
    assert [each for each in names.split() if known.is_namespace(each)] == []


def test_names_for_star_imports() -> None:
    known = table()
    layers = known.names("tensorflow.keras.layers")
    assert {"Dense", "Conv2D", "Convolution2D", "LocallyConnected2D", "add", "experimental"} <= set(layers)
    assert len(layers) == len(set(layers))
    assert {"layers", "models", "Model", "ops"} <= set(known.names("keras"))
    assert not [name for name in known.names("keras") if name.startswith("_")]
    assert "PReLU" in known.names("keras.layers.advanced_activations")
    assert known.names("os.path") == ()


def test_subclasses_by_canonical_name() -> None:
    known = table()
    assert known.issubclass("keras.layers.experimental.SyncBatchNormalization", "keras.layers.BatchNormalization")
    assert known.issubclass("keras.Sequential", "keras.Model")
    assert known.issubclass("keras.models.Functional", "keras.Model")
    assert known.issubclass("keras.Model", "keras.layers.Layer")
    assert known.issubclass("keras.layers.TimeDistributed", "keras.layers.Wrapper")
    assert known.issubclass("keras.layers.LSTM", "keras.layers.LSTM")
    assert known.issubclass("keras.callbacks.ModelCheckpoint", "keras.callbacks.Callback")
    assert not known.issubclass("keras.layers.Dense", "keras.Model")
    assert not known.issubclass("nowhere.Dense", "nowhere.Dense")
    assert known.issubclass("keras.layers.Conv2DTranspose", "keras.layers.Conv2D", "2")
    assert not known.issubclass("keras.layers.Conv2DTranspose", "keras.layers.Conv2D", "3")


def test_constructor_parameters_by_generation() -> None:
    info = table().layer("keras.layers.BatchNormalization")
    assert info is not None
    newest, legacy = info.parameters("3"), info.parameters("2")
    assert [each.name for each in newest[:5]] == ["axis", "momentum", "epsilon", "center", "scale"]
    assert info.default("momentum", "2") == 0.99
    assert "renorm" in {each.name for each in newest} and "renorm" not in {each.name for each in legacy}
    assert info.since["renorm"] == "3.14"
    assert newest[-1].kind == "var_keyword"
    assert [each.name for each in info.call_parameters("3")] == ["inputs", "training", "mask"]
    conv = table().layer("keras.layers.Conv2D")
    assert conv is not None
    assert not conv.parameters()[0].has_default
    assert conv.default("strides") == (1, 1)
    assert "fused" not in table().base_keywords("3")


def test_parameters_of_functions_and_methods() -> None:
    known = table()
    shape = known.parameters("keras.Input", "3")
    assert shape is not None and shape[0].name == "shape"
    fit = known.method_parameters("keras.models.Functional", "fit")
    assert fit is not None and [each.name for each in fit[:3]] == ["x", "y", "batch_size"]
    assert known.method_parameters("keras.Model", "no_such_method") is None
    assert known.parameters("keras.no_such_function") is None
    optimizer = known.parameters("keras.optimizers.Adam")
    assert optimizer is not None and not any(isinstance(each.default, Opaque) for each in optimizer)


SHIFTS = {
    "linear": "Dense Conv1D Conv2D Conv3D DepthwiseConv2D SeparableConv2D EinsumDense",
    "commutes": """
        MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D GlobalAveragePooling2D
        GlobalMaxPooling2D GlobalAveragePooling1D Cropping1D Cropping2D UpSampling2D RepeatVector Rescaling GaussianNoise Identity
    """,
    "reshape": "Flatten Reshape Permute",
    "merge": "Add Average Subtract Concatenate",
    "breaks": """
        ZeroPadding2D Dropout SpatialDropout2D GaussianDropout AlphaDropout ReLU LeakyReLU PReLU ELU Softmax Activation
        LayerNormalization GroupNormalization BatchNormalization Maximum Multiply Dot Conv2DTranspose LocallyConnected2D LSTM
        MultiHeadAttention Lambda TimeDistributed Masking ActivityRegularization
    """,
}


@pytest.mark.parametrize(("shift", "names"), SHIFTS.items())
def test_what_becomes_of_a_constant_added_per_channel(shift: str, names: str) -> None:
    for name in names.split():
        info = table().layer(f"keras.layers.{name}")
        assert info is not None
        assert (name, info.shift) == (name, shift)


def test_biases_and_their_axes() -> None:
    axes = {
        "Dense": "last", "Conv1D": "channels", "Conv2D": "channels", "Conv3D": "channels", "Conv2DTranspose": "channels",
        "DepthwiseConv2D": "channels", "SeparableConv2D": "channels", "LocallyConnected2D": "special", "EinsumDense": "special",
        "LSTM": None, "BatchNormalization": None, "PReLU": None, "MultiHeadAttention": None,
    }  # fmt: skip
    found = {name: table().layer(f"keras.layers.{name}") for name in axes}
    assert {name: info and info.bias and info.bias.axis for name, info in found.items()} == axes
    assert [name for name, info in found.items() if info and info.linear] == [name for name, axis in axes.items() if axis]


def test_kinds_of_layers() -> None:
    known = table()
    layers = {name: known.layer(f"keras.layers.{name}") for name in ("Dropout", "GaussianNoise", "ReLU", "PReLU", "Conv2D")}
    assert {name: info and info.dropout for name, info in layers.items()} == {
        "Dropout": "rate", "GaussianNoise": "stddev", "ReLU": None, "PReLU": None, "Conv2D": None,
    }  # fmt: skip
    assert [name for name, info in layers.items() if info and info.activation] == ["ReLU", "PReLU"]
    assert [name for name, info in layers.items() if info and info.elementwise] == ["ReLU"]
    conv = layers["Conv2D"]
    assert conv is not None and (conv.family, conv.rank) == ("conv", 2)
    synchronised = known.layer("keras.layers.experimental.SyncBatchNormalization")
    assert synchronised is not None and synchronised.normalization and synchronised.generations == "2"
    assert known.layer("keras.metrics.Mean") is None
    assert known.layer("keras.layers.NoSuchLayer") is None


def test_functions_of_tensors() -> None:
    known = table()
    classes = {
        "keras.ops.add": "Add", "keras.ops.relu": "Relu", "keras.ops.image.resize": "Resize", "keras.ops.concatenate": "Concatenate",
        "keras.ops.mean": "Mean", "keras.activations.relu": "ReLU", "keras.ops.swish": "Silu", "keras.ops.matmul": "Matmul",
    }  # fmt: skip
    for name, cls in classes.items():
        resolved = known.resolve(name)
        info = known.operation(resolved.name) if resolved else None
        assert info is not None
        assert (name, info.operation) == (name, cls)
    families = {
        "keras.ops.add": "broadcast", "keras.ops.relu": "elementwise", "keras.ops.mean": "reduce", "keras.ops.reshape": "reshape",
        "keras.ops.transpose": "transpose", "keras.backend.concatenate": "concatenate", "keras.backend.relu": "elementwise",
        "keras.ops.softmax": "same", "keras.ops.stack": "unknown", "keras.backend.sum": "reduce", "keras.ops.sparsemax": "same",
    }  # fmt: skip
    found = {name: known.operation(name) for name in families}
    assert {name: info and info.family for name, info in found.items()} == families
    merged = known.operation("keras.layers.add")
    assert merged is not None and merged.layer == "keras.layers.Add"
    assert (known.operator("__add__"), known.operator("__rsub__"), known.operator("__len__")) == ("Add", "Subtract", None)
    assert known.operation("keras.layers.Dense") is None


def test_every_family_has_a_shape_rule() -> None:
    core = json.loads((DATA / "core.json").read_bytes())
    assert {entry["family"] for entry in core["layers"].values()} - {None} <= FAMILIES


def test_layers_of_an_application() -> None:
    known = table()
    application = known.application("keras.applications.ResNet50", "3")
    assert application is not None
    layers = application.layers()
    assert layers[:4] == (
        ("keras.layers.InputLayer", "input_layer"),
        ("keras.layers.ZeroPadding2D", "conv1_pad"),
        ("keras.layers.Conv2D", "conv1_conv"),
        ("keras.layers.BatchNormalization", "conv1_bn"),
    )
    assert len(layers) == 177
    assert application.batchnorms == sum(cls == "keras.layers.BatchNormalization" for cls, _ in layers) == 53
    assert application.layers(include_top=False) == layers[:175]
    assert application.layers(include_top=False, pooling="max")[175:] == (("keras.layers.GlobalMaxPooling2D", "max_pool"),)
    assert application.input_shape == (None, 224, 224, 3)
    assert {each.name: each.default for each in application.parameters}["weights"] == "imagenet"
    legacy = known.application("keras.applications.ResNet50", "2")
    assert legacy is not None and legacy.layers()[0] == ("keras.layers.InputLayer", "input_1")
    assert known.application("keras.applications.resnet.preprocess_input") is None
    assert known.application("keras.applications.NoSuchModel") is None
    assert known.application("keras.layers.Dense") is None


BATCHNORMS = {
    "DenseNet121": 121, "DenseNet169": 169, "DenseNet201": 201, "EfficientNetB0": 49, "EfficientNetB1": 69, "EfficientNetB2": 69,
    "EfficientNetB3": 78, "EfficientNetB4": 96, "EfficientNetB5": 116, "EfficientNetB6": 134, "EfficientNetB7": 163,
    "EfficientNetV2B0": 59, "EfficientNetV2B1": 73, "EfficientNetV2B2": 76, "EfficientNetV2B3": 88, "EfficientNetV2S": 110,
    "EfficientNetV2M": 157, "EfficientNetV2L": 217, "InceptionV3": 94, "InceptionResNetV2": 204, "MobileNet": 27, "MobileNetV2": 52,
    "MobileNetV3Large": 46, "MobileNetV3Small": 34, "NASNetLarge": 264, "NASNetMobile": 192, "ResNet50": 53, "ResNet101": 104,
    "ResNet152": 155, "ResNet50V2": 49, "ResNet101V2": 100, "ResNet152V2": 151, "Xception": 40, "VGG16": 0, "VGG19": 0,
    "ConvNeXtTiny": 0, "ConvNeXtSmall": 0, "ConvNeXtBase": 0, "ConvNeXtLarge": 0, "ConvNeXtXLarge": 0,
}  # fmt: skip


@pytest.mark.parametrize("generation", ["2", "3"])
def test_batchnorms_of_every_application(generation: str) -> None:
    found = {name: table().application(f"keras.applications.{name}", generation) for name in BATCHNORMS}
    assert {name: each and each.batchnorms for name, each in found.items()} == BATCHNORMS


def test_data_stay_small() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*.json")) < 1_500_000


def test_reading_a_name_reads_no_application_and_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    known = Table()
    known.resolve("keras.layers.core.Dense")
    known.layer("keras.layers.Dense")
    assert read == ["core.json"]


# -- against installed Keras -------------------------------------------------------------------------------------


@pytest.mark.needs_keras
@pytest.mark.parametrize(("generation", "module"), [("3", "keras"), ("2", "tf_keras")])
def test_installed_keras_has_no_layer_that_is_neither_measured_nor_annotated(generation: str, module: str) -> None:
    keras = importlib.import_module(module)
    core = json.loads((DATA / "core.json").read_bytes())
    for name, value in vars(keras.layers).items():
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer):
            resolved = table().resolve(f"{module}.layers.{name}")
            assert resolved is not None, f"{name}: run scripts/make_keras_table.py"
            assert core["layers"][resolved.name.removeprefix("keras.")]["family"], f"{name}: give it a family in annotations.json"


@pytest.mark.needs_keras
@pytest.mark.parametrize(("generation", "module"), [("3", "keras"), ("2", "tf_keras")])
def test_canonical_classes_are_the_installed_ones(generation: str, module: str) -> None:
    keras = importlib.import_module(module)
    for name, value in vars(keras.layers).items():
        resolved = table().resolve(f"{module}.layers.{name}")
        if inspect.isclass(value) and resolved is not None and resolved.name.startswith("keras.layers."):
            assert getattr(keras.layers, resolved.name.rpartition(".")[2]) is value


@pytest.mark.needs_keras
def test_table_is_what_the_script_measures(tmp_path: Path) -> None:
    script = Path(__file__).parent.parent / "scripts" / "make_keras_table.py"
    subprocess.run([sys.executable, str(script), "names", "--to", str(tmp_path)], check=True, capture_output=True)
    for name in ("core.json", "signatures.json"):
        made: Any = json.loads((tmp_path / name).read_bytes())
        kept: Any = json.loads((DATA / name).read_bytes())
        assert made.get("versions") == kept.get("versions"), "another Keras is installed: run scripts/make_keras_table.py"
        assert {key for key in made if made[key] != kept[key]} == set()
