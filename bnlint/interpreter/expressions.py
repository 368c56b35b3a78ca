"""Evaluation of expressions."""

from __future__ import annotations

import ast
from collections.abc import Callable

from bnlint.interpreter import budget
from bnlint.interpreter.array_math import data_comparison, together
from bnlint.interpreter.array_parts import data_operator, data_subscript
from bnlint.interpreter.containers import put, subscript
from bnlint.interpreter.data import ArrayV
from bnlint.interpreter.dispatch import CallSite, evaluates
from bnlint.interpreter.iteration import as_item, is_grown, rest, unknown_item
from bnlint.interpreter.layer_loops import items_met, note_loop
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.modules import BUILTIN_NAMES, from_star
from bnlint.interpreter.operators import binary, compare, unary
from bnlint.interpreter.pure import derive
from bnlint.interpreter.records import WeightsV
from bnlint.interpreter.scope import Frame, Loop, Scope
from bnlint.interpreter.targets import assign
from bnlint.interpreter.tensors import tensor_comparison, tensor_operator, tensor_subscript
from bnlint.interpreter.terms import term_of
from bnlint.interpreter.text import format_value
from bnlint.interpreter.values import (
    FALSE,
    TRUE,
    Arguments,
    Const,
    DictV,
    ListV,
    SetV,
    SliceV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    const,
    key_of,
    unknown,
)
from bnlint.interpreter.weights import note_gathering


@evaluates(ast.Constant)
def constant(m: Machine, node: ast.Constant, frame: Frame) -> Value:
    return Const(node.value, origin=(frame.module, node))


@evaluates(ast.Name)
def name(m: Machine, node: ast.Name, frame: Frame) -> Value:
    scope: Scope | None = frame.scope
    wanted = node.id
    if wanted in frame.scope.globals:
        scope = frame.module.scope
    first = scope
    while scope is not None:
        found = scope.names.get(wanted)
        if found is not None and (scope is first or scope.kind != "class"):
            return m.facts.get(found.term, found) if m.facts and isinstance(found, Unknown) else found
        scope = scope.parent
    if wanted in BUILTIN_NAMES:
        return SymbolV(f"builtins.{wanted}")
    starred = from_star(m, frame.module, wanted)
    if starred is not None:
        return starred
    return Unknown(("name", frame.module.name, wanted), f"{wanted} is not bound in sight")


@evaluates(ast.Attribute)
def attribute(m: Machine, node: ast.Attribute, frame: Frame) -> Value:
    return m.resolve(m.getattr(m.eval(node.value, frame), node.attr, CallSite(node, frame)))


@evaluates(ast.Subscript)
def subscription(m: Machine, node: ast.Subscript, frame: Frame) -> Value:
    container = m.eval(node.value, frame)
    index = m.eval(node.slice, frame)
    site = CallSite(node, frame)
    if isinstance(container, ListV) and container.model is not None and isinstance(index, Unknown):
        m.world.asked.append(container.model)
    found = tensor_subscript(m, container, index, site)
    if found is None:
        found = data_subscript(m, container, index, site)
    if found is None:
        found = subscript(m, container, index, site)
    if found is not None:
        return m.resolve(found)
    reader = m.special_method(container, "__getitem__")
    if reader is not None:
        return m.call(reader, Arguments([index], {}), site)
    return derive(m, "item", term_of(container), term_of(index))


@evaluates(ast.Slice)
def slice_(m: Machine, node: ast.Slice, frame: Frame) -> Value:
    parts = [m.eval(part, frame) if part is not None else const(None) for part in (node.lower, node.upper, node.step)]
    return SliceV(*parts)


@evaluates(ast.Call)
def call(m: Machine, node: ast.Call, frame: Frame) -> Value:
    function = m.eval(node.func, frame)
    arguments = call_arguments(m, node, frame)
    return m.call(function, arguments, CallSite(node, frame))


def call_arguments(m: Machine, node: ast.Call, frame: Frame) -> Arguments:
    """Evaluate the arguments of a call, ``*`` and ``**`` spread as far as they are known."""
    found = Arguments([], {})
    site = CallSite(node, frame)
    for each in node.args:
        if isinstance(each, ast.Starred):
            value = m.eval(each.value, frame)
            items = m.items(value, site)
            if items is None:
                found.open_positional = True
                found.starred.append(value)
            elif not found.open_positional:
                found.positional.extend(items)
        else:
            value = m.eval(each, frame)
            if not found.open_positional:
                found.nodes[len(found.positional)] = each
                found.positional.append(value)
            else:
                m.escape(value)
    for keyword in node.keywords:
        value = m.eval(keyword.value, frame)
        if keyword.arg is not None:
            found.keywords[keyword.arg] = value
            found.nodes[keyword.arg] = keyword
            continue
        value = m.resolve(value)
        if not isinstance(value, DictV):
            found.open_keywords = True
            continue
        found.open_keywords |= value.open
        for key, item in value.items.values():
            if isinstance(key, Const) and isinstance(key.value, str):
                found.keywords[key.value] = item
                found.nodes[key.value] = keyword
            else:
                found.open_keywords = True
                found.starred.append(item)
    return found


