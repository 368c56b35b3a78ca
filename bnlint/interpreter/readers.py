"""Data that are read from files: which of them are of one kind, such as those for training and those for testing."""

from __future__ import annotations

import ast

import bnlint.interpreter.array_math  # noqa: F401  registers what is wrapped here
from bnlint.interpreter.data import ArrayV, Reading, array, fresh
from bnlint.interpreter.datasets import PICTURES
from bnlint.interpreter.dispatch import METHODS, NATIVES, CallSite, native
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.values import Arguments, Const, ListV, Value, unknown
from bnlint.purpose import words_beside_parts

TABLES = (
    "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "pandas.read_csv", "pandas.read_table", "pandas.read_excel", "pandas.read_parquet",
    "pandas.read_feather", "pandas.read_pickle", "pandas.read_hdf",
)  # fmt: skip
IMAGES = ("cv2.imread", "skimage.io.imread", "imageio.imread", "imageio.v2.imread", "imageio.v3.imread", "PIL.Image.open",
          "keras.utils.load_img", "keras.preprocessing.image.load_img", "scipy.misc.imread")  # fmt: skip
"""What reads a picture as numbers from 0 to 255."""
SAME_PICTURE = ("cv2.resize", "cv2.cvtColor", "cv2.flip", "skimage.color.gray2rgb", "PIL.ImageOps.grayscale")
METHODS_OF_PICTURES = ("resize", "convert", "crop", "rotate", "transpose")


def reads_table(path: str) -> None:
    plain = NATIVES.get(path)

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """The data of a file as they are; of weights that are read, all that matters is that they come from a file."""
        given = arguments.positional[0] if arguments.positional else None
        if given is None or m.weights_read:
            return plain(m, site, arguments) if plain is not None else unknown(f"result of {path}")
        m.escape_all(arguments.values())
        value = m.resolve(given)
        text = value.value if isinstance(value, Const) and isinstance(value.value, str) else _written(site)
        found = array(steps=(), root=Reading(path, words_beside_parts(text), site.span))
        found.term = ("loaded", fresh())
        return found


def _written(site: CallSite) -> str:
    """The first argument as the source has it."""
    given = getattr(site.node, "args", None)
    return ast.unparse(given[0]) if given else ""


for _path in TABLES:
    reads_table(_path)


def reads_picture(path: str) -> None:
    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        m.escape_all(arguments.values())
        return array(steps=(), root=PICTURES)


for _path in IMAGES:
    reads_picture(_path)


def keeps_picture(path: str) -> None:
    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        value = m.resolve(arguments.positional[0]) if arguments.positional else None
        if isinstance(value, ArrayV):
            return array(steps=value.steps, root=value.root)
        m.escape_all(arguments.values())
        return unknown(f"result of {path}")


for _path in SAME_PICTURE:
    keeps_picture(_path)


def _changed(m: Machine, site: CallSite, value: ArrayV, arguments: Arguments) -> Value:
    return array(steps=value.steps, root=value.root)


for _name in METHODS_OF_PICTURES:
    METHODS.setdefault((ArrayV, _name), _changed)


def stacks(path: str) -> None:
    plain = NATIVES[path]

    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        """An array of the arrays in a list, which were all scaled alike."""
        value = m.resolve(arguments.positional[0]) if arguments.positional else None
        items = value.items if isinstance(value, ListV) and value.kind in ("list", "iterator") else []
        arrays = [each for each in items if isinstance(each, ArrayV)]
        found = plain(m, site, arguments)
        if not arrays or len(arrays) < len(items) or isinstance(found, ListV):
            return found
        first = arrays[0]
        if first.steps is None or any(each.steps != first.steps or each.root != first.root for each in arrays):
            return found
        rows = found.rows if isinstance(found, ArrayV) else None
        return array(None, rows, first.steps, first.root)


for _path in ("numpy.array", "numpy.asarray", "numpy.stack", "numpy.vstack"):
    stacks(_path)
