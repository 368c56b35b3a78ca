"""Calls the functions and classes that lead to a place, with likely arguments, and brings to life what they make."""

from __future__ import annotations

import ast
import inspect
import os
import re
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bnlint.verify import guesses
from bnlint.verify.entries import Entry, mentions, required, top_level
from bnlint.verify.handed_on import input_given, model_given
from bnlint.verify.made_up import files, indexed, iterated, single, unpacked
from bnlint.verify.methods import TRAINING
from bnlint.verify.objects import is_layer, is_model, is_symbolic, keras_of, kerases
from bnlint.verify.synthetic import leaves, numpy_of
from bnlint.verify.training import Untrainable

if TYPE_CHECKING:
    from bnlint.verify.stage import Stage

_DATA = (guesses.INPUT, guesses.TARGET, guesses.MODEL)
_BUILDERS = ("build_model", "create_model", "make_model", "get_model", "build", "create", "model", "setup", "build_network")
_OF_KERAS = (
    "__init__",
    "__call__",
    "call",
    "build",
    "compute_output_shape",
    "get_config",
    "from_config",
    "compile",
    "predict_step",
)


def call_entry(stage: Stage, entry: Entry) -> Any:
    """Call an entry and bring what it makes to life; gives what it gave, that of a method where the place is in one."""
    target = stage.namespace.get(entry.name)
    if target is None:
        raise NameError(f"{entry.name} is not defined when the module has run")
    if not isinstance(target, type) and inspect.isfunction(function := getattr(target, "callback", None)):
        target = function  # of a command of click
    method = entry.within if isinstance(target, type) and not _is_called_anyway(target, entry.within) else ""
    known = [each.instance for each in stage.recording.constructions if method and type(each.instance) is target]
    result = known[-1] if known else _called(stage, target, entry.arguments)
    try:
        _enliven(stage, result)
    except Untrainable:  # a model that is trained by methods of its own need not be callable
        if not method:
            raise
    except Exception as error:
        if not is_layer(result) or is_model(result) or not re.search("values to unpack|Iterating over a symbolic", str(error)):
            raise
        result = _called(stage, target, entry.arguments)
        _enliven(stage, result, inputs=2)
    if not method:
        return result
    if not is_layer(result):
        return _call_method(stage, result, method)
    if is_model(result) and method in ("train_step", "test_step"):
        stage.train(result, method)
    else:
        result = _called(stage, getattr(result, method), {})
        _enliven(stage, result)
    return result


def _is_called_anyway(target: type, method: str) -> bool:
    """Whether a method runs when an instance is made, or when Keras calls it."""
    of_keras = any(each.__module__.partition(".")[0] in ("keras", "tf_keras") for each in target.__mro__)
    return method in _OF_KERAS if of_keras else method == "__init__"


