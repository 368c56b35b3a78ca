"""TensorFlow 1: normalizations that put their updates into a collection, and the training that must run it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bnlint.finding import Span
from bnlint.interpreter.records import Call, LayerV
from bnlint.interpreter.scope import Module
from bnlint.program import Program
from bnlint.references import Reference, bound_by_imports, dotted_names

LAYERS = re.compile(
    r"tensorflow\.(?:compat\.v1\.)?(?:python\.)?layers\.(?:normalization\.)?(?:batch_normalization|BatchNormalization)$"
)
SLIM = re.compile(r"(?:tensorflow\.contrib\.(?:slim|layers)|tf_slim)\.(?:[\w.]+\.)?batch_norm$")
OPTIMIZER = re.compile(r"tensorflow\.(?:compat\.v1\.)?(?:train|contrib\.opt)\.\w*Optimizer\w*$")
NAMES_OPTIMIZER = re.compile("Optimizer")
STEPS = ("minimize", "apply_gradients")
STEP = re.compile("|".join(STEPS))
RUNS_THEM = re.compile(r"create_train_op|optimize_loss|get_updates_for|\.updates\b|TPUEstimator\.train_op")
COLLECTION = re.compile(r"UPDATE_OPS|[\"']update_ops[\"']")


def unrun_updates(program: Program) -> Iterator[Reference]:
    """The uses of TensorFlow 1's batch normalizations in training mode whose updates no training step in sight runs."""
    verdicts: dict[str, bool] = {}
    for reference in program.references("batch_norm", "BatchNorm"):
        if len(reference.names) != 1 or not _collects(reference):
            continue
        path = reference.span.path
        if path not in verdicts:
            verdicts[path] = _is_trained_without(program, program.modules_around(path))
        if verdicts[path]:
            yield reference


def never_in_training(program: Program) -> Iterator[Reference]:
    """The calls of ``tf.layers.batch_normalization`` without ``training`` in code that trains what it builds, and loads no weights."""
    for reference in program.references("batch_normalization"):
        call, name = reference.call, reference.names[0]
        if call is None or len(reference.names) != 1 or not LAYERS.match(name) or len(call.args) > 2 or _is_frozen(call):
            continue
        if any(each.arg in (None, "training") for each in call.keywords):
            continue
        modules = program.modules_around(reference.span.path)
        if not any(program.says(each, LOADS) for each in modules) and _takes_steps(program, modules):
            yield reference


LOADS = re.compile(r"\brestore|load_weights|init_from_checkpoint|import_meta_graph|\bload\(")
"""What gives a network weights, so that parts of it may be used as they are."""


def _is_frozen(call: ast.Call) -> bool:
    given = _keyword(call, "trainable")
    return given is not None and not (isinstance(given, ast.Constant) and given.value)


GRAPH = re.compile(r"\bplaceholder\(|\b(?:Interactive|MonitoredTraining|Monitored)?Session\(|placeholder_with_default\(")
KERAS_TRAINS = re.compile(r"\.fit(?:_generator)?\(|\.train_on_batch\(|GradientTape|enable_eager_execution|enable_v2_behavior")


def lost_keras_updates(program: Program) -> Iterator[tuple[Call, LayerV]]:
    """The calls of Keras's batch normalization in training mode in a graph of TensorFlow 1 that an optimizer of its own trains, where
    nothing runs the updates: Keras keeps them with the layer, and not in the collection."""
    found: dict[Span, tuple[Call, LayerV]] = {}
    for layer in program.layers("keras.layers.BatchNormalization"):
        for call in program.calls_of(layer):
            if _may_train(call) and not program.may_be_frozen(layer) and _is_graph(program, call.span.path):
                found.setdefault(call.span, (call, layer))
    yield from found.values()


def _may_train(call: Call) -> bool:
    """Whether a call is given a mode that is, or may be, that of training, itself or by the model around it."""
    each: Call | None = call
    while each is not None and each.training.kind == "forwarded":
        each = each.parent
    training = each.training if each is not None else None
    return training is not None and (training.kind == "unknown" or training.kind == "constant" and bool(training.value))


def _is_graph(program: Program, path: str) -> bool:
    modules = program.modules_around(path)
    if any(program.says(each, KERAS_TRAINS) or program.says(each, RUNS_THEM) for each in modules):
        return False
    return any(program.says(each, GRAPH) for each in modules) and _takes_steps(program, modules)


# -- normalizations ----------------------------------------------------------------------------------------------


def _collects(reference: Reference) -> bool:
    """Whether a normalization is used in training mode and leaves its updates in the collection."""
    name, call = reference.names[0], reference.call
    if reference.kind == "import" or not (LAYERS.match(name) or SLIM.match(name)):
        return False
    if call is None:
        call = _partial(reference)
    if LAYERS.match(name):
        if name.endswith("BatchNormalization"):
            return call is not None and _is_called_in_training(reference)
        return call is not None and _may_be_true(_keyword(call, "training"))
    if call is not None:
        given = _keyword(call, "is_training")
        return not _is_none(_keyword(call, "updates_collections")) and (given is None or _may_be_true(given))
    return _collects_as_argument(reference)


