"""What the rules ask about the sources themselves: their texts, their names, and what is guarded in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from bnlint.finding import Span
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.records import Context, LayerV
from bnlint.interpreter.scope import Module
from bnlint.interpreter.values import ClassV, FunctionV
from bnlint.keras_api.table import Resolved
from bnlint.reads import names_as_values, names_read
from bnlint.references import Reference, guarded_nodes, references

WITHIN_TENSORFLOW = "tensorflow.python.keras"
"""Keras 2 as TensorFlow keeps it for itself: with the learning phase, and since Keras has a package of its own without batch normalization."""


def is_within_tensorflow(dotted: str) -> bool:
    """Whether a dotted name is of TensorFlow's own copy of Keras 2."""
    return f"{dotted}.".startswith(f"{WITHIN_TENSORFLOW}.")


class Sources:
    """The sources that were interpreted, as far as a rule asks about their text."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.table = machine.table

    @cached_property
    def _modules(self) -> list[Module]:
        return [module for module in self._machine.modules.by_path.values() if module is not None]

    def trees(self) -> dict[str, ast.Module]:
        """The syntax trees of the sources, by file."""
        return {module.path: module.tree for module in self._modules}

    def name_span(self, function: FunctionV) -> Span | None:
        """The name in a ``def``."""
        node = function.node
        return None if isinstance(node, ast.Lambda) else function.module.source.name_span(node)

    def text(self, span: Span) -> str:
        """The source text of a span."""
        for module in self._modules:
            if module.path == span.path:
                return module.source.segment(span)
        return ""

    def references(self, *words: str) -> Iterator[Reference]:
        """The names of libraries in modules that hold one of some words, as they are written; none that the project has itself."""
        for module in self._modules:
            if not any(word in module.source.text for word in words):
                continue
            for each in references(module):
                roots = {name.partition(".")[0] for name in each.names}
                if not any(self._machine.modules.find(root, module.path) for root in roots):
                    yield each

    def modules_around(self, path: str) -> list[Module]:
        """The module of a file, those that import it, and what these import, as far as they can be parsed."""
        if path not in self._around:
            modules = self._machine.modules
            files = modules.project.context([Path(path)])
            self._around[path] = [module for each in files if (module := modules.at(each)) is not None]
        return self._around[path]

    @cached_property
    def _around(self) -> dict[str, list[Module]]:
        return {}

    def says(self, module: Module, pattern: re.Pattern[str]) -> bool:
        """Whether a pattern occurs in the text of a module."""
        key = (module.path, pattern)
        if key not in self._said:
            self._said[key] = pattern.search(module.source.text) is not None
        return self._said[key]

    @cached_property
    def _said(self) -> dict[tuple[str, re.Pattern[str]], bool]:
        return {}

    def resolve(self, dotted: str) -> tuple[Resolved | None, str]:
        """What a dotted name stands for, and the Keras generation that it is taken from."""
        found = self.table.resolve(dotted)
        keras2 = dotted.startswith("tf_keras") or is_within_tensorflow(dotted)
        compatible = found is not None and found.generation == "2" and ".compat." in dotted
        return found, "2" if keras2 or compatible else self.target

    @property
    def target(self) -> str:
        """The Keras generation that the plain names ``keras`` and ``tensorflow.keras`` mean, "2" or "3"."""
        return self._machine.generation

    @property
    def release(self) -> tuple[int, ...] | None:
        """The release of Keras that the configuration names, such as (3, 8)."""
        return self._machine.release

    def is_guarded(self, layer: LayerV) -> bool:
        """Whether a layer is made in a ``try``, or depends on a test of versions."""
        return layer.context is not None and self.is_guarded_context(layer.context)

    def is_guarded_context(self, context: Context) -> bool:
        """Whether something happens in a ``try``, or depends on a test of versions."""
        return any(each.guarded or self.is_guarded_node(each.node, each.module.path) for each in context.chain())

    def is_guarded_node(self, node: ast.AST | None, path: str) -> bool:
        """Whether a node of a file stands in a ``try``, or depends on a test of versions."""
        if path not in self._guarded:
            trees = [each.tree for each in self._modules if each.path == path]
            self._guarded[path] = {found for tree in trees for found in guarded_nodes(tree)}
        return node in self._guarded[path]

    @cached_property
    def _guarded(self) -> dict[str, set[ast.AST]]:
        return {}

    def mentions(self, *words: str) -> bool:
        """Whether one of the words stands anywhere in the sources that were interpreted."""
        return any(self._mentions(word) for word in words)

    def _mentions(self, word: str) -> bool:
        if word not in self._mentioned:
            self._mentioned[word] = any(word in module.source.text for module in self._modules)
        return self._mentioned[word]

    @cached_property
    def _mentioned(self) -> dict[str, bool]:
        return {}

    def reads(self, name: str) -> bool:
        """Whether any source that was interpreted reads an attribute of this name, imports it or has it as a string."""
        return name in self._read

    @cached_property
    def _read(self) -> set[str]:
        return {name for module in self._modules for name in names_read(module.tree)}

    def is_passed_around(self, cls: ClassV) -> bool:
        """Whether a class is used as a value somewhere in sight: in a registry, as an argument, as a default."""
        return cls.name in self._values

    @cached_property
    def _values(self) -> set[str]:
        return {name for module in self._modules for name in names_as_values(module.tree)}
