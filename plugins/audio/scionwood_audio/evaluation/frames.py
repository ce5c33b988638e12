"""Scores of positions, and of rows with a score: average precision, AUC and equal error rate."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def average_precision(scores: Tensor, target: Tensor) -> Tensor:
    """Return the average precision of scores, 0 to 1; 1 without any positive.

    Positions of one score have one precision, that of the last of them.

    Args:
        scores: (position,) float32.
        target: (position,) 1 or 0.

    Source: C. D. Manning et al., Introduction to information retrieval (2008), section 8.4.
    """
    ranked, order = scores.sort(descending=True)
    hit = target[order] > 0.5
    if not hit.any():
        return torch.ones((), device=scores.device)
    falling = -ranked
    places = torch.searchsorted(falling, falling[hit], right=True)
    return (hit.cumsum(0)[places - 1] / places).mean()


def auc_and_eer(scores: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Return the area under the ROC curve and the equal error rate, 0 to 1.

    Args:
        scores: (row,) float.
        target: (row,) 1 or 0, both present.

    Source: T. Fawcett, An introduction to ROC analysis (2006).
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    false, true, _ = roc_curve(target, scores)
    at = int(np.argmin(np.abs(1 - true - false)))
    return float(roc_auc_score(target, scores)), float((1 - true[at] + false[at]) / 2)
