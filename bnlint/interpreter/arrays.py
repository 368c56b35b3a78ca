"""Arrays whose numbers do not matter: how many samples they hold, and how they were scaled."""

from __future__ import annotations

import bnlint.interpreter.numpy_arrays  # noqa: F401  registers what is wrapped here
from bnlint.interpreter.data import ArrayV, BatchV, Number, Step, array, arrays_in, fresh, like, number, rows_of, size, with_rows
from bnlint.interpreter.dispatch import METHODS, NATIVES, CallSite, attributes, method, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.operations import call_operation
from bnlint.interpreter.tensors import shape_from
from bnlint.interpreter.values import Arguments, Const, ListV, NativeMethodV, SymbolV, TupleV, Unknown, Value, const, unknown
from bnlint.keras_api.shapes import UNKNOWN, Shape

SMALL = 64
"""Arrays of so few numbers may be part of a configuration: their numbers are followed."""


def shape_given(m: Machine, value: Value | None) -> Shape:
    """The shape that a size or a tuple of sizes stands for."""
    value = m.resolve(value) if value is not None else None
    if isinstance(value, Const) and isinstance(value.value, int):
        return (value.value,)
    return (UNKNOWN,) if isinstance(value, Unknown) and not isinstance(value, ArrayV) else shape_from(value) if value else None


def _made(m: Machine, shape: Shape, given: Value | None, site: CallSite) -> ArrayV:
    first = given.items[0] if isinstance(given, (TupleV, ListV)) and given.items else given
    return array(shape, number(m, first, site.span), (), ("made", fresh()), constant="random" not in site.path)


def makes(path: str, index: int | None, name: str) -> None:
    """The function ``path`` makes an array of the shape that an argument says; a small one is left to who follows its numbers."""
    plain = NATIVES.get(path)

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        given = arguments.get(index, name)
        shape = shape_given(m, given)
        total = size(shape)
        if plain is not None and total is not None and total <= SMALL:
            return plain(m, site, arguments)
        if given is None:
            return plain(m, site, arguments) if plain is not None else unknown("a random number")
        m.escape_all(arguments.values())
        return _made(m, shape, given, site)


for _path in ("zeros", "ones", "empty", "full"):
    makes(f"numpy.{_path}", 0, "shape")
for _path in ("zeros", "ones", "fill", "random.normal", "random.uniform", "random.truncated_normal"):
    makes(f"tensorflow.{_path}", 0, "dims" if _path == "fill" else "shape")
for _path in ("zeros", "ones", "random_normal", "random_uniform"):
    makes(f"keras.backend.{_path}", 0, "shape")
for _path in ("keras.random.normal", "keras.random.uniform", "keras.ops.zeros", "keras.ops.ones"):
    makes(_path, 0, "shape")
SIZES = {
    "random": 0, "random_sample": 0, "standard_normal": 0, "sample": 0, "ranf": 0, "normal": 2, "uniform": 2, "randint": 2,
    "binomial": 2, "poisson": 1, "choice": 1, "integers": 2, "beta": 2, "exponential": 1, "laplace": 2, "lognormal": 2,
}  # fmt: skip
"""NumPy's random functions, with the position of the argument that says the shape."""
GENERATOR = "numpy.random.Generator"
for _name, _index in SIZES.items():
    makes(f"numpy.random.{_name}", _index, "size")


