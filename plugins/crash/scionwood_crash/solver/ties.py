"""Penalty ties between nodes and points of elements: spot welds and tied contact.

A tied node keeps its distance from the element along the element's normal. The force therefore also
turns the element: without this couple a tie across the gap of two sheets would create energy.
"""

from __future__ import annotations

import numpy as np

from scionwood_crash.solver.compiled import Array, compiled


@compiled
def add_ties(
    x: Array,
    nodes: Array,
    corners: Array,
    weights: Array,
    gap: Array,
    rest_offset: Array,
    stiffness: Array,
    f: Array,
) -> float:
    """Add the forces of ties to `f`, and return the stored energy, J.

    Args:
        x: nodes (N, 3), mm.
        nodes: tied nodes (W).
        corners: nodes of the element that each is tied to (W, 4).
        weights: share of each corner (W, 4).
        gap: distance from the element along its normal at the start (W), mm.
        rest_offset: the rest of the distance at the start (W, 3), mm; it causes no force.
        stiffness: of each tie (W), kN/mm.
        f: forces on nodes (N, 3), kN, which are changed.
    """
    stored = 0.0
    for i in range(nodes.shape[0]):
        node, q0, q1, q2, q3 = nodes[i], corners[i, 0], corners[i, 1], corners[i, 2], corners[i, 3]
        a, b = x[q2] - x[q0], x[q3] - x[q1]
        normal = np.cross(a, b)
        size = np.sqrt((normal * normal).sum())
        normal /= size
        point = weights[i, 0] * x[q0] + weights[i, 1] * x[q1]
        point += weights[i, 2] * x[q2] + weights[i, 3] * x[q3]
        offset = x[node] - point - gap[i] * normal - rest_offset[i]
        force = stiffness[i] * offset
        stored += 0.5 * (force * offset).sum()
        # The gradient of the normal with respect to the diagonals a and b: the force follows from
        # the energy, so that a tie conserves it.
        turn = -gap[i] * (force - normal * (normal * force).sum()) / size
        one, two = np.cross(b, turn), np.cross(turn, a)
        for c in range(3):
            f[node, c] -= force[c]
            for m in range(4):
                f[corners[i, m], c] += weights[i, m] * force[c]
            f[q2, c] -= one[c]
            f[q0, c] += one[c]
            f[q3, c] -= two[c]
            f[q1, c] += two[c]
    return stored


def offsets(
    x: np.ndarray, nodes: np.ndarray, corners: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of tied nodes along the normal, (W,), and the rest of it, (W, 3), mm.

    Args:
        x: nodes (N, 3), mm.
        nodes: tied nodes (W).
        corners: nodes of the element that each is tied to (W, 4).
        weights: share of each corner (W, 4).
    """
    a, b = x[corners[:, 2]] - x[corners[:, 0]], x[corners[:, 3]] - x[corners[:, 1]]
    normal = np.cross(a, b)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    offset = x[nodes] - np.einsum("wc,wck->wk", weights, x[corners])
    gap = np.einsum("wk,wk->w", offset, normal)
    return gap, offset - gap[:, None] * normal
