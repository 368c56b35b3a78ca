"""Stands in for data sets of files in folders, whose shapes and structure the code's own arguments tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from typing import Any

import numpy as np

_SAMPLES = 8
_CLASSES = 2
_CHANNELS = {"grayscale": 1, "rgba": 4}
_MODULES = ("utils", "preprocessing", "src.utils.image_dataset_utils", "_tf_keras.keras.utils", "_tf_keras.keras.preprocessing")
_GENERATORS = ("src.legacy.preprocessing.image", "src.preprocessing.image")


def patch(stack: ExitStack, keras: Any, note: Callable[[str], None]) -> None:
    """Have the functions of a Keras that read folders of images give made-up ones until the stack is left; ``note`` hears of it."""
    for name in _MODULES:
        if (module := _module(f"{keras.__name__}.{name}")) is not None:
            _replace(stack, module, "image_dataset_from_directory", _from_directory(note))
    for name in _GENERATORS:
        generator = getattr(_module(f"{keras.__name__}.{name}"), "ImageDataGenerator", None)
        for method in ("flow_from_directory", "flow_from_dataframe"):
            if generator is not None:
                _replace(stack, generator, method, _flow(note))


def _module(name: str) -> Any | None:
    try:
        return import_module(name)
    except ImportError:
        return None


def _replace(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    if (old := getattr(owner, name, None)) is not None:
        setattr(owner, name, value)
        stack.callback(setattr, owner, name, old)


def _from_directory(note: Callable[[str], None]) -> Callable[..., Any]:
    def image_dataset_from_directory(
        directory: Any,
        labels: Any = "inferred",
        label_mode: str | None = "int",
        class_names: Any = None,
        color_mode: str = "rgb",
        batch_size: int | None = 32,
        image_size: tuple[int, int] = (256, 256),
        *_: Any,
        subset: str | None = None,
        **__: Any,
    ) -> Any:
        import tensorflow as tf

        note("the images of a folder are made up")
        names = list(class_names or [f"class_{index}" for index in range(_CLASSES)])
        images, found = _images(image_size, color_mode, label_mode if labels is not None else None, len(names))

        def made() -> Any:
            data = tf.data.Dataset.from_tensor_slices(images if found is None else (images, found))
            data = data if batch_size is None else data.batch(batch_size)
            data.class_names, data.file_paths = names, [f"{index}.png" for index in range(_SAMPLES)]
            return data

        return (made(), made()) if subset == "both" else made()

    return image_dataset_from_directory


def _flow(note: Callable[[str], None]) -> Callable[..., Any]:
    def flow(
        generator: Any,
        *_: Any,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        **__: Any,
    ) -> Any:
        note("the images of a folder are made up")
        names = list(classes or [f"class_{index}" for index in range(_CLASSES)])
        mode = "int" if class_mode in ("sparse", "raw") else class_mode
        images, found = _images(target_size, color_mode, mode, len(names))
        found = images if class_mode == "input" else found
        plain = type(generator)(rescale=getattr(generator, "rescale", None))
        data = plain.flow(images, found, batch_size=batch_size, shuffle=shuffle)
        data.class_indices = {name: index for index, name in enumerate(names)}
        data.num_classes, data.samples = len(names), _SAMPLES
        data.classes, data.filenames = np.arange(_SAMPLES) % len(names), [f"{index}.png" for index in range(_SAMPLES)]
        return data

    return flow


def _images(size: tuple[int, int], colours: str, mode: str | None, classes: int) -> tuple[Any, Any]:
    """Pictures of values from 0 to 255, and their labels; none without a mode."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (_SAMPLES, *size, _CHANNELS.get(colours, 3))).astype("float32")
    numbers = np.arange(_SAMPLES) % classes
    if mode == "int":
        return images, numbers.astype("int32")
    if mode == "binary":
        return images, (numbers % 2).astype("float32")[:, None]
    return images, np.eye(classes, dtype="float32")[numbers] if mode == "categorical" else None
