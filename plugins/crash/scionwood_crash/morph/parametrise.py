"""Coordinates u along and v around a part: mean-value coordinates with pinned features."""

from __future__ import annotations

from typing import Literal, NamedTuple, final

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sla

from scionwood import ReadError
from scionwood_crash.morph.frame import Frame
from scionwood_crash.morph.surface import Surface

END = 0.5
"""Boundary nodes within this many mean edge lengths of an extreme of the axis are an end."""
SHARP = 25.0
"""Degrees; two cells with a larger angle may share a crease."""
ROUND = 2.0
"""A crease has this many times the median angle; the facets of a round tube are not creases."""
SPAN = 0.6
"""A crease that covers less of u is a bead or a dent, and is not pinned."""
NEAR = 0.04
"""Creases whose mean v differs by less are one crease, interrupted by a hole."""
ANCHOR = 1e-4
"""Weight of the angle in v of a tube without creases, relative to the smoothness."""

Section = Literal["open", "closed"]
Fallback = Literal["refuse", "project"]


@final
class Parametrisation(NamedTuple):
    """Coordinates of the nodes of a part.

    Attributes:
        uv: (node, 2). u runs from 0 to 1 towards the impact. v runs from 0 to 1 across an open
            section, or around a closed one, where it is periodic and 0 at the seam.
        section: `open`, or `closed` if v is periodic.
        creases: number of pinned creases.
        method: `features`, or `project` for a part without two ends.
    """

    uv: np.ndarray
    section: Section
    creases: int
    method: Literal["features", "project"]

    def flipped(self, surface: Surface) -> float:
        """Return the share of triangles whose image in (u, v) is inverted."""
        corner = self.unwrapped(surface.halves)
        left, right = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        area = left[:, 0] * right[:, 1] - left[:, 1] * right[:, 0]
        return float((area * np.sign(area.sum()) < -1e-12).mean())

    def unwrapped(self, triangles: np.ndarray) -> np.ndarray:
        """Return the corners in (u, v), (triangle, 3, 2), without jumps at the seam."""
        corner = self.uv[triangles].copy()
        if self.section == "closed":
            corner[..., 1] -= np.round(corner[..., 1] - corner[:, :1, 1])
        return np.asarray(corner)


def parametrise(
    surface: Surface, frame: Frame, *, fallback: Fallback = "refuse"
) -> Parametrisation:
    """Parametrise a part with two ends: an open or closed profile.

    u is 0 at one end and 1 at the other. In an open section v is 0 and 1 on the side edges. A
    closed section has its seam on the side away from the impactor; no mesh edge has to follow it.
    Creases from end to end have constant v. Every other node is the mean of its neighbours with
    mean-value weights. Holes are free boundaries.

    Args:
        surface: surface of the part.
        frame: axes of the part; v starts opposite to the second axis.
        fallback: `refuse` a part without two ends, or `project` it onto its axes.

    Raises:
        ReadError: the part has several pieces, or has no two ends and `fallback` is `refuse`.
    """
    if surface.pieces > 1:
        rule = "a grid lies on one piece"
        value = f"mesh: {surface.pieces} pieces that do not touch"
        raise ReadError(value, rule, "Give one at a time")
    x = frame.inward(surface.points)
    ends = _ends(surface, x[:, 0])
    if ends is None:
        if fallback == "refuse":
            rule = "a part must have two ends at the extremes of its longest axis"
            remedy = "Cut it into profiles, allow the projection (--fallback project), or take a "
            remedy += "network without grids (data.coarse: none with crash/meshgraphnet)"
            raise ReadError("mesh without two ends", rule, remedy)
        return _projected(x)
    low, high, joined = ends
    u = _solve(surface.laplacian, np.concatenate([low, high]), np.repeat([0.0, 1.0], _sizes(ends)))
    v, creases = _across(surface, x, u, ends) if joined else _circumferential(surface, x, u)
    return Parametrisation(
        np.column_stack([u, v]), "open" if joined else "closed", creases, "features"
    )


