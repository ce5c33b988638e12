"""A linear head on frozen features: logistic regression, its scaler folded into the weights."""

from __future__ import annotations

import numpy as np

STRENGTH = 0.003
"""Inverse strength of the penalty: five calls have fewer independent frames than features."""


def fit_head(features: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights (width,) and bias of the log-odds of a call.

    Args:
        features: (position, width) float32.
        target: (position,) 1 where a call is; both kinds are there.

    Source: D. R. Cox, The regression analysis of binary sequences (1958).
    """
    from sklearn.linear_model import LogisticRegression

    features = features.astype(np.float32)
    mean, scale = features.mean(0), features.std(0) + 1e-6
    model = LogisticRegression(C=STRENGTH, max_iter=200)
    model.fit((features - mean) / scale, target > 0.5)
    weight = model.coef_[0] / scale
    return weight.astype(np.float32), float(model.intercept_[0] - weight @ mean)
