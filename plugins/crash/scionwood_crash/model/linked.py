"""Edges between the pieces of an assembly, which carry the kind of the link."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.solver.model import KINDS


@final
class Linked(nn.Module):
    """Add the links between pieces to the edges of the mesh.

    The state of a link is that of an edge with its vector, plus a learned vector of its kind, which
    is zero at the start.

    Args:
        width: width of the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(KINDS), width)
        nn.init.zeros_(self.kind.weight)

    def ends(self, graph: CrashGraph) -> tuple[Tensor, Tensor]:
        """Return the ends of all edges, (2, edge), sorted by target, and their order.

        The order counts first the edges of the mesh and then the links.
        """
        both = torch.cat([graph.edges, graph.links], 1)
        order = torch.argsort(both[1], stable=True)
        return both[:, order], order

    def states(self, edge: Tensor, graph: CrashGraph, order: Tensor) -> Tensor:
        """Add the vectors of kinds to the states of edges, (edge, width), in the given order."""
        plain = edge.new_zeros(graph.edges.shape[1], edge.shape[1])
        kind = torch.cat([plain, self.kind(graph.kinds).to(edge.dtype)])
        return edge + kind[order]
