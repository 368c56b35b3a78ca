"""Values for the parameters of a function that nobody in sight calls, justified by their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

INPUT = object()
"""Stands for a symbolic or real input tensor, which only the stage can make."""
TARGET = object()
"""Stands for targets that fit a model's output."""
MODEL = object()
"""Stands for the model made last."""
OPTIMIZER, LOSS, METRIC, OPTIONS = object(), object(), object(), object()
SIZE = object()
"""Stands for the height or width of an image."""

_BY_NAME: tuple[tuple[str, Callable[[], Any]], ...] = (
    (r"(input|image|img|x|in|data|sample|obs(ervation)?|state)_?shapes?|(image|img)_?(dims?|size)s?", lambda: (32, 32, 3)),
    (r"(input|x|in|data|sample|obs(ervation)?|state)_?(dims?|size)", lambda: 8),
    (r"shape", lambda: (32, 32, 3)),
    (r"(batch|bs)(_?size)?", lambda: 16),
    (r"(img|image|input)?_?(height|width|rows?|cols?|size|h|w|res(olution)?)", lambda: SIZE),
    (r"(in|img|image|input)?_?(channels?|ch|depth_?in)|n_?channels?", lambda: 3),
    (
        r"(?!(labels?|targets?)$)(n(um|b|o|r)?_?(of_?)?)?(class(es)?|labels?|categories|outputs?|actions?|targets?|tags)(_?(n(um|b)?|count|size|dim))?",
        lambda: 10,
    ),
    (
        r"(n(um|b)?_?)?(out|output|action|act|code|embedding|emb|latent|noise|hidden|z|feature|feat|model)s?_?(dims?|size|units?|ch(annels)?)",
        lambda: 16,
    ),
    (
        r"(n(um|b)?_?)?(units?|neurons|hidden|filters?|width|features?|dims?|planes|growth(_rate)?|nf|n_?f|ch|c|k|latent|f)\d*",
        lambda: 16,
    ),
    (r"(n(um|b)?_?)?(blocks?|layers?|depth|stages?|repeats?|repetitions?|levels?|times|cells?|n|r)", lambda: 2),
    (
        r"(n(um|b)?_?)?(steps?|epochs?|iterations|iters|timesteps|seq(uence)?_?len(gth)?|max_?len(gth)?|length)(_per_epoch)?",
        lambda: 8,
    ),
    (r"(vocab(ulary)?|max_?(features|words|tokens))(_?size)?", lambda: 100),
    (r"(vocab(ulary)?|input|field|feature|embedding)_?(sizes|dims)|cardinalities", lambda: (16, 16)),
    (
        r"((hidden|layer|block|stage)_?)?(widths|dims|sizes|depths)|hidden_layers|(units|filters|channels)_list",
        lambda: (16, 16),
    ),
    (r"n(um|b)?_?(of_?)?(obs|observations?|states?|inputs?)", lambda: 8),
    (r"kernel(_?size)?s?|ks|filter_?size|conv_?size|ksize", lambda: 3),
    (r"strides?|s|dilation(_rate)?s?|scale|expansion|alpha|multiplier|ratio|groups|cardinality", lambda: 1),
    (r"pad(ding)?", lambda: "same"),
    (r".*(dropout|drop)(_?(rate|prob|p))?|rate|p", lambda: 0.1),
    (r"(lr|learning_?rate|tau|decay|weight_?decay|l2|reg(ularization)?|eps(ilon)?)", lambda: 1e-3),
    (r"momentum|beta", lambda: 0.99),
    (r"act(ivation)?(_?(fn|func(tion)?))?", lambda: "relu"),
    (r"(kernel_)?init(ializer)?", lambda: "glorot_uniform"),
    (r".*name|prefix|suffix|scope|tag|block|stage", lambda: "bnlint"),
    (r"weights|pretrained|.*path|.*_dir|.*file(name)?|.*callback(s)?|log.*", lambda: None),
    (r"(.*_)?(args?|opts?|options|flags|params|hparams|hyper_?params|settings|config|cfg|conf)", lambda: OPTIONS),
    (r"(use|is|has|with|include|apply|add)_.*|training|train|trainable|verbose|bn|batch_?norm(alization)?|norm", lambda: True),
    (r"seed|index|i|idx|step|epoch|axis", lambda: 1),
    (r"loss(_?(fn|func(tion)?|object))?|criterion", lambda: LOSS),
    (r".*opt(im(izer)?)?", lambda: OPTIMIZER),
    (r".*metric|acc(uracy)?", lambda: METRIC),
    (r"(.*_)?(y|ys|yb|y_?batch|y_?true|labels?|targets?|masks?|gt|ground_truth)", lambda: TARGET),
    (
        r"(.*_)?(model|net|network|base|backbone|encoder|generator|discriminator|critic|policy|student|teacher|classifier)",
        lambda: MODEL,
    ),
    (
        r"(.*_)?(x|xs|xb|x_?batch|inputs?|tensor|input_tensor|images?|imgs?|batch|features|real|reals|noise|z|obs|states?|data|skip|residual|t|h|feat|out|layer|conv|d|last|prev|previous)\d*",
        lambda: INPUT,
    ),
    # what the last word of a longer name says
    (r".*_(scale|factor|ratio|multiplier|alpha|expansion|groups|strides?|dilation|step|index|id)", lambda: 1),
    (r".*_(size|height|width|rows|cols)", lambda: SIZE),
    (r".*_(channels|ch)", lambda: 3),
    (r".*_(filters|units|dims?|features|neurons)", lambda: 16),
    (r".*_(classes|labels|outputs|actions)", lambda: 10),
    (r".*_(layers|blocks|depth|levels|stages|heads)", lambda: 2),
    (r".*_(rate|prob|p)", lambda: 0.1),
    (r".*_(length|len|steps|epochs)", lambda: 8),
)
_BY_ANNOTATION: tuple[tuple[str, Any], ...] = (
    ("bool", False),
    ("float", 0.5),
    ("str", "bnlint"),
    ("Model", MODEL),
    ("Tensor", INPUT),
    ("tuple", (32, 32, 3)),
)
_DATA = re.compile(
    r"(.*_)?(batch(es)?|x|xs|xb|images?|imgs?|inputs?|samples?|noisy|clean|y|ys|yb|labels?|targets?|masks?|gt)(_?(batch|b|train|test|val))?"
)
_TENSORS = (INPUT, TARGET, MODEL)
_COUNT = re.compile(r"(n|num|nb|number_of|no_of)_")
_COMPILED = tuple((re.compile(pattern), value) for pattern, value in _BY_NAME)


def guess(name: str, annotation: str = "") -> Any:
    """A value for a parameter by its name, else by its annotation, else the integer 1; may be one of the stand-ins."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("_")
    for pattern, value in _COMPILED:
        if pattern.fullmatch(plain):
            found = value()
            misfit = found in _TENSORS or (annotation == "int" and isinstance(found, (str, tuple, float)))
            return 16 if misfit and (annotation == "int" or _COUNT.match(plain)) else found
    if _COUNT.match(plain):
        return 16
    for word, stand_in in _BY_ANNOTATION:
        if word in annotation:
            return stand_in
    return 1 if "int" in annotation else INPUT


def is_data(name: str) -> bool:
    """Whether a name says that it stands for a batch, or for some of its inputs or targets."""
    return bool(_DATA.fullmatch(name.lower()))
