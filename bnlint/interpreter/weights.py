"""Lists of weights, and what is made of them: an unknown value's term, and a tensor's call, tell which lists it came from."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from bnlint.interpreter.dispatch import CallSite, method, native
from bnlint.interpreter.flows import Origins, remembered
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Event, GradientsV, LayerV, TensorV, WeightsV
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    DictV,
    InstanceV,
    ListV,
    NativeMethodV,
    SetV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)

NAMES = {
    "weights": "weights",
    "variables": "weights",
    "trainable_weights": "trainable",
    "trainable_variables": "trainable",
    "non_trainable_weights": "non_trainable",
    "non_trainable_variables": "non_trainable",
}
STATISTICS = ("moving_mean", "moving_variance")

FORGET = frozenset(
    ("zeroslike", "oneslike", "fulllike", "shape", "size", "len", "norm", "globalnorm", "l2loss", "ndim", "countparams", "histogram",
     "uniform", "normal", "isnan", "isinf", "isfinite", "allclose", "getshape", "print", "format", "str", "repr", "isinstance",
     "hasattr", "id", "type")
)  # fmt: skip
"""Functions whose result no longer is a weight."""
REDUCE = frozenset(
    ("reducesum", "reducemean", "reducemax", "reducemin", "reducestd", "reducevariance", "sum", "mean", "max", "min", "std", "var",
     "prod", "median", "average", "any", "all", "countnonzero", "amax", "amin")
)  # fmt: skip
"""Functions that make one number of a weight, unless they are given an axis or several weights."""
FACTS = frozenset(("shape", "name", "dtype", "path", "ndim", "size", "device", "op", "trainable", "__class__"))
TESTS = frozenset(
    ("len", "==", "<", "is", "is None", "in", "isinstance", "hasattr", "not", "and", "or", "str", "format", "size", "shape")
)

ASSIGN = ("assign", "assign_add", "assign_sub", "scatter_update", "scatter_nd_update", "load")
TENSOR_ASSIGN = ("assign", "assign_add", "assign_sub", "scatter_update")
EMA = "tensorflow.train.ExponentialMovingAverage"


@dataclass
class Sources:
    """What a value was made of: lists of weights, gradients, something read from a file, by which functions."""

    lists: dict[int, WeightsV] = field(default_factory=dict)
    gradient: bool = False
    loaded: bool = False
    functions: set[str] = field(default_factory=set)

    def owners(self) -> list[LayerV]:
        """The models and layers whose lists they are, each once."""
        return list({id(owner): owner for each in self.lists.values() for owner in each.owners}.values())


def make_weights(m: Machine, owner: LayerV, which: str, site: CallSite) -> WeightsV:
    """The list of weights that is read at ``site``."""
    m.weights_read = True
    m.world.read.append(owner)
    return remembered(m, WeightsV([owner], which, site.span, m.context(site)))


def plain_name(name: str) -> str:
    """A function's name as it is compared: ``tf.zeros_like`` and ``ZerosLike`` are one."""
    return name.rpartition(".")[2].lower().replace("_", "")


# -- where values come from --------------------------------------------------------------------------------------


