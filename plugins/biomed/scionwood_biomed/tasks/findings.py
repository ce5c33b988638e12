"""Losses of findings that are yes, no, or not known."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def masked_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Return the mean binary cross-entropy over the known labels; 0 if none is known.

    Args:
        logits: (batch, finding).
        label: (batch, finding) float: 1, 0, or NaN if it is not known.
    """
    is_known = ~label.isnan()
    target = label.nan_to_num(0.0)
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (losses * is_known).sum() / is_known.sum().clamp_min(1)
