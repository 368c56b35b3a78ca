"""What a layer that normalizes by its own code does with its weights and batches."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np

from bnlint.verify.bench import STILL, Bench, Inconclusive
from bnlint.verify.places import nearest
from bnlint.verify.raised import frames
from bnlint.verify.synthetic import leaves, numpy_of, sized

_SAMPLES = 16
_DEPENDS = 1e-4
"""Far above what the order of sums does in float32 (1e-6), far below what a batch of its own statistics does (0.1 and more)."""
_ALIKE = 1e-3
"""The places' own means in the batch are as large as its spread; after a normalization of each by itself they differ by rounding."""


class OwnNorm(NamedTuple):
    """A live layer with a batch that it takes, whose places have means of their own."""

    layer: Any
    batch: Any


def own_norm(bench: Bench) -> OwnNorm:
    """The layer whose class holds a bench's place, with a batch of the shape it was called on; raises Inconclusive."""
    for call in reversed(bench.recording.calls):
        if call.arguments and hasattr(call.arguments[0], "shape") and _holds(type(call.layer), bench.span):
            shape = sized(tuple(call.arguments[0].shape))
            rng = np.random.default_rng(31)
            batch = rng.normal(1.0, 2.0, (_SAMPLES, *shape)) + rng.normal(0.0, 2.0, shape)
            return OwnNorm(call.layer, batch.astype("float32"))
    bench.since()
    raise Inconclusive("no layer of this class is called", shape=True)


def _holds(cls: type, span: Any) -> bool:
    try:
        lines, first = inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return _has_line(cls, span)
    return bool(inspect.getsourcefile(cls) == span.path and first <= span.line < first + len(lines))


def _has_line(cls: type, span: Any) -> bool:
    codes = [getattr(each, "__code__", None) for each in vars(cls).values()]
    return any(
        code.co_filename == span.path
        and code.co_firstlineno <= span.line <= max(line for *_, line in code.co_lines() if line is not None)
        for code in codes
        if code is not None
    )


def outputs(own: OwnNorm, batch: Any, training: bool) -> Any:
    """The layer's output as an array in float64; in the mode where it takes one."""
    import sys

    given = sys.modules["tensorflow"].convert_to_tensor(batch)
    accepts = "training" in inspect.signature(own.layer.call).parameters
    result = own.layer(given, training=training) if accepts else own.layer(given)
    return np.asarray(numpy_of(leaves(result)[0]), "float64")


def weights_at(bench: Bench) -> list[Any]:
    """The variables made at a bench's place, as the layers hold them."""
    known = bench.recording.variables
    for depth in range(8):
        places = nearest((stack[depth] for _, stack in known if len(stack) > depth), bench.span)
        found = [variable for variable, stack in known if len(stack) > depth and stack[depth] in places]
        if found:
            return found
    return []


def moved_in_training(own: OwnNorm, variables: list[Any]) -> list[float]:
    """How far variables move in one call in training mode."""
    before = [numpy_of(each).copy() for each in variables]
    outputs(own, own.batch, training=True)
    return [float(np.max(np.abs(numpy_of(each) - old))) if old.size else 0.0 for each, old in zip(variables, before, strict=True)]


def batch_dependence(own: OwnNorm) -> float:
    """How much the output of one sample changes in inference with the others in its batch, as a share of the outputs' scale."""
    others = np.concatenate([own.batch[:1], 2.0 * own.batch[1:] + 1.0])
    first, second = (outputs(own, each, training=False)[0] for each in (own.batch, others))
    return float(np.max(np.abs(first - second)) / (np.max(np.abs(first)) + 1e-12))


