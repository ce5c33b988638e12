"""Calibration of predicted probabilities."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

BINS = 10


@final
class Reliability(NamedTuple):
    """Predictions grouped by their confidence.

    Attributes:
        confidence: (bin,), mean confidence; NaN if the bin is empty.
        accuracy: (bin,), share of correct predictions; NaN if the bin is empty.
        images: (bin,), number of predictions.
    """

    confidence: Tensor
    accuracy: Tensor
    images: Tensor


def reliability(probabilities: Tensor, label: Tensor, bins: int = BINS) -> Reliability:
    """Group predictions into bins of confidence.

    Args:
        probabilities: (image, class).
        label: (image,) int64.
        bins: number of bins of equal width from 0 to 1.
    """
    sure, answer = probabilities.detach().double().cpu().max(-1)
    right = (answer == label.cpu()).double()
    # A confidence of exactly 1 belongs to the last bin.
    index = (sure * bins).long().clamp(0, bins - 1)
    count = torch.bincount(index, minlength=bins).double()
    means = [torch.bincount(index, value, minlength=bins) / count for value in (sure, right)]
    return Reliability(means[0], means[1], count)


def calibration_error(probabilities: Tensor, label: Tensor, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy.

    Args:
        probabilities: (image, class).
        label: (image,) int64.
        bins: number of bins of equal width from 0 to 1.

    Returns:
        A value from 0 to 1.

    Source: Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    binned = reliability(probabilities, label, bins)
    # Empty bins are 0 / 0, and have no weight.
    gaps = (binned.confidence - binned.accuracy).abs().nan_to_num(0.0)
    return float((gaps * binned.images).sum() / binned.images.sum().clamp_min(1))
