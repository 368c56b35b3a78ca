"""Distribution strategies: on how many replicas a model is trained."""

from __future__ import annotations

from dataclasses import replace

from bnlint.interpreter.data import ArrayV, DatasetV, changed, like
from bnlint.interpreter.datasets import mapped
from bnlint.interpreter.dispatch import CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.values import Arguments, Const, InstanceV, ListV, SymbolV, TupleV, Unknown, Value, unknown

NAMES = ("MirroredStrategy", "TPUStrategy", "MultiWorkerMirroredStrategy", "OneDeviceStrategy", "experimental.TPUStrategy",
         "experimental.ParameterServerStrategy", "experimental.CentralStorageStrategy", "ParameterServerStrategy",
         "experimental.MultiWorkerMirroredStrategy", "get_strategy")  # fmt: skip
SCOPE = "tensorflow.distribute.scope"
REPLICAS = "num_replicas_in_sync"


def registers(path: str) -> None:
    @native(path)
    def make(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """A strategy; how many replicas it has is known where the devices are listed."""
        made = InstanceV(SymbolV(path), dict(arguments.keywords), open=True)
        made.attributes[REPLICAS] = _replicas(m, path, arguments)
        return made

    @native(f"{path}.scope")
    def scope(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        return InstanceV(SymbolV(SCOPE), {"strategy": arguments.positional[0]}, open=True)

    @native(f"{path}.experimental_distribute_dataset")
    def distribute(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """The same data set, each batch divided among the replicas."""
        dataset = arguments.get(1, "dataset")
        return _shared(arguments.positional[0], dataset) if isinstance(dataset, DatasetV) else dataset or unknown("a data set")


def _replicas(m: Machine, path: str, arguments: Arguments) -> Value:
    if path.endswith(("OneDeviceStrategy", "get_strategy")):
        return Const(1) if path.endswith("OneDeviceStrategy") else unknown("replicas")
    devices = m.resolve(arguments.get(0, "devices") or unknown("devices"))
    if path.endswith(".MirroredStrategy") and isinstance(devices, (ListV, TupleV)) and not getattr(devices, "open", False):
        return Const(max(1, len(devices.items)))
    return Unknown(("replicas", ("?", object())), "a number of replicas")


def _shared(strategy: Value, dataset: DatasetV) -> DatasetV:
    """A data set as one replica sees it."""
    count = strategy.attributes.get(REPLICAS) if isinstance(strategy, InstanceV) else None
    batch = dataset.batch
    if batch is not None and batch.per_replica:
        rows = replace(batch, per_replica=False)
    elif batch is not None and isinstance(count, Const):
        rows = replace(batch, value=max(1, batch.value // count.value))
    else:
        return changed(dataset, batch=None, element=None, last=None)

    def share(each: ArrayV) -> ArrayV:
        return like(each, rows=rows, steps=each.steps, constant=each.constant)

    return changed(dataset, batch=rows, element=mapped(dataset.element, share), last=None)


for _name in NAMES:
    registers(f"tensorflow.distribute.{_name}")
