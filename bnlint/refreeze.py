"""Edits that freeze batch normalizations, and that repeat a statement."""

from __future__ import annotations

import ast

from bnlint.finding import Edit, Fix, Span
from bnlint.freeze_loops import MissedFreeze
from bnlint.freezing import Writes
from bnlint.interpreter.models import BATCHNORM
from bnlint.interpreter.records import Context, Event, LayerV, ModelV
from bnlint.interpreter.scope import Module
from bnlint.interpreter.values import SymbolV
from bnlint.program import Program

MESSAGE = "Freeze the batch normalizations"


def batchnorm_expression(module: Module, generation: str) -> str | None:
    """How a module can write the class of Keras's batch normalization of a generation with the names that it has."""
    rests = {
        BATCHNORM: "",
        "keras.layers": ".BatchNormalization",
        "keras": ".layers.BatchNormalization",
        "tensorflow.keras": ".layers.BatchNormalization",
        "tensorflow": ".keras.layers.BatchNormalization",
    }
    names = [
        (name, value.path)
        for name, value in module.scope.names.items()
        if isinstance(value, SymbolV) and value.generation in (None, generation)
    ]
    for path, rest in rests.items():
        found = next((name for name, known in names if known == path and name.isidentifier()), None)
        if found is not None:
            return found + rest
    return None


def batchnorm_test(module: Module, generation: str, name: str, negated: bool = False) -> str:
    """A condition that a layer is a batch normalization."""
    cls = batchnorm_expression(module, generation)
    if cls is not None:
        return f"{'not ' if negated else ''}isinstance({name}, {cls})"
    return f'{name}.__class__.__name__ {"!=" if negated else "=="} "BatchNormalization"'


def lines_behind(context: Context, lines: list[str]) -> Edit | None:
    """The edit that puts statements behind the one at ``context``; None where it shares its lines with others."""
    place = _own_lines(context)
    if place is None:
        return None
    indent, end = place
    newline = "\r\n" if "\r\n" in context.module.source.text else "\n"
    return Edit(end, "".join(newline + indent + line for line in lines))


def lines_before(context: Context, lines: list[str]) -> Edit | None:
    """The edit that puts statements before the one at ``context``."""
    place = _own_lines(context)
    if place is None or context.statement is None:
        return None
    newline = "\r\n" if "\r\n" in context.module.source.text else "\n"
    span = context.module.source.span(context.statement)
    start = Span(span.path, span.line, span.column, span.line, span.column)
    return Edit(start, "".join(line + newline + place[0] for line in lines))


def _own_lines(context: Context) -> tuple[str, Span] | None:
    """The indentation of a statement that has its lines for itself, and the end of its last line."""
    source, statement = context.module.source, context.statement
    if statement is None or not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)):
        return None
    span = source.span(statement)
    indent, last = source.line(span.line)[: span.column - 1], source.line(span.end_line)
    rest = last[span.end_column - 1 :].strip()
    if indent.strip() or (rest and not rest.startswith("#")):
        return None
    return indent, Span(span.path, span.end_line, len(last) + 1, span.end_line, len(last) + 1)


def freezing_fix(program: Program, cause: Event | None, backbone: ModelV | None, writes: Writes) -> Fix | None:
    """The edit that freezes the normalizations behind the statement that unfreezes them, or behind the backbone's constructor."""
    if cause is not None:
        edit = _loop_behind(program, cause) if isinstance(cause.target, ModelV) else _exemption(program, cause, writes)
    else:
        edit = _loop_behind_constructor(program, backbone) if backbone is not None else None
    return Fix(MESSAGE, "unsafe", (edit,)) if edit is not None else None


def _loop(program: Program, module: Module, model: ModelV, written: str) -> list[str]:
    nested = any(isinstance(each, ModelV) and program.holds_batchnorm(each) is not False for each in program.sublayers(model))
    layers = "_flatten_layers()" if nested or model.own_class is not None else "layers"
    return [
        f"for layer in {written}.{layers}:",
        f"    if {batchnorm_test(module, program.generation(model), 'layer')}:",
        "        layer.trainable = False",
    ]


def _loop_behind(program: Program, cause: Event) -> Edit | None:
    node, context = cause.context.node, cause.context
    if not isinstance(cause.target, ModelV) or not isinstance(node, ast.Attribute) or not _is_reference(node.value):
        return None
    return lines_behind(context, _loop(program, context.module, cause.target, ast.unparse(node.value)))


def _loop_behind_constructor(program: Program, backbone: ModelV) -> Edit | None:
    context = backbone.context
    statement = context.statement if context is not None else None
    if context is None or backbone.site is None or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if statement.value is not backbone.site.node or not _is_reference(target):
        return None
    return lines_behind(context, _loop(program, context.module, backbone, ast.unparse(target)))


