"""Scores of masks: Dice, and the 95th percentile of the Hausdorff distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the Dice of two masks; 1 if both are empty.

    Args:
        found: bool array.
        truth: bool array of the same shape.
    """
    total = int(found.sum() + truth.sum())
    return 1.0 if total == 0 else float(2 * (found & truth).sum() / total)


def hausdorff95(found: np.ndarray, truth: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the larger of both 95th percentiles of the distance between the surfaces.

    Args:
        found: bool array of two or three axes.
        truth: bool array of the same shape.
        spacing: size of a voxel along each axis, in mm.

    Returns:
        The distance in mm; NaN if one of the masks is empty, and 0 if both are.

    Source: the definition of `compute_hausdorff_distance(percentile=95)` of MONAI.
    """
    if not found.any() or not truth.any():
        return 0.0 if not found.any() and not truth.any() else float("nan")
    edges = [each & ~binary_erosion(each) for each in (found, truth)]
    one, two = (distance_transform_edt(~each, sampling=list(spacing)) for each in edges)
    ways = (two[edges[0]], one[edges[1]])
    return float(max(np.percentile(way, 95) for way in ways))