def statistics_of(own: OwnNorm) -> list[Any]:
    """The layer's weights that count in inference and not in training: moving statistics, whatever their names."""
    found = []
    for each in own.layer.weights:
        value = numpy_of(each).copy()
        counts = []
        for training in (False, True):
            everything = [(one, numpy_of(one).copy()) for one in own.layer.weights]
            before = outputs(own, own.batch, training)
            _put(everything)
            each.assign((value * 1.5 + 0.5).astype(value.dtype))
            after = outputs(own, own.batch, training)
            _put(everything)
            counts.append(float(np.max(np.abs(after - before))))
        if counts[0] > 0 and counts[1] == 0:
            found.append(each)
    return found


def _put(values: list[tuple[Any, Any]]) -> None:
    for variable, value in values:
        variable.assign(value)


def place_means(own: OwnNorm) -> float:
    """How much the means over the batch differ from place to place in training outputs, as a share of the outputs' spread."""
    result = outputs(own, own.batch, training=True)
    if result.ndim < 3:
        raise Inconclusive("the input has no axes beside batch and channels", shape=True)
    means = result.mean(0)
    return float(np.std(means - means.mean(tuple(range(means.ndim - 1)))) / (np.std(result) + 1e-12))


def is_trainable(own: OwnNorm, variable: Any) -> bool:
    """Whether a variable is among the layer's trainable weights, or is TensorFlow's own and trainable by itself."""
    known = {id(getattr(each, "_value", each)) for each in own.layer.trainable_weights}
    return id(variable) in known or bool(variable.trainable)


def verdict_on(bench: Bench) -> tuple[bool, str, dict[str, float]]:
    """Whether a batch normalization written by hand has the fault of a bench's place, in words and numbers; raises Inconclusive."""
    variables = weights_at(bench)
    own = own_norm(bench)
    if variables:
        return _trained(own, variables)
    if bench.reached and _is_definition(own, bench.span.line):
        return _call(own)
    return _narrow(own)


def _is_definition(own: OwnNorm, line: int) -> bool:
    code = getattr(type(own.layer).call, "__code__", None)
    return code is not None and code.co_firstlineno == line


def _trained(own: OwnNorm, variables: list[Any]) -> tuple[bool, str, dict[str, float]]:
    """Weights that a call moves are statistics, for nothing is trained in it; they must not be trainable."""
    moved = moved_in_training(own, variables)
    if max(moved) <= STILL:
        raise Inconclusive("a call in training mode moves no weight that is made here")
    wrong = [by for each, by in zip(variables, moved, strict=True) if by > STILL and is_trainable(own, each)]
    also = "is trainable" if wrong else "is not trainable"
    by = max(wrong or moved)
    return bool(wrong), f"a call in training mode moves this weight by {by:.2g}, and it {also}", {"moved": by}


def _call(own: OwnNorm) -> tuple[bool, str, dict[str, float]]:
    """A sample must not depend on its batch in inference, and the statistics have to move."""
    dependence = batch_dependence(own)
    if dependence > _DEPENDS:
        reason = f"in inference, the output of one sample changes by {dependence:.2g} of its scale with the others in its batch"
        return True, reason, {"dependence": dependence}
    found = statistics_of(own)
    if not found:
        raise Inconclusive("no weight of the layer counts in inference alone, as moving statistics do")
    moved = moved_in_training(own, found)
    lost = sum(each <= STILL for each in moved)
    reason = f"a call in training mode moves {len(moved) - lost} of the {len(moved)} statistics that count in inference"
    return lost > 0, reason, {"statistics": len(moved), "moved": max(moved)}


def _narrow(own: OwnNorm) -> tuple[bool, str, dict[str, float]]:
    """Where each place is normalized by itself, all have one mean over the batch."""
    try:
        spread = place_means(own)
    except Exception as error:
        if any(frame.f_code.co_name.startswith("assign") for frame in frames(error)):
            reason = f"in training mode, the statistics do not fit into the weights: {Bench.said(error)}"
            return True, reason, {}
        raise
    reason = f"the means of the training outputs over the batch vary from place to place by {spread:.2g} of the outputs' spread"
    return spread < _ALIKE, reason, {"spread": spread}