class Makings(Origins):
    """What the values of one world were made of, as far as weights remain weights on the way."""

    def sources(self, *values: Value | None) -> Sources:
        """What some values were made of."""
        found = Sources()
        seen: set[Hashable] = set()
        pending = [each for each in values if each is not None]
        while pending:
            each = pending.pop()
            if id(each) not in seen:
                seen.add(id(each))
                pending.extend(self._inside(each, found, seen))
        return found

    def _inside(self, value: Value, found: Sources, seen: set[Hashable]) -> Iterator[Value]:
        if isinstance(value, WeightsV):
            found.lists[id(value)] = value
        elif isinstance(value, GradientsV):
            found.gradient = True
        elif isinstance(value, Unknown):
            yield from value.parts_inside()
            yield from self._of_term(value.term, found, seen)
        elif isinstance(value, TensorV):
            yield from _of_tensor(value, found)
        elif isinstance(value, (ListV, TupleV)):
            yield from value.items
        elif isinstance(value, DictV):
            yield from (item for _, item in value.items.values())
        elif isinstance(value, SetV):
            yield from value.items.values()

    def _of_term(self, term: Hashable, found: Sources, seen: set[Hashable]) -> Iterator[Value]:
        pending = [term]
        while pending:
            each = pending.pop()
            if not isinstance(each, tuple) or not each or each in seen:
                continue
            seen.add(each)
            flow = next((world.flows[each] for world in self._worlds if each in world.flows), None)
            if flow is not None:
                yield from _of_flow(flow, found)
            elif len(each) == 2 and each[0] == "?" and isinstance(each[1], int):
                tensor = self._tensor(each[1])
                if tensor is not None:
                    yield tensor
            elif each[0] == "loaded":
                found.loaded = True
            elif each[0] not in TESTS and not (each[0] == "attribute" and each[-1] in FACTS):
                if isinstance(each[0], str):
                    found.functions.add(plain_name(each[0]))
                pending.extend(each)


def _of_flow(flow: tuple[Value, ...], found: Sources) -> Iterator[Value]:
    """What went into the result of a function out of sight, unless it forgets the weights."""
    function, *given = flow or (NONE,)
    name, instance = _called(function)
    several = len(given) + (instance is not None) > 1 or any(isinstance(each, (ListV, TupleV)) for each in given)
    if name in FORGET or (name in REDUCE and not several):
        return
    if name:
        found.functions.add(name)
    found.gradient |= "grad" in name or "jacobian" in name
    yield from given
    if instance is not None:
        yield instance
    elif not name:
        yield function


def _called(function: Value) -> tuple[str, Value | None]:
    """A function's name, and what it is a method of."""
    if isinstance(function, SymbolV):
        return plain_name(function.path), None
    if isinstance(function, NativeMethodV):
        return plain_name(function.name), function.instance
    if isinstance(function, Unknown) and len(function.term) == 3 and function.term[0] == "attribute":
        inner = function.term[1]
        return plain_name(str(function.term[2])), Unknown(inner) if isinstance(inner, tuple) else None
    return "", None


def _of_tensor(tensor: TensorV, found: Sources) -> Iterator[Value]:
    if tensor.origin is not None:
        yield tensor.origin
    if tensor.alias is not None:
        yield tensor.alias
    call = tensor.call
    if call is None or call.layer is not None:
        return
    name = plain_name(call.function)
    axis = "axis" in call.arguments or "1" in call.arguments
    if name in FORGET or (name in REDUCE and len(call.inputs) == 1 and not axis):
        return
    found.functions.add(name)
    yield from call.inputs


# -- what happens to them ----------------------------------------------------------------------------------------


def note_assignment(m: Machine, target: Value, value: Value | None, name: str, site: CallSite) -> Event:
    """A variable gets a new value."""
    return m.event("assign", target, site, name=name, value=value)


@method(TensorV, *TENSOR_ASSIGN)
def assign_tensor(m: Machine, site: CallSite, tensor: TensorV, arguments: Arguments) -> Value:
    """``variable.assign(value)``."""
    name = str(getattr(getattr(site.node, "func", None), "attr", "assign"))
    note_assignment(m, tensor, arguments.get(0, "value") or arguments.keywords.get("delta"), name, site)
    m.escape_all(arguments.values())
    return unknown("an assignment")


@native("tensorflow.assign", "tensorflow.assign_add", "tensorflow.assign_sub", "tensorflow.compat.v1.assign",
        "tensorflow.compat.v1.assign_add", "tensorflow.compat.v1.assign_sub", "keras.backend.update", "keras.backend.update_add",
        "keras.backend.update_sub", "keras.backend.set_value", "keras.backend.moving_average_update", "tensorflow.keras.backend.update",
        "tensorflow.state_ops.assign", "tensorflow.python.training.moving_averages.assign_moving_average",
        "tensorflow.python.ops.state_ops.assign")  # fmt: skip
