"""Data that come in parts for training and testing, and what is computed from them to scale them with."""

from __future__ import annotations

from collections.abc import Callable

from bnlint.interpreter.arrays import scaled
from bnlint.interpreter.data import ArrayV, Fit, Number, StatisticV, Step, argument, array, fresh, like, rows_of, with_rows
from bnlint.interpreter.dispatch import METHODS, NATIVES, CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import part
from bnlint.interpreter.values import Arguments, Const, ListV, TupleV, Value, const, unknown
from bnlint.keras_api.shapes import UNKNOWN, Shape


def _statistic(name: str) -> Callable[[Machine, CallSite, ArrayV, Arguments, int], Value]:
    def run(m: Machine, site: CallSite, value: ArrayV, arguments: Arguments, index: int) -> Value:
        axis = m.resolve(arguments.get(index, "axis") or const(None))
        axes = [axis.value] if isinstance(axis, Const) else [getattr(each, "value", -1) for each in getattr(axis, "items", [])]
        if None not in axes and 0 not in axes:
            return like(value, rows=value.rows)
        return StatisticV(fresh(), name, name, (name, value.term, tuple(axes)), Fit(name, value, m.context(site)))

    return run


def _statistics(name: str, label: str) -> None:
    run = _statistic(label)
    METHODS[ArrayV, name] = lambda m, site, value, arguments: run(m, site, value, arguments, 0)
    plain = NATIVES.get(f"numpy.{name}")

    @native(f"numpy.{name}")
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        value = m.resolve(arguments.positional[0]) if arguments.positional else None
        if isinstance(value, ArrayV):
            return run(m, site, value, arguments, 1)
        m_unknown = unknown(f"numpy.{name}")
        return plain(m, site, arguments) if plain is not None else m_unknown


_statistics("mean", "mean")
_statistics("std", "standard deviation")


# -- splits ------------------------------------------------------------------------------------------------------


@native("sklearn.model_selection.train_test_split", "sklearn.cross_validation.train_test_split")
def train_test_split(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Two parts of each array: for training, and for testing."""
    if arguments.open_positional:
        return unknown("parts of data")
    found: list[Value] = []
    for given in map(m.resolve, arguments.positional):
        rows = rows_of(given) if isinstance(given, ArrayV) else _length(given)
        for count in _parts(m, arguments, rows):
            base = given if isinstance(given, ArrayV) else array(steps=(), root=("of", part(given)))
            found.append(like(base, shape=with_rows(base.shape, count), rows=count, steps=base.steps, constant=base.constant))
    return ListV(found)


def _length(value: Value) -> Number | None:
    return Number(len(value.items)) if isinstance(value, ListV) and not value.open and not value.grown else None


def _parts(m: Machine, arguments: Arguments, rows: Number | None) -> tuple[Number | None, Number | None]:
    """How many samples go to training and to testing."""
    test, train = (m.resolve(arguments.keywords.get(name) or const(None)) for name in ("test_size", "train_size"))
    if rows is None or not isinstance(test, Const) or not isinstance(train, Const):
        return None, None
    total = rows.value
    if test.value is None and isinstance(train.value, (int, float)):
        kept = int(total * train.value) if isinstance(train.value, float) else train.value
        left = total - kept
    else:
        share = 0.25 if test.value is None else test.value
        left = -int(-total * share // 1) if isinstance(share, float) else int(share)
        kept = total - left
    assumed = rows.assumed or test.assumed or train.assumed
    return Number(kept, assumed), Number(left, assumed)


SETS: dict[str, tuple[int, int, tuple[int, ...] | None]] = {
    "mnist": (60000, 10000, (28, 28)),
    "fashion_mnist": (60000, 10000, (28, 28)),
    "cifar10": (50000, 10000, (32, 32, 3)),
    "cifar100": (50000, 10000, (32, 32, 3)),
    "imdb": (25000, 25000, ()),
    "reuters": (8982, 2246, ()),
    "boston_housing": (404, 102, (13,)),
}
"""The data sets that Keras loads: samples for training and for testing, and the shape of one."""


def _loads(name: str, train: int, test: int, shape: tuple[int, ...] | None) -> None:
    @native(f"keras.datasets.{name}.load_data")
    def load_data(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """``(x_train, y_train), (x_test, y_test)``."""
        root = ("set", name, site.span)
        usual = not arguments.keywords.get("test_split")

        def pair(count: int) -> Value:
            rows = Number(count) if usual else None
            whole: Shape = (count, *shape) if shape and usual else None
            return TupleV((array(whole, rows, (), root), array(None, rows, (), ("labels", root))))

        return TupleV((pair(train), pair(test)))


for _name, _sizes in SETS.items():
    _loads(_name, *_sizes)


@native("keras.utils.to_categorical", "keras.utils.np_utils.to_categorical")
def to_categorical(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Labels as vectors."""
    value = m.resolve(arguments.positional[0]) if arguments.positional else None
    count = argument(m, arguments, 1, "num_classes", site)
    rows = rows_of(value)
    shape: Shape = (rows.value, count.value if count is not None else UNKNOWN) if rows is not None else None
    return array(shape, rows, None, constant=isinstance(value, ArrayV) and value.constant)


@native("keras.utils.normalize")
def normalize(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Each sample is divided by its own norm."""
    value = m.resolve(arguments.positional[0]) if arguments.positional else None
    if not isinstance(value, ArrayV):
        return unknown("normalized data")
    step = Step(("normalize", part(arguments.get(1, "axis") or const(-1))), "normalize", None, m.context(site))
    return scaled(like(value, shape=value.shape, rows=value.rows, constant=value.constant), value.steps, step)
