"""Where in the user's source a live layer comes from, and how to call it in a sentence."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from functools import cached_property
from textwrap import dedent
from types import FrameType
from typing import Any

from bnlint.finding import Span
from bnlint.verify.live import Live, of_keras

MOST_NAMES = 3


def caller() -> Span:
    """The line outside bnlint that asked."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "bnlint" and frame.f_back:
        frame = frame.f_back
    assert frame is not None
    return _line(frame.f_code.co_filename, frame.f_lineno)


class Places:
    """Names and places of a model's layers; what has none of its own stands at the line that asked."""

    def __init__(self, live: Live, asked: Span) -> None:
        self._live = live
        self.asked = asked

    def of_layer(self, layer: Any) -> Span:
        """Where the class that holds the layer makes it, or else its class, or else the line that asked."""
        holder = self._holders.get(id(layer))
        if holder is not None:
            made = _assignment(type(holder[0]), holder[1].partition("[")[0])
            if made is not None:
                return made
        own = type(layer) if not of_keras(type(layer)) else type(holder[0]) if holder else None
        return (own and _definition(own)) or self.asked

    def of_call(self, layer: Any) -> Span:
        """The ``def call`` of a model or layer of the user's own."""
        function = getattr(type(layer), "call", None)
        return (_definition(function) if function is not None and not of_keras(type(layer)) else None) or self.asked

    def name(self, layer: Any) -> str:
        """The layer's name, and where it is held if that says more: ``"batch_normalization_3" (Block.norm)``."""
        holder = self._holders.get(id(layer))
        held = f" ({type(holder[0]).__name__}.{holder[1]})" if holder and holder[1] != layer.name else ""
        return f'"{layer.name}"{held}'

    def names(self, layers: list[Any]) -> str:
        """Some of the names, and how many there are."""
        shown = ", ".join(self.name(each) for each in layers[:MOST_NAMES])
        more = len(layers) - MOST_NAMES
        return f"{shown} and {more} more" if more > 0 else shown

    @cached_property
    def _holders(self) -> dict[int, tuple[Any, str]]:
        """The layers and models of the user's own that hold each layer, and as what."""
        found: dict[int, tuple[Any, str]] = {}
        for holder in self._live.layers():
            if of_keras(type(holder)):
                continue
            for attribute, value in vars(holder).items():
                if attribute.startswith("_"):
                    continue
                found.setdefault(id(value), (holder, attribute))
                if isinstance(value, dict):
                    for key, each in value.items():
                        found.setdefault(id(each), (holder, f"{attribute}[{key!r}]"))
                elif isinstance(value, list | tuple):
                    for index, each in enumerate(value):
                        found.setdefault(id(each), (holder, f"{attribute}[{index}]"))
        return found


def _definition(thing: Any) -> Span | None:
    try:
        thing = inspect.unwrap(thing)
        path = inspect.getsourcefile(thing)
        _, line = inspect.getsourcelines(thing)
    except (OSError, TypeError, ValueError):
        return None
    if path is None:
        return None
    while linecache.getline(path, line).lstrip().startswith("@"):
        line += 1
    return _line(path, line)


def _assignment(kind: type, attribute: str) -> Span | None:
    """The value that a method of the class, or of one it derives from, assigns to an attribute of ``self``."""
    for each in kind.__mro__:
        if of_keras(each) or each is object:
            continue
        try:
            lines, first = inspect.getsourcelines(each)
            path = inspect.getsourcefile(each)
            tree = ast.parse(dedent("".join(lines)))
        except (OSError, TypeError, ValueError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if path and any(_is_attribute(target, attribute) for target in targets):
                return _span(path, node.value, first - 1)
    return None


def _is_attribute(target: ast.expr, attribute: str) -> bool:
    return isinstance(target, ast.Attribute) and target.attr == attribute and isinstance(target.value, ast.Name)


def _span(path: str, node: ast.expr, above: int) -> Span:
    line, end_line = node.lineno + above, (node.end_lineno or node.lineno) + above
    start = linecache.getline(path, line).find(ast.unparse(node).partition("(")[0])
    if start < 0 or end_line != line:
        return _line(path, line)
    return Span(path, line, start + 1, end_line, start + 1 + (node.end_col_offset or node.col_offset) - node.col_offset)


def _line(path: str, line: int) -> Span:
    text = linecache.getline(path, line).rstrip("\n")
    start = len(text) - len(text.lstrip())
    return Span(path, line, start + 1, line, max(len(text), start + 1) + 1)
