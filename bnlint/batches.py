"""On what models are trained: in batches of which size, in how many steps, on how many replicas."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bnlint.finding import Span
from bnlint.interpreter.data import (
    ArrayV,
    DatasetV,
    Number,
    arrays_in,
    as_number,
    dataset_in,
    first_array,
    parts_of,
    rows_of,
)
from bnlint.interpreter.dispatch import span_of
from bnlint.interpreter.records import Call, Context, Event, LayerV, TensorV, World
from bnlint.interpreter.strategies import REPLICAS, SCOPE
from bnlint.interpreter.values import Const, InstanceV, ListV, SymbolV, Value
from bnlint.program import Program, is_constant, once
from bnlint.purpose import BATCH_SIZES, is_unit_test
from bnlint.steps import GradientStep, gradient_steps


@dataclass(slots=True, eq=False)
class Run:
    """One place where a model is trained, as far as it is known on how much data.

    ``batch``: the samples that a batch normalization sees at once; ``place``: what sets it. ``last``: those in the last batch,
    where it is a smaller one. ``steps``: how often the model is updated.
    """

    world: World
    model: LayerV
    event: Event
    norms: list[LayerV]
    data: Value | None = None
    batch: Number | None = None
    place: Span | None = None
    last: int | None = None
    samples: Number | None = None
    epochs: Number | None = None
    steps: int | None = None
    strategy: InstanceV | None = None
    targets: Value | None = None
    divided: bool = False
    """The batch is that of one replica."""
    data_is_one_batch: bool = False
    """There are no more samples than these."""

    @property
    def replicas(self) -> int | None:
        """How many replicas divide a batch among them; None where that is not known."""
        if self.strategy is None:
            return 1
        known = as_number(self.strategy.attributes.get(REPLICAS))
        return known.value if known is not None else None


def most_per_replica(run: Run) -> int | None:
    """The largest batch that one replica can see: where their number is not known there are two at least."""
    if run.batch is None:
        return None
    return run.batch.value if run.divided else run.batch.value // 2


@once
def training_runs(program: Program) -> list[Run]:
    """The places where models with trainable batch normalization are trained."""
    return [each for each in _runs(program) if each.norms]


def _runs(program: Program) -> Iterator[Run]:
    for world in program.worlds:
        for event in world.events:
            if event.kind in ("fit", "train_on_batch") and isinstance(event.target, LayerV):
                yield _of_event(program, world, event, event.target)
    for step in gradient_steps(program):
        yield from _of_step(program, step)


def trained_norms(program: Program, event: Event, model: LayerV) -> list[LayerV]:
    """The batch normalizations of a model whose statistics an event updates: trainable, and not held in inference mode."""
    layers = [pair for pair in event.snapshot.values() if program.is_batchnorm(pair[0])]
    held = {id(model), *(id(each) for each in program.all_sublayers(model))}
    return [
        layer
        for layer, trainable in layers
        if id(layer) in held and is_constant(trainable, True) and not _in_inference(program, layer)
    ]


def _in_inference(program: Program, layer: LayerV) -> bool:
    calls = program.calls_of(layer)
    if not calls and layer.backbone is not None:
        calls = program.calls_of(layer.backbone)
    return bool(calls) and all(_is_fixed(program, call) for call in calls)


def _is_fixed(program: Program, call: Call) -> bool:
    """Whether a call runs in inference mode whatever its model's mode is."""
    each: Call | None = call
    while each is not None and each.layer is not None:
        constant = each.training.kind == "constant" and each.training.value is not None
        honoured = each.parent is not None or program.generation(each.layer) == "2"
        if constant and honoured:
            return not each.training.value
        each = each.parent
    return False


# -- fit and train_on_batch --------------------------------------------------------------------------------------

POSITIONS = {
    "fit": {"x": 0, "y": 1, "batch_size": 2, "epochs": 3, "validation_split": 6},
    "fit_generator": {"x": 0, "steps_per_epoch": 1, "epochs": 2},
    "train_on_batch": {"x": 0, "y": 1},
}
ALIASES = {"x": ("generator", "data"), "epochs": ("nb_epoch",), "steps_per_epoch": ("samples_per_epoch",)}


def argument(event: Event, name: str) -> Value | None:
    """An argument of ``fit`` and its kin, by keyword or position."""
    for each in (name, *ALIASES.get(name, ())):
        if each in event.arguments:
            return event.arguments[each]
    index = POSITIONS.get(event.name, {}).get(name)
    return event.arguments.get(str(index)) if index is not None else None


