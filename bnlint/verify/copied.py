"""What copies, averages and files of models leave out: which weights the code at a place writes or lists, and which not."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bnlint.finding import Span, Verdict
from bnlint.verify.bench import STILL, Inconclusive
from bnlint.verify.modes import given
from bnlint.verify.objects import Snapshot, is_model, layers_of, norms_of, statistics
from bnlint.verify.places import Place, overlaps
from bnlint.verify.synthetic import numpy_of
from bnlint.verify.weight_records import Assignment, ListRead, keys_of

if TYPE_CHECKING:
    from types import FrameType

    from bnlint.verify.bench import Bench

DIFFERS = 1e-4
"""Outputs that change by less of their scale do not hang on the statistics: float32 rounds to 1e-7, some layers one upon another to 1e-5."""
_SHIFT = 0.5
_HALF = 0.5
_GRADIENTS = {"gradient", "gradients", "jacobian", "apply_gradients", "minimize", "compute_gradients"}
_OPTIMIZERS = {"apply_gradients", "minimize"}
_FITS = {"fit", "fit_generator", "train_on_batch"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class Copied:
    """The question of one finding about a copy, an average or a file made of trainable weights."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.recording, self.span = bench, bench.recording, bench.span

    def verdict(self) -> Verdict:
        """Whether the statistics stay behind; raises Inconclusive."""
        written = self.bench.written()
        for call in written.nodes(ast.Call):
            if _name(call.func) == "clone_model" and call.args:
                return self._of_clone(call)
        if any(each.arg == "use_ema" for each in written.nodes(ast.keyword)):
            return self._of_average()
        self.bench.since()
        if (refused := self._refused_by_set_weights()) is not None:
            return self.bench.decided(True, f"set_weights raises: {self.bench.said(refused)}")
        verdicts = [self._of_written(model, share) for model, share in self._written_models()]
        if verdicts:
            return next((each for each in verdicts if each.status == "confirmed"), verdicts[0])
        return self._of_list()

    # The place in the source

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.bench.stage.job.text)

    def _statement(self, span: Span) -> Span:
        """The innermost statement around a span, with all that is in it."""
        found = [
            each
            for each in ast.walk(self._tree)
            if isinstance(each, ast.stmt) and each.lineno <= span.line <= (each.end_lineno or each.lineno)
        ]
        if span.path != self.bench.stage.job.path or not found:
            return Span(span.path, span.line, 1, span.end_line + 1, 1)
        inner = min(found, key=lambda each: ((each.end_lineno or each.lineno) - each.lineno, -each.col_offset))
        return Span(span.path, inner.lineno, 1, (inner.end_lineno or inner.lineno) + 1, 1)

    @cached_property
    def _near(self) -> list[Span]:
        return [self._statement(each) for each in (self.span, *self.bench.question.related)]

    def _is_near(self, stack: Iterable[Place]) -> bool:
        return any(overlaps(place, span) for place in stack for span in self._near)

    def _scope(self, line: int) -> tuple[int, list[int]]:
        """The innermost function around a line, and the loops in it around the line, by their first lines."""
        function = 0
        loops: list[int] = []
        pending: list[ast.AST] = [self._tree]
        while pending:
            for child in ast.iter_child_nodes(pending.pop()):
                first, last = getattr(child, "lineno", 0), getattr(child, "end_lineno", 0) or 0
                if not first <= line <= last:
                    continue
                if isinstance(child, _FUNCTIONS):
                    function, loops = child.lineno, []
                elif isinstance(child, _LOOPS) and line >= child.body[0].lineno:
                    loops.append(child.lineno)
                pending.append(child)
        return function, sorted(loops)

    def _is_beside(self, stack: Iterable[Place]) -> bool:
        """Whether something happens in, or is called from, the function at the place, in the loops around the place."""
        function, loops = self._scope(self.span.line)
        for place in stack:
            if place.path == self.span.path:
                other, others = self._scope(place.line)
                if other == function and others[: len(loops)] == loops:
                    return True
        return False

    # What is written

    def _written_models(self) -> list[tuple[Any, float]]:
        """The models, innermost ones, most of whose trainable weights are written at the place, with the share."""
        keys = {key for each in self._writes() for key in keys_of(each.variable)}
        found = []
        for model in self.bench.stage.models():
            trained = list(getattr(model, "trainable_weights", ())) if _moving(model) else []
            share = sum(not keys_of(each).isdisjoint(keys) for each in trained) / max(len(trained), 1)
            if share >= _HALF:
                found.append((model, share))
        return _innermost(found)

    def _writes(self) -> list[Assignment]:
        """What is assigned at the place, other than by optimizers."""
        return [each for each in self.recording.assignments if self._is_near(each.stack) and not each.through & _OPTIMIZERS]

    def _of_written(self, model: Any, share: float) -> Verdict:
        moving = _moving(model)
        keys = {key for each in moving for key in keys_of(each)}
        writes = [each for each in self.recording.assignments if not keys_of(each.variable).isdisjoint(keys)]
        since = min(each.time for each in self._writes())
        beside = [each for each in writes if self._is_beside(each.stack) and self._counts(each.time, since)]
        if any("__call__" in each.through and not each.through & _FITS for each in beside):
            raise Inconclusive("the copy is called in training mode, and has statistics of its own")
        copies = [each for each in writes if "__call__" not in each.through and not each.through & _FITS]
        beside = [each for each in copies if each in beside]
        found = {key for each in beside for key in keys_of(each.variable)}
        count = sum(not keys_of(each).isdisjoint(found) for each in moving)
        total = len(model.trainable_weights)
        if 0 < count < len(moving):
            raise Inconclusive(f"{count} of {len(moving)} moving statistics are written, too")
        words = f"{round(share * total)} of {total} trainable weights of {model.name} are written here"
        if count:
            reason = f"{words}, and {count} of {count} moving statistics with them"
            return self.bench.decided(False, reason, weights=share, statistics=1.0)
        if loaded := [each for each in self._loaded(model) if self._counts(each, since)]:
            raise Inconclusive(f"all weights of the copy are loaded beside this place ({len(loaded)} times)")
        later = next((each for each in copies if each.time > since and not self._trained_between(since, each.time)), None)
        if later is not None:
            raise Inconclusive(f"the moving statistics of the copy are written in line {later.stack[0].line}")
        apart = self._apart(model)
        end = "" if apart is None else f"; with statistics that differ, its outputs are off by {apart:.2g} of their scale"
        reason = f"{words}, and 0 of {len(moving)} moving statistics{end}"
        return self.bench.decided(True, reason, weights=share, statistics=0.0, **({} if apart is None else {"outputs": apart}))

    def _counts(self, time: int, since: int) -> bool:
        """Whether a write of statistics goes with the copy: behind its beginning, or before it with no training between."""
        return time >= since or not self._trained_between(time, since)

    def _trained_between(self, first: int, last: int) -> bool:
        return any(each.kind in {*_FITS, "update"} and first < each.time < last for each in self.recording.happenings)

    def _loaded(self, model: Any) -> list[int]:
        """The times at which a model is given a file's weights beside the place."""
        loads = [each for each in self.recording.happenings if each.kind == "load_weights" and self._is_beside(each.stack)]
        return [each.time for each in loads if any(part is model for part in layers_of(each.model))]

    def _apart(self, model: Any) -> float | None:
        """How far outputs of a copy are off its source's where all but the statistics is the same, as a share of their scale.

        The statistics of the source, or of the model itself where its source is none, are shifted as a training does.
        """
        reads = [each.layer for each in self.recording.lists if self._is_near(each.stack) and is_model(each.layer)]
        shapes = [tuple(each.shape) for each in model.weights]
        others = (each for each in reads if each is not model and [tuple(part.shape) for part in each.weights] == shapes)
        source = next(others, model)
        with suppress(Inconclusive, ValueError, TypeError), self.bench.restored(model), self.bench.restored(source):
            self.bench.built(model)
            for own, theirs in zip(model.trainable_weights, source.trainable_weights, strict=True):
                own.assign(numpy_of(theirs))
            return self._shifted(source, model)
        return None

    def _shifted(self, source: Any, copy: Any) -> float:
        batch = self.bench.batch(copy)
        after = self.bench.outputs(copy, batch, training=False)
        self._shift(source)
        return self.bench.relative_change(self.bench.outputs(source, batch, training=False), after)

    def _shift(self, model: Any) -> None:
        for each in _moving(model):
            self.bench.shift(each, _SHIFT)

    def _refused_by_set_weights(self) -> BaseException | None:
        """What set_weights raises at the place because the weights are too few."""

        def in_set_weights(frame: FrameType) -> bool:
            return frame.f_code.co_name == "set_weights"

        error = self.bench.raised(in_set_weights)
        return error if isinstance(error, ValueError) else None

    # What is listed

    def _of_list(self) -> Verdict:
        reads = self.bench.at(list(self.recording.lists), self.span)
        if not reads:
            raise Inconclusive("no list of a model's weights is read at this place")
        self._no_gradients()
        verdicts = [self._of_read(model, part) for model, part in self._by_model(reads)]
        if not verdicts:
            raise Inconclusive("the weights read here are those of no model with a trainable batch normalization")
        return next((each for each in verdicts if each.status == "confirmed"), verdicts[0])

    def _by_model(self, reads: list[ListRead]) -> Iterator[tuple[Any, list[ListRead]]]:
        models: dict[int, tuple[Any, list[ListRead]]] = {}
        for each in reads:
            model = each.layer if is_model(each.layer) else self.bench.stage.model_of(each.layer)
            if model is not None and _moving(model):
                models.setdefault(id(model), (model, []))[1].append(each)
        yield from models.values()

    def _no_gradients(self) -> None:
        """Raises Inconclusive where the list is there to take gradients, or to apply them."""
        near = self._statement(self.span)
        nodes = [each for each in ast.walk(self._tree) if isinstance(each, ast.Call)]
        calls = [each for each in nodes if near.line <= each.lineno < near.end_line]
        if any(_name(each.func) in _GRADIENTS for each in calls):
            raise Inconclusive("the weights are read for their gradients")

    def _of_read(self, model: Any, reads: list[ListRead]) -> Verdict:
        moving = _moving(model)
        keys = {key for each in reads for variable in each.variables for key in keys_of(variable)}
        count = sum(not keys_of(each).isdisjoint(keys) for each in moving)
        listed = sum(not keys_of(each).isdisjoint(keys) for each in model.weights)
        words = f"{listed} of {len(model.weights)} weights of {model.name} are in the list"
        numbers = {"weights": listed / len(model.weights), "statistics": count / len(moving)}
        if count == len(moving):
            return self.bench.decided(False, f"{words}, all {count} moving statistics among them", **numbers)
        if count or not listed:
            raise Inconclusive(f"{words}, {count} of {len(moving)} moving statistics among them")
        parts = {id(each) for each in layers_of(model)}
        others = [
            each
            for each in self.recording.lists
            if (id(each.layer) in parts or any(part is model for part in layers_of(each.layer)))
            and not each.name.startswith("trainable")
        ]
        if any(self._is_beside(each.stack) for each in others):
            raise Inconclusive(f"{words}, but the function reads the others, too")
        apart = self._lost(model)
        if apart is not None and apart <= DIFFERS:
            raise Inconclusive(f"the outputs of {model.name} do not hang on its moving statistics")
        end = "" if apart is None else f"; without the others, the outputs are off by {apart:.2g} of their scale"
        numbers |= {} if apart is None else {"outputs": apart}
        return self.bench.decided(True, f"{words}, and none of {len(moving)} moving statistics{end}", **numbers)

    def _lost(self, model: Any) -> float | None:
        """How far the outputs of a model that only its listed weights are known of are off, as a share of their scale."""
        with suppress(Inconclusive, ValueError, TypeError), self.bench.restored(model):
            self.bench.built(model)
            batch = self.bench.batch(model)
            self._shift(model)
            before = self.bench.outputs(model, batch, training=False)
            for each in norms_of(model):
                for variable, value in zip((each.moving_mean, each.moving_variance), (0.0, 1.0), strict=True):
                    variable.assign(np.full(tuple(variable.shape), value, "float32"))
            return self.bench.relative_change(before, self.bench.outputs(model, batch, training=False))
        return None

    # Clones and averages

    def _of_clone(self, call: ast.Call) -> Verdict:
        original = self.bench.value(call.args[0])
        clone = self.bench.made(lambda each: is_model(each) and bool(norms_of(each)))[-1]
        if not is_model(original) or clone is original or not _moving(original):
            raise Inconclusive("what is cloned is no model with a trainable batch normalization")
        since = self.bench.since()
        happened = [each.kind for each in self.bench.events(*_FITS, "load_weights", after=since) if each.model is clone]
        if happened:
            raise Inconclusive(f"the clone gets weights of its own, by {happened[0]}")
        keys = {key for each in clone.weights for key in keys_of(each)}
        written = {key for each in self.recording.assignments if each.time >= since for key in keys_of(each.variable)} & keys
        count = sum(not keys_of(each).isdisjoint(written) for each in clone.weights)
        total = len(clone.weights)
        words = f"{count} of {total} weights of the clone are written"
        if count == total:
            return self.bench.decided(False, words, weights=1.0)
        if count:
            raise Inconclusive(words)
        batch = self.bench.batch(original)
        with self.bench.restored(original):
            self._shift(original)
            outputs = [self.bench.outputs(each, batch, training=False) for each in (original, clone)]
        apart = self.bench.relative_change(*outputs)
        reason = f"{words}, and its outputs are off the original's by {apart:.2g} of their scale"
        return self.bench.decided(apart > DIFFERS, reason, weights=0.0, outputs=apart)

    def _of_average(self) -> Verdict:
        since = self.bench.since()
        self.bench.events(*_FITS)
        models = [each for each in self.bench.models() if _moving(each) and getattr(each, "optimizer", None) is not None]
        if not models:
            raise Inconclusive("no model with a trainable batch normalization is compiled")
        for model in models:
            if not getattr(model.optimizer, "use_ema", False):
                continue
            calls = [each for each in self.recording.calls if each.layer is model and each.direct and each.time > since]
            if any(given(each) is True for each in calls):
                raise Inconclusive("the model is called in training mode, which may refresh its statistics")
            weights, moved = self._finalized(model)
            if weights <= STILL:
                raise Inconclusive("the optimizer puts no averages in the place of the weights")
            reason = (
                f"at the end of a fit the averages change the weights by {weights:.2g} and the moving statistics by {moved:.2g}"
            )
            return self.bench.decided(moved <= STILL, reason, weights=weights, statistics=moved)
        return self.bench.decided(False, "no optimizer of the models averages weights", models=len(models))

    def _finalized(self, model: Any) -> tuple[float, float]:
        """How far the end of a fit moves the weights and the statistics, when the optimizer puts its averages in their place."""
        optimizer, found = model.optimizer, [(0.0, 0.0)]
        original = optimizer.finalize_variable_values

        def finalize(variables: Any) -> None:
            before = Snapshot(model)
            original(variables)
            weights = max(before.weights_moved(each) for each in before.layers)
            found.append((weights, max(before.statistics_moved(each) for each in norms_of(model))))

        optimizer.finalize_variable_values = finalize
        try:
            self.bench.fit(model)
        finally:
            del optimizer.finalize_variable_values
        return found[-1]


def _innermost(found: list[tuple[Any, float]]) -> list[tuple[Any, float]]:
    """Those of the models that hold no other of them."""
    models = [each for each, _ in found]
    return [
        (model, share)
        for model, share in found
        if not any(part is other for part in layers_of(model) if part is not model for other in models)
    ]


def _moving(model: Any) -> list[Any]:
    """The moving statistics of a model's trainable normalizations, as variables."""
    norms = [each for each in norms_of(model) if each.trainable and statistics(each)]
    return [variable for each in norms for variable in (each.moving_mean, each.moving_variance)]


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
