"""Links between the pieces of an assembly: welds, ties, and sheets that may touch."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from scionwood import ReadError
from scionwood_crash.solver.model import CONTACT, KINDS, Ties

NEAR = 1.5
"""Sheets may touch where nodes of two pieces are nearer than this many mean lengths of sides."""
EQUAL = 1.001
"""Nodes that are farther than the nearest by less than this factor count as equally near."""


@final
class Links(NamedTuple):
    """Pairs of nodes of different pieces.

    Attributes:
        nodes: (link, 2) int64.
        kinds: (link,) int64, numbers of `solver.model.KINDS`.
    """

    nodes: np.ndarray
    kinds: np.ndarray

    @property
    def fixed(self) -> np.ndarray:
        """(link,) bool: welds and ties, which hold the pieces together."""
        return np.asarray(self.kinds != CONTACT)


def of_ties(ties: Ties) -> Links:
    """Return the links of tied nodes with the corners of their elements."""
    pairs = np.stack([np.repeat(ties.nodes, 4), ties.corners.reshape(-1)], 1)
    return Links(pairs.astype(np.int64), np.repeat(ties.kinds, 4).astype(np.int64))


def none() -> Links:
    """Return no links."""
    return Links(np.zeros((0, 2), np.int64), np.zeros(0, np.int64))


def joined(first: Links, second: Links) -> Links:
    """Return both sets of links."""
    return Links(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))


def touching(points: np.ndarray, sides: np.ndarray, pieces: np.ndarray) -> Links:
    """Return links of kind `contact`: each node with the nearest node of another piece, if near.

    Args:
        points: (node, 3).
        sides: (side, 2), sides of cells, whose mean length measures what is near.
        pieces: (node,), the piece of each node.
    """
    reach = NEAR * float(np.linalg.norm(np.diff(points[sides], axis=1), axis=-1).mean())
    pairs = []
    for piece in range(int(pieces.max()) + 1):
        piece_nodes, others = np.flatnonzero(pieces == piece), np.flatnonzero(pieces != piece)
        count = min(4, len(others))
        distances, near = cKDTree(points[others]).query(
            points[piece_nodes], count, distance_upper_bound=reach
        )
        distances, near = (
            distances.reshape(len(piece_nodes), -1),
            near.reshape(len(piece_nodes), -1),
        )
        # All of several equally near nodes, or their numbers would decide.
        close = np.isfinite(distances) & (distances <= EQUAL * distances[:, :1])
        node = np.broadcast_to(piece_nodes[:, None], close.shape)[close]
        pairs.append(np.stack([node, others[near[close]]], 1))
    nodes = np.unique(np.sort(np.concatenate(pairs), 1), axis=0)
    return Links(nodes, np.full(len(nodes), CONTACT))


def pieces_of(points: int, sides: np.ndarray) -> np.ndarray:
    """Return the piece of each node, (node,), in the order of their first nodes.

    A piece is a set of shells that share nodes.

    Args:
        points: number of nodes.
        sides: (side, 2), sides of cells.
    """
    graph = sp.coo_matrix((np.ones(len(sides)), sides.T), (points, points))
    _, labels = connected_components(graph, directed=False)
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    # The labels of scipy depend on the order of its search; ranks of first nodes do not.
    return np.asarray(np.argsort(np.argsort(first))[number.reshape(-1)])


def groups_of(pieces: np.ndarray, links: Links) -> np.ndarray:
    """Return the group of each piece, (piece,): pieces that welds and ties hold together.

    Args:
        pieces: (node,), the piece of each node.
        links: links between them.
    """
    count = int(pieces.max()) + 1
    ends = pieces[links.nodes[links.fixed]].T
    graph = sp.coo_matrix((np.ones(ends.shape[1]), ends), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def check(links: Links, pieces: np.ndarray, name: str) -> None:
    """Check that links join nodes of different pieces.

    Args:
        links: the links.
        pieces: (node,), the piece of each node.
        name: name of the assembly.

    Raises:
        ReadError: a node does not exist, both ends are in one piece, or a kind is unknown.
    """
    nodes, kinds = links
    if len(nodes) and (nodes.min() < 0 or nodes.max() >= len(pieces)):
        rule = f"links name node {int(nodes.max())}, and there are {len(pieces)}"
        raise ReadError(name, rule, "Number nodes from 0")
    if len(kinds) and not np.isin(kinds, np.arange(len(KINDS))).all():
        raise ReadError(name, f"a kind of link is 0 to {len(KINDS) - 1}", ", ".join(KINDS))
    same = pieces[nodes[:, 0]] == pieces[nodes[:, 1]]
    if same.any():
        first, second = nodes[same.argmax()].tolist()
        rule = f"a link joins nodes {first} and {second} of one piece"
        raise ReadError(name, rule, "Links join different pieces")
