"""Notebooks: their Python code cells as one module."""

from __future__ import annotations

import json
import re
from typing import Any

from bnlint.source import Cell, Source, SourceError, logical_line_end

_CELL_MAGIC = re.compile(r"\s*%%\s*(\w*)")
_STATEMENT_MAGIC = re.compile(r"%(?:time|timeit|prun|memit)\b(?:[ \t]+-\w+(?:[ \t]*\d+)?)*[ \t]+(?=\S)")
_ASSIGNED = re.compile(r"(?P<left>[^=!%#'\"]*[\w\])]\s*=\s*)[!%](?![=\s])")
_COMMAND = re.compile(r"(?:pip3?|conda|mamba|cd|ls|mkdir|cat|rm|mv|cp|pwd)[ \t]+(?!(?:if|in|is|or|and|not|for|else)\b)[\w./~-]")
_HELP = re.compile(r"[\w.*%]+\?{1,2}\s*$")
_PHYSICAL = re.compile(r"(?:[^\r\n\\]|\\(?:\r\n|[\s\S])?)*")
_LINE_END = re.compile(r"\r\n|\r|\n")

# Cell magics whose body is Python that runs in the notebook's own namespace.
_PYTHON_CELLS = frozenset(
    [
        "time",
        "timeit",
        "capture",
        "prun",
        "memit",
        "mprun",
        "lprun",
        "heat",
        "snakeviz",
        "scalene",
        "debug",
        "trace",
        "notify",
        "wandb",
        "tensorboard",
        "tb",
        "pyinstrument",
        "flake8",
        "pycodestyle",
        "skip_if",
        "with_output",
        "suppress_output",
        "hide",
    ]
)


def read_notebook(path: str, data: bytes) -> Source:
    """Join a notebook's code cells to one module; raises SourceError where the file is no notebook."""
    notebook = _parse_json(path, data)
    if _language(notebook) not in ("python", "ipython", ""):
        return Source(path, "")
    texts: list[str] = []
    cells: list[Cell] = []
    skipped: list[str] = []
    line = 1
    for number, cell in enumerate(_cells(path, notebook), 1):
        source = _code(cell)
        if source is None:
            continue
        python = _python(source)
        fault = _fault(python)
        if fault:
            skipped.append(f"{path}: cell {number} is not Python ({fault}); it was skipped")
            continue
        count = len(_LINE_END.findall(python)) + 1
        cells.append(Cell(number, line, count))
        texts.append(python)
        line += count
    return Source(path, "\n".join(texts), tuple(cells), tuple(skipped))


def _parse_json(path: str, data: bytes) -> dict[str, Any]:
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SourceError(path, 1, f"the notebook is not UTF-8: {error.reason}") from None
    except json.JSONDecodeError as error:
        raise SourceError(path, error.lineno, f"the notebook is not valid JSON: {error.msg}") from None
    except RecursionError:
        raise SourceError(path, 1, "the notebook is nested too deeply") from None
    if not isinstance(notebook, dict):
        raise SourceError(path, 1, "the file is JSON, but not a notebook")
    return notebook


def _cells(path: str, notebook: dict[str, Any]) -> list[dict[str, Any]]:
    if "cells" in notebook:
        groups = [notebook["cells"]]
    elif isinstance(notebook.get("worksheets"), list):  # nbformat 3 and older
        groups = [sheet.get("cells") for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
    else:
        groups = [None]
    if not all(isinstance(group, list) for group in groups):
        raise SourceError(path, 1, "the file is JSON, but not a notebook")
    return [cell if isinstance(cell, dict) else {} for group in groups for cell in group]


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for group, key in (("kernelspec", "language"), ("language_info", "name")):
        found = metadata.get(group) if isinstance(metadata, dict) else None
        if isinstance(found, dict) and isinstance(found.get(key), str):
            return str(found[key]).lower()
    return ""


def _code(cell: dict[str, Any]) -> str | None:
    """The text of a Python code cell; none of any other."""
    if cell.get("cell_type") != "code":
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str) or not source.strip():
        return None
    # A lone surrogate may stand in JSON, but not in a program.
    source = source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    magic = _CELL_MAGIC.match(source)
    return None if magic and magic[1] not in _PYTHON_CELLS else source


def _python(source: str) -> str:
    """The cell with its magics, shell lines and help requests blanked, every other character in its place."""
    if not re.search(r"[%!?;,/]|^\s*[a-z]", source, re.MULTILINE) or _fault(source) is None:
        return source
    pieces: list[str] = []
    start, first = 0, True
    while start < len(source):
        line = _PHYSICAL.match(source, start)
        assert line
        replaced = _without_magic(line[0], first)
        first = first and not line[0].strip()
        if replaced is None:
            end = logical_line_end(source, start)
            replaced = source[start:end]
        else:
            end = line.end()
        line_end = _LINE_END.match(source, end)
        pieces.append(replaced + (line_end[0] if line_end else ""))
        start = line_end.end() if line_end else len(source)
    return "".join(pieces)


def _without_magic(line: str, first: bool) -> str | None:
    """What to put for a line that is IPython's; none if it is Python's."""
    body = line.lstrip()
    indent = line[: len(line) - len(body)]
    if first and _CELL_MAGIC.match(body):
        return _blank(line, "")
    if statement := _STATEMENT_MAGIC.match(body):
        return f"{indent}{'None;'.ljust(statement.end())}{body[statement.end() :]}"
    if len(body) < 2_000 and (assigned := _ASSIGNED.match(body)):
        return _blank(line, f"{indent}{assigned['left']}get_ipython")
    if body.startswith(("%", "!", "?", ",", ";", "/")) or _COMMAND.match(body) or _HELP.match(body):
        return _blank(line, f"{indent}pass" if indent else "")
    return None


def _blank(line: str, first: str) -> str:
    """``first``, and the line ends of a line that goes on behind a backslash."""
    return first + "".join(_LINE_END.findall(line))


def _fault(text: str) -> str | None:
    """Why a cell is not Python."""
    from bnlint.parse import ParseError, parse

    try:
        parse(Source("", text))
    except ParseError as error:
        return f"{error.message}, line {error.line}"
    return None
