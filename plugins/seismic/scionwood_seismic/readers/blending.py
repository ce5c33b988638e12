"""Blend the results of consecutive parts of a gather over what they share."""

from __future__ import annotations

import numpy as np


def blended(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Blend two results over their first axis; equal samples keep their bits.

    Args:
        old: the result of the earlier part, (shared, other).
        new: the result of the later part, of the same shape.
    """
    weight = np.hanning(2 * len(old) + 2)[1 : len(old) + 1, None].astype(old.dtype)
    with np.errstate(invalid="ignore"):
        return np.where(old == new, old, old + weight * (new - old))
