"""A Keras callback that watches moving against batch statistics during ``fit``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from math import exp
from os import PathLike, fspath
from typing import Any

import numpy as np

from bnlint.finding import Finding, Severity
from bnlint.verify import monitor_course as course_of
from bnlint.verify.codes import codes_of, finding
from bnlint.verify.live import Live, to_array
from bnlint.verify.live_places import MOST_NAMES, caller
from bnlint.verify.monitor_course import LayerCourse, Remark, State
from bnlint.verify.reference import Moments, moments, normalized
from bnlint.verify.samples import samples_of
from bnlint.verify.unchanged import state_variables, unchanged

_SEVERITIES: dict[str, Severity] = {"BN509": "warning", "BN702": "warning"}


class BatchNormWarning(UserWarning):
    """What :class:`BatchNormMonitor` has to say."""


class BatchNormMonitor:
    """Watches every batch normalization of a model in ``fit`` and warns in words, each fault once, of statistics that

    - are never updated (after the first epoch), or are NaN or infinite (at the end of the epoch),
    - have not settled, belong to dead channels, or have drifted from those of a pretrained model (at the end).

    It is a callback of whichever Keras is imported, Keras 3 or Keras 2 (tf_keras): ``model.fit(x, y,
    callbacks=[BatchNormMonitor(x[:32])])``.

    ``data``, a few samples such as :func:`bnlint.verify.audit` takes (at most 32 are used), lets it compare the moving
    statistics with those of a batch: at the end of every ``every``-th epoch the model is run once, in inference mode but with
    the batch's own statistics where the layer trains. Without data it goes by the moving statistics and the number of steps
    alone. Neither changes the training: no weight, statistic or random generator.

    ``tensorboard`` is a folder to write the course to, for which TensorFlow is needed. ``ignore`` names rules not to be
    warned of. Afterwards ``findings`` holds what was warned of, ``courses`` the numbers by layer, and :meth:`plot` draws them.
    """

    async_safe = False

    def __new__(cls, *_: Any, **__: Any) -> BatchNormMonitor:  # noqa: PYI034 - Self is not in Python 3.10
        """An instance that is a Callback of every Keras imported so far, so that ``fit`` takes it for one of its own."""
        made: BatchNormMonitor = object.__new__(_as_callback(cls, _callbacks()))
        return made

    def __init__(
        self,
        data: Any = None,
        *,
        every: int = 1,
        tensorboard: str | PathLike[str] | None = None,
        ignore: Iterable[str] = (),
    ) -> None:
        if every < 1:
            raise ValueError(f"every={every}: give the number of epochs from one look to the next, at least 1")
        self.findings: list[Finding] = []
        self.courses: dict[str, LayerCourse] = {}
        self.params: Mapping[str, Any] | None = None
        self.validation_data = None
        self._chief_worker_only = None
        self._supports_tf_logs = True  # Keras 2 then does not fetch the logs of every batch for us
        self._model: Any = None
        self._live: Live | None = None
        self._asked = caller()
        self._samples = samples_of(data) if data is not None else None
        self._every = every
        self._folder = None if tensorboard is None else fspath(tensorboard)
        self._writer: Any = _writer(self._folder) if self._folder is not None else None
        self._ignored = codes_of(ignore)
        self._said: set[tuple[str, str]] = set()
        self._by_layer: dict[int, LayerCourse] = {}
        self._updates = self._in_epoch = 0
        self._fine_tuning = False

    @property
    def model(self) -> Any:
        """The model that is watched."""
        if self._live is not None:
            self._live.synchronize()
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self.set_model(model)

    def set_model(self, model: Any) -> None:
        """Called by Keras."""
        self._model = model
        self._live = None if model is None else Live(model)

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        """Called by Keras."""
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None:
        """Notes where the statistics begin."""
        self._updates = self._in_epoch = 0
        self._by_layer.clear()
        self.courses.clear()
        optimizer = getattr(self._model, "optimizer", None)
        steps = getattr(optimizer, "iterations", None)
        # Who goes on with a training means the statistics to go on moving, too.
        self._fine_tuning = steps is None or not to_array(steps).any()
        self._note(-1, None)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Called by Keras."""
        self._in_epoch = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts the updates; with several steps in one execution Keras 3 tells the last, and past the end of the epoch."""
        steps = (self.params or {}).get("steps") or batch + 1
        done = max(self._in_epoch, min(batch + 1, steps))
        self._updates += done - self._in_epoch
        self._in_epoch = done

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the statistics, and warns of those that stand still or are broken."""
        if (epoch + 1) % self._every == 0 or not any(len(each.states) > 1 for each in self.courses.values()):
            self._look(epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Warns of what only the whole training shows."""
        courses = list(self.courses.values())
        if not courses or not self._updates:
            return
        if courses[0].last.updates != self._updates:
            self._look(courses[0].last.epoch + 1)
        if not any(course.non_finite() for course in courses):  # what follows NaN is no fault of its own
            self._say(course_of.unsettled(courses))
            self._say(course_of.dead_channels(courses))
            if self._fine_tuning:
                self._say(course_of.drifted(courses))
        if self._writer is not None:
            self._writer.flush()

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """Draws the course of all layers over the epochs as a matplotlib Figure, and saves it as ``path`` where one is given.

        Raises ImportError where matplotlib is not installed, ValueError before a training.
        """
        from bnlint.verify.monitor_picture import draw

        figure = draw(list(self.courses.values()))
        if path is not None:
            figure.savefig(fspath(path))
        return figure

    def _look(self, epoch: int) -> None:
        assert self._live is not None
        self._live.synchronize()
        self._note(epoch, self._batch_moments())
        courses = list(self.courses.values())
        live = self._live
        self._say(course_of.never_updated(courses, live.generation != "2" and not live.has_training(live.model)))
        self._say(course_of.broken(courses))
        if self._writer is not None:
            self._log(epoch)

    def _note(self, epoch: int, batches: Mapping[int, Moments] | None) -> None:
        assert self._live is not None
        for norm in self._live.norms():
            if not self._live.is_built(norm):
                continue
            course = self._by_layer.get(id(norm)) or self._begun(norm)
            course.trainable = bool(norm.trainable)
            mean, variance = to_array(norm.moving_mean).ravel(), to_array(norm.moving_variance).ravel()
            if epoch >= 0 and not course.states:  # built by the first batch, which Keras 2 does
                course.states.append(State(-1, 0, np.zeros_like(mean), np.ones_like(variance)))
            course.states.append(State(epoch, self._updates, mean, variance, (batches or {}).get(id(norm))))

    def _begun(self, norm: Any) -> LayerCourse:
        name = norm.name
        while name in self.courses:
            name += "'"
        samples = self._samples.count if self._samples else 1
        course = LayerCourse(name, float(norm.momentum), float(norm.epsilon), samples, bool(norm.trainable))
        self._by_layer[id(norm)] = self.courses[name] = course
        return course

    def _batch_moments(self) -> Mapping[int, Moments] | None:
        if self._samples is None or self._live is None:
            return None
        moving = {key for key, course in self._by_layer.items() if self._is_moving(key, course)}
        try:
            return batch_moments(self._live, self._samples.x, moving)
        except Exception as error:  # noqa: BLE001 - the model's own code runs here, and a training must not end by being watched
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            self._warn("", f"the model could not be run on the samples, so that only moving statistics are watched ({reason})")
            self._samples = None
            return None

    def _is_moving(self, key: int, course: LayerCourse) -> bool:
        """Has the layer been updated since the beginning? Then it trains, and normalizes with the batch."""
        assert self._live is not None
        norm = next(each for each in self._live.norms() if id(each) == key)
        start = course.states[0]
        now = (to_array(norm.moving_mean).ravel(), to_array(norm.moving_variance).ravel())
        return not (np.array_equal(now[0], start.mean) and np.array_equal(now[1], start.variance))

    def _say(self, remarks: Iterable[Remark]) -> None:
        for remark in remarks:
            new = [name for name in remark.layers if (remark.code, name) not in self._said]
            if remark.code in self._ignored or not new:
                continue
            self._said |= {(remark.code, name) for name in new}
            names = ", ".join(f'"{name}"' for name in new[:MOST_NAMES])
            more = f" and {len(new) - MOST_NAMES} more" if len(new) > MOST_NAMES else ""
            message = f"{names}{more} {remark.text}"
            severity = _SEVERITIES.get(remark.code, "error")
            measured = {**remark.measured, "layers": len(new)}
            found = finding(remark.code, severity, self._asked, message, measured, remark.text)
            self.findings.append(found)
            self._warn(found.code, message)

    def _warn(self, code: str, message: str) -> None:
        if (code, message) not in self._said:
            self._said.add((code, message))
            text = f"{code} {message}".strip()
            # At the line that made the monitor: Python would drop a second warning from the same line of Keras.
            warnings.warn_explicit(text, BatchNormWarning, self._asked.path, self._asked.line)

    def _log(self, epoch: int) -> None:
        tensorflow = import_module("tensorflow")
        # What tf.summary.scalar writes, which needs the package tensorboard to write it.
        metadata = tensorflow.compat.v1.SummaryMetadata(data_class=1)
        metadata.plugin_data.plugin_name = "scalars"
        with self._writer.as_default():
            for name, value in self._numbers():
                tag = f"batch_normalization/{name}"
                tensorflow.summary.write(tag, tensorflow.constant(value, "float32"), step=epoch, metadata=metadata)

    def _numbers(self) -> Iterator[tuple[str, float]]:
        for name, course in self.courses.items():
            drift, gap = course.drift(course.last), course.gap(course.last)
            yield f"{name}/mean_drift", drift[0]
            yield f"{name}/variance_drift", exp(drift[1])
            if gap is not None:
                yield f"{name}/mean_gap", gap[0]
                yield f"{name}/variance_gap", exp(gap[1])


def batch_moments(live: Live, x: Any, training: set[int]) -> dict[int, Moments]:
    """The moments of the input of every batch normalization, by the layer's id, when the layers in ``training`` normalize with
    the batch as they do in a training step.

    Everything else runs in inference mode: nothing is dropped, drawn or updated. A layer that is called several times has the
    mean of its moments, to which its moving statistics tend.
    """
    seen: dict[int, list[Moments]] = {}

    def replaced(original: Any) -> Any:
        @wraps(original)
        def call(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            axis = layer.axis if isinstance(layer.axis, int) else tuple(layer.axis)
            values, mask = to_array(inputs), kwargs.get("mask")
            batch = moments(values, axis, None if mask is None else to_array(mask))
            seen.setdefault(id(layer), []).append(batch)
            if id(layer) not in training:
                return original(layer, inputs, *args, **kwargs)
            weights = [None if weight is None else to_array(weight) for weight in (layer.gamma, layer.beta)]
            output = normalized(
                values, batch.mean, batch.variance, gamma=weights[0], beta=weights[1], axis=axis, epsilon=layer.epsilon
            )
            return live.tensor(output, layer.compute_dtype)

        return call

    with _replaced(live.norm_class, replaced), unchanged(live, state_variables(live, trainable=False)):
        live(x, training=False)
    return {key: _together(calls) for key, calls in seen.items()}


def _together(calls: list[Moments]) -> Moments:
    mean, variance = np.mean([call.mean for call in calls], axis=0), np.mean([call.variance for call in calls], axis=0)
    return Moments(mean, variance, sum(call.elements for call in calls))


@contextmanager
def _replaced(owner: Any, replacement: Callable[[Any], Any]) -> Iterator[None]:
    original = vars(owner)["call"]
    owner.call = replacement(original)
    try:
        yield
    finally:
        owner.call = original


def _callbacks() -> tuple[type, ...]:
    modules = [sys.modules.get(name) for name in ("keras", "tf_keras")]
    found = [getattr(getattr(module, "callbacks", None), "Callback", None) for module in modules]
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _as_callback(cls: type, bases: tuple[type, ...]) -> Any:
    if not bases or all(issubclass(cls, base) for base in bases):
        return cls
    return _MADE.setdefault((cls, bases), _combined(cls, bases))


def _combined(cls: type, bases: tuple[type, ...]) -> type:
    return type(cls.__name__, (cls, *bases), {"__module__": cls.__module__, "__doc__": cls.__doc__})


_MADE: dict[tuple[type, tuple[type, ...]], type] = {}


def _writer(folder: str) -> Any:
    try:
        return import_module("tensorflow").summary.create_file_writer(folder)
    except ImportError as error:
        raise ImportError("tensorboard=: the log is written by TensorFlow; install tensorflow, or leave it out") from error
