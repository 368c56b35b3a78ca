"""Measures in which mode normalizations run: in a fit, in predict, in a bare call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bnlint.finding import Verdict
from bnlint.verify.around import Around, around, unvisited, users
from bnlint.verify.bench import STILL, Inconclusive
from bnlint.verify.objects import Snapshot, difference, is_norm, is_symbolic, keras_of, norms_of, statistics
from bnlint.verify.replay import tensors
from bnlint.verify.synthetic import leaves, mapped, numpy_of

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench
    from bnlint.verify.recorder import LayerCall

ABSENT = "absent"
"""The mode of a call that does not say any."""
_MOST_MODELS = 4


def given(call: LayerCall) -> Any:
    """The mode that a caller gives a layer, by name or, as a bool, by position: True, False, None or ABSENT; else what it is."""
    mode = call.keywords.get("training", ABSENT)
    if mode is ABSENT:
        mode = next((each for each in call.arguments[1:] if isinstance(each, bool)), ABSENT)
    return bool(mode) if isinstance(mode, (int, np.bool_)) else mode


@dataclass(eq=False)
class Watched:
    """What something did to a model: the calls of layers, how far statistics moved, by normalization, and other weights."""

    model: Any
    calls: list[LayerCall]
    moved: dict[int, float]
    weights: float = 0.0
    dependence: float = 0.0


_WORDS = {"fit": "fit", "predict": "predict", "bare": "bare call of the model"}
Work = Callable[[Any], Watched]


class Modes:
    """Questions of one finding about modes; each raises Inconclusive where it cannot be answered."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.stage, self.span = bench, bench.stage, bench.span

    # What the place tells its layers

    def calls(self, calls: list[LayerCall] | None = None) -> list[LayerCall]:
        """The calls at the place that the user's code makes, of layers with normalizations; of all that were seen, or of these."""
        known = self.stage.recording.calls if calls is None else calls
        return self.bench.at([each for each in known if each.direct and norms_of(each.layer)], self.span)

    def told(self, mode: bool | None, work: Work, still: bool) -> Verdict:
        """Whether trainable normalizations that the place gives a mode stand still (or move) while something is done to the model.

        Refuted only where none does, and every use of the code around the place has been seen.
        """
        fine: list[Watched] = []
        for watched in self._watches(work):
            for norm, modes in self._at_place(watched):
                moved = watched.moved[id(norm)]
                if (moved <= STILL) is not still:
                    fine.append(watched)
                elif mode not in modes:
                    raise Inconclusive(f"the statistics of {norm.name} move by {moved:.2g}, but not for what they are told here")
                elif still and work == self.fit and watched.weights <= STILL:
                    raise Inconclusive("the training moves no weight at all")
                else:
                    return self._decided(True, watched, moved, work)
        if not fine:
            raise Inconclusive("no trainable batch normalization is called at this place")
        self.covered()
        moves = [watched.moved[id(norm)] for watched in fine for norm, _ in self._at_place(watched)]
        return self._decided(False, fine[0], min(moves) if still else max(moves), work)

    def _decided(self, confirmed: bool, watched: Watched, statistics: float, work: Work) -> Verdict:
        numbers = {"statistics": statistics}
        reason = f"one {_WORDS[work.__name__]} moves the moving statistics by {statistics:.2g}"
        if work.__name__ == "fit":
            numbers["weights"] = watched.weights
            reason += f" and the other weights by {watched.weights:.2g}"
        else:
            numbers["dependence"] = watched.dependence
            reason += f", and changes the output of one sample by {watched.dependence:.2g} of its scale with its batch mates"
        return self.bench.decided(confirmed, reason, **numbers)

    def _at_place(self, watched: Watched) -> list[tuple[Any, list[Any]]]:
        """The trainable normalizations of a model that calls at the place reach, and the modes that these give."""
        found: dict[int, tuple[Any, list[Any]]] = {}
        for call in [*self.calls(watched.calls), *self.in_graphs()]:
            for norm in norms_of(call.layer):
                if id(norm) in watched.moved and norm.trainable:
                    found.setdefault(id(norm), (norm, []))[1].append(given(call))
        return list(found.values())

    def in_graphs(self) -> list[LayerCall]:
        """The calls at the place that were made while a functional model was built."""
        return [each for each in self.calls() if any(map(is_symbolic, leaves(list(each.arguments))))]

    def graph_of_keras_3(self) -> bool:
        """Whether all calls at the place were made while functional models of Keras 3 were built."""
        graphs = self.in_graphs()
        return len(graphs) == len(self.calls()) > 0 and all(hasattr(keras_of(each.layer), "ops") for each in graphs)

    def given_in_graphs(self) -> list[Any]:
        """The modes that calls at the place give while a functional model is built."""
        return [given(each) for each in self.in_graphs()]

    def covered(self) -> None:
        """Raises Inconclusive unless every use in the file of the function and of the class around the place has been run."""
        recording = self.stage.recording
        stacks = [each.stack for each in recording.constructions] + [each.stack for each in recording.calls]
        visited = [place for stack in stacks for place in stack]
        missing = unvisited(users(self.stage.job.text, self.around), visited)
        if missing:
            raise Inconclusive(f"it is as it should be, but the use in line {missing[0]} has not been run")

    @property
    def around(self) -> Around:
        """The function and the class around the place."""
        return around(self.stage.job.text, self.span)

    # Models at work

    def fit(self, model: Any) -> Watched:
        """One real, short ``fit``."""
        return self._watched(model, lambda: self.bench.fit(model))

    def predict(self, model: Any) -> Watched:
        """One ``predict`` of a batch, and of another one that shares its first sample."""
        return self._called(model, lambda batch: model.predict(batch, batch_size=len(leaves(batch)[0]), verbose=0))

    def bare(self, model: Any) -> Watched:
        """A call of the model that does not say the mode, and another one whose batch shares the first sample."""
        return self._called(model, lambda batch: model(tensors(model, batch)))

    def _called(self, model: Any, work: Callable[[Any], Any]) -> Watched:
        batch, other = (self.bench.batch(model, seed=seed) for seed in (7, 8))
        firsts = iter(leaves(batch))
        other = mapped(other, lambda each: np.concatenate([next(firsts)[:1], each[1:]]))
        outputs: list[Any] = []

        def run(data: Any) -> None:
            keras_of(model).utils.set_random_seed(11)
            outputs.append([np.asarray(each)[0] for each in leaves(numpy_of(work(data))) if np.ndim(each)])

        with self.bench.restored(model):
            watched = self._watched(model, lambda: run(batch))
        with self.bench.restored(model):
            run(other)
        scale = max((float(np.max(np.abs(each))) for each in outputs[0] if each.size), default=0.0)
        watched.dependence = difference(*outputs) / (scale + 1e-12)
        return watched

    def _watched(self, model: Any, work: Callable[[], Any]) -> Watched:
        snapshot = Snapshot(model)
        untracked = {id(each): (each, statistics(each)) for each in self._untracked(model)}
        with self.stage.listening() as calls:
            work()
        self.stage.recording.calls += calls
        moved = {id(each): snapshot.statistics_moved(each) for each in snapshot.layers if id(each) in snapshot.statistics}
        called = {id(each.layer) for each in calls}
        moved |= {key: difference(old, statistics(each)) for key, (each, old) in untracked.items() if key in called}
        weights = max((snapshot.weights_moved(each) for each in snapshot.layers), default=0.0)
        return Watched(model, calls, moved, weights)

    def _untracked(self, model: Any) -> list[Any]:
        """The normalizations seen so far that are in no model: the code may call them from one that does not know of them."""
        known = {id(each) for each in norms_of(model)}
        seen = {id(each.layer): each.layer for each in self.stage.recording.calls if is_norm(each.layer)}
        return [each for key, each in seen.items() if key not in known and statistics(each)]

    def _watches(self, work: Work) -> Iterator[Watched]:
        """The work done to each model that calls at the place are part of, outermost and latest first."""
        errors: list[Inconclusive] = []
        found = 0
        for model in self.models()[:_MOST_MODELS]:
            try:
                watched = work(model)
            except Inconclusive as error:
                errors.append(error)
                continue
            if self._at_place(watched):
                found += 1
                yield watched
        if errors and not found:
            raise errors[0]

    def models(self) -> list[Any]:
        """The models with normalizations, built, outermost and latest first; their calls of layers are recorded."""
        errors: list[Inconclusive] = []
        built = []
        for model in self.bench.models():
            with self.stage.listening() as calls:
                try:
                    built.append(self.bench.built(model))
                except Inconclusive as error:
                    errors.append(error)
            self.stage.recording.calls += calls
        if errors and not built:
            raise errors[0]
        return [each for each in built if norms_of(each)]
