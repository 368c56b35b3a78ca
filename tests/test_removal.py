"""Taking a layer out of the source: the ways in which people add one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.config import Configurations
from bnlint.finding import Fix
from bnlint.run import Check, check
from bnlint.source import from_text

HEAD = "import keras\nfrom keras.layers import *\n"
GRAPH = HEAD + "i = Input((8,))\nx = Dense(4, use_bias=False)(i)\nx = BatchNormalization()(x)\n"


def fix_of(text: str, folder: Path) -> Fix | None:
    """The fix of the one duplicate that a module has."""
    path = folder / "module.py"
    path.write_text(text)
    report = check([str(path)], Check(Configurations(isolated=True), lambda config: config))
    (finding,) = [each for each in report.findings if each.code == "BN106"]
    return finding.fix


def after(text: str, fix: Fix) -> str:
    source = from_text("module.py", text)
    (edit,) = fix.edits
    span = edit.span
    start, end = source.offset(span.line, span.column), source.offset(span.end_line, span.end_column)
    return text[:start] + edit.content + text[end:]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (GRAPH + "x = BatchNormalization()(x)  # again\nm = keras.Model(i, x)\n", GRAPH + "m = keras.Model(i, x)\n"),
        (GRAPH + "y = BatchNormalization(name='n')(x)\nm = keras.Model(i, y)\n", GRAPH + "y = x\nm = keras.Model(i, y)\n"),
        (GRAPH + "m = keras.Model(i, BatchNormalization()(x))\n", GRAPH + "m = keras.Model(i, x)\n"),
        (GRAPH + "if True:\n    x = BatchNormalization()(x)\nm = keras.Model(i, x)\n",
         GRAPH + "if True:\n    pass\nm = keras.Model(i, x)\n"),
        (HEAD + "m = keras.Sequential([Input((8,)), BatchNormalization(), BatchNormalization()])\n",
         HEAD + "m = keras.Sequential([Input((8,)), BatchNormalization()])\n"),
        (HEAD + "m = keras.Sequential([\n    Input((8,)),\n    BatchNormalization(),\n    BatchNormalization(),\n    ReLU(),\n])\n",
         HEAD + "m = keras.Sequential([\n    Input((8,)),\n    BatchNormalization(),\n    ReLU(),\n])\n"),
        (HEAD + "m = keras.Sequential()\nm.add(Input((8,)))\nm.add(BatchNormalization())\nm.add(BatchNormalization())\nm.add(ReLU())\n",
         HEAD + "m = keras.Sequential()\nm.add(Input((8,)))\nm.add(BatchNormalization())\nm.add(ReLU())\n"),
    ],
)  # fmt: skip
def test_a_layer_is_taken_out_where_it_is_made(before: str, expected: str, tmp_path: Path) -> None:
    fix = fix_of(before, tmp_path)
    assert fix is not None and after(before, fix) == expected


@pytest.mark.parametrize(
    "text",
    [
        GRAPH + "n = BatchNormalization()\nm = keras.Model(i, n(x))\n",
        GRAPH + "def norm(x):\n    return BatchNormalization()(x)\nm = keras.Model(i, [norm(x), norm(i)])\n",
        GRAPH + "x = BatchNormalization()(x); m = keras.Model(i, x)\n",
    ],
)
def test_there_is_no_fix_where_more_than_the_layer_would_go(text: str, tmp_path: Path) -> None:
    assert fix_of(text, tmp_path) is None
