"""Execution of statements."""

from __future__ import annotations

import ast
import builtins as python_builtins
from collections.abc import Iterator, Sequence

from bnlint.interpreter import budget
from bnlint.interpreter.calls import make_function
from bnlint.interpreter.classes import define_class
from bnlint.interpreter.containers import inplace
from bnlint.interpreter.data import ArrayV
from bnlint.interpreter.dispatch import CallSite, executes
from bnlint.interpreter.expressions import operate
from bnlint.interpreter.iteration import is_grown, unknown_item
from bnlint.interpreter.layer_loops import items_met, note_loop
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.modules import execute_import, execute_import_from
from bnlint.interpreter.patterns import matches
from bnlint.interpreter.records import TensorV
from bnlint.interpreter.scope import Frame, Loop
from bnlint.interpreter.signals import BreakSignal, ContinueSignal, Raised, ReturnSignal
from bnlint.interpreter.targets import assign, bind, delete
from bnlint.interpreter.values import (
    CLOCK,
    NONE,
    Arguments,
    Const,
    InstanceV,
    ListV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    key_of,
    unknown,
)


@executes(ast.Expr)
def expression(m: Machine, node: ast.Expr, frame: Frame) -> None:
    value = m.eval(node.value, frame)
    if isinstance(node.value, ast.Call):
        m.world.discards.append((value, m.context(CallSite(node.value, frame))))


@executes(ast.Assign)
def assignment(m: Machine, node: ast.Assign, frame: Frame) -> None:
    value = m.eval(node.value, frame)
    for target in node.targets:
        assign(m, target, value, frame)


@executes(ast.AnnAssign)
def annotated_assignment(m: Machine, node: ast.AnnAssign, frame: Frame) -> None:
    if node.value is not None:
        assign(m, node.target, m.eval(node.value, frame), frame)
    if frame.scope.kind == "class" and isinstance(node.target, ast.Name):
        fields = frame.scope.names.setdefault("__annotations__", ListV([]))
        if isinstance(fields, ListV):
            fields.items.append(Const(node.target.id))


@executes(ast.AugAssign)
def augmented_assignment(m: Machine, node: ast.AugAssign, frame: Frame) -> None:
    left = m.eval(node.target, frame)
    right = m.eval(node.value, frame)
    site = CallSite(node, frame)
    result = inplace(m, type(node.op), left, right, site)
    if result is None:
        result = operate(m, type(node.op), left, right, site)
        if isinstance(left, ArrayV):
            left.steps = None  # other names of the same array change with it
    assign(m, node.target, result, frame)


@executes(ast.Delete)
def deletion(m: Machine, node: ast.Delete, frame: Frame) -> None:
    for target in node.targets:
        delete(m, target, frame)


@executes(ast.FunctionDef, ast.AsyncFunctionDef)
def function_definition(m: Machine, node: ast.FunctionDef, frame: Frame) -> None:
    bind(m, node.name, make_function(m, node, frame), frame)


@executes(ast.ClassDef)
def class_definition(m: Machine, node: ast.ClassDef, frame: Frame) -> None:
    bind(m, node.name, define_class(m, node, frame), frame)


@executes(ast.Return)
def return_(m: Machine, node: ast.Return, frame: Frame) -> None:
    raise ReturnSignal(m.eval(node.value, frame) if node.value is not None else NONE)


@executes(ast.Break)
def break_(m: Machine, node: ast.Break, frame: Frame) -> None:
    raise BreakSignal


@executes(ast.Continue)
def continue_(m: Machine, node: ast.Continue, frame: Frame) -> None:
    raise ContinueSignal


@executes(ast.Global, ast.Nonlocal)
def declaration(m: Machine, node: ast.Global | ast.Nonlocal, frame: Frame) -> None:
    """Taken from the function's symbol table when it is called."""


executes(ast.Import)(execute_import)
executes(ast.ImportFrom)(execute_import_from)


# -- conditions --------------------------------------------------------------------------------------------------


@executes(ast.If)
def if_(m: Machine, node: ast.If, frame: Frame) -> None:
    while True:
        if _is_main_guard(node.test) and frame.function is None:
            frame.module.main_blocks.append((node.body, frame))
            return
        if _side(m, node, m.eval(node.test, frame), frame):
            m.execute(node.body, frame)
            return
        if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            node = node.orelse[0]
            m.step()
            continue
        m.execute(node.orelse, frame)
        return


