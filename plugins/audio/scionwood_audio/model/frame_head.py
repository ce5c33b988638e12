"""A linear head on frozen features: logistic regression, its scaler folded into the weights."""

from __future__ import annotations

import numpy as np

STRENGTH = 0.003
"""Inverse strength of the penalty: five calls have fewer independent frames than features."""

STEPS = 30
"""Newton steps at most; with this penalty seven suffice."""


def fit_head(features: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights (width,) and bias of the log-odds of a call.

    Equals `LogisticRegression(C=STRENGTH)` of scikit-learn, whose import alone takes 150 MB.

    Args:
        features: (position, width) float32.
        target: (position,) 1 where a call is; both kinds are there.

    Source: D. R. Cox, The regression analysis of binary sequences (1958); T. Hastie et al., The
        elements of statistical learning (2009), section 4.4.1, for the steps.
    """
    features = features.astype(np.float32)  # a copy, which is changed in place
    mean, scale = features.mean(0), features.std(0) + 1e-6
    features -= mean
    features /= scale
    inputs = np.column_stack([features, np.ones(len(features), np.float32)])
    penalty = np.append(np.ones(len(mean)), 0.0)  # the bias has none
    weight = np.zeros(len(penalty))
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(inputs @ weight)))
        slope = penalty * weight + STRENGTH * inputs.T @ (chance - (target > 0.5))
        spread = np.maximum(chance * (1 - chance), 1e-6).astype(np.float32)
        curve = STRENGTH * (inputs.T * spread) @ inputs + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weight -= step
        if np.abs(step).max() < 1e-6:
            break
    scaled = (weight[:-1] / scale).astype(np.float32)
    return scaled, float(weight[-1] - scaled @ mean)
