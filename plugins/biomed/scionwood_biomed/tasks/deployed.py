"""The form in which other programs run a classifier: an image to class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from scionwood.authoring import Deployed, Normalisation, Signal

IMAGE = ("batch", "channel", "row", "column")
BRIGHTNESS = "from 0 (black) to 1 (white)"


@final
class Classifier(nn.Module):
    """A two-tower model with the text features of its classes inside.

    Args:
        backbone: a model of `biomed/clip`, with or without an adapter.
        text: (class, feature), of unit length.
    """

    text: Tensor

    def __init__(self, backbone: nn.Module, text: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("text", text)

    def forward(self, image: Tensor) -> Tensor:
        """Map images (batch, 3, size, size) to class probabilities (batch, class)."""
        towers: Any = self.backbone
        logits: Tensor = towers.logits(towers.image_features(image), self.text)
        return logits.softmax(-1)


def classifier(backbone: nn.Module, text: Tensor, classes: Sequence[str]) -> Deployed:
    """Return a classifier of images for export; its classes are fixed.

    Args:
        backbone: a model of `biomed/clip`, with or without an adapter.
        text: the text features of the classes, (class, feature), of unit length.
        classes: their names.
    """
    image, _ = _example(backbone)
    return Deployed(
        Classifier(backbone, text),
        (image,),
        inputs=(Signal("image", IMAGE, BRIGHTNESS),),
        outputs=(Signal("probabilities", ("batch", "class"), "probability"),),
        dynamic=("batch",),
        normalisation=Normalisation(
            before=("Cut or scale the picture to the size of the input, three channels.",),
            after=("The probabilities are in the order of the classes.",),
            numbers={"classes": list(classes)},
        ),
    )


def two_towers(backbone: nn.Module) -> Deployed:
    """Return both towers for export: images and tokens to logits.

    Args:
        backbone: a model of `biomed/clip`, with or without an adapter.
    """
    return Deployed(
        backbone,
        _example(backbone),
        inputs=(
            Signal("image", IMAGE, BRIGHTNESS),
            Signal("tokens", ("text", "token"), "token numbers"),
        ),
        outputs=(Signal("logits", ("batch", "text"), "1"),),
        dynamic=("batch",),
    )


def _example(backbone: Any) -> tuple[Tensor, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        image, tokens = backbone.example_input()
    return image, tokens