def _ends(surface: Surface, along: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Return the nodes of both ends, and whether one boundary joins them (open section)."""
    tolerance = END * surface.spacing
    for rim in surface.rims[:1]:
        low = rim[along[rim] < along.min() + tolerance]
        high = rim[along[rim] > along.max() - tolerance]
        if len(low) > 1 and len(high) > 1:
            return low, high, True
    rims = [rim for rim in surface.rims if len(rim) > 2]
    if len(rims) < 2:
        return None
    rims.sort(key=lambda rim: along[rim].mean())
    low, high = rims[0], rims[-1]
    length = float(np.ptp(along))
    # A rim in the middle is that of a hole and no end.
    if along[low].mean() > along.min() + 0.2 * length:
        return None
    if along[high].mean() < along.max() - 0.2 * length:
        return None
    return low, high, False


def _across(
    surface: Surface, x: np.ndarray, u: np.ndarray, ends: tuple[np.ndarray, np.ndarray, bool]
) -> tuple[np.ndarray, int]:
    """Return v of an open section, and the number of its creases."""
    rim = surface.rims[0]
    pairs, counts, _ = surface.edges
    edges = pairs[counts == 1]
    inner = edges[np.isin(edges, rim).all(1)]
    at_end = np.isin(inner, ends[0]).all(1) | np.isin(inner, ends[1]).all(1)
    sides = surface.chains(inner[~at_end])[:2]
    if len(sides) < 2:
        rule = "an open section must have two side edges"
        raise ReadError("mesh with one side edge", rule, "Check its boundary")
    sides.sort(key=lambda side: x[side, 2].mean())
    nodes, values = np.concatenate(sides), np.repeat([0.0, 1.0], [len(side) for side in sides])
    first = _solve(surface.laplacian, nodes, values)
    groups = _creases(surface, u, first, nodes, np.ptp(x[:, 0]))
    pinned = [(group, (i + 1) / (len(groups) + 1)) for i, group in enumerate(groups)]
    nodes = np.concatenate([nodes, *(group for group, _ in pinned)])
    values = np.concatenate([values, *(np.full(len(group), v) for group, v in pinned)])
    return _solve(surface.laplacian, nodes, values), len(groups)


def _circumferential(surface: Surface, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, int]:
    """Return v of a closed section in [0, 1), and the number of its creases."""
    angle = _angle(surface, x, u)
    rows, columns, weights = surface.weights
    jumps = np.round(angle[rows] - angle[columns])  # whole turns between a node and a neighbour
    total = np.maximum(np.bincount(rows, weights, len(u)), 1e-300)
    right = np.bincount(rows, weights * jumps, len(u)) / total
    eye = sp.eye(len(u), format="csr")
    v = sla.spsolve((surface.laplacian + ANCHOR * eye).tocsc(), right + ANCHOR * angle)
    groups = _creases(surface, u, v % 1.0, np.empty(0, int), np.ptp(x[:, 0]))
    if not groups:
        return v % 1.0, 0
    nodes = np.concatenate(groups)
    values = np.concatenate(
        [np.full(len(g), (i + 0.5) / len(groups)) for i, g in enumerate(groups)]
    )
    values += np.round(v[nodes] - values)  # a node's own v may lie beyond the seam
    return _solve(surface.laplacian, nodes, values, right) % 1.0, len(groups)


def _angle(surface: Surface, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return turns in [0, 1) about the line of section centres, from the side off the impactor."""
    # A cubic curve through the centres of the sections, for parts that are bowed.
    powers = np.vander(u, 4)
    root = np.sqrt(surface.node_areas)[:, None]
    fit, *_ = np.linalg.lstsq(powers * root, x[:, 1:] * root, rcond=None)
    y, z = (x[:, 1:] - powers @ fit).T
    return np.asarray(np.arctan2(-z, -y) / (2 * np.pi) % 1.0)


def _creases(
    surface: Surface, u: np.ndarray, v: np.ndarray, used_nodes: np.ndarray, reach: float
) -> list[np.ndarray]:
    """Return the nodes of each crease that runs from end to end, in the order of v."""
    pairs, angle = surface.bends
    step = np.abs(np.diff(u[pairs], axis=1)[:, 0])
    length = np.linalg.norm(np.diff(surface.points[pairs], axis=1)[:, 0], axis=1)
    # More along the part than across it.
    along = step * reach > 0.5 * length
    if not along.any():
        return []
    sharp = along & (angle > max(SHARP, ROUND * float(np.median(angle[along]))))
    chains = [chain[~np.isin(chain, used_nodes)] for chain in surface.chains(pairs[sharp])]
    chains = [chain for chain in chains if len(chain)]
    groups: list[np.ndarray] = []
    for chain in sorted(chains, key=lambda nodes: _middle(v[nodes])):
        if groups and _middle(v[chain]) - _middle(v[groups[-1]]) < NEAR:
            groups[-1] = np.concatenate([groups[-1], chain])
        else:
            groups.append(chain)
    return [group for group in groups if np.ptp(u[group]) > SPAN]


def _middle(v: np.ndarray) -> float:
    """Return the circular mean of v."""
    return float(np.angle(np.exp(2j * np.pi * v).mean()) / (2 * np.pi) % 1.0)


def _solve(
    laplacian: sp.csr_matrix, nodes: np.ndarray, values: np.ndarray, right: np.ndarray | None = None
) -> np.ndarray:
    """Return the values of all nodes: given at some, the mean of the neighbours elsewhere."""
    solution = np.zeros(laplacian.shape[0])
    solution[nodes] = values
    free = np.ones(len(solution), bool)
    free[nodes] = False
    # Known values move to the right-hand side.
    load = -(laplacian @ solution) + (0 if right is None else right)
    solution[free] = sla.spsolve(laplacian[free][:, free].tocsc(), load[free])
    return solution


def _projected(x: np.ndarray) -> Parametrisation:
    """Return coordinates along the first and the third axis."""
    low, size = x.min(0), np.maximum(np.ptp(x, axis=0), 1e-300)
    return Parametrisation(((x - low) / size)[:, [0, 2]], "open", 0, "project")


def _sizes(ends: tuple[np.ndarray, np.ndarray, bool]) -> list[int]:
    return [len(ends[0]), len(ends[1])]
