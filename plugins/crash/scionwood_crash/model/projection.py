"""Project predicted displacements towards edges that keep their length.

The projection finds the shape that is nearest to the prediction and whose edges are nearest to
their initial lengths: the minimum of `sum m |x - p|^2 + stiffness * sum w (|edge| - rest)^2`.
It alternates between the directions of the edges and one linear solve for all frames.

Source: the local and the global step of projective dynamics, Bouaziz et al. 2014, ACM Transactions
on Graphics 33, 154; its use on predictions of a network is this project's.
"""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from scionwood_crash.model.graph import REACH, CrashGraph

STEPS = 20
"""Alternations; more change the mean strain by less than a tenth of its value."""
MOMENTUM = 0.9
DIAGONAL = 0.5
"""Weight of the diagonals of quads, relative to that of their sides."""
PIN = 100.0
"""Weight of nodes under the impactor, which keep their predicted place; others have 1."""
UNDER = 0.1
"""A node is under the impactor if the gap is less than this share of the maximum intrusion."""
FIXED = 1e6
"""Weight of clamped nodes."""


@final
class Projection:
    """The projection of one part, whose matrix is factorised once.

    Args:
        graph: one part.
        stiffness: weight of the edges relative to that of the nodes, above 0.
        deepest: the predicted maximum intrusion, in 100 mm. It selects the nodes under the
            impactor.
        steps: number of alternations.
    """

    def __init__(
        self, graph: CrashGraph, stiffness: float, deepest: float, *, steps: int = STEPS
    ) -> None:
        self.position = graph.position.double().cpu().numpy()
        self.clamped, self.steps = graph.clamped.cpu().numpy(), steps
        pairs, weights = _edges(graph)
        self.rest = np.linalg.norm(np.diff(self.position[pairs], axis=1)[:, 0], axis=1)
        rows, ones = np.arange(len(pairs)), np.ones(len(pairs))
        entries = np.r_[ones, -ones], (np.r_[rows, rows], np.r_[pairs[:, 0], pairs[:, 1]])
        self.difference = sp.csr_matrix(entries, (len(pairs), len(self.position)))
        under = graph.features[:, REACH].cpu().numpy() < UNDER * deepest
        self.mass = np.where(self.clamped, FIXED, 1.0) + PIN * under
        self.pull = self.difference.T @ sp.diags(stiffness * weights)
        self.solver = splu(sp.csc_matrix(sp.diags(self.mass) + self.pull @ self.difference))

    def __call__(self, moved: Tensor) -> Tensor:
        """Return projected displacements (N, T, 3) of the same type; clamped nodes stay.

        Args:
            moved: (N, T, 3), in 100 mm.
        """
        nodes, frames, _ = moved.shape
        predicted = self.position[:, None] + moved.double().cpu().numpy()
        weighted = (self.mass[:, None, None] * predicted).reshape(nodes, -1)
        place, last = predicted.reshape(nodes, -1), None
        for step in range(self.steps):
            edge = (self.difference @ place).reshape(-1, frames, 3)
            length = np.maximum(np.linalg.norm(edge, axis=-1), 1e-9)
            # The local step: each edge keeps its direction and takes its initial length.
            edge *= (self.rest[:, None] / length)[..., None]
            # The global step: one factorisation serves all frames and all alternations.
            new = self.solver.solve(weighted + self.pull @ edge.reshape(len(edge), -1))
            # The last step is plain, so that the result solves the linear system.
            ahead = last is not None and step < self.steps - 1
            place, last = (new + MOMENTUM * (new - last) if ahead else new), new
        result = place.reshape(nodes, frames, 3) - self.position[:, None]
        result[self.clamped] = 0
        return torch.from_numpy(result).to(moved)


def _edges(graph: CrashGraph) -> tuple[np.ndarray, np.ndarray]:
    """Return sides and diagonals as node pairs, (edge, 2), and their weights, (edge,)."""
    source, target = graph.edges.cpu().numpy()
    sides = np.stack([source, target], 1)[source < target]
    cells = graph.cells.cpu().numpy()
    quads = cells[cells[:, 2] != cells[:, 3]]
    across = np.concatenate([quads[:, [0, 2]], quads[:, [1, 3]]])
    weights = np.r_[np.ones(len(sides)), np.full(len(across), DIAGONAL)]
    return np.concatenate([sides, across]), weights
