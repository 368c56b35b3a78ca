"""What experiments on whole models observe: gaps between training and inference, and what an output is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bnlint.verify import passes
from bnlint.verify.bench import Inconclusive
from bnlint.verify.live import to_array
from bnlint.verify.objects import is_norm, keras_of, norms_of
from bnlint.verify.reference import Array
from bnlint.verify.synthetic import leaves, mapped
from bnlint.verify.training import steps_for

if TYPE_CHECKING:
    from bnlint.verify.bench import Bench
    from bnlint.verify.layouts import Layout
    from bnlint.verify.recorder import Flags, LayerCall

_MANY = 64
_FEW = 16
_LARGE = 1e5
_PASSES = 12
_BATCHES = 12
_MOST_STEPS = 100
_FAR = 1e6


@dataclass(frozen=True)
class OutputRole:
    """How a model's output follows from a normalization's: by which activation ("" for none), if by nothing but one.

    ``behind`` are the layers with weights of their own that come between. ``lowest`` and ``highest`` bound what the normalization
    gave, ``probabilities`` whether it was given probabilities. ``shift`` is how far the means of its outputs move when its inputs
    are doubled and shifted by five of their standard deviations, in standard deviations of its output.
    """

    activation: str | None
    behind: tuple[str, ...]
    probabilities: bool
    lowest: float
    highest: float
    shift: float


class Observer:
    """Observes the models of one experiment; their weights are put back."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def batch_of(self, model: Any, count: int, seed: int = 7) -> Any:
        """A batch in which, where data of more than one axis is made up, a quarter of the variance lies between the samples.

        Made-up values that are independent from one position to the next would make the pictures of a batch look alike to a
        normalization, which pools the positions: no pictures do.
        """
        batch = self.bench.batch(model, count, seed)
        if id(model) in self.bench.trainer.known:
            return batch
        rng = np.random.default_rng(seed + 1)

        def vary(values: Any) -> Any:
            if values.ndim < 3 or values.dtype.kind != "f":
                return values
            offsets = rng.normal(0.0, float(values.std()) / np.sqrt(3.0), (len(values), *[1] * (values.ndim - 1)))
            return (values + offsets).astype(values.dtype)

        return mapped(batch, vary)

    def size_for(self, model: Any) -> int:
        """Samples enough for moments, fewer where a sample is large."""
        one = leaves(self.bench.batch(model, 2))
        return _FEW if max((each[0].size for each in one), default=0) > _LARGE else _MANY

    def inference_share(self, model: Any, norm: Any) -> tuple[float, float] | None:
        """The standard deviation of a normalization's output in inference, as a share of that in training, and its error.

        The moving statistics are those at which they settle on the batch. None where the output does not vary.
        """
        batch = self.batch_of(model, self.size_for(model))
        spreads: list[float] = []
        with self.bench.restored(model):

            def note(seen: passes.Seen) -> None:
                if seen.layer is norm:
                    spreads.append(float(np.mean(passes.spread(seen.gave, norm))))

            passes.settle(model, [batch] * _PASSES, note)
            seen = passes.forward(model, batch, False, lambda layer: layer is norm)[1]
        trained = float(np.mean(spreads)) if spreads else 0.0
        if trained < 1e-12 or not seen:
            return None
        still = float(np.mean([np.mean(passes.spread(each.gave, norm)) for each in seen]))
        share = float(np.sqrt(still / trained))
        return share, share * float(np.std(spreads)) / trained / 2 / np.sqrt(len(spreads))

    def mode_gaps(self, model: Any, batch_size: int, against: int) -> tuple[float, float] | None:
        """How far the output of a normalization in training mode is from that in inference, in batches of two sizes.

        Of the one with the largest gap in batches of ``batch_size``; None where none in the model learns. Root mean square in units
        of gamma, the moving statistics settled on batches of that size; that these are drawn from few samples is corrected for.
        """
        samples = self.batch_of(model, 2 * max(against, min(batch_size, _MANY)))
        first, second = (self._mode_gaps(model, size, samples) for size in (min(batch_size, _MANY), against))
        if not first or not second:
            return None
        worst = max(first, key=lambda key: first[key])
        return first[worst], second.get(worst, 0.0)

    def _mode_gaps(self, model: Any, size: int, samples: Any) -> dict[int, float]:
        """The gap of each normalization that learns, by its identity."""
        count = len(leaves(samples)[0])
        starts = range(0, count - size + 1, size)[:_BATCHES]
        batches = [mapped(samples, lambda each, start=start: each[start : start + size]) for start in starts]
        trained: list[passes.Seen] = []
        with self.bench.restored(model):
            learning = {id(each): each for each in passes.settle(model, batches, trained.append)}
            still = [each for batch in batches for each in passes.forward(model, batch, False)[1]]
        squares: dict[int, list[float]] = {}
        for first, second in zip(trained, still, strict=False):
            if first.layer is second.layer and id(first.layer) in learning and first.output.shape == second.output.shape:
                squares.setdefault(id(first.layer), []).append(float(np.mean((first.gave - second.gave) ** 2)))
        correction = 1.0 - 1.0 / len(batches)
        gammas = {key: _gamma(norm) for key, norm in learning.items()}
        return {
            key: float(np.sqrt(np.mean(values) / correction)) / gammas[key]
            for key, values in squares.items()
            if gammas[key] > 1e-6
        }

    def initial_share(self, model: Any, steps: int) -> float | None:
        """What is left of the initial moving mean of the slowest normalization that learns after so many steps of a real ``fit``.

        The moving means start far away from all data, which training mode does not see. The share falls by the same factor with
        every step: only a hundred are taken, and it is raised to the number that is asked for. None where none learns.
        """
        per_epoch = steps_for(model)
        taken = per_epoch * -(-min(steps, _MOST_STEPS) // per_epoch)
        with self.bench.restored(model):
            for norm in norms_of(model):
                norm.moving_mean.assign(np.full(tuple(norm.moving_mean.shape), _FAR, "float32"))
            flags = self.bench.fit(model, epochs=taken // per_epoch)
            learning = [each.layer for each in flags if each.trainable and (each.statistics_moved or 0.0) > passes.STILL]
            self._all_still(flags, learning)
            left = [float(np.median(to_array(each.moving_mean))) / _FAR for each in learning]
        return max(left) ** (steps / taken) if left else None

    @staticmethod
    def _all_still(flags: list[Flags], learning: list[Any]) -> None:
        """Raise Inconclusive where normalizations are trainable and none of them learns statistics: that is another fault."""
        if not learning and any(each.trainable for each in flags if is_norm(each.layer)):
            raise Inconclusive("the moving statistics do not move at all in a fit, which is another fault", final=True)

    def standardised(self, norm: Any) -> float | None:
        """How far a normalization moves the user's own data in training mode, root mean square in standard deviations.

        None where the data of its model are not here.
        """
        model = self.bench.model_of(norm)
        if id(model) not in self.bench.trainer.known:
            return None
        with self.bench.restored(model):
            batch = self.bench.trainer.known[id(model)][0]
            seen = passes.forward(model, batch, True, lambda layer: layer is norm)[1]
        given = seen[-1].given
        return float(np.sqrt(np.mean((seen[-1].gave - given) ** 2)))

    def output_role(self, model: Any, norm: Any) -> OutputRole | None:
        """What a normalization has to do with its model's outputs; None where the model does not run it."""
        batch = self.bench.batch(model, _FEW)
        weighted = lambda layer: layer is norm or bool(_own_weights(layer))
        with self.bench.restored(model):
            outputs, seen = passes.forward(model, batch, True, weighted)
        own = [each for each in seen if each.layer is norm]
        if not own:
            return None
        last = own[-1]
        scale = float(np.std(last.given)) + 1e-12
        unlike = passes.tensors_like(norm, (2.0 * last.given + 5.0 * scale).astype("float32"))
        with self.bench.restored(model):
            again, other = (to_array(norm(each, training=True)) for each in (last.input, unlike))
            if np.max(np.abs(again - last.gave)) > 1e-3 * (float(np.std(last.gave)) + 1e-12):
                other = to_array(norm(unlike, training=False))
        with self.bench.restored(model):
            changed = passes.forward(model, batch, True, weighted, lambda layer, out: out * 0.5 - 1.0 if layer is norm else out)[
                1
            ]
        behind = tuple(
            dict.fromkeys(
                a.layer.name
                for a, b in zip(seen, changed, strict=False)
                if a.layer is b.layer is not norm and a.input.shape == b.input.shape and np.max(np.abs(a.given - b.given)) > 1e-6
            )
        )
        return OutputRole(
            next((name for each in outputs if (name := _activation_between(last.gave, each)) is not None), None),
            behind,
            bool(last.given.min() >= 0.0 and last.given.max() <= 1.0 + 1e-6),
            float(last.gave.min()),
            float(last.gave.max()),
            _between_means(last.gave, other, norm) / (float(np.std(last.gave)) + 1e-12),
        )

    @staticmethod
    def holds_norm(layer: Any) -> bool:
        """Whether a layer is a batch normalization or has one in it."""
        return bool(norms_of(layer))

    def step_gap(self, model: Any, layer: Any) -> tuple[float, float] | None:
        """How far the mean outputs of each time step are apart in training and in inference, and in training from each other.

        In standard deviations of the output. The layer gets what it gets in its model, each step three standard deviations above
        the one before, until its moving statistics have settled (at a momentum of 0.9 for the time being). None where it is not run.
        """
        batch = self.batch_of(model, _FEW if self.size_for(model) == _MANY else 4)
        with self.bench.restored(model):
            seen = [each for each in passes.forward(model, batch, False, lambda each: each is layer)[1]]
        if not seen or seen[0].given.ndim < 3:
            return None
        given = seen[0].given
        steps = given.shape[1]
        offsets = 3.0 * given.std() * np.arange(steps).reshape((1, steps, *[1] * (given.ndim - 2)))
        sequence = (given + offsets).astype("float32")
        norms = [each for each in layer._flatten_layers() if is_norm(each)]
        momenta = [each.momentum for each in norms]

        def call(training: bool) -> Array:
            return to_array(layer(passes.tensors_like(layer, sequence), training=training))

        with self.bench.restored(model):
            try:
                for each in norms:
                    each.momentum = 0.9
                updates = max(60 // steps, 3) if _counts_steps(call, norms, steps) else 60
                for _ in range(updates):
                    call(True)
            finally:
                for each, momentum in zip(norms, momenta, strict=True):
                    each.momentum = momentum
            trained, still = call(True), call(False)
        others = (0, *range(2, trained.ndim - 1)) if trained.ndim > 2 else (0,)
        scale = float(np.std(trained - trained.mean(axis=others, keepdims=True))) + 1e-12
        means = [each.mean(axis=others) for each in (trained, still)]
        gap = float(np.sqrt(np.mean((means[0] - means[1]) ** 2))) / scale
        return gap, float(np.std(means[0], axis=0).mean()) / scale

    def arguments_of(self, call: LayerCall) -> tuple[Any, dict[str, Any]]:
        """What a call was given, as arrays of two samples at least, and its mode.

        A batch is made up for a call in a graph, which runs in training mode when it is trained.
        """
        given = call.arguments[0] if call.arguments else next(iter(call.keywords.values()), None)
        keywords = {name: value for name, value in call.keywords.items() if name == "training"}
        if all(map(passes.has_value, leaves(given))):
            batch = mapped(given, lambda each: np.asarray(to_array(each), "float32"))
            if len(leaves(batch)[0]) > 1:
                return batch, keywords
            return mapped(batch, lambda each: np.concatenate([each, each[..., ::-1]])), keywords
        if keras_of(call.layer).__version__.startswith("3") or keywords.get("training") is None:
            keywords["training"] = True
        return self.bench.batch(call.layer, 8), keywords

    def layouts(self, norm: Any) -> list[Layout]:
        """The layouts of a normalization's inputs, as far as the layers that made them have a data format."""
        from bnlint.verify.layouts import layouts, recorded

        found = list(layouts(norm, recorded(self.bench.recording.calls)))
        if found:
            return found
        model = self.bench.model_of(norm)
        with self.bench.restored(model):
            seen = passes.forward(model, self.bench.batch(model, 2), False, lambda layer: True)[1]
        return list(layouts(norm, [(each.layer, each.input, each.output) for each in seen]))

    def mate_effect(self, model: Any, batch: Any, keywords: dict[str, Any]) -> tuple[float, float]:
        """How far the first sample's outputs move when the other samples of the batch are shaken, and when it is shaken itself."""
        rng = np.random.default_rng(3)

        def shaken(values: Any, which: slice) -> Any:
            if values.dtype.kind != "f":
                return values
            result = values.copy()
            result[which] += rng.normal(0.0, 0.5 * float(values.std()) + 1e-3, values[which].shape).astype(values.dtype)
            return result

        def first(given: Any) -> Array:
            with self.bench.restored(model):
                result: Array = passes.call(model, given, keywords)[0]
                return result

        before = first(batch)
        others = first(mapped(batch, lambda each: shaken(each, slice(1, None))))
        own = first(mapped(batch, lambda each: shaken(each, slice(0, 1))))
        return float(np.max(np.abs(others - before))), float(np.max(np.abs(own - before)))


def _gamma(norm: Any) -> float:
    gamma = getattr(norm, "gamma", None)
    return 1.0 if gamma is None else float(np.mean(np.abs(to_array(gamma))))


def _between_means(first: Array, second: Array, norm: Any) -> float:
    """The largest distance between a channel's means in two batches."""
    return float(np.max(np.abs(passes.channel_means(first, norm) - passes.channel_means(second, norm))))


def _own_weights(layer: Any) -> list[Any]:
    """The weights of a layer that holds no other layers; normalizations do not count."""
    inner = list(layer._flatten_layers(include_self=False)) if hasattr(layer, "_flatten_layers") else []
    return [] if inner or is_norm(layer) else list(layer.weights)


def _activation_between(given: Array, output: Array) -> str | None:
    """The activation that makes an output of values, "" for none; None where no known one does."""
    if given.size != output.size:
        return None
    values = given.reshape(output.shape)
    exponents = np.exp(values - values.max(axis=-1, keepdims=True))
    softmax = exponents / exponents.sum(axis=-1, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        known = {
            "": values,
            "softmax": softmax,
            "sigmoid": 1 / (1 + np.exp(-values)),
            "tanh": np.tanh(values),
            "relu": np.maximum(values, 0),
            "log_softmax": np.log(softmax),
            "exponential": np.exp(values),
            "softplus": np.log1p(np.exp(values)),
            "elu": np.where(values > 0, values, np.expm1(values)),
            "hard_sigmoid": np.clip(values / 6 + 0.5, 0, 1),
        }
    scale = float(np.max(np.abs(output))) + 1e-12
    for name, expected in known.items():
        if np.all(np.isfinite(expected)) and float(np.max(np.abs(expected - output))) < 1e-4 * scale:
            return name
    return None


def _counts_steps(call: Any, norms: list[Any], steps: int) -> bool:
    """Whether a call updates the moving statistics once for each step: of a value far away, 0.9 to their number is left."""
    first = norms[0]
    before = to_array(first.moving_mean)
    first.moving_mean.assign((before + 1e6).astype("float32"))
    call(True)
    left = float(np.median(to_array(first.moving_mean) - before)) / 1e6
    first.moving_mean.assign(before.astype("float32"))
    return steps > 1 and left < 0.9 ** (steps - 0.5)
