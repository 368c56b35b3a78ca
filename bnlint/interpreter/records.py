"""What the interpretation leaves behind for the rules: layers, tensors, calls, models, events, worlds."""

from __future__ import annotations

import ast
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from bnlint.finding import Span
from bnlint.interpreter.scope import Module
from bnlint.interpreter.values import ClassV, Const, FunctionV, InstanceV, Term, TupleV, Value
from bnlint.keras_api.shapes import Shape

Setting = Literal["graph", "call", "eager"]


@dataclass(slots=True, eq=False)
class Site:
    """A constructor expression in the source."""

    span: Span
    node: ast.AST
    module: Module
    function: FunctionV | None
    argument_spans: dict[str, Span] = field(default_factory=dict)
    bound: dict[str, Span] = field(default_factory=dict)
    """Arguments that a ``functools.partial`` gave, with the place of the partial."""
    keywords: tuple[str, ...] = ()
    """The keywords as the source gives them, those of dictionaries included."""


@dataclass(slots=True, eq=False)
class Made:
    """What reaches the constructor of one of Keras's own classes: from its call, or from a subclass's ``super().__init__``."""

    site: Site
    arguments: dict[str, Value]
    open: bool


@dataclass(slots=True, eq=False)
class Context:
    """Where something happens: the function and its caller, the loops and ``with`` blocks around it, inside out."""

    span: Span
    module: Module
    function: FunctionV | None
    loops: tuple[tuple[ast.AST, Value | None], ...]
    withs: tuple[tuple[Value, ast.expr], ...]
    caller: Context | None
    statement: ast.stmt | None = None
    layer_call: Call | None = None
    node: ast.AST | None = None
    guarded: bool = False

    def chain(self) -> list[Context]:
        """This context and its callers, innermost first."""
        found: list[Context] = []
        context: Context | None = self
        while context is not None:
            found.append(context)
            context = context.caller
        return found


@dataclass(slots=True, eq=False)
class LayerV(InstanceV):
    """A layer object. ``symbol`` is the nearest Keras class, by its canonical name; ``arguments`` are bound to the
    constructor's parameters, as far as the source gives them; ``open_arguments``: there may be more."""

    symbol: str = "keras.layers.Layer"
    generation: str | None = None
    site: Site | None = None
    arguments: dict[str, Value] = field(default_factory=dict)
    open_arguments: bool = False
    made: Made | None = None
    name: Value | None = None
    trainable: Value = field(default_factory=lambda: Const(True))
    weights: Literal["random", "pretrained", "loaded", "copied", "unknown"] = "random"
    weights_span: Span | None = None
    inner: list[LayerV] = field(default_factory=list)
    built: bool = False
    context: Context | None = None
    world: World | None = None
    input_shape: Shape = None
    last_call: Call | None = None
    implicit: bool = False
    policy: TupleV | None = None
    """The precision that was set for all layers when it was made, and where."""
    backbone: ModelV | None = None
    stands_for: LayerV | None = None

    def save(self) -> Any:
        return (
            dict(self.attributes),
            self.open,
            self.trainable,
            self.weights,
            self.weights_span,
            list(self.inner),
            self.built,
            self.last_call,
            self.name,
        )

    def restore(self, state: Any) -> None:
        (
            self.attributes,
            self.open,
            self.trainable,
            self.weights,
            self.weights_span,
            self.inner,
            self.built,
            self.last_call,
            self.name,
        ) = state

    @property
    def own_class(self) -> ClassV | None:
        return self.cls if isinstance(self.cls, ClassV) else None


@dataclass(slots=True, eq=False)
class ModelV(LayerV):
    """A model. ``kind`` "sequential" keeps its layers in ``inner``; "application" is one of ``keras.applications`` whose
    layers come from the table; "loaded" is one whose layers cannot be told."""

    kind: Literal["functional", "sequential", "subclassed", "application", "loaded"] = "functional"
    inputs: list[TensorV] = field(default_factory=list)
    outputs: list[TensorV] = field(default_factory=list)
    input_structure: Value | None = None
    output_structure: Value | None = None
    complete: bool = True
    has_batchnorm: bool | None = None
    application: str = ""
    chained: int = 0
    places: dict[int, Context] = field(default_factory=dict)

    def save(self) -> Any:
        return (
            LayerV.save(self),
            self.kind,
            list(self.inputs),
            list(self.outputs),
            self.input_structure,
            self.output_structure,
            self.complete,
            self.chained,
        )

    def restore(self, state: Any) -> None:
        base, self.kind, self.inputs, self.outputs, *rest = state
        self.input_structure, self.output_structure, self.complete, self.chained = rest
        LayerV.restore(self, base)


