"""Turn the spot welds, nodal rigid bodies and tied contacts of a deck into links between pieces."""

from __future__ import annotations

from collections import Counter
from typing import final

import numpy as np
from scipy.spatial import cKDTree

from scionwood_crash.parts.closest import nearest_cells
from scionwood_crash.parts.links import Links, pieces_of
from scionwood_crash.parts.mesh import ShellMesh
from scionwood_crash.readers.deck_content import Deck, Joint
from scionwood_crash.readers.deck_joints import BODY, SPOTWELD
from scionwood_crash.readers.deck_sets import Members
from scionwood_crash.solver.model import TIE, WELD

THICK, DIAGONAL = 0.6, 0.05
"""A node is tied within this share of both thicknesses, or of the shorter diagonal of the shell."""


def links_of(deck: Deck, mesh: ShellMesh) -> tuple[Links | None, list[str]]:
    """Return the links of a deck, and sentences on what is not read; a single piece has neither.

    A spot weld, or a spring or beam between two nodes, links them as rigid; for an end without
    shells counts what it is tied to. The nodes of a rigid body are linked to the nearest one in
    each other piece. A node of a tied contact is linked to the corners of the nearest shell of the
    surface, if it is within 0.6 of both thicknesses or 0.05 of the shorter diagonal of the shell:
    the tolerance of LS-DYNA's manual as recalled. A tolerance of the card itself is not used.

    Args:
        deck: its content.
        mesh: its mesh, with thickness.
    """
    if not deck.joints and not deck.unread:
        return None, []
    finder, pairs, kinds = _Finder(deck, mesh), [np.zeros((0, 2), np.int64)], [np.zeros(0)]
    if len(np.unique(finder.pieces[finder.used])) < 2:
        return None, []
    left = [f"{count} {name}" for name, count in sorted(deck.unread.items())]
    remarks = [f"{', '.join(left)} are not read as links"] if left else []
    joined_counts: Counter[str] = Counter()
    for joint in deck.joints:
        joint_pairs = finder.pairs(joint)
        joined_counts[joint.keyword] += bool(len(joint_pairs)) or finder.holds(joint)
        pairs.append(joint_pairs)
        kinds.append(np.full(len(joint_pairs), TIE if finder.tied(joint) else WELD))
    for name, count in Counter(joint.keyword for joint in deck.joints).items():
        if count > joined_counts[name]:
            remarks.append(
                f"{count - joined_counts[name]} of {count} {name} join no two pieces of shells"
            )
    rows = np.unique(np.c_[np.sort(np.concatenate(pairs), 1), np.concatenate(kinds)], axis=0)
    links = Links(rows[:, :2].astype(np.int64), rows[:, 2].astype(np.int64))
    return (links if len(rows) else None), remarks


@final
class _Finder:
    """Finds the nodes of connections, as indices of the mesh."""

    def __init__(self, deck: Deck, mesh: ShellMesh) -> None:
        self.mesh, self.members = mesh, Members(deck, mesh)
        self.used = self.members.used
        self.pieces = pieces_of(len(mesh.points), mesh.sides())
        self.held_by = self._ties_of_bare_nodes(deck)
        self.thickness = mesh.node_mean(mesh.thickness)

    def tied(self, joint: Joint) -> bool:
        """Return whether a connection is a tied contact."""
        return joint.keyword not in (SPOTWELD, BODY)

    def holds(self, joint: Joint) -> bool:
        """Return whether a tied contact holds ends of welds."""
        return self.tied(joint) and any(
            node in self.held_by for node in self.members.side(*joint.sides[0])[0].tolist()
        )

    def pairs(self, joint: Joint) -> np.ndarray:
        """Return pairs of nodes of different pieces, (pair, 2)."""
        sides = [self.members.side(*side) for side in joint.sides]
        if joint.keyword == SPOTWELD:
            nodes = self.members.nodes(np.array(joint.nodes)).tolist()
            ends = [node if self.used[node] else self.held_by.get(node, -1) for node in nodes]
            pairs = np.array([ends] if len(ends) == 2 and min(ends) >= 0 else [], np.int64)
            pairs = pairs.reshape(-1, 2)
        elif joint.keyword == BODY:
            pairs = self._body(self._of_shells(sides[0][0]))
        else:
            pairs = self._contact(self._of_shells(sides[0][0]), sides[1][1])
        return np.asarray(pairs[self.pieces[pairs[:, 0]] != self.pieces[pairs[:, 1]]])

    def _of_shells(self, nodes: np.ndarray) -> np.ndarray:
        return np.asarray(nodes[self.used[nodes]])

    def _ties_of_bare_nodes(self, deck: Deck) -> dict[int, int]:
        """Return the shell node that holds each tied node without shells, such as an end of a weld.

        Radioss models a spot weld by a spring between two such nodes.
        """
        points = self.mesh.points.astype(np.float64)
        out: dict[int, int] = {}
        for joint in deck.joints:
            if not self.tied(joint):
                continue
            (nodes, _), (_, cells) = (self.members.side(*side) for side in joint.sides)
            bare = nodes[~self.used[nodes]]
            if len(bare) and len(cells):
                near, _ = nearest_cells(points[bare], points[cells])
                apart = np.linalg.norm(points[cells[near]] - points[bare][:, None], axis=-1)
                corner = cells[near, apart.argmin(1)]
                out |= dict(zip(bare.tolist(), corner.tolist(), strict=True))
        return out

    def _body(self, nodes: np.ndarray) -> np.ndarray:
        """Return each node of a rigid body with the nearest one in each other piece."""
        points, piece_of_node = self.mesh.points, self.pieces[nodes]
        groups = sorted(
            (nodes[piece_of_node == piece] for piece in np.unique(piece_of_node)), key=len
        )
        pairs = [np.zeros((0, 2), np.int64)]
        for at, few in enumerate(groups):
            for many in groups[at + 1 :]:
                _, near = cKDTree(points[many]).query(points[few])
                pairs.append(np.stack([few, many[near]], 1))
        return np.concatenate(pairs)

    def _contact(self, nodes: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the nodes of the tied side with the corners of the nearest shells."""
        points, pairs = self.mesh.points.astype(np.float64), [np.zeros((0, 2), np.int64)]
        sheets = self.thickness[cells].mean(1) if len(cells) else np.zeros(0)
        for piece in np.unique(self.pieces[nodes]):
            piece_nodes = nodes[self.pieces[nodes] == piece]
            other = np.flatnonzero(self.pieces[cells[:, 0]] != piece)
            if not len(other):
                continue
            corners = points[cells[other]]
            near, distances = nearest_cells(points[piece_nodes], corners)
            across = np.linalg.norm(corners[:, [0, 1]] - corners[:, [2, 3]], axis=-1).min(1)
            reach = THICK * (self.thickness[piece_nodes] + sheets[other[near]])
            close = distances <= np.maximum(reach, DIAGONAL * across[near])
            tied = np.repeat(piece_nodes[close], 4)
            pairs.append(np.stack([tied, cells[other[near[close]]].reshape(-1)], 1))
        return np.concatenate(pairs)
