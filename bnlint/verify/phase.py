"""The global learning phase of Keras 2: whether it is there, and what it does to training and prediction."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from bnlint.finding import Verdict
from bnlint.verify.bench import STILL, Inconclusive
from bnlint.verify.objects import Snapshot
from bnlint.verify.places import Place, overlaps

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench

_WORD = "learning_phase"


class Phase:
    """The question of one finding about a use of the learning phase."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def verdict(self) -> Verdict:
        """Whether the use at the place raises; where it does not, whether the phase leaves ``fit`` and ``predict`` as they are."""
        error = self.bench.failure()
        if isinstance(error, (AttributeError, ImportError)) and _WORD in str(error):
            return self._raises(error)
        if isinstance(error, NameError) and (cause := self._failed_import()) is not None:
            return self._raises(cause)
        uses = list(self._uses())
        if not uses:
            self.bench.since()
            return self.bench.decided(False, "the line uses no learning phase")
        for use in uses:
            try:
                found = eval(compile(ast.Expression(use), "<use>", "eval"), self.bench.stage.namespace)
            except (AttributeError, ImportError) as missing:
                return self._raises(missing)
            except NameError as missing:
                if (cause := self._failed_import()) is not None:
                    return self._raises(cause)
                raise Inconclusive(f"the use is not reached: {missing}") from missing
            if (backend := sys.modules.get(str(getattr(found, "__module__", "")))) is not None:
                return self._without_effect(backend)
        raise Inconclusive("what is used here is not known")

    def _raises(self, error: BaseException) -> Verdict:
        return self.bench.decided(True, f"this raises {type(error).__name__}: {' '.join(str(error).split())[:160]}")

    def _failed_import(self) -> BaseException | None:
        errors = (each.error for each in self.bench.recording.failures)
        return next((each for each in errors if isinstance(each, ImportError) and _WORD in str(each)), None)

    def _uses(self) -> Iterator[ast.expr]:
        """The names at the place that mean a learning phase, or came from an import of it."""
        tree = ast.parse(self.bench.stage.job.text)
        imports = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
        names = {alias.asname or alias.name for alias in imports if _WORD in alias.name}
        nodes = [each for each in ast.walk(tree) if isinstance(each, (ast.Name, ast.Attribute))]
        for node in nodes:
            used = _WORD in node.attr if isinstance(node, ast.Attribute) else node.id in names
            if used and overlaps(self._place(node), self.bench.span):
                yield node

    def _place(self, node: ast.expr) -> Place:
        end = node.end_lineno or node.lineno, (node.end_col_offset or 0) + 1
        return Place(self.bench.span.path, node.lineno, node.col_offset + 1, *end)

    def _without_effect(self, backend: ModuleType) -> Verdict:
        keras = sys.modules["tf_keras" if backend.__name__.startswith("tf_keras") else "keras"]
        x = np.random.default_rng(7).normal(2.0, 3.0, (32, 8)).astype("float32")
        model = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        with self.bench.stage.quiet():
            model(x)
            with learning_phase(backend, 0):
                fitted = _moved(model, lambda: model.fit(x, x[:, :1], batch_size=16, verbose=0))
            with learning_phase(backend, 1):
                predicted = _moved(model, lambda: model.predict(x, verbose=0))
        return self.bench.decided(
            fitted > STILL >= predicted,
            f"in phase 0 one fit of a small model still moves its moving statistics by {fitted:.2g}, in phase 1 one predict moves "
            f"them by {predicted:.2g}",
            fit=fitted,
            predict=predicted,
        )


def _moved(model: Any, work: Callable[[], Any]) -> float:
    snapshot = Snapshot(model)
    work()
    return max(snapshot.statistics_moved(each) for each in snapshot.layers if id(each) in snapshot.statistics)


@contextmanager
def learning_phase(backend: ModuleType, value: int) -> Iterator[None]:
    """The phase set while the block runs, and forgotten behind it."""
    backend.set_learning_phase(value)
    try:
        yield
    finally:
        forget_phase(backend)


def forget_phase(backend: Any) -> None:
    """Put the learning phase of a Keras 2 backend back to what it is in a new process."""
    graph = getattr(backend, "_DUMMY_EAGER_GRAPH", None)
    phases = getattr(backend, "_GRAPH_LEARNING_PHASES", None)
    if graph is not None and phases is not None:
        phases.pop(graph.key, None)
        graph.learning_phase_is_set = False