def _side(m: Machine, node: ast.If, test: Value, frame: Frame) -> bool:
    """Which side of an ``if`` this world takes: a side that only raises, or only talks, costs no fork."""
    known = m.known_truth(test)
    if known is not None:
        return known
    if isinstance(test, Const) and (_raises(node.body) or _raises(node.orelse) or _only_talks(node.body)):
        return bool(test.value)
    if _raises(node.body) or (_only_talks(node.body) and not node.orelse):
        side = False
    elif _raises(node.orelse):
        side = True
    else:
        return m.truth(test, frame)
    if isinstance(test, Unknown) and not _only_talks(node.body):
        m.assume(test.term, side)
    return side


def _raises(body: Sequence[ast.stmt]) -> bool:
    """Whether a block ends its path, whatever happens in it."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return ast.unparse(last.value.func) in ("sys.exit", "exit", "quit", "os._exit", "os.abort")
    return False


TALK = frozenset({"print", "logging", "logger", "log", "warnings", "LOGGER", "_logger", "tqdm"})


def _only_talks(body: Sequence[ast.stmt]) -> bool:
    """Whether a block only prints or logs."""
    for statement in body:
        if isinstance(statement, ast.Pass):
            continue
        if not isinstance(statement, ast.Expr):
            return False
        value = statement.value
        if isinstance(value, ast.Call):
            root: ast.expr = value.func
            while isinstance(root, ast.Attribute):
                root = root.value
            if not (isinstance(root, ast.Name) and root.id in TALK):
                return False
        elif not isinstance(value, ast.Constant):
            return False
    return bool(body)


def _is_main_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq)
        and {_word(test.left), _word(test.comparators[0])} == {"__name__", "__main__"}
    )


def _word(node: ast.expr) -> object:
    return node.id if isinstance(node, ast.Name) else getattr(node, "value", None)


@executes(ast.Assert)
def assertion(m: Machine, node: ast.Assert, frame: Frame) -> None:
    test = m.eval(node.test, frame)
    if m.known_truth(test) is None and isinstance(test, Unknown):
        m.assume(test.term, True)


@executes(ast.Match)
def match(m: Machine, node: ast.Match, frame: Frame) -> None:
    subject = m.eval(node.subject, frame)
    for case in node.cases:
        verdict = matches(m, case.pattern, subject, frame)
        if not m.truth(verdict, frame):
            continue
        if case.guard is None or m.truth(m.eval(case.guard, frame), frame):
            m.execute(case.body, frame)
            return


# -- loops -------------------------------------------------------------------------------------------------------


@executes(ast.For, ast.AsyncFor)
def for_(m: Machine, node: ast.For, frame: Frame) -> None:
    iterable = m.eval(node.iter, frame)
    site = CallSite(node.iter, frame)
    iterator = m.iterate(iterable, site)
    known = iterator is not None
    if iterator is None:
        iterator = (unknown_item(m, iterable, number, site) for number in range(budget.ROUNDS))
    counted = isinstance(iterable, Const) and isinstance(iterable.value, range)
    loop = Loop(node, iterable, known=known)
    met = items_met(m, node)
    left = _rounds(m, node, iterator if met is None else _noting(iterator, met), loop, frame, counted)
    if met is not None:
        note_loop(m, node, frame, iterable, met, known)
    if not left:
        m.execute(node.orelse, frame)


def _noting(items: Iterator[Value], met: list[Value]) -> Iterator[Value]:
    for item in items:
        met.append(item)
        yield item


def _rounds(m: Machine, node: ast.For, items: Iterator[Value], loop: Loop, frame: Frame, counted: bool) -> bool:
    """Run the body for each item; whether the loop was left by ``break``."""
    still = 0
    start = m.steps
    frame.loops.append(loop)
    try:
        for number, item in enumerate(items):
            m.step()
            loop.round = number
            if not loop.known or loop.iterable is not None and is_grown(loop.iterable):
                loop.tick = next_round()
            if start - m.steps > budget.LOOP_STEPS:
                m.cut(CallSite(node, frame), "a loop takes too many steps")
                break
            before = _state(m, frame) if counted and number else None
            assign(m, node.target, item, frame)
            try:
                m.execute(node.body, frame)
            except ContinueSignal:
                pass
            except BreakSignal:
                return True
            if counted and number:
                still = still + 1 if _state(m, frame, node.target) == before else 0
                if still >= budget.ROUNDS or number >= budget.REPEATS:
                    break
    finally:
        frame.loops.remove(loop)
    return False


def next_round() -> int:
    """Another round of a loop begins of which nobody knows how many rounds it has."""
    CLOCK.rounds += 1
    return CLOCK.rounds


def _state(m: Machine, frame: Frame, skip: ast.expr | None = None) -> tuple[object, ...]:
    """What must stay the same from round to round for a loop to have settled: effects, and constants in names."""
    names = {
        name: key_of(value) if isinstance(value, (Const, TupleV)) else None
        for name, value in frame.scope.names.items()
        if not isinstance(value, TensorV)
    }
    return m.effects, tuple(sorted((name, key) for name, key in names.items() if isinstance(key, tuple) and _plain(key)))


def _plain(key: tuple[object, ...]) -> bool:
    return key[0] == "c" and isinstance(key[1], (int, float, str)) and not isinstance(key[1], bool)


@executes(ast.While)
def while_(m: Machine, node: ast.While, frame: Frame) -> None:
    loop = Loop(node, None, known=False)
    frame.loops.append(loop)
    start = m.steps
    try:
        for number in range(budget.REPEATS):
            m.step()
            loop.round = number
            if start - m.steps > budget.LOOP_STEPS:
                m.cut(CallSite(node, frame), "a loop takes too many steps")
                return
            test = m.eval(node.test, frame)
            known = m.known_truth(test)
            endless = isinstance(node.test, ast.Constant)
            if known is None or endless:
                loop.tick = next_round()
            if known is False:
                break
            if (known is None or endless) and number >= budget.ROUNDS:
                return
            try:
                m.execute(node.body, frame)
            except ContinueSignal:
                continue
            except BreakSignal:
                return
    finally:
        frame.loops.remove(loop)
    m.execute(node.orelse, frame)


# -- with, try ---------------------------------------------------------------------------------------------------


@executes(ast.With, ast.AsyncWith)
def with_(m: Machine, node: ast.With, frame: Frame) -> None:
    entered = 0
    try:
        for item in node.items:
            manager = m.eval(item.context_expr, frame)
            site = CallSite(item.context_expr, frame)
            frame.contexts.append((manager, item))
            entered += 1
            value = _enter(m, manager, site)
            if item.optional_vars is not None:
                assign(m, item.optional_vars, value, frame)
        m.execute(node.body, frame)
    finally:
        del frame.contexts[len(frame.contexts) - entered :]


def _enter(m: Machine, manager: Value, site: CallSite) -> Value:
    """What ``with manager as x`` binds."""
    if isinstance(manager, ListV) and manager.kind == "iterator" and manager.items:
        return manager.items[0]
    enter = m.special_method(manager, "__enter__")
    if enter is not None:
        return m.call(enter, Arguments([], {}), site)
    return manager


@executes(ast.Raise)
def raise_(m: Machine, node: ast.Raise, frame: Frame) -> None:
    raise Raised(m.eval(node.exc, frame) if node.exc is not None else unknown("exception"))


@executes(ast.Try, *([ast.TryStar] if hasattr(ast, "TryStar") else []))
def try_(m: Machine, node: ast.Try, frame: Frame) -> None:
    try:
        try:
            frame.guards += bool(node.handlers)
            try:
                m.execute(node.body, frame)
            finally:
                frame.guards -= bool(node.handlers)
        except Raised as raised:
            handler = next((each for each in node.handlers if _catches(m, each, raised.value, frame)), None)
            if handler is None:
                raise
            if handler.name:
                bind(m, handler.name, raised.value, frame)
            m.execute(handler.body, frame)
        else:
            m.execute(node.orelse, frame)
    finally:
        if node.finalbody:
            m.execute(node.finalbody, frame)


def _catches(m: Machine, handler: ast.ExceptHandler, exception: Value, frame: Frame) -> bool:
    """Whether a handler catches the exception; where that is not known it does."""
    if handler.type is None:
        return True
    wanted = m.eval(handler.type, frame)
    kinds = wanted.items if isinstance(wanted, TupleV) else (wanted,)
    raised = _exception_type(exception)
    for kind in kinds:
        caught = _python_exception(kind)
        if raised is None or caught is None or issubclass(raised, caught):
            return True
    return False


def _exception_type(value: Value) -> type[BaseException] | None:
    cls = value.cls if isinstance(value, InstanceV) else value
    if not isinstance(cls, SymbolV):
        cls = next((base for base in getattr(cls, "mro", ()) if isinstance(base, SymbolV)), cls)
    return _python_exception(cls)


def _python_exception(value: Value) -> type[BaseException] | None:
    if isinstance(value, SymbolV) and value.path.startswith("builtins."):
        found = getattr(python_builtins, value.path.removeprefix("builtins."), None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
    return None
