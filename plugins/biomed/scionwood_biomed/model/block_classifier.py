"""A frozen vision tower with one linear answer for each of its blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError
from scionwood_biomed.model.blocks import BlockTower
from scionwood_biomed.model.lda import Discriminant

VISION = r"vision\.tower\.(.*\.(qkv|query|value|q_proj|v_proj)|mix)"
LEAST = 1e-6
"""Smallest probability of the mean over the blocks."""


@final
class BlockHead(nn.Module):
    """Linear scores of each block, averaged as probabilities.

    Args:
        widths: the width of the features of each block.
        classes: number of classes, or of findings.
        exclusive: whether an image has exactly one class; otherwise each finding is yes or no.

    Attributes:
        threshold: the probability of the second class from which it is the answer; training sets it
            on the validation split.
    """

    threshold: Tensor

    def __init__(self, widths: Sequence[int], classes: int, *, exclusive: bool = True) -> None:
        super().__init__()
        self.exclusive = exclusive
        self.weight = nn.ParameterList(nn.Parameter(torch.zeros(classes, n)) for n in widths)
        self.bias = nn.Parameter(torch.zeros(len(widths), classes))
        self.sharpness = nn.Parameter(torch.ones(1))
        self.register_buffer("threshold", torch.full((1,), 0.5))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map features (batch, width) of each block to logits (batch, class).

        The softmax of the logits is the probability of each class; of findings it is the sigmoid.
        """
        parts = []
        for each, weight, bias in zip(features, self.weight, self.bias, strict=True):
            scores = F.linear(F.normalize(each, dim=-1), weight, bias)
            parts.append(scores.softmax(-1) if self.exclusive else scores.sigmoid())
        mean = torch.stack(parts).mean(0).clamp(LEAST, 1 - LEAST)
        logits = mean.log() if self.exclusive else mean.logit()
        return logits * self.sharpness

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities that belong to logits (batch, class)."""
        return logits.softmax(-1) if self.exclusive else logits.sigmoid()

    @torch.no_grad()
    def fill(self, fitted: Sequence[Discriminant]) -> None:
        """Take over the discriminants of the blocks."""
        for at, each in enumerate(fitted):
            self.weight[at].copy_(each.weight)
            self.bias[at].copy_(each.bias)

    @property
    def fitted(self) -> bool:
        """Whether any weight differs from zero."""
        return any(bool(each.any()) for each in self.weight)


@final
class BlockClassifier(nn.Module):
    """A vision tower whose blocks all answer; the tower is frozen, unless it has an adapter.

    Args:
        tower: a vision tower of open_clip or timm.
        size: side of an image in pixels.
        channels: mean and standard deviation of each channel, for images from 0 to 1.
        classes: names of the classes or findings.
        exclusive: whether an image has exactly one class.
        card: entries for the adapter card.
        slices: the number of slices of a volume, for a tower in three dimensions, which gets the
            grey values (batch, 1, slice, size, size); `None` for images.

    Raises:
        RecipeError: there are fewer than two classes, no finding, or a name occurs twice.
    """

    head = ("answer",)
    _mean: Tensor
    _std: Tensor

    def __init__(
        self,
        tower: nn.Module,
        *,
        size: int,
        channels: tuple[Sequence[float], Sequence[float]],
        classes: Sequence[str],
        exclusive: bool,
        card: dict[str, str],
        slices: int | None = None,
    ) -> None:
        super().__init__()
        least = 2 if exclusive else 1
        if len(classes) < least or len(set(classes)) < len(classes):
            rule = f"{least} or more different names are needed"
            remedy = "Give the class names of your data"
            raise RecipeError(f"backbone.classes {list(classes)}", rule, remedy)
        self.classes, self.size, self.card = list(classes), size, card
        self.slices = slices
        depth = () if slices is None else (slices,)
        self.shape = (*depth, 3, size, size)
        self.vision = BlockTower(tower)
        mean, std = (torch.tensor(list(each)).view(-1, 1, 1) for each in channels)
        self.register_buffer("_mean", mean, persistent=False)
        self.register_buffer("_std", std, persistent=False)
        tower.eval()
        with torch.no_grad():
            widths = [each.shape[1] for each in self.features(torch.zeros(1, *self.shape))]
        self.answer = BlockHead(widths, len(classes), exclusive=exclusive)
        names = _adapted(self)
        self.adapter_targets = {"vision": "|".join(map(re.escape, names))} if names else {}

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the pooled features of each block, (batch, width), not normalised.

        Args:
            image: (batch, 3, size, size), or (batch, slice, 3, size, size), float32, 0 to 1.
        """
        blocks: list[Tensor] = self.vision(self.normalised(image))
        return blocks

    def normalised(self, image: Tensor) -> Tensor:
        """Return images less the mean of the tower, over its standard deviation.

        Args:
            image: (batch, 3, size, size), or (batch, slice, 3, size, size), float32, 0 to 1.

        Raises:
            RecipeError: the image has another size, or the volume another number of slices.
        """
        if tuple(image.shape[1:]) != self.shape:
            rule = f"the tower takes {self.size} x {self.size}"
            remedy = f"Set data.size to {self.size}"
            if self.slices is not None:
                rule, remedy = f"{rule} and {self.slices} slices", f"{remedy}, or change the slices"
            raise RecipeError(f"images of {tuple(image.shape[1:])}", rule, remedy)
        if self.slices is None:
            return (image - self._mean) / self._std
        return ((image.mean(2) - self._mean) / self._std)[:, None]

    def forward(self, image: Tensor) -> Tensor:
        """Map images or volumes from 0 to 1, as in `features`, to logits (batch, class)."""
        logits: Tensor = self.answer(self.features(image))
        return logits

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two noise images or volumes."""
        return (torch.rand(2, *self.shape),)


def _adapted(network: BlockClassifier) -> list[str]:
    """Return the layers of the preset `vision`: of attention, or the convolutions of a volume."""
    names = []
    for name, module in network.named_modules():
        attention = isinstance(module, nn.Linear) and re.fullmatch(VISION, name)
        if attention or isinstance(module, nn.Conv3d):
            names.append(name)
    return names