def _called(stage: Stage, function: Any, arguments: dict[str, Any]) -> Any:
    """Call a function with the arguments that are known and likely ones for the others."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function(**arguments)
    positional, named = [], {}
    body = _body(stage, function)
    attributes = {each.attr for each in ast.walk(body) if isinstance(each, ast.Attribute)}
    trains = not attributes.isdisjoint(TRAINING)
    symbolic = not trains and attributes.isdisjoint(("GradientTape", "numpy"))
    looped, taken_apart, samples, opened = iterated(body), unpacked(body), single(body), files(body)
    for name, each in parameters.items():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        if name not in arguments and each.default is not each.empty:
            continue
        annotation = "" if each.annotation is each.empty else str(getattr(each.annotation, "__name__", each.annotation))
        if name in arguments:
            value = arguments[name]
        elif name in opened and guesses.guess(name, annotation) is None:
            value = os.path.join(tempfile.gettempdir(), f"bnlint-made-up-{os.getpid()}")
        elif name in looped:
            value = _several(stage, name, annotation)
        elif name in taken_apart and guesses.guess(name, annotation) in _DATA:
            value = stage.runtime.structured(taken_apart[name])
        elif (count := len(taken_apart.get(name, ())) or indexed(body, name)) and _is_number(guesses.guess(name, annotation)):
            value = (guesses.guess(name, annotation),) * count
        elif name in samples and guesses.guess(name, annotation) is guesses.INPUT:
            value = argument(stage, name, annotation)[0]
        else:
            value = _argument(stage, function, name, annotation, symbolic)
            if trains and hasattr(value, "shape") and not is_layer(value):
                value = numpy_of(value)  # what is prepared for fit is prepared by NumPy
        if each.kind is each.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[name] = value
    return function(*positional, **named)


def _argument(stage: Stage, function: Any, name: str, annotation: str, symbolic: bool) -> Any:
    """A likely value for a parameter of a function, in view of the model that the function gives it to."""
    value = guesses.guess(name, annotation)
    if value is guesses.INPUT and (model := model_given(stage, function, name)) is not None:
        return stage.input_batch(model)
    if (value is guesses.INPUT or len(name) == 1) and (batch := input_given(stage, function, name)) is not None:
        return batch
    return argument(stage, name, annotation, symbolic)


def _body(stage: Stage, function: Any) -> ast.AST:
    """The source of a function of the code; an empty one where it is not known."""
    if isinstance(function, type):
        function = function.__init__  # type: ignore[misc]
    code = getattr(inspect.unwrap(getattr(function, "python_function", function)), "__code__", None)
    for path, text in ((stage.script.path, stage.script.text), (stage.job.path, stage.job.text)):
        if code is not None and code.co_filename == path:
            for node in ast.walk(ast.parse(text)):
                first = min((each.lineno for each in getattr(node, "decorator_list", ())), default=getattr(node, "lineno", 0))
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and first == code.co_firstlineno:
                    return node
    return ast.Module([], [])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _several(stage: Stage, name: str, annotation: str) -> Any:
    """A likely value for a parameter that is looped over: a data set, or a few numbers."""
    value = guesses.guess(name, annotation)
    if _is_number(value):
        return [value, value]
    return stage.runtime.made_up() if isinstance(value, bool) or value in _DATA else argument(stage, name, annotation)


def argument(stage: Stage, name: str, annotation: str, symbolic: bool = False) -> Any:
    """A likely value for a parameter or loop variable."""
    import keras

    value = guesses.guess(name, annotation)
    if value is guesses.MODEL:
        model = stage.last_model()
        return _any_model(stage, name) if model is None else model
    if value is guesses.SIZE:
        stage.used_shape = True
        return stage.shape[0] if len(stage.shape) == 3 else 32
    if value is guesses.OPTIONS:
        return Options(stage)
    if value is guesses.OPTIMIZER:
        return keras.optimizers.SGD(0.01)
    if value is guesses.LOSS:
        return keras.losses.MeanSquaredError()
    if value is guesses.METRIC:
        return keras.metrics.Mean()
    if value is guesses.TARGET:
        return stage.target_batch()
    if value is guesses.INPUT:
        if symbolic and stage.last_model() is None:
            stage.used_shape = True
            with stage.quiet():
                return keras.Input(stage.shape)
        return stage.input_batch()
    if value == (32, 32, 3):
        stage.used_shape = True
        return stage.shape
    return value


class Options:
    """Stands for a namespace or dictionary of options: gives a likely value for each by its name."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    __iter__ = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: Any) -> Any:
        chosen = _chosen(self._stage, str(name))
        return argument(self._stage, str(name), "") if chosen is None else chosen

    def __contains__(self, name: Any) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        """The default, as of a dictionary without that key."""
        return default


