"""Linear probes on frozen features, started at zero or at the text features of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def linear_probe(
    features: Tensor, label: Tensor, start: Tensor, *, decay: float = 1e-3, steps: int = 100
) -> Tensor:
    """Fit a softmax regression that is regularised towards its starting weights.

    L-BFGS minimises `CE(features W^T, label) + decay |W - start|^2`. If `start` holds the scaled
    text features of the classes, this is a text-informed probe: without shots it equals zero-shot.

    Args:
        features: (image, feature).
        label: (image,) int64.
        start: (class, feature), the starting weights.
        decay: strength of the regularisation.
        steps: maximum number of iterations.

    Returns:
        The weights, (class, feature).

    Source: after Huang et al. 2024 (LP++) and arXiv:2409.03868 for the text-informed start; the
        quadratic penalty is this project's.
    """
    weight = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([weight], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        fit = F.cross_entropy(features @ weight.T, label)
        total = fit + decay * (weight - start).square().sum()
        total.backward()
        return float(total.detach())

    with torch.enable_grad():
        optimizer.step(loss)
    return weight.detach()


def cross_validated(
    features: Tensor, label: Tensor, groups: Sequence[str], *, folds: int = 5, seed: int = 0
) -> float:
    """Return the cross-validated accuracy of a probe; the folds keep groups together.

    Args:
        features: (image, feature).
        label: (image,) int64.
        groups: the group of each image, such as its subject. A group lies in one fold.
        folds: number of folds, at most the number of groups.
        seed: seed of the folds.

    Returns:
        The accuracy, 0 to 1.
    """
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[index]: at % folds for at, index in enumerate(order)}
    fold = torch.tensor([fold_of[group] for group in groups])
    right = torch.zeros(len(label), dtype=torch.bool)
    classes = int(label.max()) + 1
    for at in range(min(folds, len(names))):
        train, test = fold != at, fold == at
        # From the training folds only: the scale of the test fold would leak.
        mean, spread = features[train].mean(0), features[train].std(0) + 1e-6
        # A column of ones is the bias.
        scaled = F.pad((features - mean) / spread, (0, 1), value=1.0)
        start = torch.zeros(classes, scaled.shape[1])
        weight = linear_probe(scaled[train], label[train], start, decay=1e-2)
        right[test] = (scaled[test] @ weight.T).argmax(-1) == label[test]
    return float(right.float().mean())
