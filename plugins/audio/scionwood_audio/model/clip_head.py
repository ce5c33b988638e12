"""The class of a clip: the mean over its true positions of what a linear head says of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from scionwood_audio.model.mel import FRAME

STRENGTH = 0.05
"""Inverse strength of the penalty of the logistic regression, for standardised features."""


def pooled(states: Tensor, length: Tensor) -> Tensor:
    """Return the mean over the true positions of each clip; padded silence would dilute it.

    Args:
        states: (batch, position, width).
        length: samples of each clip, (batch,); a position is 320.
    """
    count = (-(-length // FRAME)).clamp(1, states.shape[1])
    true = torch.arange(states.shape[1], device=states.device) < count[:, None]
    return (states * true[..., None]).sum(1) / count[:, None]


@torch.no_grad()
def fit_clip_head(features: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight (class, width) and bias (class,) of a penalised logistic regression.

    Args:
        features: (clip, width).
        label: (clip,) int64, every class at least once.
    """
    from sklearn.linear_model import LogisticRegression

    mean, spread = features.mean(0), features.std(0).clamp_min(1e-3)
    x = ((features - mean) / spread).cpu().numpy().astype(np.float64)
    model: Any = LogisticRegression(C=STRENGTH, max_iter=1000).fit(x, label.cpu().numpy())
    weight, bias = (torch.from_numpy(part).to(features) for part in (model.coef_, model.intercept_))
    if len(bias) == 1:  # of two classes sklearn fits the difference
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    weight = weight / spread
    return weight, bias - weight @ mean