def _chosen(stage: Stage, option: str) -> str | None:
    """A text that the code compares an option with: that of a branch with a question in it, else the first; None without one."""
    first = None
    lines = [each.span.line for each in stage.job.questions if each.span.path == stage.script.path]
    for node in ast.walk(ast.parse(stage.script.text)):
        for branch in [node.test] if isinstance(node, (ast.If, ast.IfExp)) else []:
            for compare in (
                each for each in ast.walk(branch) if isinstance(each, ast.Compare) and _names_option(each.left, option)
            ):
                constants = [each.value for each in ast.walk(compare) if isinstance(each, ast.Constant)]
                texts = [each for each in constants if isinstance(each, str) and each != option]
                body = node.body if isinstance(node.body, list) else [node.body]  # type: ignore[attr-defined]
                if texts and any(each.lineno <= line <= (each.end_lineno or 0) for each in body for line in lines):
                    return texts[0]
                first = first or (texts[0] if texts else None)
    return first


def _names_option(node: ast.expr, option: str) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == option
    return isinstance(node, ast.Attribute) and node.attr == option


def _any_model(stage: Stage, name: str) -> Any:
    """A model made by a function or class of the module that needs none itself; raises LookupError where there is none."""
    tree = ast.parse(stage.script.text)
    for definition in (each for statement in tree.body for each in top_level(statement)):
        target = stage.namespace.get(definition.name)
        makes = _makes_model(definition) if isinstance(definition, ast.FunctionDef) else _is_model_class(target)
        if not makes or any(guesses.guess(each) is guesses.MODEL for each in required(definition)):
            continue
        with suppress(Exception):  # another one may do
            _enliven(stage, _called(stage, target, {}))
        if (model := stage.last_model()) is not None:
            return model
    raise LookupError(f"there is no model to be given as {name}")


def _makes_model(function: ast.FunctionDef) -> bool:
    """Whether a function returns something and constructs a model on the way."""
    nodes = list(ast.walk(function))
    made = any(
        isinstance(each, ast.Call) and (mentions(each.func, "Model") or mentions(each.func, "Sequential")) for each in nodes
    )
    return made and any(isinstance(each, ast.Return) and each.value is not None for each in nodes)


def _is_model_class(target: Any) -> bool:
    return isinstance(target, type) and any(issubclass(target, each.Model) for each in kerases())


def _enliven(stage: Stage, result: Any, inputs: int = 1) -> None:
    """Make a model of a function's tensors, call the layers (on a list of several inputs) and models that it returns."""
    if tensors := [each for each in leaves(result) if is_symbolic(each)]:
        _model_of_tensors(stage, tensors)
    for layer in stage.layers_in(result):
        if is_model(layer):
            if not layer.built or not layer.weights:
                stage.used_shape = True
            stage.trainer.built(layer)
        else:
            import keras

            stage.used_shape = True
            module = keras if keras_of(layer) is keras else keras_of(layer)
            tensors = [module.Input(stage.shape) for _ in range(inputs)]
            given = tensors if inputs > 1 else tensors[0]
            stage.extra.append(module.Model(given, layer(given)))


def _model_of_tensors(stage: Stage, tensors: list[Any]) -> None:
    """A model of all that leads to some tensors; inputs among them are no outputs."""
    keras = keras_of_tensor(tensors[0])
    with stage.quiet():
        sources = {id(each): each for tensor in tensors for each in keras.utils.get_source_inputs(tensor)}
        outputs = [each for each in tensors if id(each) not in sources]
        if outputs:
            stage.extra.append(keras.Model(list(sources.values()), outputs))


def keras_of_tensor(tensor: Any) -> Any:
    """The Keras that a symbolic tensor belongs to."""
    import sys

    return sys.modules["tf_keras" if type(tensor).__module__.startswith("tf_keras") else "keras"]


def _call_method(stage: Stage, instance: Any, name: str) -> Any:
    """Call the method that holds the place, the class's builders first where it has any."""
    if name == "__init__":
        return instance
    for builder in _BUILDERS:
        method = getattr(instance, builder, None)
        if builder != name and callable(method) and not stage.models():
            _enliven(stage, _called(stage, method, {}))
    result = _called(stage, getattr(instance, name), {})
    _enliven(stage, result)
    return result