@evaluates(ast.BinOp)
def binary_operation(m: Machine, node: ast.BinOp, frame: Frame) -> Value:
    left = m.eval(node.left, frame)
    right = m.eval(node.right, frame)
    return operate(m, type(node.op), left, right, CallSite(node, frame))


def operate(m: Machine, operator: type[ast.operator], left: Value, right: Value, site: CallSite) -> Value:
    """A binary operator on any two values."""
    found = tensor_operator(m, operator, left, right, site)
    if found is None:
        found = data_operator(m, operator, left, right, site)
    if found is None:
        found = binary(m, operator, left, right, site)
    if found is not None:
        return found
    for instance, other, name_ in ((left, right, SPECIAL.get(operator)), (right, left, REFLECTED.get(operator))):
        special = m.special_method(instance, name_) if name_ else None
        if special is not None:
            return m.call(special, Arguments([other], {}), site)
    m.escape_all([left, right])
    result = unknown("operator")
    m.flow(result, [left, right])
    return result


SPECIAL = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__", ast.BitOr: "__or__",
           ast.RShift: "__rshift__", ast.MatMult: "__matmul__"}  # fmt: skip
REFLECTED = {ast.Add: "__radd__", ast.Sub: "__rsub__", ast.Mult: "__rmul__", ast.Div: "__rtruediv__", ast.BitOr: "__ror__",
             ast.RShift: "__rrshift__"}  # fmt: skip


@evaluates(ast.UnaryOp)
def unary_operation(m: Machine, node: ast.UnaryOp, frame: Frame) -> Value:
    value = m.eval(node.operand, frame)
    if isinstance(node.op, ast.Not):
        if isinstance(value, Const):
            return Const(not value.value, value.assumed)
        known = m.known_truth(value)
        return const(not known) if known is not None else derive(m, "not", term_of(value))
    site = CallSite(node, frame)
    found = tensor_operator(m, ast.Sub, Const(0), value, site, "negative")
    if found is None and isinstance(value, ArrayV):
        found = together(m, [value])
    return found if found is not None else unary(m, type(node.op), value, site)


@evaluates(ast.BoolOp)
def boolean_operation(m: Machine, node: ast.BoolOp, frame: Frame) -> Value:
    stop = isinstance(node.op, ast.Or)
    open_: list[Value] = []
    for position, part in enumerate(node.values):
        value = m.eval(part, frame)
        known = m.known_truth(value)
        last = position == len(node.values) - 1
        if known is stop and not open_:
            return value
        if known is stop:
            return (TRUE if stop else FALSE) if isinstance(value, Const) else _choose(m, open_, stop, value, frame)
        if known is None or last:
            open_.append(value)
    if len(open_) == 1:
        return open_[0]
    mode = _mode_alone(m, open_)
    if mode is not None:
        return mode
    if isinstance(open_[-1], (Unknown, Const)) or all(_is_test(value) for value in open_):
        terms = [term_of(value) for value in open_ if m.known_truth(value) is None]
        joined = "or" if stop else "and"
        return derive(m, joined, *terms) if len(terms) > 1 or not stop else derive(m, "either", *map(term_of, open_))
    return _choose(m, open_[:-1], stop, open_[-1], frame)


def _mode_alone(m: Machine, values: list[Value]) -> Value | None:
    """The mode that Keras passes on, where nothing else in ``training and not self.frozen`` is open: it decides alone."""
    open_ = [value for value in values if m.known_truth(value) is None]
    mode = open_[0] if len(open_) == 1 else None
    return mode if isinstance(mode, Unknown) and mode.term[0] == "training" else None


def _is_test(value: Value) -> bool:
    return isinstance(value, Unknown) and value.term[0] in TESTS


TESTS = frozenset({"==", "!=", "<", ">", "<=", ">=", "in", "not in", "is", "is not", "is None", "is not None", "not", "and", "or",
                   "isinstance", "hasattr"})  # fmt: skip