@native("numpy.random.rand", "numpy.random.randn")
def rand(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``np.random.rand(96, 8)``."""
    if not arguments.positional or arguments.open_positional:
        return unknown("a random number")
    items = [m.resolve(each) for each in arguments.positional]
    return _made(m, shape_from(TupleV(tuple(items))), items[0], site)


@native("numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator")
def default_rng(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A generator of random numbers; its methods make arrays."""
    return GeneratorV(fresh(), "a random number generator")


class GeneratorV(Unknown):
    """``np.random.default_rng()``."""


@attributes(GeneratorV)
def generator_attribute(m: Machine, value: GeneratorV, name: str, site: CallSite) -> Value | None:
    return NativeMethodV(value, name) if (GeneratorV, name) in METHODS else None


def _generates(name: str, index: int) -> None:
    @method(GeneratorV, name)
    def call(m: Machine, site: CallSite, generator: GeneratorV, arguments: Arguments) -> Value:
        given = arguments.get(index, "size")
        if given is None:
            return unknown("a random number")
        made = _made(m, shape_given(m, given), given, site)
        made.constant = False
        return made


for _name, _index in SIZES.items():
    _generates(_name, _index)
for _name in ("rand", "randn"):
    METHODS[GeneratorV, _name] = lambda m, site, generator, arguments: rand(m, site, arguments)


@method(GeneratorV, "permutation", "permuted")
def permutation(m: Machine, site: CallSite, generator: GeneratorV, arguments: Arguments) -> Value:
    return permuted(m, site, arguments)


@native("numpy.random.permutation", "sklearn.utils.shuffle", "tensorflow.random.shuffle")
def permuted(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The same samples in another order."""
    found = [_permuted(m, m.resolve(each)) for each in arguments.positional]
    return found[0] if len(found) == 1 else ListV(found) if found else unknown("nothing to shuffle")


def _permuted(m: Machine, value: Value) -> Value:
    if isinstance(value, ArrayV):
        return like(value, shape=value.shape, rows=value.rows, steps=value.steps, constant=value.constant)
    return array(rows=number(m, value))


def other(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The result of a library's function for what is no array."""
    return call_operation(m, site.symbol or SymbolV(site.path), arguments, site)


# -- functions that keep the samples -----------------------------------------------------------------------------

SAME = ("numpy.array", "numpy.asarray", "numpy.ascontiguousarray", "numpy.copy", "numpy.float32", "numpy.float64", "numpy.squeeze",
        "numpy.nan_to_num", "tensorflow.cast", "tensorflow.convert_to_tensor", "tensorflow.constant", "keras.ops.cast",
        "keras.ops.convert_to_tensor", "tensorflow.identity", "pandas.DataFrame", "tensorflow.squeeze", "tensorflow.Variable",
        "copy.copy", "copy.deepcopy", "tensorflow.image.resize", "tensorflow.image.grayscale_to_rgb",
        "tensorflow.image.convert_image_dtype", "scipy.sparse.csr_matrix")  # fmt: skip
"""Functions that give the samples they get, in another form."""


def keeps(path: str) -> None:
    plain = NATIVES.get(path)

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        value = m.resolve(arguments.positional[0]) if arguments.positional else None
        if isinstance(value, ArrayV):
            step = Step(path, path) if path.endswith("convert_image_dtype") else None
            keep = value.shape if not path.endswith(("squeeze", "resize", "rgb")) else None
            return scaled(like(value, shape=keep, rows=value.rows, constant=value.constant), value.steps, step)
        if isinstance(value, ListV) and value.grown:
            return uncounted(value)
        if isinstance(value, ListV) and path in ("numpy.array", "numpy.asarray", "numpy.stack") and not value.open:
            found = plain(m, site, arguments) if plain is not None else None
            if isinstance(found, Unknown) or found is None:
                return array(rows=Number(len(value.items)))
            return found
        if plain is not None:
            return plain(m, site, arguments)
        if isinstance(value, Unknown) and value.term[0] == "training":  # a flag stays the same one, whatever its type
            return value
        return other(m, site, arguments)


for _path in (*SAME, "numpy.stack"):
    keeps(_path)


def uncounted(value: ListV) -> ArrayV:
    """An array of as many samples as a list holds to which a loop of unknown length added them."""
    first = next((each for each in value.items if isinstance(each, ArrayV)), None)
    shape = first.shape if first is not None else None
    return array((UNKNOWN, *shape) if shape is not None else None)


def scaled(value: ArrayV, before: tuple[Step, ...] | None, step: Step | None = None) -> ArrayV:
    """An array with one step of scaling more."""
    value.steps = before if step is None or before is None else (*before, step)
    return value


@native("numpy.expand_dims", "tensorflow.expand_dims", "keras.ops.expand_dims")
def expand_dims(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """One sample becomes an array of one; with another axis the samples stay."""
    value = m.resolve(arguments.positional[0]) if arguments.positional else None
    axis = m.resolve(arguments.get(1, "axis") or const(None))
    if type(value) is Unknown and site.path.startswith("numpy.") and isinstance(axis, Const) and axis.value == 0:
        found = array(rows=Number(1))
        m.flow(found, [value])
        return found
    if not isinstance(value, ArrayV):
        return other(m, site, arguments)
    if not isinstance(axis, Const) or not isinstance(axis.value, int):
        return like(value, steps=value.steps)
    if axis.value == 0:
        shape: Shape = (1, *value.shape) if value.shape is not None else None
        return like(value, shape=shape, rows=Number(1), steps=value.steps, constant=value.constant)
    at = axis.value if value.shape is None or axis.value >= 0 else axis.value + len(value.shape) + 1
    shape = (*value.shape[:at], 1, *value.shape[at:]) if value.shape is not None and at >= 0 else None
    return like(value, shape=shape, rows=value.rows, steps=value.steps, constant=value.constant)


def joins(path: str) -> None:
    plain = NATIVES.get(path)

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        given = m.resolve(arguments.positional[0]) if arguments.positional else None
        axis = m.resolve(arguments.get(1, "axis") or const(0))
        parts = list(given.items) if isinstance(given, (ListV, TupleV)) and not getattr(given, "open", False) else []
        if isinstance(given, ListV) and given.grown and any(isinstance(each, ArrayV) for each in parts):
            return array()
        if not any(isinstance(each, ArrayV) for each in parts) or any(not isinstance(each, (ArrayV, ListV)) for each in parts):
            return plain(m, site, arguments) if plain is not None else other(m, site, arguments)
        arrays = arrays_in(given)
        one = {each.steps for each in arrays}
        steps = one.pop() if len(one) == 1 and len(arrays) == len(parts) else None
        rows = [rows_of(each) for each in parts]
        known = [each for each in rows if each is not None]
        first = isinstance(axis, Const) and axis.value == 0 and not path.endswith("hstack")
        if not first:
            return like(arrays[0], rows=known[0] if known else None, steps=steps)
        total = (
            Number(sum(each.value for each in known), any(each.assumed for each in known)) if len(known) == len(rows) else None
        )
        return like(arrays[0], shape=with_rows(arrays[0].shape, total), rows=total, steps=steps)


for _path in ("numpy.concatenate", "numpy.vstack", "numpy.hstack", "numpy.append", "tensorflow.concat", "pandas.concat"):
    joins(_path)

# -- attributes and methods --------------------------------------------------------------------------------------


@attributes(ArrayV, BatchV)
def array_attribute(m: Machine, value: ArrayV, name: str, site: CallSite) -> Value | None:
    """The shape and the methods of an array; a column of a data frame is not known."""
    if name == "shape" and value.shape is not None:
        return TupleV(tuple(Const(each) if isinstance(each, int) else unknown("a size") for each in value.shape))
    if name == "ndim" and value.shape is not None:
        return Const(len(value.shape))
    if name == "size" and (total := size(value.shape)) is not None:
        return Const(total)
    if name in ("values", "loc", "iloc", "data"):
        return value
    return NativeMethodV(value, name) if (ArrayV, name) in METHODS else None


@method(ArrayV, "astype", "copy", "to_numpy", "toarray", "todense", "numpy", "fillna", "drop", "dropna", "reset_index", "squeeze",
        "sample", "tolist", "as_matrix")  # fmt: skip
def same_samples(m: Machine, site: CallSite, value: ArrayV, arguments: Arguments) -> Value:
    """The same samples in another form."""
    name = _called(site)
    whole = name in ("astype", "copy", "to_numpy", "toarray", "todense", "numpy")
    rows = value.rows if whole or name in ("fillna", "reset_index", "tolist") else None
    return like(value, shape=value.shape if whole else None, rows=rows, steps=value.steps, constant=value.constant)


def _called(site: CallSite) -> str:
    return str(getattr(getattr(site.node, "func", None), "attr", ""))


@method(ArrayV, "reshape", "flatten", "ravel")
def reshape(m: Machine, site: CallSite, value: ArrayV, arguments: Arguments) -> Value:
    """``x.reshape(-1, 784)`` and ``x.reshape((x.shape[0], -1))``."""
    return reshaped(m, value, arguments.positional)


@native("numpy.reshape", "tensorflow.reshape", "keras.ops.reshape")
def reshape_function(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """``np.reshape(x, shape)``."""
    value = m.resolve(arguments.positional[0]) if arguments.positional else None
    given = arguments.get(1, "newshape") or arguments.get(1, "shape")
    if isinstance(value, ArrayV):
        return reshaped(m, value, [given] if given is not None else [])
    shape = shape_given(m, given)
    if type(value) is Unknown and site.path.startswith("numpy.") and shape and isinstance(shape[0], int) and shape[0] > 0:
        found = array(rows=Number(shape[0]))
        m.flow(found, [value])
        return found
    return other(m, site, arguments)


def reshaped(m: Machine, value: ArrayV, given: list[Value]) -> ArrayV:
    """The same numbers in another shape; ``-1`` is what is left of them."""
    first = m.resolve(given[0]) if given else const(-1)
    wanted = shape_from(first) if isinstance(first, (TupleV, ListV)) else shape_from(TupleV(tuple(map(m.resolve, given))))
    total, shape = size(value.shape), wanted
    if wanted is not None and -1 in wanted:
        known = [each for each in wanted if each != -1]
        rest = size(tuple(known))
        missing = total // rest if total is not None and rest else UNKNOWN
        shape = tuple(missing if each == -1 else each for each in wanted)
        if wanted[0] == -1 and missing is UNKNOWN:
            return like(
                value, shape=shape, rows=value.rows if len(wanted) > 1 else None, steps=value.steps, constant=value.constant
            )
    rows = Number(shape[0]) if shape and isinstance(shape[0], int) else None
    kept = value.rows if rows is not None and value.rows is not None and rows.value == value.rows.value else rows
    return like(value, shape=shape, rows=kept, steps=value.steps, constant=value.constant)
