"""What the names of presets, such as "resnet_50_imagenet", tell of a model."""

from __future__ import annotations

import re

ARCHITECTURES = re.compile(r"resnet|efficientnet|densenet|mobilenet|xception|darknet|inception|yolo|regnet|hgnet", re.IGNORECASE)
"""Architectures with batch normalization."""

DATA = re.compile(r"imagenet|coco|pascal|voc|ade20k|cityscapes", re.IGNORECASE)
"""What such models were trained on."""


def is_preset_with_batchnorm(name: str) -> bool:
    """Whether a preset is a network with batch normalization."""
    return ARCHITECTURES.search(name) is not None


def is_pretrained_preset(name: str) -> bool:
    """Whether a preset brings weights; some are architectures only."""
    return DATA.search(name) is not None