def _choose(m: Machine, values: list[Value], stop: bool, last: Value, frame: Frame) -> Value:
    for value in values:
        if m.truth(value, frame) is stop:
            return value
    return last


@evaluates(ast.Compare)
def comparison(m: Machine, node: ast.Compare, frame: Frame) -> Value:
    site = CallSite(node, frame)
    left = m.eval(node.left, frame)
    open_: list[Value] = []
    for operator, part in zip(node.ops, node.comparators):
        right = m.eval(part, frame)
        result = tensor_comparison(m, type(operator), left, right, site)
        if result is None:
            result = data_comparison(m, type(operator), left, right) or compare(m, type(operator), left, right, site)
        known = m.known_truth(result)
        if known is False:
            return FALSE
        if known is None or len(node.ops) == 1:
            open_.append(result)
        left = right
    if not open_:
        return TRUE
    return open_[0] if len(open_) == 1 else derive(m, "and", *map(term_of, open_))


@evaluates(ast.IfExp)
def conditional(m: Machine, node: ast.IfExp, frame: Frame) -> Value:
    return m.eval(node.body if m.truth(m.eval(node.test, frame), frame) else node.orelse, frame)


@evaluates(ast.Lambda)
def lambda_(m: Machine, node: ast.Lambda, frame: Frame) -> Value:
    from bnlint.interpreter.calls import make_function

    return make_function(m, node, frame)


@evaluates(ast.Tuple)
def tuple_(m: Machine, node: ast.Tuple, frame: Frame) -> Value:
    items, open_ = _items(m, node.elts, frame)
    return unknown("a tuple with an unknown part") if open_ else TupleV(tuple(items))


@evaluates(ast.List)
def list_(m: Machine, node: ast.List, frame: Frame) -> Value:
    return ListV(*_items(m, node.elts, frame))


@evaluates(ast.Set)
def set_(m: Machine, node: ast.Set, frame: Frame) -> Value:
    items, open_ = _items(m, node.elts, frame)
    found = SetV({}, open_)
    for item in items:
        key = key_of(item)
        if key is None:
            found.open = True
        else:
            found.items[key] = item
    return found


def _items(m: Machine, nodes: list[ast.expr], frame: Frame) -> tuple[list[Value], bool]:
    items: list[Value] = []
    open_ = False
    for node in nodes:
        if isinstance(node, ast.Starred):
            value = m.eval(node.value, frame)
            more = m.items(value, CallSite(node, frame))
            if more is None:
                open_ = True
                items.append(rest(value if isinstance(value, (Unknown, WeightsV)) else None))
            else:
                items.extend(more)
        else:
            items.append(as_item(m, m.eval(node, frame), CallSite(node, frame)))
    return items, open_


@evaluates(ast.Dict)
def dict_(m: Machine, node: ast.Dict, frame: Frame) -> Value:
    found = DictV({})
    for key_node, value_node in zip(node.keys, node.values):
        value = m.eval(value_node, frame)
        if key_node is None:
            other = m.resolve(value)
            if isinstance(other, DictV):
                found.items.update(other.items)
                found.open |= other.open
            else:
                found.open = True
            continue
        put(m, found, m.eval(key_node, frame), value, CallSite(node, frame))
    return found


@evaluates(ast.JoinedStr)
def joined_string(m: Machine, node: ast.JoinedStr, frame: Frame) -> Value:
    parts = [m.eval(part, frame) for part in node.values]
    if all(isinstance(part, Const) and isinstance(part.value, str) for part in parts):
        text = "".join(part.value for part in parts if isinstance(part, Const))
        if len(text) <= budget.TEXT:
            return Const(text, any(part.assumed for part in parts if isinstance(part, Const)))
    return derive(m, "format", *map(term_of, parts))


@evaluates(ast.FormattedValue)
def formatted_value(m: Machine, node: ast.FormattedValue, frame: Frame) -> Value:
    value = m.eval(node.value, frame)
    spec = m.eval(node.format_spec, frame) if node.format_spec is not None else const("")
    return format_value(m, value, node.conversion, spec, CallSite(node, frame))


@evaluates(ast.NamedExpr)
def named_expression(m: Machine, node: ast.NamedExpr, frame: Frame) -> Value:
    value = m.eval(node.value, frame)
    assign(m, node.target, value, frame)
    return value


@evaluates(ast.Await)
def await_(m: Machine, node: ast.Await, frame: Frame) -> Value:
    return m.eval(node.value, frame)


