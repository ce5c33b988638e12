"""Find the cell that lies nearest to a point."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

CANDIDATES = 16
"""Cells that are looked at around a point, nearest centres first."""


def nearest_cells(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest cell of each point, (point,), and its distance, (point,).

    Args:
        points: (point, 3).
        corners: (cell, 4, 3), at least one cell; a triangle repeats its last corner. A quad counts
            as two triangles.
    """
    count = min(CANDIDATES, len(corners))
    # The nearest centre need not belong to the nearest cell, if cells differ in size.
    _, near = cKDTree(corners.mean(1)).query(points, count)
    near = near.reshape(len(points), count)
    a, b, c, d = np.moveaxis(corners[near], 2, 0)
    at = points[:, None]
    distances = np.minimum(_to_triangles(at, a, b, c), _to_triangles(at, a, c, d))
    best, rows = distances.argmin(1), np.arange(len(points))
    return near[rows, best], distances[rows, best]


def _to_triangles(at: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the distance of points from triangles, all (..., 3); one without area is its sides."""
    normal = np.cross(b - a, c - a)
    square = (normal**2).sum(-1)
    # (1e-12)^2: the sine of the angle between two sides, near the rounding of float64.
    flat = square <= 1e-24 * ((b - a) ** 2).sum(-1) * ((c - a) ** 2).sum(-1)
    safe = np.where(flat, 1.0, square)
    # Barycentric coordinates of the foot of the perpendicular; outside, the nearest point is on a
    # side.
    v = (np.cross(at - a, c - a) * normal).sum(-1) / safe
    w = (np.cross(b - a, at - a) * normal).sum(-1) / safe
    above = np.abs(((at - a) * normal).sum(-1)) / np.sqrt(safe)
    sides = np.minimum(_to_sides(at, a, b), _to_sides(at, b, c))
    sides = np.minimum(sides, _to_sides(at, c, a))
    inside = ~flat & (v >= 0) & (w >= 0) & (v + w <= 1)
    return np.asarray(np.where(inside, above, sides))


def _to_sides(at: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    along = b - a
    size = (along**2).sum(-1)
    share = ((at - a) * along).sum(-1) / np.where(size > 0, size, 1.0)
    return np.asarray(np.linalg.norm(at - a - np.clip(share, 0, 1)[..., None] * along, axis=-1))
