"""The data sets of scikit-learn: those that it brings along, and those that it makes up."""

from __future__ import annotations

from bnlint.interpreter.data import Number, argument, array, fresh
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.values import Arguments, Const, InstanceV, SymbolV, TupleV, Value

SETS = {
    "load_iris": (150, 4),
    "load_digits": (1797, 64),
    "load_wine": (178, 13),
    "load_breast_cancer": (569, 30),
    "load_diabetes": (442, 10),
    "load_boston": (506, 13),
    "fetch_california_housing": (20640, 8),
}
"""Samples and features of each."""

MADE = {
    "make_classification": 20,
    "make_regression": 100,
    "make_moons": 2,
    "make_circles": 2,
    "make_blobs": 2,
    "make_friedman1": 10,
    "make_swiss_roll": 3,
    "make_gaussian_quantiles": 2,
}
"""Features by default; there are 100 samples."""
FIXED = ("make_moons", "make_circles", "make_swiss_roll")
BUNCH = "sklearn.utils.Bunch"


def _loads(name: str, samples: int, features: int) -> None:
    @native(f"sklearn.datasets.{name}")
    def load(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """A bunch with ``data`` and ``target``, or both as a pair."""
        pair = m.resolve(arguments.keywords.get("return_X_y") or Const(False))
        framed = "as_frame" in arguments.keywords or "n_class" in arguments.keywords
        root = ("set", name, site.span)
        rows = None if framed or arguments.positional else Number(samples)
        data = array((samples, features) if rows else None, rows, (), root)
        target = array((samples,) if rows else None, rows, (), ("labels", root))
        if isinstance(pair, Const) and pair.value:
            return TupleV((data, target))
        return InstanceV(SymbolV(BUNCH), {"data": data, "target": target}, open=True)


def _makes(name: str, features: int) -> None:
    @native(f"sklearn.datasets.{name}")
    def make(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """``X, y`` of ``n_samples``, 100 by default."""
        given = arguments.get(0, "n_samples")
        index = None if name in FIXED or name == "make_gaussian_quantiles" else 1
        wide = arguments.get(index, "n_features")
        rows = argument(m, arguments, 0, "n_samples", site) if given is not None else Number(100, default=True)
        width = argument(m, arguments, index, "n_features", site) if wide is not None else Number(features)
        if arguments.open_positional or arguments.open_keywords:
            rows = width = None
        root = ("made", fresh())
        size = (rows.value, width.value) if rows is not None and width is not None else None
        return TupleV((array(size, rows, (), root), array(size[:1] if size else None, rows, (), ("labels", root))))


for _name, (_samples, _features) in SETS.items():
    _loads(_name, _samples, _features)
for _name, _features in MADE.items():
    _makes(_name, _features)
