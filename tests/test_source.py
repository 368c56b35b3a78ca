"""Files and notebooks as text, and places in them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from bnlint.finding import Span
from bnlint.source import Source, SourceError, from_bytes, from_text, load


def notebook(*cells: Any, **metadata: Any) -> Any:
    made = [cell if isinstance(cell, dict) else {"cell_type": "code", "source": cell} for cell in cells]
    return from_bytes("a.ipynb", json.dumps({"cells": made, "metadata": metadata, "nbformat": 4}).encode())


def segments(source: Source, kind: type[ast.AST]) -> Any:
    return [source.segment(source.span(node)) for node in ast.walk(ast.parse(source.text)) if isinstance(node, kind)]


@pytest.mark.parametrize(
    "data",
    [
        "x = 'é'".encode(),
        b"\xef\xbb\xbf" + "x = 'é'".encode(),
        b"# coding: latin-1\nx = '\xe9'",
        b"#!/usr/bin/python\n# -*- coding: cp1252 -*-\nx = '\xe9'",
        b"\n#vim: fileencoding=iso-8859-15\nx = '\xe9'",
    ],
)
def test_encodings_are_python_s(data: bytes) -> None:
    assert "x = 'é'" in from_bytes("a.py", data).text


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"x = 1\ny = '\xe9'", 2, "not utf-8"),
        (b"# coding: klingon\n", 1, "unknown encoding 'klingon'"),
        (b"\n# coding: hex\n", 2, "not a text encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1, "byte order mark"),
        (b"# coding: ascii\nx = '\xe9'", 1, "not ascii"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(data: bytes, line: int, message: str) -> None:
    with pytest.raises(SourceError, match=message) as refused:
        from_bytes("a.py", data)
    assert refused.value.line == line


def test_a_cookie_below_code_does_not_count() -> None:
    assert from_bytes("a.py", "x = 1\n# coding: latin-1\ny = 'é'".encode()).encoding == "utf-8"


def test_lines_are_python_s() -> None:
    source = from_text("a.py", "a\r\nb\rc\x0cd\x0b\x1c\x85\u2028e\nf")
    assert source.lines == ["a", "b", "c\x0cd\x0b\x1c\x85\u2028e", "f"]
    assert source.line(9) == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_spans_count_code_points_whatever_the_line_ends(end: str) -> None:
    source = from_text("a.py", end.join(["# é", "\x0cé = f(", "\t'漢', x)", "y = 1"]))
    (call,) = [node for node in ast.walk(ast.parse(source.text)) if isinstance(node, ast.Call)]
    assert source.span(call) == Span("a.py", 2, 6, 3, 9)
    assert source.segment(source.span(call)) == f"f({end}\t'漢', x)"
    assert source.segment(source.span(call.args[1])) == "x"


@pytest.mark.parametrize(
    "text",
    ["def call(self): pass", "@d\nasync def call(): pass", "async  def \\\n  call(): pass", "class \\\r\n call: pass"],
)
def test_the_name_behind_def_and_class(text: str) -> None:
    source = from_text("a.py", text)
    (definition,) = ast.parse(text).body
    assert isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    assert source.segment(source.name_span(definition)) == "call"


def test_comments_are_told_from_strings() -> None:
    text = """x = '#no' # one\ny = '''\n#no\n''' # two\nz = "\\"#no" #three\nf'{x}#no'\n'unclosed #no\n# four"""
    assert [(each.line, each.text) for each in from_text("a.py", text).comments] == [
        (1, "# one"),
        (4, "# two"),
        (5, "#three"),
        (8, "# four"),
    ]


def test_code_cells_are_joined_and_numbered_among_all() -> None:
    source = notebook({"cell_type": "markdown", "source": "# hi"}, "a = 1\nb = 2", [], ["c = 3\n", "d = 4"])
    assert source.text == "a = 1\nb = 2\nc = 3\nd = 4"
    assert [source.place(line) for line in (1, 2, 3, 4)] == [(2, 1), (2, 2), (4, 1), (4, 2)]


def test_magics_shell_lines_and_help_are_blanked_in_place() -> None:
    source = notebook(
        "%matplotlib inline\nimport keras\n!pip install keras \\\n  -q\n?keras\nkeras?\n"
        "for i in x:\n    !ls (\n    %cd ..\nf = !ls\n    \nm = %who_ls (\nlast = f(m)\n%time fit(x)\n%timeit -n 3 fit(y)"
    )
    assert not source.warnings
    assert source.lines[:2] == ["", "import keras"]
    assert source.lines[7:10] == ["    pass", "    pass", "f = get_ipython"]
    assert source.lines[11] == "m = get_ipython"
    assert [source.line(13), source.line(14)[6:], source.line(15)[13:]] == ["last = f(m)", "fit(x)", "fit(y)"]
    assert segments(source, ast.Call) == ["f(m)", "fit(x)", "fit(y)"]