def may_have_more(event: Event) -> bool:
    """Whether there may be arguments that are not known: those of a ``**`` that gave none."""
    node = event.context.node
    given = node.keywords if isinstance(node, ast.Call) else []
    names = {each.arg for each in given}
    named = {name for name in event.arguments if not name.isdigit()}
    return None in names and named <= names


def argument_span(event: Event, name: str) -> Span | None:
    """Where such an argument stands in the call."""
    node = event.context.node
    if not isinstance(node, ast.Call):
        return None
    names = (name, *ALIASES.get(name, ()))
    index = POSITIONS.get(event.name, {}).get(name)
    found: ast.AST | None = next((each for each in node.keywords if each.arg in names), None)
    plain = not any(isinstance(each, ast.Starred) for each in node.args)
    if found is None and index is not None and plain and index < len(node.args):
        found = node.args[index]
    return span_of(event.context.module, found) if found is not None else None


def _of_event(program: Program, world: World, event: Event, model: LayerV) -> Run:
    found = Run(world, model, event, trained_norms(program, event, model), argument(event, "x"))
    found.strategy = _strategy(model, event.context)
    found.targets = argument(event, "y")
    if event.kind == "train_on_batch":
        rows = rows_of(found.data) or rows_of(argument(event, "y"))
        found.batch, found.place = rows, rows.place if rows is not None and rows.batched else event.span
        found.steps = _rounds(event, model)
        return _shared(found)
    found.epochs = _epochs(event)
    dataset = event.value if isinstance(event.value, DatasetV) else dataset_in(found.data)
    if dataset is None and isinstance(found.data, ListV) and found.data.kind == "iterator":
        dataset = _generated(found.data)
    if dataset is not None:
        _of_dataset(found, dataset)
    else:
        _of_arrays(found)
    if found.batch is None and isinstance(found.data, InstanceV):
        found.batch = _named(found.data.attributes)
    if found.batch is not None and not found.batch.batched:
        found.place = (found.batch.place if dataset is None else None) or argument_span(event, "x") or event.span
    return _shared(found)


def _epochs(event: Event) -> Number | None:
    given, first = argument(event, "epochs"), event.arguments.get("initial_epoch")
    if given is None and may_have_more(event):
        return None
    epochs = as_number(given) if given is not None else Number(1, default=True)
    before = as_number(first) if first is not None else Number(0)
    if epochs is None or before is None or epochs.per_replica:
        return None
    return replace(epochs, value=max(0, epochs.value - before.value))


def _of_dataset(found: Run, dataset: DatasetV) -> None:
    """The batches that a data set, a generator or an object of a project's class gives."""
    found.batch, found.last, found.samples = dataset.batch, dataset.last, dataset.samples
    found.place = dataset.batch.place if dataset.batch is not None else None
    if found.batch is None and isinstance(found.data, InstanceV):
        found.batch = _named(found.data.attributes)
    if found.batch is not None and (isinstance(found.data, InstanceV) or dataset.generator is found.data is not None):
        named = _named(found.data.attributes if isinstance(found.data, InstanceV) else getattr(found.data, "names", None) or {})
        told = named.place if named is not None and named.value == found.batch.value else None
        found.place = told or argument_span(found.event, "x") or found.event.span
    given = argument(found.event, "steps_per_epoch")
    count = as_number(given) if given is not None and not is_constant(given, None) else dataset.count
    endless = dataset.endless and count is dataset.count
    if count is not None and found.epochs is not None and not endless and not count.per_replica:
        found.steps = count.value * found.epochs.value


def _of_arrays(found: Run) -> None:
    """Arrays, which ``fit`` takes apart in batches of 32 unless it is told otherwise."""
    given = argument(found.event, "batch_size")
    default = given is None or isinstance(given, Const) and given.value is None
    size = Number(32, default=True) if default else as_number(given, argument_span(found.event, "batch_size"))
    rows = rows_of(found.data)
    unknown_data = not isinstance(found.data, (ArrayV, ListV)) and rows is None
    if size is None or default and (unknown_data or given is None and may_have_more(found.event)):
        return
    found.batch, found.place = replace(size, batched=True), argument_span(found.event, "batch_size") or found.event.span
    split = argument(found.event, "validation_split")
    share = split.value if isinstance(split, Const) and isinstance(split.value, (int, float)) else 0 if split is None else None
    if rows is None or share is None or size.per_replica or size.value < 1:
        return
    kept = math.floor(rows.value * (1 - share))
    found.samples = replace(rows, value=kept)
    found.last = kept % size.value or None
    per_epoch = argument(found.event, "steps_per_epoch")
    count = as_number(per_epoch) if per_epoch is not None else Number(math.ceil(kept / size.value))
    if kept < size.value:
        found.batch, found.last, found.data_is_one_batch = replace(found.batch, value=kept, default=False), None, True
    if count is not None and found.epochs is not None:
        found.steps = count.value * found.epochs.value


