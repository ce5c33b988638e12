"""Quadrilateral meshes of parts whose open or closed section is swept along a path; mm."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

CANDIDATES, STEPS = 8, 8
"""Elements that are looked at around a point, and steps to the nearest point of each."""


def polyline(corners: np.ndarray, counts: list[int], *, closed: bool) -> np.ndarray:
    """Return points along the straight sides of a section.

    Args:
        corners: (C, 2), mm.
        counts: elements on each side. A closed section has one more side, back to the first corner.
        closed: whether the section is closed.

    Returns:
        (P, 2), mm. A closed section does not repeat its first corner.
    """
    ends = np.roll(corners, -1, 0) if closed else corners[1:]
    sides = [
        start + (end - start) * (np.arange(n) / n)[:, None]
        for start, end, n in zip(corners, ends, counts, strict=False)
    ]
    return np.concatenate(sides if closed else [*sides, corners[-1:]])


def sweep(sections: np.ndarray, *, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Join sections to a mesh.

    Args:
        sections: (S, P, 3), P points on each of S sections, mm.
        closed: join the last point of a section to its first.

    Returns:
        Nodes (S * P, 3), mm, and quads (E, 4).
    """
    count, points_per_section, _ = sections.shape
    index = np.arange(count * points_per_section).reshape(count, points_per_section)
    index = np.concatenate([index, index[:, :1]], 1) if closed else index
    corners = [index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]]
    return sections.reshape(-1, 3), np.stack(corners, -1).reshape(-1, 4)


def cut(nodes: np.ndarray, quads: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Remove elements, and the nodes that no other element uses.

    Args:
        nodes: (N, 3), mm.
        quads: (E, 4).
        inside: (E), the elements to remove.

    Returns:
        The remaining nodes and quads.
    """
    used, renumbered = np.unique(quads[~inside], return_inverse=True)
    return nodes[used], renumbered.reshape(-1, 4)


def elements_along(length: float, size: float, minimum: int = 1) -> int:
    """Return how many elements of about `size` fit in `length`; at least `minimum`."""
    return max(minimum, round(length / size))


def nearest(
    points: np.ndarray, nodes: np.ndarray, quads: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the element nearest to each point, and the weights of its corners there.

    Args:
        points: (P, 3), mm.
        nodes: (N, 3), mm.
        quads: (E, 4).

    Returns:
        Elements (P), and bilinear weights (P, 4), which sum to 1.
    """
    _, near = cKDTree(nodes[quads].mean(1)).query(points, min(CANDIDATES, len(quads)))
    near = near.reshape(len(points), -1)
    corner = nodes[quads[near]]
    at = np.zeros((*near.shape, 2))
    for _ in range(STEPS):
        shape, slope = _bilinear(at)
        off = points[:, None] - np.einsum("pec,peck->pek", shape, corner)
        side = np.einsum("peac,peck->peak", slope, corner)
        square = np.einsum("peak,pebk->peab", side, side)
        move = np.linalg.solve(square, np.einsum("peak,pek->pea", side, off)[..., None])
        at = np.clip(at + move[..., 0], -1, 1)
    shape, _ = _bilinear(at)
    off = np.linalg.norm(points[:, None] - np.einsum("pec,peck->pek", shape, corner), axis=-1)
    best, rows = off.argmin(1), np.arange(len(points))
    return near[rows, best], shape[rows, best]


def _bilinear(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bilinear weights (..., 4) at (..., 2), and their slopes (..., 2, 4)."""
    s, t = at[..., 0], at[..., 1]
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    along, across = 1 + signs[:, 0] * s[..., None], 1 + signs[:, 1] * t[..., None]
    slopes = np.stack([signs[:, 0] * across, signs[:, 1] * along], -2)
    return along * across / 4, slopes / 4
