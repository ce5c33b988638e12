"""Locate the nodes of the template on a part, by barycentric interpolation in (u, v)."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from scipy.spatial import cKDTree

from scionwood_crash.morph.parametrise import Parametrisation
from scionwood_crash.morph.surface import Surface

CANDIDATES = 24
INSIDE = -1e-9
"""A point is inside a triangle if all barycentric coordinates are above this."""
TIE = 1e-6
"""Distances in (u, v) that differ by less count as equal, so node numbers do not matter."""


@final
class Placement(NamedTuple):
    """Points on a surface.

    Attributes:
        nodes: (point, 3), corners of the triangle around each point.
        weights: (point, 3), barycentric weights, which sum to 1.
        snapped: (point,) bool, points in a hole that were moved to the nearest node.
    """

    nodes: np.ndarray
    weights: np.ndarray
    snapped: np.ndarray

    def at(self, values: np.ndarray) -> np.ndarray:
        """Interpolate values of nodes (node, ...) at the points, (point, ...)."""
        return np.asarray(np.einsum("pk,pk...->p...", self.weights, values[self.nodes]))


def place(points: np.ndarray, surface: Surface, coordinates: Parametrisation) -> Placement:
    """Locate points on a surface by their coordinates.

    Args:
        points: (point, 2), u and v.
        surface: surface of the part.
        coordinates: coordinates of its nodes.
    """
    corner, owner = _images(surface, coordinates)
    _, near = cKDTree(corner.mean(1)).query(points, min(CANDIDATES, len(corner)))
    weights = _barycentric(corner[near], points[:, None])
    # The triangle in which the point lies deepest.
    best = np.argmax(weights.min(-1), 1)
    rows = np.arange(len(points))
    chosen = weights[rows, best]
    nodes = surface.halves[owner[near[rows, best]]]
    snapped = ~(chosen.min(1) >= INSIDE)
    chosen = np.clip(chosen, 0, 1)
    for at in np.flatnonzero(snapped):
        nodes[at], chosen[at] = _nearest(points[at], coordinates), (1.0, 0.0, 0.0)
    return Placement(nodes, chosen / chosen.sum(1, keepdims=True), snapped)


def _images(surface: Surface, coordinates: Parametrisation) -> tuple[np.ndarray, np.ndarray]:
    """Return triangles in (u, v) and their owners; near a seam also shifted by one turn."""
    corner = coordinates.unwrapped(surface.halves)
    owner = np.arange(len(corner))
    if coordinates.section == "open":
        return corner, owner
    turn = np.array([0.0, 1.0])
    crossing = (corner[..., 1] < 0).any(1) | (corner[..., 1] >= 1).any(1)
    # Copies one turn away let points on either side of the seam find their triangle.
    edge = crossing | (corner[..., 1].min(1) < 0.1) | (corner[..., 1].max(1) > 0.9)
    copies = [corner, corner[edge] + turn, corner[edge] - turn]
    return np.concatenate(copies), np.concatenate([owner, owner[edge], owner[edge]])


def _barycentric(corner: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return barycentric coordinates, (..., 3); minus infinity for a triangle without area."""
    a, b, c = np.moveaxis(corner, -2, 0)
    left, right, at = b - a, c - a, points - a
    area = left[..., 0] * right[..., 1] - left[..., 1] * right[..., 0]
    flat = np.abs(area) < 1e-14
    area = np.where(flat, 1.0, area)
    second = (at[..., 0] * right[..., 1] - at[..., 1] * right[..., 0]) / area
    third = (left[..., 0] * at[..., 1] - left[..., 1] * at[..., 0]) / area
    coordinates = np.stack([1 - second - third, second, third], -1)
    coordinates[flat] = -np.inf
    return coordinates


def _nearest(point: np.ndarray, coordinates: Parametrisation) -> int:
    gap = np.abs(coordinates.uv - point)
    if coordinates.section == "closed":
        gap[:, 1] = np.minimum(gap[:, 1], 1 - gap[:, 1])
    distance = np.hypot(*gap.T)
    ties = np.flatnonzero(distance < distance.min() + TIE)
    return int(min(ties, key=lambda node: tuple(np.round(coordinates.uv[node], 6))))
