"""What freezing loops and statements have done to the flags of batch normalizations, for the experiments that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnlint.verify.bench import Bench, Inconclusive
from bnlint.verify.course import FITS, came_by, flags_in, happened, normalizations_at, unique, uses, writes_at

if TYPE_CHECKING:
    from bnlint.finding import Verdict
    from bnlint.verify.recorder import Happening


def freezes_lost(bench: Bench) -> Verdict:
    """Whether the statement at the place undoes the freeze of normalizations that were frozen by themselves, or might have."""
    from bnlint.verify.objects import norms_of

    writes = [each for each in writes_at(bench) if each.value]
    if not writes:
        bench.since()
        raise Inconclusive("nothing is set trainable at this place")
    first = writes[0].time
    own = {id(norm) for each in happened(bench, "trainable") if each.time < first and not each.value for norm in _alone(each)}
    norms = unique(norm for each in writes for norm in norms_of(each.model) if id(norm) in own)
    if not norms:
        if came_by(bench):
            return bench.decided(False, "no batch normalization was frozen by itself before this statement", frozen=0)
        raise Inconclusive("the run does not come by the statement that freezes the batch normalizations")
    last = max(each.time for each in writes)
    again = {id(norm) for each in happened(bench, "trainable", after=last + 1) if not each.value for norm in norms_of(each.model)}
    later = uses(bench, norms, last)
    flags = flags_in(later[0].before if later else (each for write in writes for each in write.flags), norms)
    undone = len({id(each.layer) for each in flags if each.trainable})
    when = "when the model is compiled next" if later else "after this statement"
    if undone or again.issuperset(map(id, norms)):
        reason = f"{undone} of {len(norms)} batch normalizations that were frozen by themselves are trainable {when}"
        return bench.decided(bool(undone), reason, trainable=undone, frozen=len(norms))
    return _by_accident(bench, writes, norms)


def _alone(write: Happening) -> list[Any]:
    from bnlint.verify.objects import is_norm

    return [write.model] if is_norm(write.model) else []


def _by_accident(bench: Bench, writes: list[Happening], norms: list[Any]) -> Verdict:
    """Freezes what the statement sets trainable, and sets it trainable again."""
    before = [(each, each.trainable) for each in norms]
    with bench.stage.quiet():
        for value in (False, True):
            for write in writes:
                write.model.trainable = value
        lost = sum(bool(each.trainable) for each in norms)
        for norm, value in before:
            norm.trainable = value
    reason = (
        f"the statement leaves {len(norms)} batch normalizations frozen because the flag is true already; of the same statement "
        f"after a freeze {lost} are trainable"
    )
    return bench.decided(lost > 0, reason, trainable=lost, frozen=len(norms))


def frozen_at_start(bench: Bench) -> Verdict:
    """Whether normalizations made at the place are frozen in all that is compiled and trained, with the statistics they began with."""
    import numpy as np

    from bnlint.verify.objects import norms_of, statistics

    after, norms = normalizations_at(bench)
    for each in happened(bench, "load_weights"):
        if set(map(id, norms_of(each.model))) & set(map(id, norms)):
            return bench.decided(False, "weights are loaded into it")
    found = uses(bench, norms, after)
    if not found:
        raise Inconclusive("the code neither compiles nor trains such a model after this")
    trained = {id(flag.layer) for each in found for flag in each.before or each.flags if flag.trainable}
    for model in unique(each.model for each in found if each.kind != "update"):
        bench.built(model)
    frozen = [each for each in norms if id(each) not in trained and statistics(each)]
    initial = [each for each in frozen if np.all(statistics(each)[0] == 0) and np.all(statistics(each)[1] == 1)]
    if not initial and not came_by(bench):
        raise Inconclusive("the run does not come to the statement that freezes it")
    reason = (
        f"{len(initial)} of {len(norms)} batch normalizations made here are frozen, with mean 0 and variance 1, whenever their model "
        "is compiled or trained"
    )
    return bench.decided(bool(initial), reason, initial=len(initial), normalizations=len(norms))


def met_by_loop(bench: Bench) -> Verdict:
    """Whether the loop at the place leaves all normalizations trainable, at least once that the code comes there."""
    error = bench.failure()
    if isinstance(error, AttributeError) and "submodules" in str(error):
        return bench.decided(True, f"the loop raises AttributeError: {error}")
    first, met, nothing = bench.since(), 0, False
    for time, end in zip(bench.reached, [*bench.reached[1:], float("inf")], strict=True):
        later = [each for each in happened(bench, "compile", *FITS, "update", after=time) if each.time < end]
        frozen, left = _between(bench, time, later[0] if later else None, end)
        met = max(met, len(frozen))
        if left and not frozen:
            when = "when the model is compiled or trained next" if later else "after it"
            reason = f"the loop freezes no batch normalization: {len(left)} are trainable {when}"
            return bench.decided(True, reason, trainable=len(left), met=0)
        nothing = nothing or not frozen
    if nothing or not first:
        raise Inconclusive("there is no batch normalization to be frozen when the code comes to this place")
    return bench.decided(False, f"{met} batch normalizations are frozen behind the beginning of the loop", met=met)


def _between(bench: Bench, time: int, later: Happening | None, end: float) -> tuple[list[Any], list[Any]]:
    """The normalizations frozen from a time to what comes later, and those that are trainable then."""
    from bnlint.verify.objects import is_norm, norms_of

    until = later.time if later is not None else end
    writes = [each for each in happened(bench, "trainable", after=time) if each.time < until]
    frozen = unique(norm for each in writes if not each.value for norm in norms_of(each.model))
    if later is not None:
        return frozen, [each.layer for each in later.before or later.flags if is_norm(each.layer) and each.trainable]
    made = [each.instance for each in bench.recording.constructions if each.time < time and is_norm(each.instance)]
    return frozen, [each for each in made if each.trainable]
