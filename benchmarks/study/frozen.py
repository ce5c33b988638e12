"""Methods without training of the network: pixels, class means, regression, discriminants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from scionwood_biomed.model.lda import discriminant

LONG, PIXELS = 10.0, 28
Answer = Tensor
"""(image,) int64: the class of each test image."""


def raw(train: Tensor, label: Tensor, test: Tensor, strength: float) -> Answer:
    """Regression on 28 x 28 pixels.

    Args:
        train: (image, 98, 98).
        label: (image,).
        test: (image, 98, 98).
        strength: the inverse penalty.
    """
    small = [
        F.normalize(F.interpolate(x[:, None], (PIXELS, PIXELS), mode="area").flatten(1), dim=-1)
        for x in (train, test)
    ]
    return regression(small[0], label, small[1], strength)


def regression(train: Tensor, label: Tensor, test: Tensor, strength: float) -> Answer:
    """Logistic regression on features of unit length, (image, feature)."""
    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit((LONG * train).numpy(), label.numpy())
    return torch.from_numpy(model.predict((LONG * test).numpy()))


def class_mean(train: Tensor, label: Tensor, test: Tensor, _: float) -> Answer:
    """Take the class whose mean feature is nearest."""
    return (test @ means(train, label).T).argmax(1)


def means(train: Tensor, label: Tensor) -> Tensor:
    """Return the mean feature of each class, of unit length, (class, feature)."""
    onehot = F.one_hot(label).to(train)
    return F.normalize(onehot.T @ train, dim=-1)


def last_lda(train: Tensor, label: Tensor, test: Tensor, shrink: float) -> Answer:
    """One shrunken discriminant on features of the last layer."""
    fit = discriminant(train, label, int(label.max()) + 1, shrink=shrink)
    return fit.scores(test).argmax(1)


def block_lda(
    train: Sequence[Tensor], label: Tensor, test: Sequence[Tensor], shrink: float
) -> Answer:
    """One shrunken discriminant for each block; their probabilities are averaged."""
    return block_probabilities(train, label, test, shrink).argmax(1)


def block_probabilities(
    train: Sequence[Tensor], label: Tensor, test: Sequence[Tensor], shrink: float
) -> Tensor:
    """Return the sum over blocks of the probabilities (image, class) of a discriminant of each."""
    classes = int(label.max()) + 1
    total = torch.zeros(len(test[0]), classes)
    for inside, outside in zip(train, test, strict=True):
        fit = discriminant(inside, label, classes, shrink=shrink)
        total += fit.scores(outside).softmax(-1)
    return total


LAST: dict[str, Callable[[Tensor, Tensor, Tensor, float], Answer]] = {
    "class_mean": class_mean,
    "regression": regression,
    "last_lda": last_lda,
}
"""By name: what reads the features of the last layer."""
