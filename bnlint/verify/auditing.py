"""Check a live Keras model, as in a test: ``assert audit(model, data) == []``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bnlint.finding import Finding
from bnlint.verify.audit_bias import redundant_biases
from bnlint.verify.audit_modes import modes
from bnlint.verify.audit_numbers import numbers
from bnlint.verify.audit_structure import structure
from bnlint.verify.codes import NON_FINITE, codes_of
from bnlint.verify.live import Live
from bnlint.verify.live_places import Places, caller
from bnlint.verify.samples import Samples, made_up, samples_of
from bnlint.verify.trial import AuditWarning, Trial

__all__ = ["AuditWarning", "audit"]


def audit(model: Any, data: Any = None, ignore: Iterable[str] = ()) -> list[Finding]:
    """The faults of batch normalization that can be measured on a live model of Keras 3 or Keras 2 (tf_keras).

    The model is called in both modes, asked to predict, and really fitted for a few steps, all on at most 32 samples; its
    weights, its optimizer, how it was compiled, and the states of all random generators are then what they were before. It
    need not be compiled. A model that is not built yet is built by a call, and stays so.

    ``data`` is what ``fit`` takes: arrays, ``(x, y)``, ``(x, y, sample_weight)``, a dictionary or list of inputs, or a dataset,
    Sequence, data loader or generator of batches, of which the first are taken. Without it, random samples are made up that
    fit the inputs of the model; targets are needed only if the model has a ``train_step`` or ``compute_loss`` of its own.
    ``ignore`` names rules that are not to be reported, by code, prefix of a code, or name.

    Each finding has a confirmed verdict with the numbers it rests on. It stands where the class that holds the layer makes
    it, if that class is the user's own, and otherwise on the line that called ``audit``.

    Raises TypeError for what is no model or no data, ValueError where the samples are too few or cannot be made up,
    :class:`bnlint.registry.UnknownRule` for an ignored rule that does not exist, and what the model raises when it is called.
    Where the model can be called and not fitted, an :class:`AuditWarning` says what was not looked for.
    """
    asked = caller()
    ignored = codes_of(ignore)
    live = Live(model)
    samples = samples_of(data) if data is not None else None
    _built(live, samples)
    trial = Trial(live, samples or made_up(live))
    findings = [each for each in _superseded(_found(trial, Places(live, asked))) if each.code not in ignored]
    return sorted(findings, key=lambda each: (each.code, each.span))


def report(findings: Iterable[Finding]) -> str:
    """Findings as text, each with its place, for a failing test."""
    from bnlint.report.text import short_path

    blocks = []
    for each in findings:
        where = f"{short_path(each.span.path)}:{each.span.line}"
        blocks.append(f"{each.code} [{each.name}] {where}\n  {each.message}")
    count = len(blocks)
    blocks.append(f"{count} {'fault' if count == 1 else 'faults'} of batch normalization")
    return "\n".join(blocks)


def _built(live: Live, samples: Samples | None) -> None:
    model = live.model
    if not model.built or any(not live.is_built(norm) for norm in live.norms()):
        if samples is None and not model.built:
            raise ValueError("the model is not built; give data=, a few samples to call it on")
        if samples is not None:
            live(samples.first(2).x)


def _found(trial: Trial, places: Places) -> Iterator[Finding]:
    found = list(numbers(trial.live, places))
    yield from found
    if any(each.code == NON_FINITE for each in found) or not (trial.live.norms() or trial.training[0].calls):
        return  # nothing can be measured on a model whose outputs are NaN
    yield from structure(trial, places)
    yield from modes(trial, places)
    yield from redundant_biases(trial, places)


_SUPERSEDED = {"BN105": ("BN107",), "BN202": ("BN205", "BN210"), "BN206": ("BN204",)}


def _superseded(findings: Iterable[Finding]) -> Iterator[Finding]:
    found = list(findings)
    gone = {code for each in found for code in _SUPERSEDED.get(each.code, ())}
    yield from (each for each in found if each.code not in gone)