def _exemption(program: Program, cause: Event, writes: Writes) -> Edit | None:
    """``layer.trainable = True`` in a loop becomes ``layer.trainable = not isinstance(layer, BatchNormalization)``."""
    node, context = cause.context.node, cause.context
    statement = context.statement
    if not isinstance(node, ast.Attribute) or not isinstance(statement, ast.Assign) or statement.targets != [node]:
        return None
    others = [event.target for event in writes.events if event.span == cause.span]
    if not isinstance(node.value, ast.Name) or any(isinstance(each, ModelV) for each in others):
        return None
    value = context.module.source.span(statement.value)
    target = cause.target
    generation = program.generation(target) if isinstance(target, LayerV) else "3"
    test = batchnorm_test(context.module, generation, node.value.id, negated=True)
    if isinstance(statement.value, ast.Constant):
        return Edit(value, test)
    written = context.module.source.segment(value)
    atoms = (ast.Name, ast.Compare, ast.Attribute, ast.Call)
    return Edit(value, f"{written if isinstance(statement.value, atoms) else f'({written})'} and {test}")


def _is_reference(node: ast.expr) -> bool:
    """Whether an expression only names something, so that it can be written again."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        if isinstance(node, ast.Call):
            given = [*node.args, *(each.value for each in node.keywords)]
            if not (isinstance(node.func, ast.Attribute) and node.func.attr == "get_layer" and all(map(_is_constant, given))):
                return False
            node = node.func.value
            continue
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, (ast.Constant, ast.UnaryOp, ast.Name)):
            return False
        node = node.value
    return isinstance(node, ast.Name)


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant)


def recompiling_fix(compiled: Event, fit: Event) -> Fix | None:
    """The edit that compiles a model again right before it is trained; None where the compile would mean something else there."""
    statement, place = compiled.context.statement, fit.context.statement
    before, after = compiled.context.node, fit.context.node
    if not isinstance(statement, ast.Expr) or statement.value is not before or place is None:
        return None
    if not isinstance(before, ast.Call) or not isinstance(after, ast.Call):
        return None
    same_model = isinstance(before.func, ast.Attribute) and isinstance(after.func, ast.Attribute)
    same_model = same_model and ast.unparse(before.func.value) == ast.unparse(after.func.value)  # type: ignore[attr-defined]
    if not same_model or _function(compiled) is not _function(fit) or compiled.context.module is not fit.context.module:
        return None
    text = compiled.context.module.source.segment(compiled.span)
    if "\n" in text or "\r" in text:
        text = ast.unparse(before)
    edit = lines_before(fit.context, [text])
    return Fix("Compile the model again before it is trained", "unsafe", (edit,)) if edit is not None else None


def _function(event: Event) -> object:
    return event.context.function.node if event.context.function is not None else None


def picking_fix(program: Program, loop: MissedFreeze) -> Fix | None:
    """The edit that lets a loop meet the normalizations: all layers below the model, or a test for their class."""
    node, context = loop.event.context.node, loop.event.context
    source = context.module.source
    if loop.is_nested or loop.filter is None:
        over = _run_over(node)
        if not isinstance(over, ast.Attribute) or over.attr not in ("layers", "submodules"):
            return None
        text = f"{source.segment(source.span(over.value))}._flatten_layers()"
        return Fix("Go over all layers below the model", "unsafe", (Edit(source.span(over), text),))
    test = loop.filter.test
    name = _tested_name(test)
    if name is None:
        return None
    negated = isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.NotEq, ast.IsNot, ast.NotIn))
    return Fix(
        "Pick by the class", "unsafe", (Edit(source.span(test), batchnorm_test(context.module, loop.generation, name, negated)),)
    )


def _run_over(node: ast.AST | None) -> ast.expr | None:
    """What a loop runs over, without an ``enumerate`` or the like around it."""
    over = node.iter if isinstance(node, ast.For) else None
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        over = node.generators[-1].iter
    wrappers = ("enumerate", "list", "reversed", "tqdm")
    while isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id in wrappers and over.args:
        over = over.args[0]
    return over


def _tested_name(test: ast.expr) -> str | None:
    """The layer that a condition asks about, where it is one name."""
    classes = ("isinstance", "issubclass", "type", "hasattr", "re")
    names = {each.id for each in ast.walk(test) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    names = {each for each in names if each not in classes and each[:1].islower()}
    attributes = [each for each in ast.walk(test) if isinstance(each, ast.Attribute) and each.attr in ("name", "__class__")]
    roots = {each.value.id for each in attributes if isinstance(each.value, ast.Name)}
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "isinstance":
        roots = {test.args[0].id} if isinstance(test.args[0], ast.Name) else set()
    found = roots or names
    return next(iter(found)) if len(found) == 1 else None
