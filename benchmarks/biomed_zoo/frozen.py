"""Methods on frozen features that a sensible person tries first; no tower changes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from biomed_zoo.base import Method, Shots
from biomed_zoo.settings import Settings
from scionwood_biomed.model.blocks import BlockTower, class_tokens
from scionwood_biomed.model.lda import discriminant
from scionwood_biomed.model.towers import ClipBackbone
from scionwood_biomed.tasks.few_shot import prompts
from scionwood_biomed.tasks.wording import TEMPLATE

Pooled = Callable[[ClipBackbone, Tensor], list[Tensor]]
"""Computes the pooled features of every block for images (batch, 3, size, size) from 0 to 1."""

SIDE = 28
"""Side of the picture that the method `raw_pixels` sees."""
INVERSE, LONG = 10.0, 10.0
"""Inverse strength of the penalty of the regressions, and the length of their features."""
CACHE, SHARPNESS = 1.0, 5.5
"""Residual ratio and sharpness of Tip-Adapter, as its authors give them."""
STEPS, RATE = 100, 1e-3


@torch.no_grad()
def pooled_features(backbone: ClipBackbone, image: Tensor) -> list[Tensor]:
    """Return the pooled features of each block, (batch, width).

    Args:
        backbone: the two-tower model.
        image: (batch, 3, size, size) float32, 0 to 1.
    """
    blocks: list[Tensor] = BlockTower(backbone.clip.visual)(backbone.normalised(image))
    return blocks


class Frozen(Method):
    """A method that answers from frozen features, without reading a prompt.

    Classes that differ from those of the shots are classified zero-shot.

    Args:
        backbone: the two-tower model.
        settings: the hyper-parameters; this method uses none of them.
        pooled: computes the features of the blocks.
    """

    classes: tuple[str, ...] = ()

    def __init__(
        self, backbone: ClipBackbone, settings: Settings, pooled: Pooled = pooled_features
    ) -> None:
        super().__init__(backbone, settings)
        self.pooled = pooled

    @abstractmethod
    def input_features(self, image: Tensor) -> Tensor:
        """Return what the method sees of images: (batch, feature)."""

    @abstractmethod
    def learn(self, features: Tensor, label: Tensor, classes: int) -> None:
        """Fit to what is seen of the shots."""

    @abstractmethod
    def answer(self, features: Tensor) -> Tensor:
        """Return (batch, class) probabilities."""

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Fit to the shots."""
        self.classes = tuple(shots.classes)
        self.learn(self.input_features(shots.image), shots.label, len(shots.classes))

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """Return (batch, feature): what the method sees, then the features beside the texts."""
        shared = self.backbone.image_features(image)
        self._shared = shared.shape[1]
        return torch.cat([self.input_features(image), shared], 1)

    @torch.no_grad()
    def probabilities(
        self, features: Tensor, texts: Sequence[str], classes: Sequence[str]
    ) -> Tensor:
        """Return (batch, class); see `Method.probabilities`."""
        head_features, shared = features[:, : -self._shared], features[:, -self._shared :]
        if tuple(classes) != self.classes:
            return super().probabilities(shared, texts, classes)
        return self.answer(head_features)

    def last(self, image: Tensor) -> Tensor:
        """Return the unit-length features of the last block, without standard deviations."""
        values = self.pooled(self.backbone, image)[-1]
        # Pooled features are [class token,] mean and deviation over the patches, of equal widths.
        parts = 3 if class_tokens(self.backbone.clip.visual) else 2
        return F.normalize(values[:, : -(values.shape[1] // parts)], dim=-1)


class Regression(Frozen):
    """Logistic regression of scikit-learn on the last block of the frozen tower."""

    def input_features(self, image: Tensor) -> Tensor:
        """Return the unit-length features of the last block."""
        return self.last(image)

    def learn(self, features: Tensor, label: Tensor, classes: int) -> None:
        """Fit the regression."""
        self.model = LogisticRegression(C=INVERSE, max_iter=1000)
        self.model.fit((LONG * features).numpy(), label.numpy())

    def answer(self, features: Tensor) -> Tensor:
        """Return (batch, class) probabilities."""
        return torch.from_numpy(self.model.predict_proba((LONG * features).numpy())).float()

    def trainable(self) -> int:
        """Return the number of coefficients."""
        return int(self.model.coef_.size + self.model.intercept_.size)


@final
class RawPixels(Regression):
    """Logistic regression of scikit-learn on a grey picture of 28 x 28 pixels."""

    def input_features(self, image: Tensor) -> Tensor:
        """Return the unit-length pixels."""
        small = F.interpolate(image.mean(1, keepdim=True), (SIDE, SIDE), mode="area")
        return F.normalize(small.flatten(1), dim=-1)


@final
class ClassMean(Frozen):
    """The class whose mean image feature is nearest."""

    means: Tensor

    def input_features(self, image: Tensor) -> Tensor:
        """Return the unit-length features of the last block."""
        return self.last(image)

    def learn(self, features: Tensor, label: Tensor, classes: int) -> None:
        """Compute the means."""
        onehot = F.one_hot(label, classes).to(features)
        self.means = F.normalize(onehot.T @ features, dim=-1)

    def answer(self, features: Tensor) -> Tensor:
        """Return (batch, class) probabilities: a softmax of cosines times 30."""
        return (30 * features @ self.means.T).softmax(-1)

    def trainable(self) -> int:
        """Return the number of values of the means."""
        return self.means.numel()


@final
class BlockwiseLda(Frozen):
    """One shrunken linear discriminant for each block; their probabilities are averaged."""

    def input_features(self, image: Tensor) -> Tensor:
        """Return the unit-length features of every block, one after another."""
        blocks = [F.normalize(block, dim=-1) for block in self.pooled(self.backbone, image)]
        self.widths = [block.shape[1] for block in blocks]
        return torch.cat(blocks, 1)

    def learn(self, features: Tensor, label: Tensor, classes: int) -> None:
        """Fit a discriminant for each block."""
        blocks = torch.split(features, self.widths, 1)
        self.fitted = [discriminant(block, label, classes) for block in blocks]

    def answer(self, features: Tensor) -> Tensor:
        """Return (batch, class) probabilities."""
        blocks = zip(torch.split(features, self.widths, 1), self.fitted, strict=True)
        return torch.stack([fit.scores(block).softmax(-1) for block, fit in blocks]).mean(0)

    def trainable(self) -> int:
        """Return the number of weights and biases."""
        return sum(fit.weight.numel() + fit.bias.numel() for fit in self.fitted)


class Cached(Method):
    """A method on the image features beside the texts; it reads the prompt.

    Args:
        backbone: the two-tower model.
        settings: the hyper-parameters; this method uses none of them.
    """

    keys: Tensor
    values: Tensor
    classes: tuple[str, ...] = ()

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Store the features of the shots, and train what the method trains."""
        self.classes = tuple(shots.classes)
        self.keys = self.backbone.image_features(shots.image)
        self.values = F.one_hot(shots.label, len(shots.classes)).to(self.keys)
        text = self.texts(prompts(TEMPLATE, shots.classes), shots.classes)
        with torch.enable_grad():
            self.tune(self.keys.clone(), shots.label, text)

    def tune(self, features: Tensor, label: Tensor, text: Tensor) -> None:
        """Train on features (image, feature), labels and texts (class, feature)."""

    def logits(self, features: Tensor, text: Tensor) -> Tensor:
        """Return (batch, class): similarity to the texts plus the votes of the cache."""
        # exp(-beta (1 - cosine)) of Tip-Adapter.
        closeness = (-SHARPNESS * (1 - features @ self.keys.T)).exp()
        return self.backbone.logits(features, text) + CACHE * closeness @ self.values

    @torch.no_grad()
    def probabilities(
        self, features: Tensor, texts: Sequence[str], classes: Sequence[str]
    ) -> Tensor:
        """Return (batch, class); see `Method.probabilities`."""
        if tuple(classes) != self.classes:
            return super().probabilities(features, texts, classes)
        return self.logits(features, self.texts(texts, classes)).softmax(-1)


@final
class TipAdapter(Cached):
    """Tip-Adapter: the shots vote by their similarity, beside the texts (arXiv:2207.09519)."""


@final
class TipAdapterF(Cached):
    """Tip-Adapter-F: the features of the shots in the cache are trained."""

    def tune(self, features: Tensor, label: Tensor, text: Tensor) -> None:
        """Train the features with cross-entropy."""
        self.keys = features.requires_grad_(True)
        optimizer = torch.optim.AdamW([self.keys], lr=RATE)
        start = features.detach().clone()
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = F.cross_entropy(self.logits(start, text), label)
            loss.backward()
            optimizer.step()
        self.keys = self.keys.detach()

    def trainable(self) -> int:
        """Return the number of values in the cache."""
        return self.keys.numel()


@final
class LpPlusPlus(Cached):
    """LP++: a linear probe with a learned weight of each text (arXiv:2404.02285).

    The probe starts at the class means and is held to them. Reconstruction: L-BFGS replaces the
    block-coordinate steps of the authors.
    """

    weight: Tensor
    mix: Tensor

    def tune(self, features: Tensor, label: Tensor, text: Tensor) -> None:
        """Train the probe and the weights of the texts."""
        start = F.normalize(self.values.T @ features, dim=-1)
        self.weight = start.clone().requires_grad_(True)
        self.mix = torch.ones(len(text), requires_grad=True)
        optimizer = torch.optim.LBFGS([self.weight, self.mix], max_iter=60,
                                      line_search_fn="strong_wolfe")  # fmt: skip

        def loss() -> float:
            optimizer.zero_grad()
            fit = F.cross_entropy(self.logits(features, text), label)
            total = fit + 0.5 * (self.weight - start).square().sum()
            total.backward()
            return float(total.detach())

        optimizer.step(loss)
        self.weight, self.mix = self.weight.detach(), self.mix.detach()

    def logits(self, features: Tensor, text: Tensor) -> Tensor:
        """Return (batch, class)."""
        return 30 * features @ (self.weight + self.mix[:, None] * text).T

    def trainable(self) -> int:
        """Return the number of weights."""
        return self.weight.numel() + self.mix.numel()
