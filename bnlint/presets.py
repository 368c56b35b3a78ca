"""What the names of presets, such as "resnet_50_imagenet", tell of a model."""

from __future__ import annotations

import re

from bnlint.names import NAMES

ARCHITECTURES = re.compile("|".join(NAMES["architectures of presets"]), re.IGNORECASE)
DATA = re.compile("|".join(NAMES["data of presets"]), re.IGNORECASE)


def is_preset_with_batchnorm(name: str) -> bool:
    """Whether a preset is a network with batch normalization."""
    return ARCHITECTURES.search(name) is not None


def is_pretrained_preset(name: str) -> bool:
    """Whether a preset brings weights; some are architectures only."""
    return DATA.search(name) is not None
