"""Scalers that are fitted on data: what each array was scaled with."""

from __future__ import annotations

from bnlint.interpreter.arrays import scaled
from bnlint.interpreter.data import ArrayV, Fit, Step, array, like
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.pure import part
from bnlint.interpreter.values import Arguments, InstanceV, ListV, SymbolV, Unknown, Value, unknown

SCALERS = ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler", "PowerTransformer", "QuantileTransformer")
PREFIXES = ("sklearn.preprocessing", "sklearn.preprocessing.data", "sklearn.preprocessing._data", "cuml.preprocessing")


class FittedV(Unknown):
    """What a scaler has learnt."""

    __slots__ = ("fit",)

    def __init__(self, fit: Fit) -> None:
        super().__init__(("?", fit), "what a scaler has learnt")
        self.fit = fit


def registers(path: str) -> None:
    name = path.rpartition(".")[2]

    @native(path)
    def make(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        return InstanceV(SymbolV(path), dict(arguments.keywords), open=True)

    @native(f"{path}.fit", f"{path}.partial_fit")
    def fit(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """``scaler.fit(x)`` gives the scaler."""
        scaler, data = arguments.positional[0], _data(m, arguments)
        if isinstance(scaler, InstanceV):
            m.touch(scaler)
            scaler.attributes[FITTED] = FittedV(Fit(name, data, m.context(site)))
        return scaler

    @native(f"{path}.transform")
    def transform(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """``scaler.transform(x)``: with what it was fitted on."""
        return _transformed(m, arguments.positional[0], _data(m, arguments), site)

    @native(f"{path}.fit_transform")
    def fit_transform(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        fit(m, site, arguments)
        return _transformed(m, arguments.positional[0], _data(m, arguments), site)

    @native(f"{path}.inverse_transform")
    def inverse(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        return array(rows=getattr(_data(m, arguments), "rows", None))


FITTED = "what it has learnt"


def _data(m: Machine, arguments: Arguments) -> Value:
    given = arguments.get(1, "X")
    return m.resolve(given) if given is not None else unknown("data")


def _transformed(m: Machine, scaler: Value, data: Value, site: CallSite) -> Value:
    fitted = scaler.attributes.get(FITTED) if isinstance(scaler, InstanceV) else None
    base = data if isinstance(data, ArrayV) else array(steps=(), root=("of", part(data)))
    if isinstance(data, ListV):
        base = array(steps=None)
    found = like(base, shape=base.shape, rows=base.rows)
    if not isinstance(fitted, FittedV):
        return found
    step = Step(("fit", fitted), fitted.fit.name, fitted.fit, m.context(site))
    return scaled(found, base.steps, step)


for _prefix in PREFIXES:
    for _name in SCALERS:
        registers(f"{_prefix}.{_name}")
