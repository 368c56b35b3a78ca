"""What constructing a layer, or importing a name, does at the place of a finding."""

from __future__ import annotations

import ast
import functools
import inspect
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bnlint.verify.bench import Inconclusive
from bnlint.verify.expressions import Unknowable, Written
from bnlint.verify.objects import is_norm, kerases, norm_class

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench


class Making:
    """The constructors and imports of one place."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def failure(self) -> BaseException | None:
        """What the constructor of a normalization raised at the place, as the code ran."""
        error = self.bench.failure()
        return error if error is not None and _raised_in_constructor(error) else None

    def constructed(self) -> list[Any]:
        """The normalizations made at the place, else what its constructor calls, evaluated now, give or raise.

        Raises Inconclusive where there are none.
        """
        try:
            made, missing = self.bench.made(is_norm), None
        except Inconclusive as error:
            made, missing = [], error
        found = [each for each in made if hasattr(each, "momentum")] or _constructor_calls(self.bench.written())
        if not found:
            raise missing or Inconclusive("the layer is not constructed")
        return found

    def layers(self) -> list[Any]:
        """The normalizations made at the place; raises Inconclusive where there are none, or constructing them raises."""
        found = [each for each in self.constructed() if not isinstance(each, BaseException)]
        if not found:
            raise Inconclusive("constructing the layer raises")
        return found

    def import_error(self) -> BaseException | None:
        """What importing the name at the place, or reading the attribute, raises; None where it is there.

        Raises Inconclusive where the library is not installed, or what is written there is neither.
        """
        written = self.bench.written()
        names = self.bench.stage.namespace
        for statement in (*written.nodes(ast.ImportFrom), *written.nodes(ast.Import)):
            return _error_of([statement], names)
        for node in written.nodes(ast.Attribute):
            return _error_of([*_bindings(written, node), ast.Expr(node)], names)
        raise Inconclusive("nothing is imported here", final=True)

    @staticmethod
    def said(error: BaseException) -> str:
        """An exception as a sentence quotes it."""
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _bindings(written: Written, node: ast.Attribute) -> list[ast.stmt]:
    """The imports that bind the name that an attribute is read from."""
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        root = root.value
    return written.imports_of(root.id) if isinstance(root, ast.Name) else []


def _error_of(statements: list[ast.stmt], namespace: dict[str, Any]) -> BaseException | None:
    module = ast.fix_missing_locations(ast.Module(statements, []))
    try:
        exec(compile(module, "<import>", "exec"), dict(namespace))  # noqa: S102 - running the user's code is what this is for
    except (ImportError, AttributeError) as error:
        top = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ImportError) and top and find_spec(top) is None:
            raise Inconclusive(f"{top} is not installed", final=True) from error
        return error
    except Exception as error:
        raise Inconclusive(f"what is written here cannot be evaluated: {type(error).__name__}: {error}") from error
    return None


def _constructor_calls(written: Written) -> list[Any]:
    """What the calls at the place that construct a normalization give or raise, evaluated now; a partial is called as it is."""
    found: list[Any] = []
    for node in written.nodes(ast.Call):
        try:
            function = written.value(node.func)
        except Unknowable:
            continue
        if function is not functools.partial and not _is_norm_class(function):
            continue
        try:
            result = written.value(node if function is functools.partial else _without_unknown(written, node))
        except Unknowable as error:
            if error.__cause__ is not None and _raised_in_constructor(error.__cause__):
                found.append(error.__cause__)
            continue
        if isinstance(result, functools.partial) and _is_norm_class(result.func):
            try:
                result = result()
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                result = error
        if isinstance(result, Exception) or is_norm(result):
            found.append(result)
    return found


def _without_unknown(written: Written, node: ast.Call) -> ast.Call:
    """The call with what can be evaluated; of an argument that no constructor has a parameter for, the name is enough."""
    keywords = []
    for keyword in node.keywords:
        try:
            written.value(keyword.value)
            keywords.append(keyword)
        except Unknowable:
            if keyword.arg is not None and keyword.arg not in _parameters():
                keywords.append(ast.copy_location(ast.keyword(keyword.arg, ast.Constant(None)), keyword))
    return ast.copy_location(ast.Call(node.func, node.args, keywords), node)


def _parameters() -> set[str]:
    classes = [cls for each in kerases() for cls in each.layers.BatchNormalization.__mro__]
    return {name for cls in classes if "__init__" in vars(cls) for name in inspect.signature(cls.__init__).parameters}


def _is_norm_class(cls: object) -> bool:
    return isinstance(cls, type) and any(issubclass(cls, norm_class(each)) for each in kerases())


def _raised_in_constructor(error: BaseException) -> bool:
    """Whether an exception was raised while a normalization was being constructed."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "__init__" and is_norm(frame.f_locals.get("self")):
            return True
        trace = trace.tb_next
    return isinstance(error, TypeError) and "unexpected keyword" in str(error) and "__init__" in str(error)