@dataclass(slots=True, eq=False)
class TensorV(Value):
    """A tensor: symbolic in a graph, or an array. ``call`` made it, as its ``index``-th output; none made an input."""

    shape: Shape
    call: Call | None = None
    index: int = 0
    symbolic: bool = False
    model: ModelV | None = None
    """The backbone from the table (or the loaded model) whose inner tensor this is."""
    layer: LayerV | None = None
    """The layer of that backbone that makes it."""
    alias: TensorV | None = None
    """The tensor inside a composite layer that this output of it stands for."""
    sizes: Value | None = None
    """What is known of the numbers in a tensor that holds sizes, such as ``tf.shape(x)``."""
    origin: Value | None = None
    """The value that is taken for a tensor here: data, or what a function out of sight gave."""


@dataclass(slots=True, eq=False)
class Training:
    """The ``training`` argument of a call. "forwarded": the enclosing call's own flag, handed on."""

    kind: Literal["absent", "constant", "forwarded", "unknown"]
    value: Any = None
    span: Span | None = None
    positional: bool = False
    source: Value | None = None


@dataclass(slots=True, eq=False)
class Call:
    """One application of a layer, model or function to tensors."""

    layer: LayerV | None
    function: str
    inputs: list[TensorV]
    outputs: list[TensorV]
    training: Training
    context: Context
    parent: Call | None
    setting: Setting
    arguments: dict[str, Value] = field(default_factory=dict)
    unknown_inputs: bool = False
    generation: str | None = None
    order: int = 0
    known_function: bool = True
    result: Value | None = None
    children: list[Call] = field(default_factory=list)

    @property
    def span(self) -> Span:
        return self.context.span


EventKind = Literal[
    "compile",
    "fit",
    "train_on_batch",
    "evaluate",
    "predict",
    "trainable",
    "load",
    "save",
    "copy",
    "gradient",
    "update",
    "construct",
    "scope",
    "export",
    "class",
    "assign",
    "store",
    "gather",
    "recompute",
    "loop",
]


@dataclass(slots=True, eq=False)
class Event:
    """Something that happened to a model or layer, in the order of the world.

    ``snapshot`` holds, for the layers that matter, their ``trainable`` at that moment.
    """

    kind: EventKind
    target: Value
    context: Context
    name: str = ""
    arguments: dict[str, Value] = field(default_factory=dict)
    value: Value | None = None
    affected: list[LayerV] = field(default_factory=list)
    snapshot: dict[int, tuple[LayerV, Value]] = field(default_factory=dict)
    certain: bool = True
    order: int = 0
    during: Event | None = None
    """The ``fit`` that goes on meanwhile, and whose callback does it behind the first step."""

    @property
    def span(self) -> Span:
        return self.context.span


@dataclass(slots=True, eq=False)
class World:
    """One course of an entry point: which side each unknown condition took, and what happened."""

    entry: str
    module: Module
    parent: World | None
    decisions: dict[Term, bool] = field(default_factory=dict)
    layers: list[LayerV] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    discards: list[tuple[Value, Context]] = field(default_factory=list)
    escapes: dict[int, Value] = field(default_factory=dict)
    escaped_at: dict[int, int] = field(default_factory=dict)
    """The order at which each escaped first."""
    results: list[tuple[FunctionV | None, Value]] = field(default_factory=list)
    asked: list[Value] = field(default_factory=list)
    flows: dict[Hashable, tuple[Value, ...]] = field(default_factory=dict)
    """What the results of calls out of sight were computed from, by their terms."""
    read: list[LayerV] = field(default_factory=list)
    """The models and layers whose weights are read as lists."""
    complete: bool = True
    raised: bool = False
    lost: bool = False
    """Every world of this entry point ends in an exception."""
    forked: bool = False
    explored: bool = False
    """Both sides of every condition were taken, in one world or another, but for those inside a layer's own ``call``."""

    def history(self) -> list[Event]:
        """All events that happened in this world, those of the module's body first."""
        before = self.parent.history() if self.parent is not None else []
        return [*before, *self.events]


@dataclass(slots=True, eq=False)
class WeightsV(Value):
    """A model's or layer's list of weights: ``which`` is "weights", "trainable" or "non_trainable"."""

    owners: list[LayerV]
    which: str
    span: Span | None = None
    context: Context | None = None


@dataclass(slots=True, eq=False)
class GradientsV(Value):
    """Gradients, with the models that own the weights they are taken with respect to."""

    owners: list[LayerV]
    event: Event | None = None
