"""Methods that adapt a frozen model to few images, with one set of hyper-parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from peft import LoraConfig, PeftConfig
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR

from scionwood import attach, parameter_groups
from scionwood.authoring import minimise
from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.evaluation.linear_probe import linear_probe
from scionwood_biomed.model.blocks import BlockTower, class_tokens
from scionwood_biomed.model.lda import Discriminant, discriminant, regression
from scionwood_biomed.model.towers import ClipBackbone
from scionwood_biomed.tasks.anchors import Prompts
from scionwood_biomed.tasks.few_shot import FewShot, prompts
from scionwood_biomed.tasks.wording import TEMPLATE

SIDE = 28
"""Side of the picture that the method `raw_pixels` sees."""
RATE, DECAY, BATCH = 4e-3, 1e-4, 16
"""Learning rate, weight decay and images of a step; chosen on training slices, see the results."""


@final
class Shots(NamedTuple):
    """The training data of a method.

    Attributes:
        image: (image, 3, size, size) float32, 0 to 1.
        label: (image,) int64.
        classes: class names.
        experts: expert sentences by class, or `None`.
    """

    image: Tensor
    label: Tensor
    classes: list[str]
    experts: Prompts | None = None


class Method(ABC):
    """A method of adaptation, applied to a backbone of its own.

    Args:
        backbone: the two-tower model, which is frozen and changed in place.
        steps: optimiser steps of methods that train.
    """

    def __init__(self, backbone: ClipBackbone, steps: int) -> None:
        self.backbone, self.steps = backbone.eval().requires_grad_(False), steps

    @abstractmethod
    def fit(self, shots: Shots, seed: int) -> None:
        """Train on the shots."""

    @abstractmethod
    def probabilities(self, image: Tensor) -> Tensor:
        """Return (image, class) of images (image, 3, size, size) from 0 to 1."""

    @abstractmethod
    def trainable(self) -> int:
        """Return the number of trained parameters."""


class Regression(Method):
    """Logistic regression on frozen features."""

    @abstractmethod
    def seen(self, image: Tensor) -> Tensor:
        """Return what the regression sees: unit-length features (image, feature)."""

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Fit the regression."""
        self.fitted = regression(self.seen(shots.image), shots.label, len(shots.classes))

    @torch.no_grad()
    def probabilities(self, image: Tensor) -> Tensor:
        """Return the answer of the regression."""
        return self.fitted.scores(self.seen(image)).softmax(-1)

    def trainable(self) -> int:
        """Return the number of weights and biases."""
        return self.fitted.weight.numel() + self.fitted.bias.numel()


@final
class RawPixels(Regression):
    """Logistic regression on a grey picture of 28 x 28 pixels."""

    def seen(self, image: Tensor) -> Tensor:
        """Return the unit-length pixels."""
        small = F.interpolate(image.mean(1, keepdim=True), (SIDE, SIDE), mode="area")
        return F.normalize(small.flatten(1), dim=-1)


@final
class LastBlock(Regression):
    """Logistic regression on the last block of the frozen tower."""

    def seen(self, image: Tensor) -> Tensor:
        """Return the features of the last block, without standard deviations."""
        return last_block(self.backbone, image)


class Blockwise(Method):
    """A reading of each block of the frozen tower; their probabilities are averaged."""

    @abstractmethod
    def reading(self, features: Tensor, label: Tensor, classes: int) -> Discriminant:
        """Fit to the unit-length features (image, width) of one block."""

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Fit a reading for each block."""
        blocks, count = each_block(self.backbone, shots.image), len(shots.classes)
        self.fitted = [self.reading(block, shots.label, count) for block in blocks]

    @torch.no_grad()
    def probabilities(self, image: Tensor) -> Tensor:
        """Return the mean of the readings."""
        pairs = zip(self.fitted, each_block(self.backbone, image), strict=True)
        return torch.stack([fit.scores(block).softmax(-1) for fit, block in pairs]).mean(0)

    def trainable(self) -> int:
        """Return the number of weights and biases."""
        return sum(fit.weight.numel() + fit.bias.numel() for fit in self.fitted)


@final
class BlockwiseLda(Blockwise):
    """One shrunken linear discriminant for each block."""

    def reading(self, features: Tensor, label: Tensor, classes: int) -> Discriminant:
        """Return a discriminant."""
        return discriminant(features, label, classes)


@final
class BlockwiseRegression(Blockwise):
    """One logistic regression for each block."""

    def reading(self, features: Tensor, label: Tensor, classes: int) -> Discriminant:
        """Return a regression."""
        return regression(features, label, classes)


@final
class ClassMean(Method):
    """The class whose mean feature of the last block is nearest."""

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Compute the means."""
        features = last_block(self.backbone, shots.image)
        self.means = F.normalize(F.one_hot(shots.label).to(features).T @ features, dim=-1)

    @torch.no_grad()
    def probabilities(self, image: Tensor) -> Tensor:
        """Return a softmax of cosines times 30."""
        return (30 * last_block(self.backbone, image) @ self.means.T).softmax(-1)

    def trainable(self) -> int:
        """Return the number of values of the means."""
        return self.means.numel()


