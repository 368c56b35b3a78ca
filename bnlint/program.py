"""What the rules read: the layers, tensors, calls, models and events that the interpretation found.

Everything is over all worlds: every side that an unknown condition can take. A question that cannot be answered from
the source is answered by None, and a rule stays silent on it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from functools import cached_property, wraps
from pathlib import Path
from typing import TypeVar, cast

from bnlint.backend import backend_around
from bnlint.finding import Span
from bnlint.interpreter.layers import direct_sublayers, layers_in, plain_arguments, plain_value, wrapped_arguments
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.models import BATCHNORM, holds_batchnorm
from bnlint.interpreter.records import Call, Context, Event, LayerV, ModelV, TensorV, World
from bnlint.interpreter.values import ClassV, Const, FunctionV, SymbolV, Value
from bnlint.keras_api.shapes import UNKNOWN, channel_axis
from bnlint.keras_api.table import LayerInfo
from bnlint.sources import Sources

T = TypeVar("T")


class Program(Sources):
    """One analysis. ``options`` are those of the rule that is being asked."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.worlds: list[World] = machine.worlds
        self.cuts: list[tuple[Span, str]] = sorted(machine.cuts.items())
        self.answers: dict[object, object] = {}
        """What :func:`once` keeps."""

    # -- layers --------------------------------------------------------------------------------------------------

    def layers(self, symbol: str = "keras.layers.Layer") -> Iterator[LayerV]:
        """Every instance of a Keras class or of a subclass of it."""
        if symbol not in self._layers:
            self._layers[symbol] = [layer for world in self.worlds for layer in world.layers if self.is_a(layer, symbol)]
        yield from self._layers[symbol]

    @cached_property
    def _layers(self) -> dict[str, list[LayerV]]:
        return {}

    def sites(self, symbol: str) -> Iterator[tuple[Span, list[LayerV]]]:
        """The constructor expressions of a class, each with all instances made at it."""
        groups: dict[Span, list[LayerV]] = {}
        for layer in self.layers(symbol):
            if layer.site is not None:
                groups.setdefault(layer.site.span, []).append(layer)
        yield from groups.items()

    def is_a(self, layer: LayerV, symbol: str) -> bool:
        """Whether a layer's class is a Keras class or derives from it."""
        return self.table.issubclass(layer.symbol, symbol)

    def is_batchnorm(self, layer: LayerV | None) -> bool:
        """Whether a layer is Keras's batch normalization or a project's subclass of it."""
        return layer is not None and self.is_a(layer, BATCHNORM)

    def batchnorm_class(self, value: Value | None) -> str | None:
        """The name of a class, if it is Keras's batch normalization or a project's subclass of it."""
        symbols = value.symbols() if isinstance(value, ClassV) else [value] if isinstance(value, SymbolV) else []
        if not any(self.table.issubclass(each.path, BATCHNORM) for each in symbols):
            return None
        return value.name if isinstance(value, ClassV) else symbols[0].path.rpartition(".")[2]

    def holds_batchnorm(self, layer: LayerV) -> bool | None:
        """Whether a layer or model is, or holds at any depth, a batch normalization; None where that is not known."""
        return holds_batchnorm(self._machine, layer)

    def sublayers(self, layer: LayerV) -> list[LayerV]:
        """The layers that a layer or model holds itself."""
        return direct_sublayers(self._machine, layer)

    def all_sublayers(self, layer: LayerV) -> list[LayerV]:
        """The layers below a layer or model, at any depth."""
        found: dict[int, LayerV] = {}
        pending = self.sublayers(layer)
        while pending:
            each = pending.pop()
            if id(each) not in found and each is not layer:
                found[id(each)] = each
                pending.extend(self.sublayers(each))
        return list(found.values())

    def info(self, layer: LayerV) -> LayerInfo | None:
        """What the table knows about a layer's class."""
        return self.table.layer(layer.symbol)

    def arguments(self, layer: LayerV) -> dict[str, object]:
        """Constructor arguments as Python values, with defaults; ``UNKNOWN`` where they cannot be told."""
        return plain_arguments(self._machine, layer, assumed=False)

    def all_arguments(self, layer: LayerV, tensor: TensorV | None = None) -> dict[str, object]:
        """The arguments, with those of the layer inside a wrapper that is called on ``tensor``."""
        shape = tensor.shape if tensor is not None else None
        return {**self.arguments(layer), **wrapped_arguments(self._machine, layer, shape)}

    def argument(self, layer: LayerV, name: str) -> object:
        """One constructor argument; ``UNKNOWN`` where it cannot be told."""
        return self.arguments(layer).get(name, UNKNOWN)

    def made(self, layer: LayerV) -> dict[str, object]:
        """The arguments that the source gives to the constructor of the Keras class that a layer is, or derives from.

        ``UNKNOWN`` where they cannot be told, or where a command line may replace them.
        """
        given = layer.made.arguments if layer.made is not None else {}
        return {name: plain_value(self._machine, value, assumed=False) for name, value in given.items()}

    def made_value(self, layer: LayerV, name: str) -> Value | None:
        """One of these arguments as the value it is."""
        value = layer.made.arguments.get(name) if layer.made is not None else None
        return None if value is None else self._machine.resolve(value)

    def keywords_made(self, layer: LayerV) -> tuple[str, ...]:
        """The keywords of these arguments as the source has them."""
        return layer.made.site.keywords if layer.made is not None else ()

    def maker(self, layer: LayerV, name: str = "") -> Span | None:
        """The constructor that an argument is given to: a partial, the subclass's call, Keras's own or ``super().__init__``."""
        if layer.made is None or layer.site is None:
            return None
        site = layer.site if name in layer.site.argument_spans or name in layer.site.bound else layer.made.site
        return site.bound.get(name, site.span)

    def argument_span(self, layer: LayerV, name: str) -> Span | None:
        """The argument within that constructor; None where it comes from elsewhere."""
        maker = self.maker(layer, name)
        if maker is None or layer.made is None or layer.site is None:
            return None
        for site in (layer.site, layer.made.site):
            span = site.argument_spans.get(name)
            if span is not None and span.path == maker.path and maker[1:3] <= span[1:3] and span[3:5] <= maker[3:5]:
                return span
        return None

    def place(self, layer: LayerV, name: str) -> Span | None:
        """Where a wrong argument is reported: itself if it is in the constructor's first line, else the constructor."""
        maker, given = self.maker(layer, name), self.argument_span(layer, name)
        return given if given is not None and maker is not None and given.line == maker.line else maker

    def constructor_at_fault(self, layer: LayerV, name: str, faulty: Collection[Span]) -> Span:
        """Where an argument is wrong that must be so for all layers made with it: at the partial that gives it where the
        constructors of all these are ``faulty``, else at the layer's own."""
        assert layer.site is not None
        partial = layer.site.bound.get(name)
        if partial is None:
            return layer.site.span
        sites = (each.site for each in self.layers() if each.site is not None)
        shared = all(site.span in faulty for site in sites if site.bound.get(name) == partial)
        return partial if shared else layer.site.span

    def name(self, layer: LayerV) -> str:
        """What a message calls a layer: its class, and its name where the source gives one."""
        symbol = layer.application if isinstance(layer, ModelV) and layer.application else layer.symbol
        cls = layer.own_class.name if layer.own_class is not None else symbol.rpartition(".")[2]
        named = layer.name.value if isinstance(layer.name, Const) and isinstance(layer.name.value, str) else None
        return f'{cls} "{named}"' if named else cls

    # -- tensors -------------------------------------------------------------------------------------------------

    @cached_property
    def _consumers(self) -> dict[int, list[Call]]:
        found: dict[int, list[Call]] = {}
        for world in self.worlds:
            for call in world.calls:
                for tensor in call.inputs:
                    found.setdefault(id(tensor), []).append(call)
        return found

    @cached_property
    def _aliases(self) -> dict[int, list[TensorV]]:
        found: dict[int, list[TensorV]] = {}
        for world in self.worlds:
            for call in world.calls:
                for tensor in call.outputs:
                    if tensor.alias is not None:
                        found.setdefault(id(tensor.alias), []).append(tensor)
        return found

    @cached_property
    def _escaped(self) -> set[int]:
        found = {key for world in self.worlds for key in world.escapes}
        asked = {id(model): model for world in self.worlds for model in world.asked if isinstance(model, LayerV)}
        inner = {id(layer) for model in asked.values() for layer in self.all_sublayers(model)}
        outputs = (call.outputs for call in self.calls() if id(call.layer) in inner)
        return found.union(id(tensor) for tensors in outputs for tensor in tensors)

    @cached_property
    def _outputs(self) -> dict[int, list[ModelV]]:
        found: dict[int, list[ModelV]] = {}
        for model in self.models():
            for tensor in model.outputs:
                found.setdefault(id(tensor), []).append(model)
        return found

    def consumers(self, tensor: TensorV) -> list[Call]:
        """The calls that take a tensor."""
        return self._consumers.get(id(tensor), [])

    def aliases(self, tensor: TensorV) -> list[TensorV]:
        """The outputs of composite layers that stand for a tensor made inside them."""
        return self._aliases.get(id(tensor), [])

    def producer(self, tensor: TensorV) -> Call | None:
        """The application that made a tensor, inside the composite layer or nested model that gave it; None for a tensor
        that something made which cannot be followed."""
        for _ in range(100):
            while tensor.alias is not None:
                tensor = tensor.alias
            call = tensor.call
            if call is None or call.unknown_inputs or not call.known_function:
                return None
            nested = call.layer
            if not isinstance(nested, ModelV):
                return call
            known = nested.kind in ("functional", "sequential") and nested.complete
            if not known or len(nested.outputs) != len(call.outputs) or tensor not in call.outputs:
                return None
            tensor = nested.outputs[call.outputs.index(tensor)]
        return None

    def uses(self, tensor: TensorV) -> list[Call] | None:
        """Every application that takes a tensor, also behind the composite layers and nested models that hand it on; None where
        it may be used elsewhere, as what a model gives or what leaves the code in sight."""
        found: list[Call] = []
        seen: set[int] = set()
        pending = [tensor]
        while pending:
            each = pending.pop()
            if id(each) in seen:
                continue
            seen.add(id(each))
            models = self.models_ending_in(each)
            inside = [call for call in self.consumers(each) if not _hands_on(call)]
            behind = [*self.aliases(each), *(out for model in models for call in self.calls_of(model) for out in call.outputs)]
            if self.escapes(each) or any(self.is_used_itself(model) for model in models):
                return None
            if not (behind or self.consumers(each)):
                return None
            found.extend(inside)
            pending.extend(behind)
        return found

    def escapes(self, value: Value) -> bool:
        """Whether a value goes where it cannot be followed."""
        return id(value) in self._escaped

    def escapes_before(self, value: Value, order: int) -> bool:
        """Whether a value goes where it cannot be followed before something happens."""
        return any(world.escaped_at.get(id(value), order) < order for world in self.worlds)

    def models_ending_in(self, tensor: TensorV) -> list[ModelV]:
        """The models of which a tensor is an output."""
        return self._outputs.get(id(tensor), [])

    def is_used_itself(self, model: ModelV) -> bool:
        """Whether a model is, or may be, used for itself: trained, asked, saved, given away, bound in a module."""
        if self.escapes(model) or id(model) in self._event_targets or id(model) in self._returned:
            return True
        return id(model) in self._bound or (model.context is not None and model.context.function is None)

    @cached_property
    def _bound(self) -> set[int]:
        values = [value for module in self._modules for value in module.scope.names.values()]
        return {id(layer) for value in values for layer in layers_in(value)}

    @cached_property
    def _event_targets(self) -> set[int]:
        return {id(event.target) for world in self.worlds for event in world.events}

    @cached_property
    def _returned(self) -> set[int]:
        return {id(value) for world in self.worlds for _, value in world.results}

    @cached_property
    def _uncertain(self) -> set[ast.AST]:
        return self._machine.uncertain_functions()

    def made_without_batchnorm(self, span: Span) -> bool:
        """Whether a layer is also made in a course of the program in which no batch normalization appears."""
        return span in self._machine.plain_sites

    def is_uncertain(self, function: FunctionV | None) -> bool:
        """Whether a function has a condition of which not both sides could be followed."""
        return function is not None and function.node in self._uncertain

    # -- models and events ---------------------------------------------------------------------------------------

    def models(self) -> Iterator[ModelV]:
        """Every model."""
        for layer in self.layers("keras.Model"):
            if isinstance(layer, ModelV):
                yield layer

    def built_during(self, call: Call) -> list[ModelV]:
        """The functional models that are built while an own layer or model is applied."""
        return self._built_during.get(id(call), [])

    @cached_property
    def _built_during(self) -> dict[int, list[ModelV]]:
        found: dict[int, list[ModelV]] = {}
        for model in self.models():
            if model.kind == "functional" and model.context is not None and model.context.layer_call is not None:
                found.setdefault(id(model.context.layer_call), []).append(model)
        return found

    def calls(self) -> Iterator[Call]:
        """Every application of a layer, model or function."""
        for world in self.worlds:
            yield from world.calls

    @cached_property
    def _calls_of(self) -> dict[int, list[Call]]:
        found: dict[int, list[Call]] = {}
        for call in self.calls():
            if call.layer is not None:
                found.setdefault(id(call.layer), []).append(call)
                if call.layer.stands_for is not None:
                    found.setdefault(id(call.layer.stands_for), []).append(call)
        return found

    def calls_of(self, layer: LayerV) -> list[Call]:
        """The applications of one layer or model."""
        return self._calls_of.get(id(layer), [])

    def events(self, *kinds: str) -> Iterator[Event]:
        """Every event of some kinds."""
        if kinds not in self._events:
            self._events[kinds] = [event for world in self.worlds for event in world.events if event.kind in kinds]
        yield from self._events[kinds]

    @cached_property
    def _events(self) -> dict[tuple[str, ...], list[Event]]:
        return {}

    def histories(self) -> Iterator[tuple[World, list[Event]]]:
        """The events of each world in their order, those of the module's body first."""
        for world in self.worlds:
            yield world, world.history()

    @cached_property
    def _parents(self) -> dict[int, list[LayerV]]:
        found: dict[int, list[LayerV]] = {}
        for parent in self.layers():
            for child in self.sublayers(parent):
                found.setdefault(id(child), []).append(parent)
        return found

    def holders(self, layer: LayerV) -> list[LayerV]:
        """The layers and models that hold a layer themselves."""
        return self._parents.get(id(layer), [])

    @cached_property
    def _trainable_events(self) -> dict[int, list[Event]]:
        found: dict[int, list[Event]] = {}
        for event in self.events("trainable"):
            for layer in event.affected:
                found.setdefault(id(layer), []).append(event)
        return found

    def trainable_writes(self, layer: LayerV) -> list[Event]:
        """The statements that set a layer's ``trainable``, itself or through a parent."""
        return self._trainable_events.get(id(layer), [])

    def may_be_frozen(self, layer: LayerV) -> bool:
        """Whether a layer is, or may be, frozen whenever its model is trained."""
        layer = layer.stands_for or layer
        made = layer.arguments.get("trainable")
        if made is not None and not is_constant(made, True):
            return True
        writes = self.trainable_writes(layer)
        if all(is_constant(event.value, True) for event in writes):
            return False
        trained = [
            event.snapshot[id(layer)][1]
            for event in self.events("compile", "fit", "train_on_batch")
            if id(layer) in event.snapshot
        ]
        return not any(is_constant(value, True) for value in trained)

    # -- classes -------------------------------------------------------------------------------------------------

    def classes(self, symbol: str) -> Iterator[ClassV]:
        """The project's classes that derive from a Keras class."""
        for cls in self._machine.classes.values():
            if any(self.table.issubclass(base.path, symbol) for base in cls.symbols()):
                yield cls

    def own_layers(self, cls: ClassV) -> list[LayerV]:
        """The instances of a project's layer or model class."""
        return self._own_layers.get(cls.node, [])

    @cached_property
    def _own_layers(self) -> dict[ast.AST, list[LayerV]]:
        found: dict[ast.AST, list[LayerV]] = {}
        for layer in self.layers():
            if layer.own_class is not None:
                found.setdefault(layer.own_class.node, []).append(layer)
        return found

    # -- Keras's table, for a layer -----------------------------------------------------------------------------

    def generation(self, layer: LayerV) -> str:
        """The Keras generation of a layer, "2" or "3"."""
        return layer.generation or self._machine.generation

    def backend(self, place: LayerV | Span) -> str | None:
        """The backend that Keras runs on there, such as "jax", as far as the code tells; None where nothing tells it."""
        if isinstance(place, LayerV):
            if self.generation(place) == "2":
                return "tensorflow"
            place = place.site.span if place.site is not None else Span("", 0, 0, 0, 0)
        return backend_around(self._machine.modules, Path(place.path))

    def channel_axis(self, layer: LayerV) -> int | None:
        """The axis of a layer's output on which its channels lie."""
        info = self.info(layer)
        return channel_axis(info.family, self.all_arguments(layer)) if info is not None and info.family else None


def once(question: Callable[[Program], T]) -> Callable[[Program], T]:
    """A question of which the answer is kept, with the program that it was asked of."""

    @wraps(question)
    def ask(program: Program) -> T:
        if question not in program.answers:
            program.answers[question] = question(program)
        return cast(T, program.answers[question])

    return ask


def _hands_on(call: Call) -> bool:
    """Whether a call only hands its inputs to the calls inside it, which take them themselves."""
    layer = call.layer
    own = layer.own_class.find("call") if layer is not None and layer.own_class is not None else None
    return own is not None and call.known_function and bool(call.children)


def is_constant(value: Value | None, expected: object) -> bool:
    """Whether a value is known to be a constant (``True`` also matches a truthy number)."""
    if not isinstance(value, Const):
        return False
    return bool(value.value) is expected if isinstance(expected, bool) else bool(value.value == expected)


def functions_around(context: Context) -> list[FunctionV]:
    """The functions in which something happens, innermost first."""
    return [each.function for each in context.chain() if each.function is not None]
