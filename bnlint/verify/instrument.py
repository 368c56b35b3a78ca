"""Makes of a module's source a version that can be run for its models alone.

Statements outside the slice are left out. Those of the module itself, and of functions that train, go on behind a statement
that fails (no data here, no display); loops that train run twice; what training is given is evaluated only as far as it can be.
All keeps its place in the source.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence

from bnlint.finding import Span
from bnlint.verify import guesses
from bnlint.verify.made_up import structure
from bnlint.verify.methods import EVALUATION, TRAINING

RUNTIME = "__bnlint__"
_UPDATES = {"apply_gradients", "apply", "minimize"}
_TRAINS = {*TRAINING, *_UPDATES}
_KEPT = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Return,
    ast.Raise,
    ast.Global,
    ast.Nonlocal,
)
_OF_KERAS = ("__init__", "__call__", "call", "build", "compute_output_shape", "get_config", "from_config")
"""Methods of layers: a name like that says nothing about who is called."""
_OPAQUE = (ast.Yield, ast.YieldFrom, ast.Await, ast.NamedExpr)
_NOWHERE = Span("", 0, 0, 0, 0)
_TRIES: tuple[type, ...] = tuple(getattr(ast, name) for name in ("Try", "TryStar") if hasattr(ast, name))
_BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def instrumented(text: str, path: str, kept: Collection[int], spans: Sequence[Span]) -> ast.Module:
    """The module to be run; ``kept`` are the first lines of the slice's statements (empty: all), ``spans`` the places to watch.

    Raises SyntaxError as :func:`ast.parse` does.
    """
    tree = ast.parse(text, path)
    own = [span if span.path == path else _NOWHERE for span in spans]
    _Instrument(kept, own, training_functions(tree), leading_functions(tree, own)).module(tree)
    return ast.fix_missing_locations(tree)


def training_loop(node: ast.AST, trainers: Collection[str]) -> bool:
    """Whether something trains in a node: a fit, an update by gradients, or a call of a function that does."""
    return any(isinstance(each, ast.Call) and _called(each) in {*_TRAINS, *trainers} for each in ast.walk(node))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def training_functions(tree: ast.Module) -> frozenset[str]:
    """The names of functions that train, directly or through others of the module."""
    functions = [each for each in ast.walk(tree) if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return _calling(functions, set(), training_loop)


def leading_functions(tree: ast.Module, spans: Sequence[Span]) -> frozenset[str]:
    """The names of functions, and of those that call them, that a span is in: calls of them come to the place."""
    functions = [each for each in ast.walk(tree) if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]
    around = {each.name for each in functions if any(span.line and _holds(each, span) for span in spans)}
    return _calling(functions, around - set(_OF_KERAS), _calls)


def _calling(
    functions: Sequence[Function], first: Collection[str], calls: Callable[[ast.AST, Collection[str]], bool]
) -> frozenset[str]:
    """The first names, and those of functions that call one of which the name is known, directly or through each other."""
    known: set[str] = set(first)
    while True:
        found = {each.name for each in functions if each.name not in _OF_KERAS and calls(each, known)} | known
        if found == known:
            return frozenset(known)
        known = found


def _calls(node: ast.AST, names: Collection[str]) -> bool:
    return any(isinstance(each, ast.Call) and _called(each) in names for each in ast.walk(node))


def is_script(function: Function, trainers: Collection[str]) -> bool:
    """Whether a function drives a training, so that its statements stand on their own, rather than being one step of it."""
    own = _own_nodes(function)
    loops = [each for each in own if isinstance(each, (ast.For, ast.While)) and training_loop(each, trainers)]
    fits = [each for each in own if isinstance(each, ast.Call) and _called(each) in {*TRAINING, *trainers}]
    tape = any(isinstance(each, ast.Attribute) and each.attr == "GradientTape" for each in own)
    return bool(loops) or (bool(fits) and not tape)


def _own_nodes(function: ast.AST) -> list[ast.AST]:
    """The nodes of a function without those of functions and classes inside it."""
    found: list[ast.AST] = []
    stack = list(ast.iter_child_nodes(function))
    while stack:
        node = stack.pop()
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            found.append(node)
            stack += ast.iter_child_nodes(node)
    return found


class _Instrument:
    def __init__(self, kept: Collection[int], spans: Sequence[Span], trainers: Collection[str], leading: Collection[str]) -> None:
        self.kept, self.spans, self.trainers, self.leading = frozenset(kept), spans, trainers, leading
        self.loops = 0

    def module(self, tree: ast.Module) -> None:
        docstring = tree.body[:1] if ast.get_docstring(tree, clean=False) is not None else []
        future = [each for each in tree.body if isinstance(each, ast.ImportFrom) and each.module == "__future__"]
        rest = [each for each in tree.body if each not in future and each not in docstring]
        rest = [one for each in rest for one in _one_by_one(each)]
        tree.body = [*docstring, *future, *self.block(rest, guarded=True)]

    def block(self, body: list[ast.stmt], guarded: bool) -> list[ast.stmt]:
        """The statements to be run in place of ``body``."""
        found: list[ast.stmt] = []
        for statement in body:
            marks = self._marks(statement)
            if guarded and not marks and not self._is_kept(statement):
                continue
            found += marks
            self._inside(statement, guarded)
            if guarded and not isinstance(statement, (ast.Return, ast.Global, ast.Nonlocal, ast.Break, ast.Continue, ast.Pass)):
                found.append(self._guarded(statement))
            else:
                found.append(statement)
        return found or [ast.copy_location(ast.Pass(), body[0])] if body else []

    def _is_kept(self, statement: ast.stmt) -> bool:
        if not self.kept or isinstance(statement, _KEPT) or statement.lineno in self.kept or _calls(statement, self.leading):
            return True
        if _leaves_loop(statement):
            return True  # without it, the loop around would not end
        inner = (each for each in ast.walk(statement) if isinstance(each, ast.stmt))
        return any(each.lineno in self.kept or isinstance(each, _KEPT[:5]) for each in inner)

    def _inside(self, statement: ast.stmt, guarded: bool) -> None:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            statement.body = self.block(statement.body, is_script(statement, self.trainers))
            return
        if isinstance(statement, ast.ClassDef):
            statement.body = self.block(statement.body, guarded=False)
            return
        if isinstance(statement, (ast.For, ast.AsyncFor, ast.While)) and training_loop(statement, self.trainers):
            self._bound(statement, guarded)
        elif isinstance(statement, ast.For) and guarded and _over_data(statement):
            arguments = [_lambda(statement.iter), _structure(statement.target), _functions(statement.iter)]
            statement.iter = _runtime_call("data", arguments, statement.iter)
        elif isinstance(statement, (ast.For, ast.AsyncFor)):
            statement.iter = _over(statement.target, statement.iter)
        for node in _own_expressions(statement):
            if isinstance(node, ast.comprehension):
                node.iter = _over(node.target, node.iter)
        for name in ("body", "orelse", "finalbody"):
            if isinstance(inner := getattr(statement, name, None), list):
                setattr(statement, name, self.block(inner, guarded and not isinstance(statement, _TRIES)))
        for handler in getattr(statement, "handlers", ()):
            handler.body = self.block(handler.body, guarded=False)
        for case in getattr(statement, "cases", ()):
            case.body = self.block(case.body, guarded)
        if guarded:
            _lazy_arguments(statement, self.trainers)

    def _bound(self, loop: ast.For | ast.AsyncFor | ast.While, guarded: bool) -> None:
        """A loop that trains runs a few rounds, over made-up batches where its own cannot be had."""
        self.loops += 1
        if isinstance(loop, ast.While):
            again = _runtime_call("again", [ast.Constant(self.loops)], loop.test)
            loop.test = ast.copy_location(ast.BoolOp(ast.And(), [again, loop.test]), loop.test)
            return
        wanted = _structure(loop.target)
        iterable = _lambda(loop.iter) if guarded and _can_wait(loop.iter) else None
        if iterable is not None:
            loop.iter = _runtime_call("rounds", [iterable, wanted, _functions(loop.iter)], loop.iter)
        else:
            loop.iter = _runtime_call("few", [_over(loop.target, loop.iter)], loop.iter)

    def _marks(self, statement: ast.stmt) -> list[ast.stmt]:
        """Notes of the spans whose innermost statement this is."""
        own = [index for index, span in enumerate(self.spans) if _holds(statement, span) and not _inner_holds(statement, span)]
        return [ast.copy_location(ast.Expr(_runtime_call("reach", [ast.Constant(index)], statement)), statement) for index in own]

    @staticmethod
    def _guarded(statement: ast.stmt) -> ast.stmt:
        handler = ast.ExceptHandler(
            ast.Name("BaseException", ast.Load()), None, [ast.Expr(_runtime_call("failed", [], statement))]
        )
        handler.type = ast.Attribute(ast.Name(RUNTIME, ast.Load()), "Caught", ast.Load())
        return ast.copy_location(ast.Try([statement], [handler], [], []), statement)


def _leaves_loop(statement: ast.stmt) -> bool:
    """Whether a statement may end a round of the loop around it."""
    if isinstance(statement, (ast.For, ast.AsyncFor, ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    inner = (each for each in ast.iter_child_nodes(statement) if isinstance(each, _BLOCKS))
    return isinstance(statement, (ast.Break, ast.Continue)) or any(map(_leaves_loop, inner))  # type: ignore[arg-type]


def _one_by_one(statement: ast.stmt) -> list[ast.stmt]:
    """An import of several names as one of each, so that those go through that the library still has."""
    if not isinstance(statement, ast.ImportFrom) or len(statement.names) == 1:
        return [statement]
    return [ast.copy_location(ast.ImportFrom(statement.module, [each], statement.level), statement) for each in statement.names]


def _over_data(loop: ast.For) -> bool:
    """Whether a loop's variables are data by their names, and something in it is called on one of them."""
    names = [each for each in ast.walk(loop.target) if isinstance(each, ast.Name)]
    data = {each.id for each in names if guesses.is_data(each.id)}
    if not names or len(data) < len(names) or not _can_wait(loop.iter):
        return False
    calls = [each for statement in loop.body for each in ast.walk(statement) if isinstance(each, ast.Call)]
    return any(isinstance(given, ast.Name) and given.id in data for call in calls for given in call.args)


