"""The nodes and shells that the sets of a deck name, as indices of its mesh."""

from __future__ import annotations

from typing import final

import numpy as np

from scionwood_crash.parts.mesh import ShellMesh
from scionwood_crash.readers.deck_content import ONE_PART, Deck

NODES, SURFACES = "GRNOD", "SURF"
"""Spaces of numbers of Radioss; a set is of a kind such as `GRNOD/PART`."""
_KINDS = {"NODE": "node", "PART": "part", "SEG": "segment", "SHEL": "shell", "SH3N": "shell"}
_DEEPEST = 8


@final
class Members:
    """Finds the members of sets.

    Args:
        deck: its content.
        mesh: its mesh.
    """

    def __init__(self, deck: Deck, mesh: ShellMesh) -> None:
        self.deck, self.mesh = deck, mesh
        self.used = np.zeros(len(mesh.points), bool)
        self.used[mesh.cells] = True
        self.order = np.argsort(mesh.node_ids)
        self.ids = mesh.node_ids[self.order]

    def nodes(self, numbers: np.ndarray) -> np.ndarray:
        """Return the indices of nodes by their numbers, with those that no shell uses."""
        at = self.order[np.minimum(np.searchsorted(self.ids, numbers), len(self.ids) - 1)]
        return np.asarray(at[self.mesh.node_ids[at] == numbers])

    def side(self, number: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the nodes, (node,), and the cells, (cell, 4), of a set or of one part.

        Args:
            number: of the set.
            kind: of the set; or `GRNOD` or `SURF`, whatever its kind.
        """
        if kind in (NODES, SURFACES):
            return self._space(number, kind, 0)
        rows: list[tuple[int, ...]]
        rows = [(number,)] if kind == ONE_PART else self.deck.sets.get((number, kind), [])
        return self._of(rows, kind)

    def _space(self, number: int, space: str, depth: int) -> tuple[np.ndarray, np.ndarray]:
        nodes, cells = [np.zeros(0, np.int64)], [np.zeros((0, 4), np.int64)]
        for (other, kind), rows in self.deck.sets.items():
            if other != number or not kind.startswith(f"{space}/") or depth > _DEEPEST:
                continue
            of = kind.split("/")[1]
            if of in (NODES, SURFACES):
                groups = [self._space(abs(row[0]), of, depth + 1) for row in rows]
            else:
                groups = [self._of(rows, _KINDS.get(of.removeprefix("GR"), ""))]
            nodes += [pair[0] for pair in groups]
            cells += [pair[1] for pair in groups]
        return np.unique(np.concatenate(nodes)), np.concatenate(cells)

    def _of(self, rows: list[tuple[int, ...]], kind: str) -> tuple[np.ndarray, np.ndarray]:
        mesh, none = self.mesh, np.zeros((0, 4), np.int64)
        if not rows or not kind:
            return np.zeros(0, np.int64), none
        members = np.array(rows, np.int64)
        if kind == "node":
            return self.nodes(np.unique(members)), none
        if kind == "segment":
            corners = np.where(members[:, 3:] == 0, members[:, [0, 1, 2, 2]], members)
            has_shell = np.isin(corners, mesh.node_ids[self.used]).all(1)
            cells = self.nodes(corners[has_shell].reshape(-1)).reshape(-1, 4)
        else:
            numbers = mesh.element_ids if kind == "shell" else mesh.part_ids
            cells = mesh.cells[np.isin(numbers, members)]
        return np.unique(cells), cells
