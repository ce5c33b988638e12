"""Scores of masks: Dice, and the 95th percentile of the Hausdorff distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt


def dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the Dice of two masks; 1 if both are empty.

    Args:
        predicted: bool array.
        truth: bool array of the same shape.
    """
    total = int(predicted.sum() + truth.sum())
    return 1.0 if total == 0 else float(2 * (predicted & truth).sum() / total)


def hausdorff95(predicted: np.ndarray, truth: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the larger of both 95th percentiles of the distance between the surfaces.

    Args:
        predicted: bool array of two or three axes.
        truth: bool array of the same shape.
        spacing: size of a voxel along each axis, in mm.

    Returns:
        The distance in mm; NaN if one of the masks is empty, and 0 if both are.

    Source: the definition of `compute_hausdorff_distance(percentile=95)` of MONAI.
    """
    if not predicted.any() or not truth.any():
        return 0.0 if not predicted.any() and not truth.any() else float("nan")
    # A voxel at the border of the image counts as surface: the erosion takes the outside as empty.
    edges = [mask & ~binary_erosion(mask) for mask in (predicted, truth)]
    # The transform gives each voxel its distance to the nearest zero, hence the negation.
    one, two = (distance_transform_edt(~edge, sampling=list(spacing)) for edge in edges)
    ways = (two[edges[0]], one[edges[1]])
    return float(max(np.percentile(way, 95) for way in ways))
