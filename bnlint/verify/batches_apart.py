"""What a discriminator tells apart in separate batches and in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnlint.verify.bench import Bench, Inconclusive
from bnlint.verify.course import FITS, happened

if TYPE_CHECKING:
    from bnlint.finding import Verdict

_LOST = 0.5


def told_apart(bench: Bench) -> Verdict:
    """How far the scores of two sets that differ in their means are apart, from two batches and from one, in training mode."""
    import numpy as np

    from bnlint.verify.synthetic import mapped

    model, batches = _trained_at(bench)
    if batches < 2:
        return bench.decided(False, f"{model.name} gets one batch in a step at this place", batches=batches)
    bench.built(model)
    first = bench.batch(model, 8, seed=7)
    second = mapped(first, lambda each: each[::-1] + each.dtype.type(2 * (float(np.std(each)) or 1.0)))
    with bench.restored(model):
        apart = [np.mean(bench.outputs(model, each, training=True)[0]) for each in (first, second)]
        both = bench.outputs(model, _joined(first, second), training=True)[0]
    gap, whole = abs(float(apart[0] - apart[1])), abs(float(np.mean(both[:8]) - np.mean(both[8:])))
    reason = f"the mean scores of two sets differ by {gap:.2g} from separate batches and by {whole:.2g} from one"
    if whole <= 1e-6 or gap >= _LOST * whole:
        raise Inconclusive(reason)
    return bench.decided(True, reason, separate=gap, together=whole)


def _joined(first: Any, second: Any) -> Any:
    import numpy as np

    if isinstance(first, dict):
        return {key: _joined(first[key], second[key]) for key in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_joined(*each) for each in zip(first, second, strict=True))
    return np.concatenate([first, second])


def _trained_at(bench: Bench) -> tuple[Any, int]:
    """The model that the place trains, and how many batches of it one step takes."""
    from bnlint.verify.objects import is_model, is_symbolic, norms_of
    from bnlint.verify.synthetic import leaves

    trained = bench.at(happened(bench, *FITS), bench.span)
    if trained:
        model = trained[0].model
        places = {each.stack[:1] for each in happened(bench, *FITS) if each.model is model}
        return model, len(places)
    calls = [
        each
        for each in bench.called(is_model)
        if norms_of(each.layer) and not any(map(is_symbolic, leaves(list(each.arguments))))
    ]
    if not calls:
        raise Inconclusive("no discriminator is called at this place")
    first = calls[0]
    end = min((each.time for each in happened(bench, "update", after=first.time)), default=1 << 60)
    start = max((each.time for each in happened(bench, "update") if each.time < first.time), default=0)
    same = [each for each in bench.recording.calls if each.layer is first.layer and start < each.time < end]
    return first.layer, len([each for each in same if each.stack and not any(map(is_symbolic, leaves(list(each.arguments))))])
