"""A fit without gradient: a discriminant or a regression for each block of a frozen tower."""

from __future__ import annotations

from typing import Literal, Unpack, final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError
from scionwood_biomed.model.lda import Discriminant, discriminant, regression
from scionwood_biomed.tasks.fitted import FittedTask

Reading = Literal["discriminant", "regression"]


@final
class BlockwiseLda(FittedTask):
    """Block-wise discriminants, fitted in closed form when the run starts.

    The features of each block get unit length. A linear discriminant with a shrunken covariance is
    fitted to those of the training split, for each block alone. The answer is the mean of their
    probabilities, whose sharpness is chosen by the log-loss on the validation split. With two
    classes the threshold is chosen there too. The rate is 0, so that the steps change nothing.
    With a rate above 0 the discriminants, and an adapter of the tower, are trained from there.

    Shapes: a batch holds `image` (batch, 3, size, size) or (batch, slice, 3, size, size) float32,
        `label` (batch,) int64 and `classes`, the class names. With findings, `label` is (batch,
        finding) float32: 1, 0, or NaN if it is not known.

    Units: images from 0 (black) to 1 (white); accuracy from 0 to 1.

    Raises:
        RecipeError: a label names no class, or a class has no training image.

    Source: this project's; Friedman 1989 (doi:10.1080/01621459.1989.10478752) for the shrunken
        covariance.

    Args:
        backbone: `biomed/blocks`, with or without an adapter.
        reading: what is fitted to each block: a `discriminant`, or a logistic `regression`.
        shrink: share of the identity in the covariance of a discriminant, above 0 and at most 1.
        optimiser: the options of the optimiser; see `Task`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        reading: Reading = "discriminant",
        shrink: float = 0.5,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        if reading not in get_args(Reading):
            rule = f"it is one of {', '.join(get_args(Reading))}"
            raise RecipeError(f"reading {reading!r}", rule, "Correct it")
        self.reading, self.shrink = reading, shrink

    def gather(self, image: Tensor) -> list[Tensor]:
        """Return the unit-length features of each block, (batch, width)."""
        return [F.normalize(block, dim=-1) for block in self.network.features(image)]

    def fit_head(self, features: list[Tensor], label: Tensor) -> None:
        """Fit a discriminant or a regression for each block."""
        self.network.answer.fill([self._fitted(block, label) for block in features])

    def answer_to(self, features: list[Tensor]) -> Tensor:
        """Return the logits (image, class) of the features of each block."""
        logits: Tensor = self.network.answer(features)
        return logits

    def _fitted(self, features: Tensor, label: Tensor) -> Discriminant:
        if self.network.answer.exclusive:
            return self._one(features, label, len(self.classes))
        weights, biases = [], []
        for column in label.T:
            is_known = ~column.isnan()
            two = self._one(features[is_known], column[is_known].long(), 2)
            # The softmax of two scores is the sigmoid of their difference.
            weights.append(two.weight[1] - two.weight[0])
            biases.append(two.bias[1] - two.bias[0])
        return Discriminant(torch.stack(weights), torch.stack(biases))

    def _one(self, features: Tensor, label: Tensor, classes: int) -> Discriminant:
        if self.reading == "regression":
            return regression(features, label, classes)
        return discriminant(features, label, classes, shrink=self.shrink)
