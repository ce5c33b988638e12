"""Quadrilateral meshes of parts whose open or closed section is swept along a path; mm."""

from __future__ import annotations

import numpy as np


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
    count, around, _ = sections.shape
    index = np.arange(count * around).reshape(count, around)
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
    used, kept = np.unique(quads[~inside], return_inverse=True)
    return nodes[used], kept.reshape(-1, 4)


def elements_along(length: float, size: float, least: int = 1) -> int:
    """Return how many elements of about `size` fit in `length`; at least `least`."""
    return max(least, round(length / size))