def _holds(node: ast.AST, span: Span) -> bool:
    line, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", None) or 0
    for decorator in getattr(node, "decorator_list", ()):
        line = min(line, decorator.lineno)
    return bool(line <= span.line <= end)


def _inner_holds(statement: ast.stmt, span: Span) -> bool:
    return any(each is not statement and isinstance(each, ast.stmt) and _holds(each, span) for each in ast.walk(statement))


def _lazy_arguments(statement: ast.stmt, trainers: Collection[str]) -> None:
    """What training and evaluation are given, and functions that train, is evaluated one by one, as far as it can be."""
    for call in _own_nodes(statement):
        method = (
            isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in {*TRAINING, *EVALUATION}
        )
        if isinstance(call, ast.Call) and (method or _called(call) in trainers):
            if not all(_can_wait(each) for each in (*call.args, *(keyword.value for keyword in call.keywords))):
                continue
            if any(isinstance(each, ast.Starred) for each in call.args) or any(each.arg is None for each in call.keywords):
                continue
            positional = _runtime_call("arguments", [_lambda(each) for each in call.args], call)
            named = ast.copy_location(
                ast.Call(
                    ast.Attribute(ast.Name(RUNTIME, ast.Load()), "keywords" if method else "all_keywords", ast.Load()),
                    [],
                    [ast.keyword(each.arg, _lambda(each.value)) for each in call.keywords],
                ),
                call,
            )
            call.args = [ast.copy_location(ast.Starred(positional, ast.Load()), call)] if call.args else []
            call.keywords = [ast.keyword(None, named)] if call.keywords else []