def test_what_only_looks_like_a_magic_stays() -> None:
    cell = "s = '''\n%no\n!no\n'''\nt = ('%d'\n     %3)\nx = y \\\n  % z\nassert a != b\nz %= 3"
    assert notebook(cell).text == cell
    assert notebook(cell + "\n!ls").text == cell + "\n"


def test_a_command_without_its_mark_is_blanked() -> None:
    assert notebook("pip install keras\nx = 1").text == "\nx = 1"


@pytest.mark.parametrize("magic", ["time", "timeit -n 3", "capture out"])
def test_the_body_of_a_timed_cell_is_kept(magic: str) -> None:
    assert notebook(f"\n%%{magic}\nx = 1\n!ls").text == "\n\nx = 1\n"


@pytest.mark.parametrize("magic", ["bash", "html", "javascript", "writefile a.py", "sh", "R", "script bash", "cython"])
def test_a_cell_in_another_language_is_left_out_in_silence(magic: str) -> None:
    source = notebook(f"%%{magic}\nx = 1", "y = 2")
    assert (source.text, source.warnings) == ("y = 2", ())
    assert source.place(1) == (2, 1)


def test_a_cell_that_is_not_python_is_left_out_with_a_warning_that_names_it() -> None:
    source = notebook("x = 1", "print 'x'", "for", "y = (2\n", "z = 3")
    assert source.text == "x = 1\nz = 3"
    assert [warning.split(" is ")[0] for warning in source.warnings] == [f"a.ipynb: cell {number}" for number in (2, 3, 4)]


def test_a_cell_nested_too_deeply_does_not_stop_the_others() -> None:
    source = notebook("(" * 10_000 + ")" * 10_000, "-" * 20_000 + "1", "x = 1")
    assert "x = 1" in source.text


def test_await_and_return_at_top_level_are_fine() -> None:
    assert not notebook("await f()", "return 3").warnings


def test_notebooks_of_format_3_are_read() -> None:
    sheets = [{"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}]}, {"cells": [{"cell_type": "code", "input": "z"}]}]
    source = from_bytes("a.ipynb", json.dumps({"worksheets": sheets, "nbformat": 3}).encode())
    assert source.text == "x = 1\ny = 2\nz"
    assert source.place(3) == (2, 1)


@pytest.mark.parametrize("metadata", [{"kernelspec": {"language": "R"}}, {"language_info": {"name": "julia"}}])
def test_a_notebook_in_another_language_has_no_text(metadata: dict[str, Any]) -> None:
    assert notebook("x <- 1", **metadata).text == ""


def test_a_notebook_in_python_2_is_read_as_far_as_it_is_python_3() -> None:
    source = notebook("x = 1", "print x", kernelspec={"language": "python", "name": "python2"})
    assert (source.text, len(source.warnings)) == ("x = 1", 1)


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b'{"cells": [\n}', 2, "not valid JSON"),
        (b"", 1, "not valid JSON"),
        (b"[]", 1, "not a notebook"),
        (b"{}", 1, "not a notebook"),
        (b'{"cells": 3}', 1, "not a notebook"),
        (b'{"worksheets": [{}]}', 1, "not a notebook"),
        (b'"\xe9"', 1, "not UTF-8"),
        (b"[" * 100_000, 1, "nested too deeply"),
    ],
)
def test_what_is_no_notebook_is_refused(data: bytes, line: int, message: str) -> None:
    with pytest.raises(SourceError, match=message) as refused:
        from_bytes("a.ipynb", data)
    assert refused.value.line == line


def test_odd_cells_do_no_harm() -> None:
    cells = [3, {}, {"cell_type": "code"}, {"cell_type": "code", "source": 3}, {"cell_type": "code", "source": [3, "x"]}]
    data = json.dumps({"cells": cells, "metadata": 3}).encode()
    assert from_bytes("a.ipynb", data).text == "x"


def test_a_lone_surrogate_is_replaced() -> None:
    assert from_bytes("a.ipynb", b'{"cells": [{"cell_type": "code", "source": "x = \'\\ud800\'"}]}').text == "x = '\ufffd'"


def test_a_file_is_loaded_with_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"x = 1\r\ny = 2\r")
    assert load(path).text == "x = 1\r\ny = 2\r"
    with pytest.raises(OSError):
        load(tmp_path / "b.py")
