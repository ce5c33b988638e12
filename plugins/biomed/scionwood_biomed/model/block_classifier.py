"""A frozen vision tower with one linear answer for each of its blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError
from scionwood_biomed.model.lda import Discriminant
from scionwood_biomed.model.timm_tower import card_of, load_vision
from scionwood_biomed.model.tower_network import TowerNetwork
from scionwood_biomed.monai.networks import load_in_3d

VISION = r"vision\.tower\.(.*\.(qkv|query|value|q_proj|v_proj)|mix)"
SMALLEST_PROBABILITY = 1e-6
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
        for block, weight, bias in zip(features, self.weight, self.bias, strict=True):
            scores = F.linear(F.normalize(block, dim=-1), weight, bias)
            parts.append(scores.softmax(-1) if self.exclusive else scores.sigmoid())
        # The loss takes logits: the logarithm of the mean is given back, kept away from log 0.
        mean = torch.stack(parts).mean(0).clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        logits = mean.log() if self.exclusive else mean.logit()
        return logits * self.sharpness

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities that belong to logits (batch, class)."""
        return logits.softmax(-1) if self.exclusive else logits.sigmoid()

    @torch.no_grad()
    def fill(self, fitted: Sequence[Discriminant]) -> None:
        """Take over the discriminants of the blocks."""
        for at, discriminant in enumerate(fitted):
            self.weight[at].copy_(discriminant.weight)
            self.bias[at].copy_(discriminant.bias)

    @property
    def fitted(self) -> bool:
        """Whether any weight differs from zero."""
        return any(bool(weight.any()) for weight in self.weight)


@final
class BlockClassifier(TowerNetwork):
    """A frozen vision tower whose every block answers; `biomed/blockwise_lda` fits it.

    Args:
        model: as for `biomed/clip`, whose vision tower is taken; or `timm:NAME` for a tower of
            timm, such as `timm:vit_small_patch14_dinov2`; or `monai:ResNet` for a residual network
            in three dimensions (extra `monai`), whose convolutions LoRA can adapt.
        weights: weights of an architecture: for timm and MONAI a safetensors file, for open_clip a
            tag or a file; `None` means random ones.
        size: side of an image in pixels, for towers of timm that can take another one; `None` means
            that of the model.
        classes: names of the classes, or of the findings.
        exclusive: whether an image has exactly one class. Otherwise each finding is yes or no, and
            the data states it in a column for each finding.
        slices: number of slices of a volume, for a network in three dimensions; 16 by default.
        options: options of a network of MONAI; `None` means a small one.
        init_seed: seed of random weights.

    Shapes: image (batch, 3, size, size), or volumes (batch, slice, 3, size, size), float32, to
        logits (batch, class).

    Units: images from 0 (black) to 1 (white); the softmax of the logits gives probabilities, of
        findings it is the sigmoid.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the tower has no list of blocks that is known.
        RecipeError: there are fewer than two classes, no finding, or a name occurs twice; or
            `slices` are given for a network in two dimensions.

    Source: this project's: unit-length features of every block, one linear answer for each, and the
        mean of their probabilities. Chen et al. 2019, arXiv:1904.00625 (residual networks in three
        dimensions for medical images).
    """

    head = ("answer",)

    def __init__(
        self,
        *,
        model: str = "tiny",
        weights: str | None = None,
        size: int | None = None,
        classes: Sequence[str] = ("no", "yes"),
        exclusive: bool = True,
        slices: int | None = None,
        options: Mapping[str, Any] | None = None,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if model.startswith("monai:"):
            slices = slices or 16
            tower = load_in_3d(model, weights, (slices, size or 64), options, init_seed)
        elif slices is not None:
            rule = f"{model} takes single images"
            remedy = "Use biomed/bag, which pools the slices of a volume, or model monai:ResNet"
            raise RecipeError(f"backbone.slices {slices}", rule, remedy)
        else:
            tower = load_vision(model, weights, size, init_seed)
        self.adopt(tower, classes, 2 if exclusive else 1, "Give the class names of your data")
        self.card, self.slices = card_of(model, weights), slices
        depth = () if slices is None else (slices,)
        self.shape = (*depth, 3, self.size, self.size)
        with torch.no_grad():
            widths = [block.shape[1] for block in self.features(torch.zeros(1, *self.shape))]
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
        # A network of volumes has one channel, and the slices are its first axis of space.
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
