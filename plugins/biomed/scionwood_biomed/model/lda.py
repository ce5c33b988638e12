"""Linear readings of frozen features: a shrunken discriminant, and a logistic regression."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from scionwood import RecipeError

SHRINK = 0.5
"""Share of a multiple of the identity in the covariance within classes."""
SPREAD = 6.0
"""Standard deviation that the scores of the training images get.

It was chosen by the log-loss on slices of the training slabs of the MNI template."""

INVERSE, LONG = 10.0, 10.0
"""Inverse strength of the penalty of a regression, and the length of the features that it sees."""


@final
class Discriminant(NamedTuple):
    """Scores of classes, linear in the features.

    Attributes:
        weight: (class, feature).
        bias: (class,).
    """

    weight: Tensor
    bias: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """Return (image, class) of features (image, feature)."""
        return features @ self.weight.T + self.bias


@torch.no_grad()
def discriminant(
    features: Tensor, label: Tensor, classes: int, *, shrink: float = SHRINK
) -> Discriminant:
    """Fit a linear discriminant in the span of the training images.

    The covariance within classes is pooled over the classes and shrunk towards a multiple of the
    identity of equal trace. All classes have the same prior. The scores are scaled so that those of
    the training images have a standard deviation of `SPREAD`: with fewer images than features the
    scale of the covariance says little about the certainty of an answer.

    Args:
        features: (image, feature).
        label: (image,) int64.
        classes: number of classes; each needs an image.
        shrink: share of the identity, above 0 and at most 1.

    Raises:
        RecipeError: a class has no image, or `shrink` is out of range.

    Source: Friedman 1989, doi:10.1080/01621459.1989.10478752.
    """
    if not 0 < shrink <= 1:
        rule = "it must be above 0 and at most 1"
        raise RecipeError(f"shrink={shrink}", rule, "Use 0.5")
    count = torch.bincount(label, minlength=classes)
    if int(count.min()) == 0:
        rule = f"class {int(count.argmin())} of {classes} has no training image"
        raise RecipeError("blockwise LDA", rule, "Add images, or leave the class out")
    x = features.double()
    means = torch.stack([x[label == at].mean(0) for at in range(classes)])
    # The mean of the class means, not of the images: all classes have the same prior.
    centre, within = means.mean(0), x - means[label]
    _, size, basis = torch.linalg.svd(torch.cat([within, means - centre]), full_matrices=False)
    # With fewer images than features all differences lie in their span: the system that is solved
    # has the size of the number of images.
    basis = basis[size > 1e-7 * size.max().clamp_min(1e-30)]
    if not len(basis):  # all images are equal
        return Discriminant(torch.zeros_like(means).float(), torch.zeros(classes))
    inside, centres = within @ basis.T, (means - centre) @ basis.T
    covariance = inside.T @ inside / max(len(x) - classes, 1)
    level = covariance.diagonal().mean() + 1e-12
    shrunk = (1 - shrink) * covariance + shrink * level * torch.eye(len(basis)).to(x)
    solved = torch.linalg.solve(shrunk, centres.T).T
    weight = solved @ basis
    # log p(class | x) = x' S^-1 m - m' S^-1 m / 2 + const, with x and m relative to the centre.
    bias = -0.5 * (solved * centres).sum(1) - weight @ centre
    scale = SPREAD / (x @ weight.T + bias).std().clamp_min(1e-9)
    return Discriminant((scale * weight).float(), (scale * bias).float())


@torch.no_grad()
def regression(features: Tensor, label: Tensor, classes: int) -> Discriminant:
    """Fit a logistic regression of scikit-learn.

    Args:
        features: (image, feature), of unit length.
        label: (image,) int64.
        classes: number of classes; each needs an image.

    Raises:
        RecipeError: a class has no image.
    """
    if len(torch.unique(label)) < classes:
        rule = f"{len(torch.unique(label))} of {classes} classes have a training image"
        raise RecipeError("blockwise regression", rule, "Add images, or leave the class out")
    model = LogisticRegression(C=INVERSE, max_iter=1000)
    model.fit((LONG * features).double().cpu().numpy(), label.cpu().numpy())
    weight, bias = (torch.from_numpy(part).float() for part in (model.coef_, model.intercept_))
    if classes == 2:  # one score, whose sigmoid is the softmax of its halves
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return Discriminant(LONG * weight, bias)
