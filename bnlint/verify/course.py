"""The recorded course of freezing, compiling and training, as experiments about flags ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bnlint.verify.bench import STILL, Bench, Inconclusive

if TYPE_CHECKING:
    from bnlint.finding import Span, Verdict
    from bnlint.verify.recorder import Flags, Happening

FITS = ("fit", "fit_generator", "train_on_batch")


def happened(bench: Bench, *kinds: str, after: int = 0) -> list[Happening]:
    """What happened of the kinds after a time, in order; trainings whether or not they were run."""
    return [each for each in bench.recording.happenings if each.kind in kinds and each.time >= after]


def writes_at(bench: Bench, span: Span | None = None) -> list[Happening]:
    """The writes of ``trainable`` at the place, or below it."""
    return bench.at(happened(bench, "trainable"), span or bench.span)


def normalizations_at(bench: Bench) -> tuple[int, list[Any]]:
    """When the place was come to first, and the normalizations that it writes the flags of, or that are in what it makes.

    Raises Inconclusive if there are none.
    """
    from bnlint.verify.objects import is_layer, norms_of
    from bnlint.verify.origins import through_partial

    records: list[Any] = writes_at(bench)
    owners = [each.model for each in records]
    if not records:
        records = bench.at(bench.recording.constructions, bench.span)
        records = records or through_partial(bench.written(), bench.recording.constructions)
        owners = [each.instance for each in records if is_layer(each.instance)]
    norms = unique(norm for owner in owners for norm in norms_of(owner))
    if not norms:
        bench.since()
        raise Inconclusive("no batch normalization is written to or made at this place")
    return min([*(each.time for each in records), *bench.reached]), norms


def unique(values: Iterable[Any]) -> list[Any]:
    """The different objects, in order."""
    return list({id(each): each for each in values}.values())


def came_by(bench: Bench) -> bool:
    """Whether the run came by the first of the related places, where the finding has any."""
    records: list[Any] = [*bench.recording.happenings, *bench.recording.constructions, *bench.recording.calls]
    return all(bench.at(records, span) for span in bench.question.related[:1])


def flags_in(flags: Iterable[Flags], norms: list[Any]) -> list[Flags]:
    """The flags of the normalizations among others."""
    wanted = {id(each) for each in norms}
    return [each for each in flags if id(each.layer) in wanted]


def uses(bench: Bench, norms: list[Any], after: int) -> list[Happening]:
    """The compilations, trainings and steps after a time of models with the normalizations in them, in order."""
    found = happened(bench, "compile", *FITS, "update", after=after)
    return [each for each in found if flags_in(each.before or each.flags, norms)]


def moved_in_training(bench: Bench, norms: list[Any], after: int) -> Verdict:
    """Whether the statistics of normalizations move in what the code trains after a time.

    Steps of an own loop have run; a ``fit`` is one of the bench's own, with the flags that the model has at the user's, or at
    ``compile`` where nothing fits it.
    """
    found = uses(bench, norms, after)
    steps = [flag for each in found if each.kind == "update" for flag in flags_in(each.flags, norms)]
    flags = steps if any((each.statistics_moved or 0.0) > STILL for each in steps) else _fitted(bench, found, norms) or steps
    if not flags:
        raise Inconclusive("the code neither compiles nor trains such a model after this")
    statistics = max(each.statistics_moved or 0.0 for each in flags)
    count = len({id(each.layer) for each in flags if (each.statistics_moved or 0.0) > STILL})
    if not count and not came_by(bench):
        raise Inconclusive("the run does not come to the training that the finding means")
    reason = f"training moves the moving statistics of {count or 'none'} of {len(norms)} batch normalizations"
    if count:
        reason += f", by up to {statistics:.2g}"
    return bench.decided(bool(count), reason, statistics=statistics, moved=count, normalizations=len(norms))


def _fitted(bench: Bench, found: list[Happening], norms: list[Any]) -> list[Flags]:
    """What one fit moves, with the flags of the user's fit or last compilation that has most of the normalizations trainable."""
    fits = [each for each in found if each.kind in FITS] or [each for each in found if each.kind == "compile"][-1:]
    if not fits:
        return []
    most = max(fits, key=lambda each: sum(flag.trainable for flag in flags_in(each.before, norms)))
    with_flags(bench, most.before)
    return flags_in(bench.fit(most.model), norms)


def as_trained(bench: Bench, model: Any) -> None:
    """Give a model the flags that it had where the code compiled or trained it with most normalizations trainable: of those
    that the finding names, else of its own.

    One half of a GAN ends frozen, and is trained all the same.
    """
    from bnlint.verify.objects import is_norm, norms_of

    calls = [each for span in bench.question.related for each in bench.at(bench.recording.calls, span)]
    norms = unique(each.layer for each in calls if is_norm(each.layer)) or norms_of(model)
    found = [each for each in happened(bench, "compile", *FITS) if flags_in(each.before, norms)]
    if found:
        with_flags(bench, max(found, key=lambda each: sum(flag.trainable for flag in flags_in(each.before, norms))).before)


def with_flags(bench: Bench, flags: list[Flags]) -> None:
    """Give layers the flags that they had, containers before what they hold."""
    with bench.stage.quiet():
        for each in flags:
            if each.layer.trainable != each.trainable:
                each.layer.trainable = each.trainable