@final
class ZeroShot(Method):
    """The frozen two-tower model with the sentence of each class."""

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Compute the features of the sentences; nothing is trained."""
        texts = self.backbone.tokenize(prompts(TEMPLATE, shots.classes))
        self.text = self.backbone.text_features(texts)

    @torch.no_grad()
    def probabilities(self, image: Tensor) -> Tensor:
        """Return the similarities to the sentences as probabilities."""
        return self.backbone.logits(self.backbone.image_features(image), self.text).softmax(-1)

    def trainable(self) -> int:
        """Return 0."""
        return 0


@final
class LinearProbe(Method):
    """A softmax regression on image features that starts at the text features of the classes."""

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Fit the regression; see `linear_probe`."""
        towers = self.backbone
        text = towers.text_features(towers.tokenize(prompts(TEMPLATE, shots.classes)))
        start = towers.clip.logit_scale.exp() * text
        self.weight = linear_probe(towers.image_features(shots.image), shots.label, start)

    @torch.no_grad()
    def probabilities(self, image: Tensor) -> Tensor:
        """Return the answer of the regression."""
        return (self.backbone.image_features(image) @ self.weight.T).softmax(-1)

    def trainable(self) -> int:
        """Return the number of weights."""
        return self.weight.numel()


class Adapted(Method):
    """An adapter that is trained by the task `biomed/few_shot`."""

    targets: str
    expert_weight: float
    low_weight: float
    varied: bool

    @abstractmethod
    def config(self) -> PeftConfig:
        """Return the configuration of the adapter."""

    def fit(self, shots: Shots, seed: int) -> None:
        """Attach the adapter, and train it: AdamW, half a cosine, gradient norm at most 1."""
        self.shots = shots
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = attach(self.backbone, self.config(), targets=self.targets)
            self.task = FewShot(
                self.model, template=TEMPLATE, expert_weight=self.expert_weight,
                low_weight=self.low_weight, varied=self.varied,
            )  # fmt: skip
            self.task.experts = shots.experts
            self.task.compute_prototypes(shots.image, shots.label, len(shots.classes))
            self.task.train()
            train(self.task, shots, self.steps)
        self.task.eval()

    @torch.no_grad()
    def probabilities(self, image: Tensor) -> Tensor:
        """Return the prediction of the task."""
        return self.task.predict({"image": image, "classes": self.shots.classes})

    def trainable(self) -> int:
        """Return the number of trained parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)


@final
class Lora(Adapted):
    """LoRA of rank 4 on the attention of both towers."""

    targets, expert_weight, low_weight, varied = "attention", 0.0, 0.0, False

    def config(self) -> PeftConfig:
        """Return LoRA."""
        return LoraConfig(r=4, lora_alpha=8)


@final
class DualAnchor(Adapted):
    """BiomedAP: visual prompts, a text context and their fusions, with anchors in training."""

    targets, expert_weight, low_weight, varied = "dual", 0.125, 0.0625, True

    def config(self) -> PeftConfig:
        """Return dual anchors; they act in training alone, as the paper says."""
        return DualAnchorConfig(template=TEMPLATE, keep=0.0)


METHODS: dict[str, type[Method]] = {
    "raw_pixels": RawPixels,
    "class_mean": ClassMean,
    "logistic_regression": LastBlock,
    "blockwise_regression": BlockwiseRegression,
    "blockwise_lda": BlockwiseLda,
    "zero_shot": ZeroShot,
    "linear_probe": LinearProbe,
    "lora": Lora,
    "dual_anchor": DualAnchor,
}
"""By name. The first five answer from frozen features, and read no prompt."""


def each_block(backbone: ClipBackbone, image: Tensor) -> list[Tensor]:
    """Return the unit-length pooled features of each block, (image, width).

    Args:
        backbone: the two-tower model.
        image: (image, 3, size, size) float32, 0 to 1.
    """
    blocks: list[Tensor] = BlockTower(backbone.clip.visual)(backbone.normalised(image))
    return [F.normalize(block, dim=-1) for block in blocks]


def last_block(backbone: ClipBackbone, image: Tensor) -> Tensor:
    """Return the unit-length features of the last block, without standard deviations."""
    block = each_block(backbone, image)[-1]
    # Pooled features are [class token,] mean and deviation over the patches, of equal widths.
    parts = 3 if class_tokens(backbone.clip.visual) else 2
    return F.normalize(block[:, : -(block.shape[1] // parts)], dim=-1)


def train(task: FewShot, shots: Shots, steps: int, lr: float = RATE) -> None:
    """Train what requires a gradient on random batches of the shots.

    Args:
        task: the task, whose losses are minimised.
        shots: the training data.
        steps: optimiser steps.
        lr: the learning rate at the start.
    """
    order = torch.zeros(0, dtype=torch.long)

    def loss(_: int) -> Tensor:
        nonlocal order
        if len(order) < min(BATCH, len(shots.label)):
            order = torch.cat([order, torch.randperm(len(shots.label))])
        chosen, order = order[:BATCH], order[BATCH:]
        batch = {"image": shots.image[chosen], "label": shots.label[chosen]}
        return task.losses(batch | {"classes": shots.classes})["loss"]

    minimise(
        loss,
        parameter_groups(task.backbone, lr, DECAY),
        steps=steps,
        lr=lr,
        weight_decay=DECAY,
        schedule=lambda optimizer: CosineAnnealingLR(optimizer, max(steps, 1)),
        clip=1.0,
        clipped=[p for p in task.backbone.parameters() if p.requires_grad],
    )
