"""MeshGraphNet, a baseline whose updates stay on the mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from scionwood_crash.model.blocks import GraphBlock, Perceptron
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.history import History
from scionwood_crash.model.network import INPUTS, LINEAR, Network, seeded
from scionwood_crash.model.partition import by_pieces, cut
from scionwood_crash.model.presets import SizeName


@final
class MeshGraphNet(Network):
    """MeshGraphNet, a baseline that only has the mesh: a sequence of updates on it.

    Args:
        size: see `Network`; only its width is used.
        blocks: number of updates; a node sees as many edges far.
        max_nodes: larger graphs are computed in pieces of at most so many nodes, with less memory
            and the same result; each piece also has the nodes that are up to `blocks` edges away.
            An exported or compiled network computes them at once; see `model.partition`.

    Shapes: as `MaskMorphUNet`.

    Units: as `MaskMorphUNet`.

    Source: Pfaff et al. 2021, arXiv:2010.03409; all frames at once instead of a rollout.
    """

    stem = "meshgraphnet"
    adapter_targets: ClassVar[Mapping[str, str]] = {"linear": LINEAR}

    def __init__(
        self,
        *,
        size: SizeName = "tiny",
        blocks: int = 6,
        frames: int = 21,
        history: History = "one_shot",
        plastic: bool = False,
        contact: bool = True,
        conditions: Sequence[str] = (),
        links: bool = False,
        max_nodes: int | None = None,
        weights: str | Path = "none",
        init_seed: int = 0,
    ) -> None:
        with seeded(init_seed):
            super().__init__(size, frames, history, plastic, contact)
            width, self.max_nodes = self.size.width, max_nodes
            self.encode = Perceptron(INPUTS, width, width)
            self.embed = nn.Linear(4, width)
            self.blocks = nn.ModuleList([GraphBlock(width) for _ in range(blocks)])
            if links:
                self.link()
        self.complete("MeshGraphNet", size, conditions, weights)

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
