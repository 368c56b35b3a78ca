"""What a rule may import."""

from __future__ import annotations

from bnlint.activations import LINEAR, OUTPUTS, activation, fused
from bnlint.batches import Run, accumulations, all_steps, in_unit_test, is_made_up, is_repeated, most_per_replica, training_runs
from bnlint.copies import WeightCopy, averaged_evaluations, unset_clones, weight_copies
from bnlint.edits import with_keyword, without_keywords
from bnlint.finding import Edit, Finding, Fix, Related, Severity, Span, Verdict
from bnlint.forwarding import calls_without_mode, fixing_callers, mode_of_the_model, mode_parameter, modes_handed_on
from bnlint.freeze_loops import MissedFreeze, missed_freezes
from bnlint.freezing import (
    Training,
    Writes,
    backbones,
    compiled_elsewhere,
    courses,
    in_inference_mode,
    late_writes,
    may_have_weights,
    trainings,
)
from bnlint.handwritten import OwnNormalization, OwnWeight, call_of_class, own_normalizations
from bnlint.interpreter.records import Call, Context, Event, LayerV, ModelV, TensorV, World
from bnlint.interpreter.values import ClassV, Const, FunctionV, SymbolV, Unknown, Value
from bnlint.keras_api.shapes import UNKNOWN
from bnlint.liveness import attributes_with, may_read, overwritten, reads_after
from bnlint.making import RunTime, made_at_run_time
from bnlint.modes import (
    FixedMode,
    always,
    fixed_modes,
    loaded,
    may_be_learnt,
    normalizations,
    true_in_graph,
)
from bnlint.numbers import wrong_numbers
from bnlint.outputs import OutputNorm, output_norms
from bnlint.overridden import overridden_constants
from bnlint.ownership import untracked
from bnlint.passes import Sharing, sharings
from bnlint.placement import Placement, placements
from bnlint.precision import low_precision, recomputations
from bnlint.program import Program, functions_around, is_constant
from bnlint.propagation import (
    Running,
    explicit_nones,
    has_training,
    is_default,
    left_behind,
    lost_without_context,
    mode_calls,
    models_fitted,
    owner_of_default,
    replay,
    runs_of,
    trainable_norms,
    training_default,
    written_by_hand,
)
from bnlint.purpose import expects_an_error, in_gradient, is_meta_learning, purpose
from bnlint.references import Reference
from bnlint.refreeze import freezing_fix, picking_fix, recompiling_fix
from bnlint.removal import removal
from bnlint.returned import returned_unread
from bnlint.rule import Option, Options, Rule
from bnlint.running import norm_modes
from bnlint.scaling import Disagreement, disagreements, standardised_inputs
from bnlint.scratch import frozen_from_scratch
from bnlint.shift import End, shift_ends
from bnlint.sources import is_within_tensorflow
from bnlint.steps import GradientStep, gradient_steps, is_learned_from, origins
from bnlint.update_ops import lost_keras_updates, never_in_training, unrun_updates
from bnlint.verify.again import first_training_moves, heeded_by_fit
from bnlint.verify.batches_apart import told_apart
from bnlint.verify.bench import Bench, Inconclusive
from bnlint.verify.course import as_trained, moved_in_training, normalizations_at
from bnlint.verify.flags import freezes_lost, frozen_at_start, met_by_loop
from bnlint.verify.raised import adds_state, constructs_a_norm, holds_the_class, refuses_its_input
from bnlint.wrappers import by_call

__all__ = [
    "LINEAR",
    "OUTPUTS",
    "UNKNOWN",
    "Bench",
    "Call",
    "ClassV",
    "Const",
    "Context",
    "Disagreement",
    "Edit",
    "End",
    "Event",
    "Finding",
    "Fix",
    "FixedMode",
    "FunctionV",
    "GradientStep",
    "Inconclusive",
    "LayerV",
    "MissedFreeze",
    "ModelV",
    "Option",
    "Options",
    "OutputNorm",
    "OwnNormalization",
    "OwnWeight",
    "Placement",
    "Program",
    "Reference",
    "Related",
    "Rule",
    "Run",
    "RunTime",
    "Running",
    "Severity",
    "Sharing",
    "Span",
    "SymbolV",
    "TensorV",
    "Training",
    "Unknown",
    "Value",
    "Verdict",
    "WeightCopy",
    "World",
    "Writes",
    "accumulations",
    "activation",
    "adds_state",
    "all_steps",
    "always",
    "as_trained",
    "attributes_with",
    "averaged_evaluations",
    "backbones",
    "by_call",
    "call_of_class",
    "calls_without_mode",
    "compiled_elsewhere",
    "constructs_a_norm",
    "courses",
    "disagreements",
    "expects_an_error",
    "explicit_nones",
    "first_training_moves",
    "fixed_modes",
    "fixing_callers",
    "freezes_lost",
    "freezing_fix",
    "frozen_at_start",
    "frozen_from_scratch",
    "functions_around",
    "fused",
    "gradient_steps",
    "has_training",
    "heeded_by_fit",
    "holds_the_class",
    "in_gradient",
    "in_inference_mode",
    "in_unit_test",
    "is_constant",
    "is_default",
    "is_learned_from",
    "is_made_up",
    "is_meta_learning",
    "is_repeated",
    "is_within_tensorflow",
    "late_writes",
    "left_behind",
    "loaded",
    "lost_keras_updates",
    "lost_without_context",
    "low_precision",
    "made_at_run_time",
    "may_be_learnt",
    "may_have_weights",
    "may_read",
    "met_by_loop",
    "missed_freezes",
    "mode_calls",
    "mode_of_the_model",
    "mode_parameter",
    "models_fitted",
    "modes_handed_on",
    "most_per_replica",
    "moved_in_training",
    "never_in_training",
    "norm_modes",
    "normalizations",
    "normalizations_at",
    "origins",
    "output_norms",
    "overridden_constants",
    "overwritten",
    "own_normalizations",
    "owner_of_default",
    "picking_fix",
    "placements",
    "purpose",
    "reads_after",
    "recompiling_fix",
    "recomputations",
    "refuses_its_input",
    "removal",
    "replay",
    "report",
    "returned_unread",
    "runs_of",
    "sharings",
    "shift_ends",
    "standardised_inputs",
    "told_apart",
    "trainable_norms",
    "training_default",
    "training_runs",
    "trainings",
    "true_in_graph",
    "unrun_updates",
    "unset_clones",
    "untracked",
    "weight_copies",
    "with_keyword",
    "without_keywords",
    "written_by_hand",
    "wrong_numbers",
]


def report(
    rule: Rule,
    span: Span,
    message: str,
    *,
    severity: Severity | None = None,
    related: tuple[Related, ...] = (),
    fix: Fix | None = None,
) -> Finding:
    """A finding of ``rule``, at its own severity unless another is given."""
    return Finding(rule.code, rule.name, severity or rule.severity, span, message, related, fix)
