"""MeshGraphNet, a baseline whose updates stay on the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from scionwood_crash.model.blocks import GraphBlock, Perceptron
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.history import History
from scionwood_crash.model.network import INPUTS, LINEAR, Network
from scionwood_crash.model.partition import by_pieces, cut
from scionwood_crash.model.presets import Size


@final
class MeshGraphNet(Network):
    """A sequence of updates on the mesh.

    Source: Pfaff et al. 2021, arXiv:2010.03409, with all frames at once instead of a rollout.

    Args:
        size: dimensions of the network; only its width is used.
        blocks: number of updates.
        frames: number of states of a history, the first at rest.
        history: predict all frames at once, or one after the other.
        plastic: also predict the plastic strain of cells.
        contact: keep nodes ahead of the impactor; see `history.Contact`.
        card: entries for the model card.

    Attributes:
        max_nodes: the states of larger graphs are computed in pieces; see `model.partition`. An
            exported or compiled network computes them at once.
    """

    adapter_targets: ClassVar[Mapping[str, str]] = {"linear": LINEAR}

    def __init__(
        self,
        size: Size,
        *,
        blocks: int,
        frames: int,
        history: History = "one_shot",
        plastic: bool = False,
        contact: bool = True,
        card: Mapping[str, str] | None = None,
    ) -> None:
        options = {"plastic": plastic, "contact": contact}
        super().__init__(size, frames=frames, history=history, card=card, **options)
        self.max_nodes: int | None = None
        self.encode = Perceptron(INPUTS, size.width, size.width)
        self.embed = nn.Linear(4, size.width)
        self.blocks = nn.ModuleList([GraphBlock(size.width) for _ in range(blocks)])

    def states(self, graph: CrashGraph) -> Tensor:
        """Return the state of every node, (N, width)."""
        # An exported graph serves meshes of any size, so that it cannot hold a number of pieces.
        if self.max_nodes is None or torch.compiler.is_compiling():
            return self._states(graph)
        if len(graph.position) <= self.max_nodes:
            return self._states(graph)
        pieces = cut(graph, self.max_nodes, len(self.blocks))
        return by_pieces(self._states, graph, pieces)

    def _states(self, graph: CrashGraph) -> Tensor:
        x: Tensor = self.encode(self.inputs(graph, graph.features))
        ends, edge = self.edges(graph, self.embed)
        ones = x.new_ones(edge.shape[0])
        for block in self.blocks:
            x, edge = block(x, x, edge, ends, ones)
        return x
