"""Linear heads on frozen features: of each position, and of a whole clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from scionwood_audio.model.mel import FRAME

STRENGTH = 0.003
"""Inverse strength of the penalty: five calls have fewer independent frames than features."""

STEPS = 30
"""Newton steps at most; with this penalty seven suffice."""


def fit_head(features: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights (width,) and bias of the log-odds of a call.

    Equals `LogisticRegression(C=STRENGTH)` of scikit-learn, whose import alone takes 150 MB.

    Source: D. R. Cox, The regression analysis of binary sequences (1958); T. Hastie et al., The
        elements of statistical learning (2009), section 4.4.1, for the steps.
    """
    inputs = np.ones((len(features), features.shape[1] + 1), np.float32)
    inputs[:, :-1] = features
    mean, scale = inputs[:, :-1].mean(0), inputs[:, :-1].std(0) + 1e-6
    inputs[:, :-1] -= mean
    inputs[:, :-1] /= scale
    penalty = np.append(np.ones(len(mean)), 0.0)  # the bias has none
    weight = np.zeros(len(penalty))
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(inputs @ weight.astype(np.float32)).astype(np.float64)))
        error = (chance - (target > 0.5)).astype(np.float32)
        slope = penalty * weight + STRENGTH * (error @ inputs)
        spread = np.maximum(chance * (1 - chance), 1e-6).astype(np.float32)
        curve = STRENGTH * (inputs.T * spread) @ inputs + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weight -= step
        if np.abs(step).max() < 1e-5:
            break
    scaled = (weight[:-1] / scale).astype(np.float32)
    return scaled, float(weight[-1] - scaled @ mean)


@torch.no_grad()
def set_head(network: Any, weight: np.ndarray, bias: float) -> None:
    """Give a network with one output a fitted head."""
    network.classifier.weight.copy_(torch.from_numpy(weight)[None])
    network.classifier.bias.fill_(bias)


CLIP_STRENGTH = 0.05
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
    model: Any = LogisticRegression(C=CLIP_STRENGTH, max_iter=1000).fit(x, label.cpu().numpy())
    weight, bias = (torch.from_numpy(part).to(features) for part in (model.coef_, model.intercept_))
    if len(bias) == 1:  # of two classes sklearn fits the difference
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    weight = weight / spread
    return weight, bias - weight @ mean
