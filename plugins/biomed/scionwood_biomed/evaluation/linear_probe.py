"""Linear probes on frozen features, from scratch or from the texts of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def linear_probe(
    features: Tensor, label: Tensor, start: Tensor, *, decay: float = 1e-3, steps: int = 100
) -> Tensor:
    """The weights of a softmax regression that stays near where it starts.

    Minimises `CE(features W^T, label) + decay |W - start|^2` by L-BFGS. From the scaled features
    of the classes' texts it is the text-informed probe: with no shots it is zero-shot.

    Args:
        features: (image, feature).
        label: (image,) int64.
        start: (class, feature).
        decay: how strongly the start holds.
        steps: iterations at most.

    Returns:
        (class, feature).

    Source: after Huang et al. 2024 (LP++) and arXiv:2409.03868, whose text-informed start is meant;
        the quadratic hold is this project's.
    """
    weight = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([weight], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fit = F.cross_entropy(features @ weight.T, label)
        total = fit + decay * (weight - start).square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[arg-type]
    return weight.detach()


def cross_validated(
    features: Tensor, label: Tensor, groups: Sequence[str], *, folds: int = 5, seed: int = 0
) -> float:
    """The accuracy of a probe on images that it has not seen, whole groups at a time.

    Args:
        features: (image, feature).
        label: (image,) int64.
        groups: of each image; images of one group are in one fold. Subjects, or one each.
        folds: at most as many as groups.
        seed: of the folds.

    Returns:
        0 to 1.
    """
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold = {names[index]: at % folds for at, index in enumerate(order)}
    place = torch.tensor([fold[group] for group in groups])
    right = torch.zeros(len(label), dtype=torch.bool)
    classes = int(label.max()) + 1
    for at in range(min(folds, len(names))):
        seen, held = place != at, place == at
        mean, spread = features[seen].mean(0), features[seen].std(0) + 1e-6
        scaled = F.pad((features - mean) / spread, (0, 1), value=1.0)
        start = torch.zeros(classes, scaled.shape[1])
        weight = linear_probe(scaled[seen], label[seen], start, decay=1e-2)
        right[held] = (scaled[held] @ weight.T).argmax(-1) == label[held]
    return float(right.float().mean())
