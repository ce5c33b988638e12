"""The graph block of this plugin as a layer of PyTorch Geometric."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import MessagePassing

from scionwood_crash.kernels import Weights, edge_block
from scionwood_crash.model.blocks import GraphBlock, fused_weights

_PARTS = tuple(f"_{part}_" for part in ("propagate", "message", "aggregate", "edge_update"))
"""How the names of PyG's own hooks begin; a hook on the whole block does not matter."""


@final
class EdgeBlock(MessagePassing):  # type: ignore[misc]  # torch_geometric is untyped
    """Update edges from their ends, and nodes from the sum of their edges.

    It has the parameters of the plugin's graph block under the same names. The fused kernel
    computes it, also with LoRA. PyG's own way is taken where something watches it: hooks,
    explainers, autocast, a compiler, or another adapter.

    Shapes: `x` (N, width), `edge_index` (2, E), `edge_attr` (E, width); the results are the nodes
        (N, width) and the edges (E, width).

    Source: the processor of MeshGraphNets, Pfaff et al. 2021, arXiv:2010.03409.

    Args:
        width: width of nodes and edges.

    Example:
        >>> block = EdgeBlock(8)
        >>> x, edges = torch.randn(5, 8), torch.tensor([[0, 1, 2], [1, 2, 4]])
        >>> nodes, states = block(x, edges, torch.randn(3, 8))
        >>> nodes.shape, states.shape
        (torch.Size([5, 8]), torch.Size([3, 8]))
    """

    def __init__(self, width: int) -> None:
        super().__init__(aggr="sum")
        block = GraphBlock(width)
        self.source, self.target = block.source, block.target
        self.edge, self.second, self.norm = block.edge, block.second, block.norm
        self.node = block.node

    def forward(
        self, x: Tensor | tuple[Tensor, Tensor], edge_index: Tensor, edge_attr: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the updated target nodes and edges.

        Args:
            x: nodes, or a pair of source and target nodes of a bipartite graph.
            edge_index: sources and targets, in any order.
            edge_attr: states of the edges.
        """
        source, target = x if isinstance(x, tuple) else (x, x)
        weights = None if self._watched(edge_attr) else fused_weights(self)
        if weights is None:
            ends = (self.source(source), None), (None, self.target(target))
            edge = self.edge_updater(edge_index, s=ends[0], t=ends[1], edge_attr=edge_attr)
            total = self.propagate(edge_index, edge=edge, size=(len(source), len(target)))
        else:
            edge, total = _fused(source, target, edge_index, edge_attr, weights)
        return target + self.node(torch.cat([target, total], 1)), edge

    def edge_update(self, s_j: Tensor, t_i: Tensor, edge_attr: Tensor) -> Tensor:
        """Return the updated edges."""
        hidden = self.edge(edge_attr) + s_j + t_i
        return edge_attr + self.norm(self.second(F.silu(hidden)))  # type: ignore[no-any-return]

    def message(self, edge: Tensor) -> Tensor:
        """Return what an edge sends to its target."""
        return edge

    def _watched(self, edge: Tensor) -> bool:
        hooks = any(
            hooks for name, hooks in vars(self).items() if name.startswith(_PARTS) and hooks
        )
        return hooks or self.explain is True or torch.is_autocast_enabled(edge.device.type)


def _fused(
    source: Tensor, target: Tensor, ends: Tensor, edge: Tensor, weights: Weights
) -> tuple[Tensor, Tensor]:
    """Return the updated edges in their order, and the sums by target."""
    ones = edge.new_ones(len(edge))
    if not bool((ends[1].diff() < 0).any()):
        return edge_block(source, target, edge, ends[0], ends[1], ones, weights)
    order = torch.argsort(ends[1], stable=True)  # the kernel needs edges by target
    src, dst = ends[:, order]
    moved, total = edge_block(source, target, edge[order], src, dst, ones, weights)
    return torch.empty_like(moved).index_copy(0, order, moved), total