def _generated(data: ListV) -> DatasetV:
    """What a generator function yields: batches, whose size the arrays tell, or a name in the function."""
    rows = next((each for each in map(rows_of, data.items) if each is not None), None) or _named(data.names or {})
    size = replace(rows, batched=True) if rows is not None else None
    return DatasetV(("?", object()), "a generator", None, None, None, size, True, generator=data)


def _named(values: dict[str, Value]) -> Number | None:
    """The size of a batch by the names that people give it."""
    for name in BATCH_SIZES:
        value = values.get(name)
        found = as_number(value)
        if found is not None and isinstance(value, Const):
            return replace(found, place=literal_place(value), batched=True)
    return None


def literal_place(value: Const) -> Span | None:
    """The argument of a call in which a constant is written."""
    if value.origin is None:
        return None
    module, literal = value.origin
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            given = next((each for each in node.keywords if each.value is literal), None)
            if given is not None or literal in node.args:
                return span_of(module, given if given is not None else literal)
    return None


def _strategy(model: LayerV, context: Context) -> InstanceV | None:
    """The strategy in whose scope a model was made or is trained."""
    contexts = [*(model.context.chain() if model.context is not None else []), *context.chain()]
    for each in contexts:
        for value, _ in each.withs:
            if isinstance(value, InstanceV) and isinstance(value.cls, SymbolV) and value.cls.path == SCOPE:
                found = value.attributes.get("strategy")
                return found if isinstance(found, InstanceV) else None
    return None