def assign_by_function(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``tf.assign(variable, value)`` and its kin."""
    values = arguments.values()
    if values:
        note_assignment(m, values[0], values[1] if len(values) > 1 else None, site.path.rpartition(".")[2], site)
    m.escape_all(values)
    return unknown("an assignment")


def assign_unknown(m: Machine, function: Unknown, arguments: Arguments, site: CallSite) -> None:
    """``weight.assign(value)`` where the weight is an item of a list."""
    term = function.term
    if len(term) == 3 and term[0] == "attribute" and term[2] in ASSIGN and isinstance(term[1], tuple):
        value = arguments.get(0, "value")
        note_assignment(m, Unknown(term[1]), value, str(term[2]), site)


@native("tensorflow.Variable", "keras.Variable", "tensorflow.compat.v1.Variable", "keras.backend.variable")
def make_variable(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A variable; one that a layer makes is a weight of it."""
    made = unknown("a variable")
    layer = site.frame.instance
    if isinstance(layer, LayerV):
        given = {**dict(zip(("initial_value", "trainable"), arguments.positional)), **arguments.keywords}
        if site.path == "keras.backend.variable":
            given["**"] = NONE  # whether Keras trains it depends on its version
        m.event("construct", layer, site, name="variable", arguments=given, value=made)
    else:
        m.escape_all(arguments.values())
    return made


STORES = (
    "pickle.dump", "pickle.dumps", "dill.dump", "joblib.dump", "numpy.save", "numpy.savez", "numpy.savez_compressed", "json.dump",
    "scipy.io.savemat", "torch.save", "tensorflow.io.write_file", "tensorflow.train.Checkpoint", "tensorflow.train.Saver",
    "tensorflow.compat.v1.train.Saver", "cloudpickle.dump", "msgpack.dump", "_pickle.dump", "cPickle.dump",
)  # fmt: skip
METHODS_THAT_STORE = ("create_dataset",)


def _register_stores() -> None:
    for path in STORES:

        @native(path)
        def store(m: Machine, site: CallSite, arguments: Arguments) -> Value:
            """Values are written to a file."""
            note_storing(m, arguments, site)
            m.escape_all(arguments.values())
            return unknown(f"result of {site.path}")


def note_storing(m: Machine, arguments: Arguments, site: CallSite) -> None:
    """Values are saved; noted where weights are among them."""
    if m.weights_read:
        value = TupleV((*arguments.values(), *arguments.starred))
        m.event("store", NONE, site, name=site.path.rpartition(".")[2], value=value)


_register_stores()


@native("pickle.load", "pickle.loads", "numpy.load", "joblib.load", "dill.load", "json.load", "h5py.File", "torch.load",
        "scipy.io.loadmat", "_pickle.load", "cPickle.load", "tensorflow.io.read_file")  # fmt: skip
def load_file(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """What a file holds."""
    m.escape_all(arguments.values())
    return Unknown(("loaded", ("?", object())), f"result of {site.path}")


@native(EMA, "tensorflow.compat.v1.train.ExponentialMovingAverage")
def make_average(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return InstanceV(SymbolV(EMA), {}, open=True)


@native(f"{EMA}.apply")
def apply_average(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``average.apply(weights)``."""
    note_storing(
        m, Arguments(arguments.positional[1:], arguments.keywords), CallSite(site.node, site.frame, SymbolV(f"{EMA}.apply"))
    )
    return unknown("an update of averages")


def map_items(m: Machine, site: CallSite, arguments: Arguments) -> Value | None:
    """A function is called with the items of lists of weights side by side; None where there are none."""
    from bnlint.interpreter.iteration import unknown_item

    function, *lists = arguments.positional or [NONE]
    if not lists or not all(isinstance(each, WeightsV) for each in lists):
        return None
    found = ListV([m.call(function, Arguments([unknown_item(m, each, 0, site) for each in lists], {}), site)], open=True)
    note_gathering(m, found, site)
    return found


def note_gathering(m: Machine, found: Value, site: CallSite) -> None:
    """A new list may have been made of weights."""
    if m.weights_read:
        m.event("gather", NONE, site, value=found)