@evaluates(ast.Yield)
def yield_(m: Machine, node: ast.Yield, frame: Frame) -> Value:
    value = m.eval(node.value, frame) if node.value is not None else const(None)
    _yield(m, [value], frame)
    return unknown("sent to a generator")


@evaluates(ast.YieldFrom)
def yield_from(m: Machine, node: ast.YieldFrom, frame: Frame) -> Value:
    value, site = m.resolve(m.eval(node.value, frame)), CallSite(node, frame)
    items = m.items(value, site)
    if items is None and isinstance(value, ListV):
        items = [*value.items, rest()]
    _yield(m, items if items is not None else [unknown_item(m, value, 0, site), rest(value)], frame)
    return unknown("result of a generator")


def _yield(m: Machine, values: list[Value], frame: Frame) -> None:
    if frame.yields is None:
        return
    frame.yields.extend(values)
    if len(frame.yields) > budget.YIELDS:
        raise m.stop_generator()


@evaluates(ast.Starred)
def starred(m: Machine, node: ast.Starred, frame: Frame) -> Value:
    return m.eval(node.value, frame)


@evaluates(ast.ListComp)
def list_comprehension(m: Machine, node: ast.ListComp, frame: Frame) -> Value:
    found = ListV([])
    _collect(m, node, frame, found)
    m.changed()
    note_gathering(m, found, CallSite(node, frame))
    return found


@evaluates(ast.GeneratorExp)
def generator_expression(m: Machine, node: ast.GeneratorExp, frame: Frame) -> Value:
    found = ListV([], kind="iterator")
    _collect(m, node, frame, found)
    return found


def _collect(m: Machine, node: ast.ListComp | ast.GeneratorExp, frame: Frame, found: ListV) -> None:
    met = items_met(m, node)
    over: list[Value] = []
    found.open = not _comprehend(
        m, node.generators, frame, lambda inner: found.items.append(m.eval(node.elt, inner)), met=met, over=over
    )
    found.grown = any(map(is_grown, over))
    if met is not None and over:
        note_loop(m, node, frame, over[-1], met, not found.open, found)


@evaluates(ast.SetComp)
def set_comprehension(m: Machine, node: ast.SetComp, frame: Frame) -> Value:
    found = SetV({})

    def add(inner: Frame) -> None:
        item = m.eval(node.elt, inner)
        key = key_of(item)
        if key is None:
            found.open = True
        else:
            found.items[key] = item

    found.open |= not _comprehend(m, node.generators, frame, add)
    return found


@evaluates(ast.DictComp)
def dict_comprehension(m: Machine, node: ast.DictComp, frame: Frame) -> Value:
    found = DictV({})

    def add(inner: Frame) -> None:
        key = m.eval(node.key, inner)
        put(m, found, key, m.eval(node.value, inner), CallSite(node, inner))

    found.open |= not _comprehend(m, node.generators, frame, add)
    note_gathering(m, found, CallSite(node, frame))
    return found


def _comprehend(
    m: Machine,
    generators: list[ast.comprehension],
    frame: Frame,
    add: Callable[[Frame], None],
    depth: int = 0,
    met: list[Value] | None = None,
    over: list[Value] | None = None,
) -> bool:
    """Run the clauses of a comprehension; False where something it ran over was not known.

    ``met`` gets the items that the last clause runs over, and ``over`` what that is.
    """
    if depth == 0:
        frame = frame.nested(Scope({}, frame.scope, "comprehension"))
    if depth == len(generators):
        add(frame)
        return True
    clause = generators[depth]
    iterable = m.eval(clause.iter, frame)
    site = CallSite(clause.iter, frame)
    iterator = m.iterate(iterable, site)
    complete = iterator is not None
    if iterator is None:
        iterator = (unknown_item(m, iterable, number, site) for number in range(budget.ROUNDS))
    if over is not None:
        over.append(iterable)
    loop = Loop(clause.iter, iterable, known=complete)
    frame.loops.append(loop)
    start = m.steps
    try:
        for number, item in enumerate(iterator):
            m.step()
            if number >= budget.ITEMS or start - m.steps > budget.LOOP_STEPS:
                m.cut(site, "a comprehension over too many items")
                return False
            assign(m, clause.target, item, frame)
            if met is not None and depth == len(generators) - 1:
                met.append(item)
            if all(m.truth(m.eval(test, frame), frame) for test in clause.ifs):
                complete &= _comprehend(m, generators, frame, add, depth + 1, met, over)
    finally:
        frame.loops.remove(loop)
    return complete