def _collects_as_argument(reference: Reference) -> bool:
    """``slim.conv2d(..., normalizer_fn=slim.batch_norm)``: its arguments are in ``normalizer_params``."""
    tree = reference.tree
    place = (reference.span.line, reference.span.column)
    for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
        given = _keyword(call, "normalizer_fn")
        if given is None or not any(_place(reference, each) == place for each in ast.walk(given) if isinstance(each, ast.expr)):
            continue
        parameters = dict(_entries(_keyword(call, "normalizer_params"), tree))
        training = parameters.get("is_training")
        scoped = _scope_says_none(tree)
        return not scoped and not _is_none(parameters.get("updates_collections")) and (training is None or _may_be_true(training))
    return False


def _partial(reference: Reference) -> ast.Call | None:
    """The ``functools.partial`` that a normalization is given to."""
    place = (reference.span.line, reference.span.column)
    for call in ast.walk(reference.tree):
        if isinstance(call, ast.Call) and call.args and _place(reference, call.args[0]) == place:
            return call if ast.unparse(call.func).rpartition(".")[2] == "partial" else None
    return None


def _scope_says_none(tree: ast.Module) -> bool:
    """Whether an ``arg_scope([slim.batch_norm], updates_collections=None)`` gives the argument."""
    calls = (each for each in ast.walk(tree) if isinstance(each, ast.Call) and "arg_scope" in ast.unparse(each.func))
    return any(_is_none(_keyword(each, "updates_collections")) for each in calls)


def _place(reference: Reference, node: ast.expr) -> tuple[int, int]:
    span = reference.source.span(node)
    return span.line, span.column


def _entries(node: ast.expr | None, tree: ast.Module, depth: int = 2) -> Iterator[tuple[str, ast.expr]]:
    """The entries of a dictionary that is written out, or bound to a name."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        yield from ((each.arg, each.value) for each in node.keywords if each.arg)
    elif isinstance(node, (ast.Name, ast.Attribute)) and depth:
        wanted = ast.unparse(node)
        for each in ast.walk(tree):
            if isinstance(each, ast.Assign) and any(ast.unparse(target) == wanted for target in each.targets):
                yield from _entries(each.value, tree, depth - 1)


def _is_called_in_training(reference: Reference) -> bool:
    """Whether the layer that is made is, or may be, called with a true ``training``."""
    calls = [each for each in ast.walk(reference.tree) if isinstance(each, ast.Call)]
    return any(_may_be_true(_keyword(each, "training")) for each in calls)


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _may_be_true(node: ast.expr | None) -> bool:
    return node is not None and not (isinstance(node, ast.Constant) and not node.value)


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


# -- training ----------------------------------------------------------------------------------------------------


def _is_trained_without(program: Program, modules: list[Module]) -> bool:
    """Whether an optimizer of TensorFlow 1 takes steps in some modules, none of which runs the collected updates."""
    if any(program.says(each, RUNS_THEM) or _runs_collection(each) for each in modules):
        return False
    return _takes_steps(program, modules)


def _takes_steps(program: Program, modules: list[Module]) -> bool:
    """Whether an optimizer of TensorFlow 1 takes steps in some modules."""
    steps = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STEPS
        for each in modules
        if program.says(each, STEP)
        for node in ast.walk(each.tree)
    )
    return steps and any(_has_optimizer(each) for each in modules if program.says(each, NAMES_OPTIMIZER))


def _has_optimizer(module: Module) -> bool:
    aliases = bound_by_imports(module.tree)
    return any(
        OPTIMIZER.match(name)
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.Attribute, ast.Name))
        for name in dotted_names(node, aliases)
    )


def _runs_collection(module: Module) -> bool:
    """Whether a module does something with the collection of updates: a name that it is bound to must be read again."""
    if not COLLECTION.search(module.source.text):
        return False
    bound: set[str] = set()
    fetched = 0
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign) and len(COLLECTION.findall(ast.unparse(node.value))) > _given_as_collection(node.value):
            bound.update(ast.unparse(target) for target in node.targets)
            fetched += 1
    read = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load) and ast.unparse(node) in bound
    ]
    idle = [
        node for block in ast.walk(module.tree) if isinstance(block, ast.With) and _only_runs(block) for node in _managers(block)
    ]
    mentions = len(COLLECTION.findall(ast.unparse(module.tree)))
    inline = (
        mentions - fetched - _given_as_collection(module.tree) - sum(1 for each in idle if COLLECTION.search(ast.unparse(each)))
    )
    return inline > 0 or any(each not in idle for each in read)


def _given_as_collection(tree: ast.AST) -> int:
    """How often the collection is only named as the one for a normalization to put its updates into."""
    dictionaries = (each for each in ast.walk(tree) if isinstance(each, ast.Dict))
    values = [
        value
        for each in dictionaries
        for key, value in zip(each.keys, each.values)
        if isinstance(key, ast.Constant) and key.value == "updates_collections"
    ]
    values += [each.value for each in ast.walk(tree) if isinstance(each, ast.keyword) and each.arg == "updates_collections"]
    return sum(1 for each in values if COLLECTION.search(ast.unparse(each)))


def _managers(block: ast.With) -> list[ast.AST]:
    return [node for item in block.items for node in ast.walk(item.context_expr)]


def _only_runs(block: ast.With) -> bool:
    """Whether a block only runs what was made before: the dependencies it is under do not reach that."""
    for statement in block.body:
        value = getattr(statement, "value", None)
        if isinstance(statement, ast.Pass):
            continue
        if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in ("run", "eval")):
            return False
    return True
