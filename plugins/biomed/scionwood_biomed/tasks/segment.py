"""Segmentation: each pixel gets a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, Task
from scionwood.authoring import Deployed, Normalisation, Signal
from scionwood_biomed.tasks.deployed import BRIGHTNESS, IMAGE


@final
class Segment(Task):
    """Cross-entropy plus soft Dice of the classes of pixels.

    Shapes: a batch holds `image` (batch, 3, size, size) float32 and `mask` (batch, size, size)
        int64: 0 is background, n is the nth class.

    Units: images from 0 (black) to 1 (white); Dice from 0 to 1.

    Source: Milletari et al. 2016, arXiv:1606.04797 (soft Dice).

    Args:
        backbone: `biomed/segmenter`, or another network from images to logits of pixels.
        dice: weight of the soft Dice beside the cross-entropy.
        optimiser: the options of the optimiser; see `Task`.
    """

    defaults: ClassVar[Optimiser] = {"lr": 3e-3, "weight_decay": 1e-4, "schedule": "cosine"}

    def __init__(
        self, backbone: nn.Module, *, dice: float = 1.0, **optimiser: Unpack[Optimiser]
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.dice = dice
        self._pixels = 0  # of the last batch that was measured

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return cross-entropy, soft Dice and their weighted sum."""
        logits, mask = self.backbone(batch["image"]), batch["mask"]
        cross = F.cross_entropy(logits, mask)
        soft = 1 - _soft_dice(logits, mask)
        return {"loss": cross + self.dice * soft, "cross": cross, "soft_dice": soft}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the Dice of all pixels of a batch and all classes but background."""
        predicted, mask = self.backbone(batch["image"]).argmax(1), batch["mask"]
        both = ((predicted == mask) & (mask > 0)).sum()
        self._pixels = int((predicted > 0).sum() + (mask > 0).sum())
        return {"dice": 2 * both / max(self._pixels, 1)}

    def counts(self, batch: dict[str, Any]) -> dict[str, float]:
        """Return the pixels of both masks: weighted by them, Dice is that of the whole split."""
        return {"dice": self._pixels}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the network for export: images to logits of pixels."""
        backbone: Any = self.backbone
        return Deployed(
            backbone,
            tuple(backbone.example_input()),
            inputs=(Signal("image", IMAGE, BRIGHTNESS),),
            outputs=(Signal("logits", ("batch", "class", "row", "column"), "1"),),
            dynamic=("batch",),
            normalisation=Normalisation(
                before=("Cut the picture to the size of the input, three channels.",),
                after=("The class with the highest logit; 0 is background.",),
                numbers={"classes": list(getattr(backbone, "classes", ()))},
            ),
        )


def _soft_dice(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the mean soft Dice over the classes other than background."""
    answers = logits.softmax(1)[:, 1:]
    classes = torch.arange(1, logits.shape[1], device=mask.device)
    truth = (mask[:, None] == classes[:, None, None]).to(answers)
    both = (answers * truth).sum((0, 2, 3))
    total = answers.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return ((2 * both + 1) / (total + 1)).mean()
