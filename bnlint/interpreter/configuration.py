"""What Keras and TensorFlow are set up with, decorators that change nothing, and other small functions of theirs."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.interpreter.dispatch import CallSite, method, native
from bnlint.interpreter.graphs import trace
from bnlint.interpreter.machine import Machine
from bnlint.interpreter.tensors import tensors_in
from bnlint.interpreter.values import (
    NONE,
    Arguments,
    Configured,
    Const,
    InstanceV,
    ListV,
    SymbolV,
    TupleV,
    Unknown,
    Value,
    unknown,
)

KEEPS_FUNCTION = (
    "tensorflow.function", "tensorflow.autograph.experimental.do_not_convert", "tensorflow.autograph.to_graph",
    "tensorflow.contrib.framework.add_arg_scope", "tensorflow.contrib.eager.defun", "tensorflow.custom_gradient",
    "tensorflow.jit", "tensorflow.__internal__.tracking.no_automatic_dependency_tracking",
    "tensorflow.python.util.tf_export.keras_export", "tensorflow.python.util.tf_export.tf_export",
    "tensorflow.python.framework.ops.RegisterGradient", "keras.saving.register_keras_serializable",
    "keras.utils.register_keras_serializable", "keras.src.api_export.keras_export", "jax.jit", "jax.checkpoint", "jax.remat",
    "gin.configurable", "gin.register", "typeguard.typechecked", "beartype.beartype", "hydra.main", "numba.jit", "numba.njit",
    "tensorflow_probability.internal.prefer_static", "typing.overload", "typing.final", "typing.no_type_check",
    "typing_extensions.deprecated", "warnings.deprecated", "pytest.fixture", "pytest.mark.parametrize", "torch.no_grad",
)  # fmt: skip
"""Decorators, with or without arguments, that give the function they get, as far as a model is concerned."""


def keep_function(path: str) -> None:
    @native(path)
    def call(m: Machine, site: CallSite, arguments: Arguments) -> Value:
        first = arguments.positional[0] if arguments.positional else arguments.keywords.get("func")
        if first is None or isinstance(first, Const) or not callable_value(first):
            return SymbolV(path)
        return first


def callable_value(value: Value) -> bool:
    """Whether a value can be the function that is decorated."""
    return not isinstance(value, (Const, ListV))


for each in KEEPS_FUNCTION:
    keep_function(each)


@native("keras.backend.image_data_format", "keras.backend.image_dim_ordering")
def image_data_format(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """Channels last, unless the project sets it or keras.json says otherwise."""
    ordering = site.path.endswith("ordering")
    chosen = m.settings.get("image_data_format")
    if chosen is None:
        return Const(Configured("tf" if ordering else "channels_last"))
    return in_words(chosen, {"channels_first": "th", "channels_last": "tf"}) if ordering else chosen


def in_words(value: Value, words: Mapping[object, str]) -> Value:
    """A format under its name in another generation of Keras."""
    return Const(words[value.value], value.assumed) if isinstance(value, Const) and value.value in words else value


@native("keras.backend.set_image_data_format", "keras.backend.set_image_dim_ordering")
def set_image_data_format(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    value = m.resolve(arguments.get(0, "data_format") or arguments.get(0, "dim_ordering") or unknown("a data format"))
    value = in_words(value, {"th": "channels_first", "tf": "channels_last"})
    m.touch(m.settings)
    m.settings.items["image_data_format"] = (NONE, value or unknown("a data format"))
    return NONE


@native("keras.backend.backend", "keras.config.backend")
def backend(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return Const(Configured("tensorflow"))


@native("keras.backend.floatx", "keras.config.floatx")
def floatx(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return Const(Configured("float32"))


@native("keras.backend.set_floatx", "keras.config.set_floatx", "keras.config.set_dtype_policy",
        "keras.mixed_precision.set_global_policy", "keras.mixed_precision.set_dtype_policy",
        "keras.mixed_precision.experimental.set_policy", "keras.dtype_policies.set_dtype_policy")  # fmt: skip
def set_policy(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The precision of all layers made from now on, with the place that sets it."""
    values = arguments.values()
    m.touch(m.settings)
    m.settings.items["policy"] = (NONE, TupleV((values[0] if values else unknown("a policy"), Const(site.span))))
    return NONE


@native("keras.DTypePolicy", "keras.dtype_policies.DTypePolicy", "keras.mixed_precision.Policy", "keras.mixed_precision.DTypePolicy",
        "keras.mixed_precision.experimental.Policy", "keras.dtype_policies.get")  # fmt: skip
def make_policy(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A policy is known by its name."""
    values = arguments.values()
    return values[0] if values else unknown("a policy")


REMAT_SCOPE = "keras.RematScope"


@native(REMAT_SCOPE)
def make_remat_scope(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return InstanceV(SymbolV(REMAT_SCOPE), {"mode": arguments.get(0, "mode") or Const("full")}, open=True)


@native("tensorflow.recompute_grad", "keras.remat", "tensorflow.contrib.layers.recompute_grad",
        "tensorflow.python.ops.custom_gradient.recompute_grad")  # fmt: skip
def recompute(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A function whose forward pass runs again for the gradient."""
    function = arguments.positional[0] if arguments.positional else arguments.keywords.get("f")
    if function is None:
        return SymbolV(site.path)
    m.event("recompute", NONE, site, value=function)
    return function


@native("keras.backend.epsilon")
def epsilon(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return Const(1e-7)


@native("keras.utils.get_source_inputs", "keras.utils.layer_utils.get_source_inputs")
def get_source_inputs(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """The inputs that a tensor comes from."""
    tensor = next(tensors_in(arguments.positional[0]), None) if arguments.positional else None
    if tensor is None:
        return unknown("source inputs")
    calls = trace([], [tensor]).calls
    return ListV([each.outputs[0] for each in calls if each.function == "keras.layers.InputLayer"])


@native("keras.backend.name_scope", "tensorflow.name_scope", "tensorflow.variable_scope", "keras.name_scope")
def name_scope(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return InstanceV(SymbolV("tensorflow.name_scope"), {}, open=True)


@native("keras.backend.clear_session", "keras.utils.clear_session", "keras.utils.set_random_seed", "tensorflow.random.set_seed")
def nothing(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    return NONE


@native("keras.utils.plot_model", "keras.utils.model_to_dot", "tensorflow.keras.utils.plot_model")
def look_at_model(m: Machine, site: CallSite, arguments: Arguments) -> Value:
    """A model is looked at, not changed."""
    return unknown("a picture")


@method(InstanceV, "run", "experimental_run_v2")
def run_on_strategy(m: Machine, site: CallSite, strategy: InstanceV, arguments: Arguments) -> Value:
    """``strategy.run(step, args=(...))`` calls the step."""
    function = arguments.get(0, "fn")
    if function is None or not isinstance(strategy.cls, SymbolV) or "distribute" not in strategy.cls.path:
        return unknown("result of run")
    given = arguments.get(1, "args")
    items = m.items(given, site) if given is not None else []
    keywords = arguments.keywords.get("kwargs")
    unknown_rest = items is None or isinstance(keywords, Unknown)
    return m.call(function, Arguments(list(items or []), {}, unknown_rest, unknown_rest), site)
