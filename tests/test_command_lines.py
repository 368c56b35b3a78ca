"""Command lines and notebooks: defaults that a user may replace, and the order in which statements run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bnlint.index import Project
from bnlint.interpreter import analyse
from bnlint.interpreter.cells import in_running_order
from bnlint.interpreter.values import Const, ListV


def shown(tmp_path: Path, code: str) -> list[object]:
    """What ``shown`` holds in the end: constants, with a star where they are assumed."""
    path = tmp_path / "code.py"
    path.write_text(f"from keras.layers import BatchNormalization\nshown = []\n{code}")
    program = analyse(Project.around(path), [path])
    values = next(module for module in program._modules if module.path == str(path)).scope.names["shown"]
    assert isinstance(values, ListV)
    return [(each.value, each.assumed) if isinstance(each, Const) else None for each in values.items]


@pytest.mark.parametrize(
    ("imports", "flags"),
    [
        ("from absl import flags", "flags"),
        ("import tensorflow as tf", "tf.app.flags"),
        ("import tensorflow.compat.v1 as tf", "tf.flags"),
        ("import tensorflow as tf", "tf.compat.v1.flags"),
    ],
)
def test_flags_are_their_defaults_which_a_user_may_replace(tmp_path: Path, imports: str, flags: str) -> None:
    code = f"{imports}\n{flags}.DEFINE_integer('size', 4, '')\nFLAGS = {flags}.FLAGS\nshown += [FLAGS.size, FLAGS.other]"
    assert shown(tmp_path, code) == [(4, True), None]


def test_a_flag_holder_has_the_value_of_its_flag(tmp_path: Path) -> None:
    code = "from absl import flags\nsize = flags.DEFINE_float('rate', 0.5, '')\nshown.append(size.value)"
    assert shown(tmp_path, code) == [(0.5, True)]


def test_the_options_of_click_fill_parameters(tmp_path: Path) -> None:
    code = """
import click
@click.command()
@click.option("--batch-size", "-b", default=16)
@click.option("-n", "--epochs", type=int)
@click.option("--fast/--slow")
@click.option("--lr", "rate", default=0.1)
@click.option("--name", required=True)
def main(batch_size, epochs, rate, name):
    shown.extend([batch_size, epochs, rate, name])
main()
"""
    assert shown(tmp_path, code) == [(16, True), (None, True), (0.1, True), None]


def test_the_options_of_typer_are_defaults(tmp_path: Path) -> None:
    code = "import typer\ndef main(size: int = typer.Option(8), name: str = typer.Argument(...)): shown.extend([size, name])\n"
    assert shown(tmp_path, f"{code}typer.run(main)") == [(8, True), None]


def test_the_truth_of_an_assumed_value_is_assumed(tmp_path: Path) -> None:
    assert shown(tmp_path, "import os\nshown.append(bool(int(os.environ.get('N', '1'))))") == [(True, True)]


def test_statements_of_a_notebook_wait_for_the_names_they_need() -> None:
    code = "show(model)\nmodel = build(size)\nsize = 1\ndef build(n): return kind(n)\nkind = int\ndef show(m): pass\nsize = 2"
    ordered = [ast.unparse(each).partition("\n")[0] for each in in_running_order(ast.parse(code).body)]
    assert ordered == [
        "def build(n):", "kind = int", "size = 1", "model = build(size)", "def show(m):", "show(model)", "size = 2",
    ]  # fmt: skip


def test_statements_that_need_each_other_keep_their_order() -> None:
    statements = ast.parse("a = b\nb = a").body
    assert {ast.unparse(each) for each in in_running_order(statements)} == {"a = b", "b = a"}