def _can_wait(node: ast.AST) -> bool:
    return not any(isinstance(each, _OPAQUE) for each in ast.walk(node))


def _lambda(body: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Lambda(ast.arguments([], [], None, [], [], None, []), body), body)


def _own_expressions(statement: ast.stmt) -> list[ast.AST]:
    """The nodes of a statement's own expressions, without those of statements in it."""
    stack: list[ast.AST] = [each for each in ast.iter_child_nodes(statement) if not isinstance(each, _BLOCKS)]
    found = []
    while stack:
        node = stack.pop()
        found.append(node)
        stack += [each for each in ast.iter_child_nodes(node) if not isinstance(each, _BLOCKS)]
    return found


def _over(target: ast.expr, iterable: ast.expr) -> ast.expr:
    """An iterable whose data sets, where they are made up, give what the loop wants."""
    expect = _runtime_call("expect", [_structure(target), _functions(iterable)], iterable)
    return _runtime_call("over", [expect, iterable], iterable)


def _structure(target: ast.expr) -> ast.expr:
    """The names that a loop binds, nested as they are in it, as a constant."""
    return ast.copy_location(ast.parse(repr(structure(target)), mode="eval").body, target)


def _functions(iterable: ast.expr) -> ast.expr:
    """The functions around what is iterated, outermost first, as a constant."""
    found = []
    while isinstance(iterable, ast.Call) and iterable.args:
        found.append(_called(iterable))
        iterable = iterable.args[0]
    return ast.copy_location(ast.Constant(" ".join(found)), iterable)


def _runtime_call(name: str, arguments: list[ast.expr], where: ast.AST) -> ast.expr:
    call = ast.Call(ast.Attribute(ast.Name(RUNTIME, ast.Load()), name, ast.Load()), arguments, [])
    return ast.copy_location(call, where)
