"""What every method of a comparison offers: fit to shots, then answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from biomed_zoo.settings import Settings
from scionwood_biomed.evaluation.methods import Shots
from scionwood_biomed.model.towers import ClipBackbone


class Method(ABC):
    """A method of adaptation, applied to a backbone of its own.

    Args:
        backbone: the two-tower model, which is frozen and changed in place.
        settings: the hyper-parameters.
    """

    def __init__(self, backbone: ClipBackbone, settings: Settings) -> None:
        self.backbone, self.settings = backbone.eval().requires_grad_(False), settings

    @abstractmethod
    def fit(self, shots: Shots, seed: int) -> None:
        """Train on the shots."""

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """Return the image features (batch, feature), which do not depend on any text."""
        return self.backbone.image_features(image)

    @torch.no_grad()
    def probabilities(
        self, features: Tensor, texts: Sequence[str], classes: Sequence[str]
    ) -> Tensor:
        """Return (batch, class), the class probabilities of images.

        Args:
            features: (batch, feature), from `features`.
            texts: one prompt per class.
            classes: class names.
        """
        text = self.texts(texts, classes)
        return self.backbone.logits(features, text).softmax(-1)

    def texts(self, texts: Sequence[str], classes: Sequence[str]) -> Tensor:
        """Return the text features (class, feature) of one prompt per class."""
        return self.backbone.text_features(self.backbone.tokenize(texts))

    def trainable(self) -> int:
        """Return the number of trained parameters."""
        return 0
