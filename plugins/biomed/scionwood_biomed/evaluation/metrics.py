"""How good predictions are, and how well they know it."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

BINS = 10


@final
class Reliability(NamedTuple):
    """Predictions in bins of confidence.

    Attributes:
        confidence: (bin,), its mean; NaN where a bin is empty.
        accuracy: (bin,), the share that is right.
        images: (bin,), how many there are.
    """

    confidence: Tensor
    accuracy: Tensor
    images: Tensor


def reliability(probabilities: Tensor, label: Tensor, bins: int = BINS) -> Reliability:
    """How often predictions of a confidence are right.

    Args:
        probabilities: (image, class).
        label: (image,) int64.
        bins: of equal width from 0 to 1.
    """
    sure, answer = probabilities.detach().double().cpu().max(-1)
    right = (answer == label.cpu()).double()
    where = (sure * bins).long().clamp(0, bins - 1)
    count = torch.bincount(where, minlength=bins).double()
    means = [torch.bincount(where, value, minlength=bins) / count for value in (sure, right)]
    return Reliability(means[0], means[1], count)


def calibration_error(probabilities: Tensor, label: Tensor, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy over predictions.

    Args:
        probabilities: (image, class).
        label: (image,) int64.
        bins: of equal width from 0 to 1.

    Returns:
        0 to 1.

    Source: Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    found = reliability(probabilities, label, bins)
    gaps = (found.confidence - found.accuracy).abs().nan_to_num(0.0)
    return float((gaps * found.images).sum() / found.images.sum().clamp_min(1))
