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
    """Triangles and quads on points, with what a parameterisation asks of them.

    Args:
        points: (node, 3), length.
        cells: (cell, 4) node numbers; a triangle repeats its last node.

    Raises:
        ReadError: no cells, a point that no cell uses, or parts that do not touch.
    """

    def __init__(self, points: np.ndarray, cells: np.ndarray) -> None:
        self.points = np.asarray(points, np.float64)
        self.cells = np.asarray(cells, np.int64)
        self._check()

    @cached_property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """The sides of cells: node pairs (side, 2), smaller first, and their cell (side,)."""
        pairs = np.stack([self.cells, np.roll(self.cells, -1, 1)], -1)
        kept = pairs[..., 0] != pairs[..., 1]
        owner = np.broadcast_to(np.arange(len(self.cells))[:, None], kept.shape)
        return np.sort(pairs[kept], 1), owner[kept]

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
        """(triangle, 3); a quad gives both its halves by both diagonals, so that none is preferred.

        The weights of every corner are then those of a symmetric mesh. `halves` cuts once.
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
        """(cell,) bool: which cells have four nodes."""
        return np.asarray(self.cells[:, 2] != self.cells[:, 3])

    @cached_property
    def areas(self) -> np.ndarray:
        """(cell,), square length."""
        return np.asarray(np.linalg.norm(self._crossed, axis=1) / 2)

    @cached_property
    def normals(self) -> np.ndarray:
        """(cell, 3), unit length."""
        return np.asarray(self._crossed / np.maximum(2 * self.areas, 1e-300)[:, None])

    @cached_property
    def node_areas(self) -> np.ndarray:
        """(node,): each cell's area shared out to its nodes."""
        return self.to_nodes(self.areas[:, None], weighted=False)[:, 0]

    def to_nodes(self, values: np.ndarray, *, weighted: bool = True) -> np.ndarray:
        """Values of cells (cell, k) as sums over the cells of a node, or means by area.

        Args:
            values: of cells.
            weighted: give the mean by area; otherwise each cell's value is shared out to its nodes.
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
        """The nodes of each boundary, connected edges of one cell each, the longest first."""
        pairs, counts, _ = self.edges
        return self.chains(pairs[counts == 1])

    def chains(self, pairs: np.ndarray) -> list[np.ndarray]:
        """The nodes of each connected set of edges (edge, 2), the longest set first."""
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
        """Edges (edge, 2) of two cells or more, and the angle between these in degrees (edge,).

        Cells may be numbered in either sense, so that an angle is at most 90; more than two cells
        count as 90.
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
    def laplacian(self) -> sp.csr_matrix:
        """`sum_j w_ij (x_i - x_j)` with mean-value weights, rows of sum 1; (node, node).

        `w_ij = (tan(a / 2) + tan(b / 2)) / |x_i - x_j|`, Floater 2003, equation 2.1.
        """
        rows, columns, weights = self.weights
        size = (len(self.points),) * 2
        matrix = sp.csr_matrix((weights, (rows, columns)), size)
        scale = sp.diags(1 / np.maximum(np.asarray(matrix.sum(1)).ravel(), 1e-300))
        return sp.eye(*size, format="csr") - (scale @ matrix).tocsr()

    @cached_property
    def weights(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The mean-value weights by pairs of a node and its neighbour, one or more a pair."""
        found = []
        for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            i, j, k = (self.triangles[:, at] for at in (a, b, c))
            u, v = self.points[j] - self.points[i], self.points[k] - self.points[i]
            near, far = (np.maximum(np.linalg.norm(x, axis=1), 1e-300) for x in (u, v))
            cosine = np.clip((u * v).sum(1) / (near * far), -1 + 1e-12, 1)
            half = np.sqrt((1 - cosine) / (1 + cosine))  # the tangent of half the angle
            found += [(i, j, half / near), (i, k, half / far)]
        rows, columns, weights = (np.concatenate(each) for each in zip(*found, strict=True))
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
            raise ReadError(value, "every point does", "Drop the others before")
        pairs = self.edges[0]
        graph = sp.coo_matrix((np.ones(len(pairs)), pairs.T), (len(used), len(used)))
        count, _ = connected_components(graph, directed=False)
        if count > 1:
            rule = "the shells of one part hang together"
            raise ReadError(f"mesh: {count} pieces that do not touch", rule, "Give one at a time")
