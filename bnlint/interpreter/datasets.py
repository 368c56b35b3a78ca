"""Data sets: ``tf.data`` pipelines, and the generators of Keras that read folders, frames and arrays."""

from __future__ import annotations

import math
from dataclasses import replace

import bnlint.interpreter.arrays  # noqa: F401  registers what is asked here
from bnlint.interpreter.array_parts import sample
from bnlint.interpreter.data import (
    ArrayV,
    BatchV,
    DatasetV,
    Number,
    Step,
    argument,
    argument_place,
    array,
    arrays_in,
    changed,
    dataset_in,
    first_array,
    fresh,
    like,
    number,
    parts_of,
    rows_of,
    with_rows,
)
from bnlint.interpreter.dispatch import ITEMS, METHODS, CallSite, attributes, method, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.signals import Raised
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    ClassV,
    Const,
    DictV,
    FunctionV,
    InstanceV,
    ListV,
    MethodV,
    NativeMethodV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)
from bnlint.keras_api.shapes import UNKNOWN

DATASET = "tensorflow.data.Dataset"


@attributes(DatasetV)
def dataset_attribute(m: Machine, dataset: DatasetV, name: str, site: CallSite) -> Value | None:
    """The sizes and methods of a data set or generator."""
    known = {"samples": dataset.samples, "n": dataset.samples, "batch_size": dataset.batch}.get(name)
    if known is not None:
        return Const(known.value, known.assumed)
    return NativeMethodV(dataset, name) if (DatasetV, name) in METHODS else None


def mapped(value: Value | None, change: object, depth: int = 4) -> Value | None:
    """Data of the same structure, each array changed."""
    if isinstance(value, ArrayV):
        return change(value)  # type: ignore[operator, no-any-return]
    if isinstance(value, (TupleV, ListV)) and depth:
        return TupleV(tuple(mapped(item, change, depth - 1) or unknown("data") for item in value.items))
    if isinstance(value, DictV) and depth:
        items = {key: (name, mapped(item, change, depth - 1) or unknown("data")) for key, (name, item) in value.items.items()}
        return DictV(items, value.open)
    return value


def _new(element: Value | None = None, count: Number | None = None) -> DatasetV:
    first = first_array(element)
    steps, root = (first.steps, first.root) if first is not None else (None, None)
    return DatasetV(fresh(), "a data set", element, count, count, steps=steps, root=root)


