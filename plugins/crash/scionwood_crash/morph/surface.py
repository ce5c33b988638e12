"""The geometry of a shell mesh: triangles, edges, boundaries, creases, mean-value weights."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from scionwood import ReadError


@final
class Surface:
    """Geometric quantities of a mesh of triangles and quads, for the parameterisation.

    Args:
        points: (node, 3), any unit of length.
        cells: (cell, 4), node numbers; a triangle repeats its last node.

    Raises:
        ReadError: there are no cells, or a point belongs to no cell.
    """

    def __init__(self, points: np.ndarray, cells: np.ndarray) -> None:
        self.points = np.asarray(points, np.float64)
        self.cells = np.asarray(cells, np.int64)
        self._check()

    @cached_property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Sides of cells: node pairs (side, 2), smaller number first, and their cell (side,)."""
        pairs = np.stack([self.cells, np.roll(self.cells, -1, 1)], -1)
        is_side = pairs[..., 0] != pairs[..., 1]
        owner = np.broadcast_to(np.arange(len(self.cells))[:, None], is_side.shape)
        return np.sort(pairs[is_side], 1), owner[is_side]

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unique sides (edge, 2), the number of cells at each, and each side's edge (side,)."""
        pairs, inverse, counts = np.unique(
            self.sides[0], axis=0, return_inverse=True, return_counts=True
        )
        return pairs, counts, inverse.reshape(-1)

    @cached_property
    def spacing(self) -> float:
        """The mean length of an edge."""
        return float(np.linalg.norm(np.diff(self.points[self.edges[0]], axis=1), axis=-1).mean())

    @cached_property
    def triangles(self) -> np.ndarray:
        """(triangle, 3); a quad is cut along both diagonals, so that neither is preferred.

        The weights of its corners are then symmetric. `halves` cuts along one diagonal.
        """
        quads = self.cells[self.quad]
        other = quads[:, [[1, 2, 3], [1, 3, 0]]].reshape(-1, 3)
        return np.concatenate([self.halves, other]) if len(quads) else self.halves

    @cached_property
    def halves(self) -> np.ndarray:
        """(triangle, 3); a quad is cut from its first to its third node."""
        return np.concatenate([self.cells[:, :3], self.cells[self.quad][:, [0, 2, 3]]])

    @cached_property
    def quad(self) -> np.ndarray:
        """(cell,) bool: cells with four nodes."""
        return np.asarray(self.cells[:, 2] != self.cells[:, 3])

    @cached_property
    def areas(self) -> np.ndarray:
        """(cell,), area of each cell."""
        return np.asarray(np.linalg.norm(self._crossed, axis=1) / 2)

    @cached_property
    def normals(self) -> np.ndarray:
        """(cell, 3), unit normal of each cell."""
        return np.asarray(self._crossed / np.maximum(2 * self.areas, 1e-300)[:, None])

    @cached_property
    def node_areas(self) -> np.ndarray:
        """(node,): area of each node; a cell's area is divided equally among its nodes."""
        return self.to_nodes(self.areas[:, None], weighted=False)[:, 0]

    def to_nodes(self, values: np.ndarray, *, weighted: bool = True) -> np.ndarray:
        """Transfer values of cells to nodes, (node, k).

        Args:
            values: (cell, k), values of cells.
            weighted: average by area; otherwise divide each value equally among the cell's nodes.
        """
        inside = np.ones(self.cells.shape, bool)
        inside[:, 3] = self.quad
        owner, _ = np.nonzero(inside)
        share = (self.areas if weighted else 1.0) / inside.sum(1)
        weights = sp.csr_matrix(
            (share[owner], (self.cells[inside], owner)), (len(self.points), len(self.cells))
        )
        total = weights @ values
        if weighted:
            total /= np.maximum(np.asarray(weights.sum(1)), 1e-300)
        return np.asarray(total)

    @cached_property
    def rims(self) -> list[np.ndarray]:
        """The nodes of each boundary, longest boundary first."""
        pairs, counts, _ = self.edges
        return self.chains(pairs[counts == 1])

    def chains(self, pairs: np.ndarray) -> list[np.ndarray]:
        """Return the nodes of each connected set of edges (edge, 2), longest set first."""
        if not len(pairs):
            return []
        size = len(self.points)
        graph = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (size, size))
        _, labels = connected_components(graph, directed=False)
        lengths = np.linalg.norm(np.diff(self.points[pairs], axis=1)[:, 0], axis=1)
        names, at = np.unique(labels[pairs[:, 0]], return_inverse=True)
        order = np.argsort(-np.bincount(at.reshape(-1), lengths), kind="stable")
        nodes = np.unique(pairs)
        return [nodes[labels[nodes] == names[i]] for i in order]

    @cached_property
    def bends(self) -> tuple[np.ndarray, np.ndarray]:
        """Inner edges (edge, 2), and the angle between their cells in degrees (edge,).

        Cells may be numbered in either sense, so an angle is at most 90 degrees. An edge of more
        than two cells has 90 degrees.
        """
        pairs, counts, inverse = self.edges
        owners = self.sides[1][np.argsort(inverse, kind="stable")]
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        inner = counts > 1
        left, right = owners[first[inner]], owners[first[inner] + 1]
        cosine = np.abs((self.normals[left] * self.normals[right]).sum(1))
        angle = np.degrees(np.arccos(np.clip(cosine, 0, 1)))
        return pairs[inner], np.where(counts[inner] > 2, 90.0, angle)

    @cached_property
    def pieces(self) -> int:
        """The number of pieces that share no nodes."""
        pairs, count = self.edges[0], len(self.points)
        graph = sp.coo_matrix((np.ones(len(pairs)), pairs.T), (count, count))
        return int(connected_components(graph, directed=False)[0])

    @cached_property
    def laplacian(self) -> sp.csr_matrix:
        """Matrix (node, node) of `sum_j w_ij (x_i - x_j)` with normalised mean-value weights.

        `w_ij = (tan(a / 2) + tan(b / 2)) / |x_i - x_j|`, Floater 2003, equation 2.1.
        """
        rows, columns, weights = self.weights
        size = (len(self.points),) * 2
        matrix = sp.csr_matrix((weights, (rows, columns)), size)
        scale = sp.diags(1 / np.maximum(np.asarray(matrix.sum(1)).ravel(), 1e-300))
        return sp.eye(*size, format="csr") - (scale @ matrix).tocsr()

    @cached_property
    def weights(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean-value weights: nodes, neighbours and weights; a pair may occur more than once."""
        entries = []
        for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            i, j, k = (self.triangles[:, at] for at in (a, b, c))
            u, v = self.points[j] - self.points[i], self.points[k] - self.points[i]
            near, far = (np.maximum(np.linalg.norm(x, axis=1), 1e-300) for x in (u, v))
            cosine = np.clip((u * v).sum(1) / (near * far), -1 + 1e-12, 1)
            half = np.sqrt((1 - cosine) / (1 + cosine))  # the tangent of half the angle
            entries += [(i, j, half / near), (i, k, half / far)]
        rows, columns, weights = (np.concatenate(arrays) for arrays in zip(*entries, strict=True))
        return rows, columns, weights

    @cached_property
    def _crossed(self) -> np.ndarray:
        corner = [self.points[self.cells[:, at]] for at in range(4)]
        return np.cross(corner[2] - corner[0], corner[3] - corner[1])

    def _check(self) -> None:
        if not len(self.cells):
            raise ReadError("mesh", "it has no shell cells", "Export its shells too")
        used = np.zeros(len(self.points), bool)
        used[self.cells] = True
        if not used.all():
            value = f"mesh: {int((~used).sum())} of {len(used)} points belong to no shell"
            raise ReadError(value, "every point must belong to one", "Remove the other points")
