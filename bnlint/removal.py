"""Taking a layer out of the source: the edits of a fix that removes a layer, in the ways in which people add one."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from bnlint.finding import Edit, Span
from bnlint.interpreter.records import LayerV
from bnlint.source import Source


def removal(layer: LayerV) -> tuple[Edit, ...] | None:
    """The edits that take a layer out where it is made: ``x = BN()(x)``, ``model.add(BN())``, ``[..., BN(), ...]``.

    None where it is made in another way, such as in a class or through a factory. All that its constructor makes goes.
    """
    site = layer.site
    if site is None or not isinstance(site.node, ast.Call) or site.bound:
        return None
    around = _around(site.module.tree, site.node)
    if around is None:
        return None
    place = _Place(site.module.source, site.node, *around)
    return place.application() or place.addition() or place.element()


def _around(tree: ast.Module, node: ast.AST) -> tuple[list[ast.AST], list[ast.stmt]] | None:
    """The expressions around a node, innermost first, ending in its statement; and the block that holds the statement."""
    chain: list[ast.AST] = []
    pending: list[tuple[ast.AST, list[ast.AST]]] = [(tree, [])]
    while pending:
        each, above = pending.pop()
        if each is node:
            chain = list(reversed(above))
            break
        pending.extend((child, [*above, each]) for child in ast.iter_child_nodes(each))
    for index, each in enumerate(chain):
        if isinstance(each, ast.stmt):
            holder = chain[index + 1] if index + 1 < len(chain) else tree
            blocks = [block for _, block in ast.iter_fields(holder) if isinstance(block, list) and each in block]
            return (chain[: index + 1], blocks[0]) if blocks else None
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    source: Source
    node: ast.Call
    around: list[ast.AST]
    block: list[ast.stmt]

    @property
    def statement(self) -> ast.AST:
        return self.around[-1]

    def application(self) -> tuple[Edit, ...] | None:
        """``x = BN()(x)`` goes; of any other ``BN()(y)``, ``y`` stays."""
        call = self.around[0]
        if not isinstance(call, ast.Call) or call.func is not self.node or len(call.args) != 1:
            return None
        given = call.args[0]
        if isinstance(given, ast.Starred) or any(each.arg != "training" for each in call.keywords):
            return None
        statement = self.statement
        targets = statement.targets if isinstance(statement, ast.Assign) and statement.value is call else []
        if [ast.unparse(each) for each in targets] == [ast.unparse(given)]:
            return self.whole_statement()
        return (Edit(self.source.span(call), self.source.segment(self.source.span(given))),)

    def addition(self) -> tuple[Edit, ...] | None:
        """``model.add(BN())`` and ``stack.append(BN())``."""
        call = self.around[0]
        named = call.func.attr if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else ""
        plain = isinstance(self.statement, ast.Expr) and self.statement.value is call
        return self.whole_statement() if named in ("add", "append") and plain else None

    def element(self) -> tuple[Edit, ...] | None:
        """One of the layers in a list."""
        holder = self.around[0]
        if not isinstance(holder, ast.List) or self.node not in holder.elts or len(holder.elts) < 2:
            return None
        index = holder.elts.index(self.node)
        own = self.source.span(self.node)
        if index + 1 < len(holder.elts):
            behind = self.source.span(holder.elts[index + 1])
            end, start = (behind.line, behind.column), (own.line, own.column)
        else:
            before = self.source.span(holder.elts[index - 1])
            start, end = (before.end_line, before.end_column), (own.end_line, own.end_column)
        span = Span(own.path, *start, *end)
        return (Edit(span, ""),)

    def whole_statement(self) -> tuple[Edit, ...] | None:
        """A statement with its lines, or ``pass`` where nothing else is left in its block."""
        span = self.source.span(self.statement)
        if len(self.block) == 1:
            return (Edit(span, "pass"),)
        before = self.source.line(span.line)[: span.column - 1]
        behind = self.source.line(span.end_line)[span.end_column - 1 :].strip()
        if before.strip() or (behind and not behind.startswith("#")):
            return None
        if span.end_line >= len(self.source.lines):
            return (Edit(span, ""),)
        return (Edit(Span(span.path, span.line, 1, span.end_line + 1, 1), ""),)