@native(f"{DATASET}.from_tensor_slices")
def from_tensor_slices(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """One element for each sample of some arrays."""
    data = arguments.get(0, "tensors")
    return _new(mapped(data, lambda each: sample(m, each, 0, site)), rows_of(data))


@native(f"{DATASET}.from_tensors")
def from_tensors(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """One element."""
    return _new(arguments.get(0, "tensors"), Number(1))


@native(f"{DATASET}.range")
def dataset_range(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return _new(None, argument(m, arguments, 0, "stop", site) if len(arguments.positional) == 1 else None)


@native(f"{DATASET}.from_generator", f"{DATASET}.list_files", "tensorflow.data.TFRecordDataset", "tensorflow.data.TextLineDataset",
        "tensorflow.data.FixedLengthRecordDataset", f"{DATASET}.load", "tensorflow.data.experimental.load")  # fmt: skip
def from_elsewhere(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A data set of which only what is done with it is known."""
    m.escape_all(arguments.values())
    return _new()


@native(f"{DATASET}.zip")
def zip_datasets(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Elements of several data sets side by side."""
    given = m.resolve(arguments.positional[0]) if arguments.positional else NONE
    parts = list(parts_of(given)) or arguments.positional
    sets = [each for each in map(m.resolve, parts) if isinstance(each, DatasetV)]
    if not sets:
        return _new()
    batched = next((each for each in sets if each.batched), sets[0])
    counts = [each.count for each in sets if each.count is not None and not each.endless]
    fewest = min(counts, key=lambda each: each.value) if len(counts) == len(sets) else None
    return changed(batched, element=TupleV(tuple(each.element or unknown("data") for each in sets)), count=fewest)


@method(DatasetV, "shuffle", "prefetch", "cache", "with_options", "apply", "as_numpy_iterator", "snapshot", "ignore_errors",
        "make_one_shot_iterator", "reset", "rebatch", "sparse_batch")  # fmt: skip
def same_elements(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    """What changes neither the elements nor their number."""
    return dataset


@method(DatasetV, "filter", "interleave", "flat_map", "shard", "skip_while", "take_while", "window", "unique")
def other_elements(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    """What changes their number in ways that cannot be told."""
    kept = dataset if _called(site) == "filter" else _new()
    return changed(kept, count=None, samples=None, last=None)


def _called(site: CallSite) -> str:
    return str(getattr(getattr(site.node, "func", None), "attr", ""))


@method(DatasetV, "map")
def map_elements(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    """A function of each element: what it does to the data is followed where it can be."""
    function = arguments.get(0, "map_func")
    element = dataset.element
    if element is None or not isinstance(function, (FunctionV, MethodV)):
        if function is not None:
            m.escape(function)
        return changed(dataset, element=None, steps=None)
    given = list(element.items) if isinstance(element, TupleV) and element.kind == "tuple" else [element]
    try:
        found = m.resolve(m.call(function, Arguments(given, {}), site))
    except Raised:
        found = unknown("mapped data")
    first = first_array(found)
    return changed(dataset, element=found if arrays_in(found) else None, steps=first.steps if first is not None else None)


@method(DatasetV, "batch", "padded_batch", "ragged_batch")
def batch(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    """Batches of ``batch_size`` elements, the last one smaller unless it is dropped."""
    size = argument(m, arguments, 0, "batch_size", site)
    index = {"batch": 1, "padded_batch": 3}.get(_called(site))
    drop = m.resolve(arguments.get(index, "drop_remainder") or Const(False))
    size = replace(size, batched=True) if size is not None else None
    if dataset.batched or size is None or size.value < 1:
        return changed(dataset, batched=True, batch=None, count=None, last=None, element=None)
    dropped = drop.value if isinstance(drop, Const) else None
    count = dataset.count
    batches, last = None, None
    if count is not None and not dataset.endless and dropped is not None:
        left = count.value % size.value
        batches = Number(count.value // size.value + bool(left and not dropped), count.assumed or size.assumed)
        last = left if left and not dropped else None
    if size.per_replica:
        batches = last = None
    element = mapped(dataset.element, lambda each: _batched(each, size))
    return changed(dataset, batch=size, batched=True, count=batches, last=last, element=element)


def _batched(each: ArrayV, rows: Number | None) -> ArrayV:
    known = rows is not None and not rows.per_replica
    shape = (rows.value if known and rows is not None else UNKNOWN, *each.shape) if each.shape is not None else None
    return like(each, shape=shape, rows=rows, steps=each.steps, constant=each.constant)


@method(DatasetV, "unbatch")
def unbatch(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    element = mapped(dataset.element, lambda each: sample(m, each, 0, site))
    return changed(dataset, batch=None, batched=False, count=dataset.samples, last=None, element=element)


@method(DatasetV, "repeat")
def repeat(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    """Again and again, or some times."""
    given = arguments.get(0, "count")
    times = number(m, given)
    if given is None or isinstance(given, Const) and given.value in (None, -1):
        return changed(dataset, endless=True)
    count = dataset.count
    if count is None or times is None:
        return changed(dataset, count=None, samples=None)
    found = Number(count.value * times.value, count.assumed or times.assumed)
    return changed(dataset, count=found, samples=found if not dataset.batched else dataset.samples)


@method(DatasetV, "take", "skip")
def take(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    """The first elements, or those behind them."""
    wanted, count = argument(m, arguments, 0, "count", site), dataset.count
    if wanted is None or wanted.value < 0 or count is None or dataset.endless:
        taken = wanted if _called(site) == "take" and wanted is not None and dataset.endless else None
        return changed(dataset, count=taken, samples=None, last=None, endless=False if taken else dataset.endless)
    left = min(wanted.value, count.value) if _called(site) == "take" else max(0, count.value - wanted.value)
    last = dataset.last if _called(site) == "skip" or left == count.value else None
    found = Number(left, wanted.assumed or count.assumed)
    return changed(dataset, count=found, samples=found if not dataset.batched else None, last=last)


@method(DatasetV, "concatenate")
def concatenate(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    more = dataset_in(arguments.get(0, "dataset"))
    counts = (dataset.count, more.count if more is not None else None)
    total = sum(each.value for each in counts if each is not None)
    return changed(dataset, count=Number(total) if None not in counts else None, samples=None, last=None)


@method(DatasetV, "enumerate")
def enumerate_dataset(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    return changed(dataset, element=TupleV((unknown("a number"), item(m, dataset, 0, site))))


@method(DatasetV, "cardinality", "__len__")
def cardinality(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    count = dataset.count
    return Const(count.value, count.assumed) if count is not None else unknown("a number of elements")


@method(DatasetV, "next", "get_next", "__next__")
def next_element(m: Machine, site: CallSite, dataset: DatasetV, arguments: Arguments) -> Value:
    return item(m, dataset, 0, site)


def item(m: Machine, dataset: DatasetV, round: int, site: CallSite) -> Value:
    """An element for one round of a loop; of a batched data set that is not known it is a batch all the same."""
    if dataset.element is not None:
        return dataset.element
    return BatchV(fresh(), "a batch", None, dataset.batch) if dataset.batch else unknown("an element")


ITEMS[DatasetV] = item


def dataset_method(m: Machine, function: Unknown, arguments: Arguments, site: CallSite) -> Value | None:
    """``data.batch(8)`` where ``data`` is not known: what it is batched to is."""
    term = function.term
    named = len(term) == 3 and term[0] == "attribute" and term[2] in ("batch", "padded_batch", "ragged_batch")
    if not named or argument(m, arguments, 0, "batch_size", site) is None:
        return None
    return batch(m, site, _new(), arguments)


@native("tensorflow_datasets.load", "tensorflow_datasets.load.as_dataset")
def tfds_load(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Data sets of TensorFlow; ``batch_size`` may batch them."""
    return unknown("data sets")


@native("tensorflow.data.experimental.cardinality")
def cardinality_of(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = m.resolve(arguments.positional[0]) if arguments.positional else NONE
    return cardinality(m, site, value, arguments) if isinstance(value, DatasetV) else unknown("a number of elements")


# -- Keras's readers ---------------------------------------------------------------------------------------------


def reads(path: str, index: int | None, default: int, labels: tuple[int | None, str]) -> None:
    """A function that reads batches of ``batch_size``; ``labels`` is the argument that is None where there are only inputs."""

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        given = arguments.get(index, "batch_size")
        size: Number | None = Number(default, default=True, place=site.span)
        if given is not None:
            size = argument(m, arguments, index, "batch_size", site)
        elif arguments.open_keywords or arguments.open_positional:
            size = None
        found = reader(m, None, size, site, given is None or not _is_none(m, given), paired(m, arguments, *labels))
        return changed(found, root=PICTURES) if "image" in path else found

    def _is_none(m: Machine, value: Value) -> bool:
        value = m.resolve(value)
        return isinstance(value, Const) and value.value is None


def paired(m: Machine, arguments: Arguments, index: int | None, name: str) -> bool | None:
    """Whether targets come with the inputs; None where that is not known."""
    given = arguments.get(index, name)
    given = m.resolve(given) if given is not None else None
    if given is None:
        return None if arguments.open_keywords or arguments.open_positional else True
    return given.value is not None if isinstance(given, Const) else None


def reader(
    m: Machine, source: Value | None, size: Number | None, site: CallSite, batched: bool = True, pairs: bool | None = True
) -> DatasetV:
    """What reads batches of a size from a source."""
    rows = rows_of(source)
    size = replace(size, batched=True) if size is not None else None
    count = last = None
    if rows is not None and size is not None and not size.per_replica:
        count = Number(math.ceil(rows.value / size.value), rows.assumed or size.assumed) if size.value > 0 else None
        last = rows.value % size.value or None if size.value > 0 else None
    found = _new(None, count)
    arrays = arrays_in(source)
    element = None
    if size is not None and batched:
        of_rows = [
            like(each, shape=with_rows(each.shape, size), rows=size, steps=each.steps, constant=each.constant) for each in arrays
        ]
        first: ArrayV = of_rows[0] if of_rows else array(steps=(), rows=size, root=("read", site.path))
        element = TupleV((first, array(rows=size))) if pairs else first if pairs is False else None
    return changed(
        found,
        samples=rows,
        batch=size if batched else None,
        batched=batched,
        last=last,
        element=element,
        steps=arrays[0].steps if arrays else () if source is None else None,
        root=arrays[0].root if arrays else ("read", site.path),
    )


reads("keras.utils.image_dataset_from_directory", 5, 32, (2, "label_mode"))
reads("keras.utils.text_dataset_from_directory", 4, 32, (2, "label_mode"))
reads("keras.utils.audio_dataset_from_directory", 4, 32, (2, "label_mode"))
reads("keras.utils.timeseries_dataset_from_array", 5, 128, (1, "targets"))
reads("keras.preprocessing.sequence.TimeseriesGenerator", 8, 128, (1, "targets"))
reads("keras.preprocessing.timeseries_dataset_from_array", 5, 128, (1, "targets"))
PICTURES = ("pictures",)
"""Where pictures come from that are read from files, as they are."""


@native("keras.utils.img_to_array", "keras.preprocessing.image.img_to_array")
def img_to_array(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A picture as an array of numbers from 0 to 255."""
    return array(steps=(), root=PICTURES)


GENERATOR = "keras.preprocessing.image.ImageDataGenerator"
SCALING = ("rescale", "preprocessing_function", "samplewise_center", "samplewise_std_normalization", "featurewise_center",
           "featurewise_std_normalization", "zca_whitening")  # fmt: skip
"""Arguments of an ImageDataGenerator that scale the pictures."""


def flows(method_name: str, index: int, data: int | None) -> None:
    @native(f"{GENERATOR}.{method_name}")
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """``generator.flow...(batch_size=32)``; the first argument is the generator."""
        given = arguments.get(index + 1, "batch_size")
        place = argument_place(arguments, index, "batch_size", site)
        size: Number | None = Number(32, default=True, place=site.span)
        if given is not None:
            size = number(m, given, place)
        elif arguments.open_keywords:
            size = None
        source = m.resolve(arguments.get(1, "x") or NONE) if data is not None else None
        with_targets = arguments.get(2, "y") is not None if data is not None else paired(m, arguments, index, "class_mode")
        found = reader(m, source, size, site, pairs=with_targets)
        if source is None:
            found = changed(found, root=PICTURES)
        generator = arguments.positional[0]
        base = found.steps if source is not None else ()
        return changed(found, steps=_after(m, base, generator, site), root=found.root, generator=generator)


def _after(m: Machine, steps: tuple[Step, ...] | None, generator: Value, site: CallSite) -> tuple[Step, ...] | None:
    """The scaling that a generator of pictures adds."""
    if steps is None or not isinstance(generator, InstanceV) or generator.attributes.get("open arguments") is not None:
        return None
    for name in SCALING:
        value = m.resolve(generator.attributes.get(name) or NONE)
        if isinstance(value, Const) and not value.value:
            continue
        if isinstance(value, Const) and name == "rescale" and isinstance(value.value, (int, float)):
            steps = (*steps, Step(("affine", float(f"{value.value:.5g}"), 0.0), "rescale", None, m.context(site)))
        elif isinstance(value, Const) and name.startswith("samplewise"):
            steps = (*steps, Step(name, name, None, m.context(site)))
        elif isinstance(value, SymbolV):
            steps = (*steps, Step(value.path, value.path.rpartition(".")[2], None, m.context(site)))
        else:
            return None
    return steps


flows("flow", 2, 0)
flows("flow_from_directory", 5, None)
flows("flow_from_dataframe", 9, None)


@native(GENERATOR)
def image_generator(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``ImageDataGenerator(rescale=..., ...)``."""
    found = InstanceV(SymbolV(GENERATOR, site.generation), dict(arguments.keywords), open=True)
    if arguments.open_keywords or arguments.positional or arguments.open_positional:
        found.attributes["open arguments"] = NONE
    return found


# -- what is trained on ------------------------------------------------------------------------------------------


def seen_by_fit(m: Machine, data: Value | None, site: CallSite) -> DatasetV | None:
    """The batches that an object of a project's class gives to ``fit``: what its ``__getitem__`` and ``__len__`` say."""
    if not isinstance(data, InstanceV) or not isinstance(data.cls, ClassV):
        return None
    reader = m.special_method(data, "__getitem__")
    length = m.special_method(data, "__len__")
    if reader is None or length is None:
        return None
    try:
        found = m.resolve(m.call(reader, Arguments([Unknown(("an index", ("?", id(data))))], {}), site))
        count = number(m, m.call(length, Arguments([], {}), site))
    except Raised:
        return None
    rows = rows_of(found)
    size = replace(rows, batched=True) if rows is not None else None
    return changed(_new(found, count), batch=size, batched=True, samples=None)