def _shared(found: Run) -> Run:
    """The batch as one replica sees it."""
    batch = found.batch
    if batch is None:
        return found
    found.divided = batch.per_replica or found.replicas is not None
    if batch.per_replica:
        found.batch = replace(batch, per_replica=False)
    elif found.replicas is not None and found.replicas > 1:
        found.batch, found.last = replace(batch, value=max(1, batch.value // found.replicas)), None
    return found


# -- own loops ---------------------------------------------------------------------------------------------------


def _of_step(program: Program, step: GradientStep) -> Iterator[Run]:
    """A model whose weights are updated with a gradient, and what it was called on in training mode."""
    for event in step.updates[:1]:
        for model in step.updated:
            layers = {id(model), *(id(each) for each in program.all_sublayers(model))}
            calls = [each for each in step.calls if each.layer is not None and id(each.layer) in layers]
            trained = [each for each in calls if is_constant(each.training.source, True)]
            batch = next((rows for rows in map(_batch_of, trained) if rows is not None), None)
            found = Run(step.world, model, event, trained_norms(program, event, model), batch=batch)
            found.strategy, found.divided = _strategy(model, event.context), True
            if batch is not None:
                first = found.norms[0].site if found.norms else None
                found.place = batch.place if batch.batched else first.span if first is not None else None
            yield found


def _batch_of(call: Call) -> Number | None:
    """The samples that a model is called on."""
    found = (_rows(each, call) for each in call.inputs)
    return next((each for each in found if each is not None), None)


def _rows(tensor: TensorV, call: Call) -> Number | None:
    if isinstance(tensor.origin, ArrayV):
        return tensor.origin.rows
    first = tensor.shape[0] if tensor.shape and call.setting == "eager" else None
    return Number(first) if isinstance(first, int) else None


# -- how much ----------------------------------------------------------------------------------------------------


def all_steps(program: Program, run: Run) -> int | None:
    """How often a model is updated in all; None where that is not known, as in a loop or a function that is called elsewhere."""
    same = [
        each
        for world in _lineage(run.world)
        for each in training_runs(program)
        if each.world is world and each.model is run.model
    ]
    if run.event.kind == "train_on_batch" and not _is_used_behind(run):
        return None
    if any(each.steps is None or each.event.kind == "update" or _is_open(each) for each in same):
        return None
    if any(norm.weights != "random" for norm in run.norms) or run.model.weights != "random":
        return None
    places = {path: each.steps for number, each in enumerate(same) if each.steps is not None and (path := _path(each, number))}
    return sum(places.values())


def _path(run: Run, number: int) -> object:
    """What tells a training from the others of its model: rounds of a counted loop are one."""
    return tuple(each.span for each in run.event.context.chain()) if run.event.kind == "train_on_batch" else number + 1


def _is_used_behind(run: Run) -> bool:
    """Whether a model predicts, or is evaluated, behind its training."""
    later = (each for each in run.world.events if each.order > run.event.order and each.kind in ("evaluate", "predict"))
    return any(each.target is run.model and not _loops_after(each.context, run.model) for each in later)


def _loops_after(context: Context, model: LayerV) -> list[ast.AST]:
    """The loops around a place that are not around the making of the model, too."""
    made = {node for each in (model.context.chain() if model.context is not None else []) for node, _ in each.loops}
    return [node for each in context.chain() for node, _ in each.loops if node not in made]


def _rounds(event: Event, model: LayerV) -> int | None:
    """How often ``train_on_batch`` runs in loops over written ranges; None where a condition or a loop may make it less or more."""
    total = 1
    around = set(_loops_after(event.context, model))
    for each in event.context.chain():
        statement: ast.AST | None = each.statement
        for node, iterable in each.loops:
            if node not in around:
                break
            known = isinstance(iterable, Const) and isinstance(iterable.value, range) and not iterable.assumed
            if not known or not isinstance(node, ast.For) or not _is_plain(node, statement):
                return None
            total *= len(iterable.value)  # type: ignore[union-attr]
            statement = node
        else:
            if each.function is not None and each.caller is not None and not _is_plain(each.function.node, statement):
                return None
    return total


def _is_plain(block: ast.AST, statement: ast.AST | None) -> bool:
    """Whether every run of a loop's or a function's body runs a statement once."""
    leaves = any(isinstance(each, (ast.Break, ast.Continue, ast.Return)) for each in ast.walk(block))
    body = getattr(block, "body", [])
    pending = list(body)
    while pending:
        each = pending.pop()
        if each is statement:
            return not leaves or not isinstance(block, ast.For)
        if isinstance(each, (ast.With, ast.AsyncWith)):
            pending.extend(each.body)
    return False


def _lineage(world: World) -> list[World]:
    found = [world]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found


def is_repeated(run: Run) -> bool:
    """Whether a training may happen more often than once: in a loop, or in a function that is called from out of sight."""
    return bool(_loops_after(run.event.context, run.model)) or _is_called_elsewhere(run)


def _is_open(run: Run) -> bool:
    """Whether a training may happen more often than its number of steps says."""
    return is_repeated(run) if run.event.kind == "fit" else _is_called_elsewhere(run)


def _is_called_elsewhere(run: Run) -> bool:
    if run.world.entry in ("<module>", "__main__"):
        return False
    made = run.model.context.chain() if run.model.context is not None else []
    return _entry(run.event.context.chain()) is not _entry(made)


def _entry(chain: list[Context]) -> ast.AST | None:
    """The outermost function of some contexts."""
    functions = [each.function.node for each in chain if each.function is not None]
    return functions[-1] if functions else None


def is_made_up(run: Run) -> bool:
    """Whether there is nothing to learn: inputs and targets are constants."""
    inputs, targets = arrays_in(run.data), arrays_in(run.targets)
    dataset = run.event.value if isinstance(run.event.value, DatasetV) else dataset_in(run.data)
    if dataset is not None:
        first = first_array(dataset.element)
        inputs = [first] if first is not None else []
    elif run.targets is not None and not targets and not list(parts_of(run.targets)):
        return False
    found = [*inputs, *targets]
    return bool(found) and all(each.constant for each in found)


def in_unit_test(run: Run) -> bool:
    """Whether a model is trained by a test, which asks for no more than that it runs."""
    return is_unit_test(run.event.context)


# -- accumulated gradients ---------------------------------------------------------------------------------------


def accumulations(program: Program) -> Iterator[tuple[LayerV, Number, Span]]:
    """The batch normalizations that an optimizer trains which sums up the gradients of some batches: how many, said where."""
    made = {id(event.target): event for event in program.events("construct") if event.name == "optimizer"}
    for event in program.events("compile"):
        optimizer = event.arguments.get("optimizer", event.arguments.get("0"))
        construct = made.get(id(optimizer))
        if construct is None or not isinstance(event.target, LayerV):
            continue
        steps = as_number(construct.arguments.get("gradient_accumulation_steps"))
        norms = trained_norms(program, event, event.target)
        if steps is not None and steps.value > 1 and norms:
            place = argument_span(construct, "gradient_accumulation_steps")
            yield norms[0], steps, place or construct.span
