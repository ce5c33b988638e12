"""The layers of the networks: perceptrons, graph updates and edge-specific layers."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

MANY = 1 << 19
"""With more edges a graph block keeps its inputs alone for the backward pass: memory is scarce."""


@final
class Perceptron(nn.Module):
    """`W2 silu(W1 x)`, followed by a layer norm unless `norm` is false."""

    def __init__(self, width_in: int, width: int, width_out: int, *, norm: bool = True) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(width_in, width), nn.Linear(width, width_out)
        self.norm = nn.LayerNorm(width_out) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        y: Tensor = self.norm(self.last(F.silu(self.first(x))))
        return y


@final
class GraphBlock(nn.Module):
    """Update edges from their ends, and targets from their edges; all edges share the weights.

    Source: the processor of MeshGraphNets, Pfaff et al. 2021, arXiv:2010.03409.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.source = nn.Linear(width, width, bias=False)
        self.target = nn.Linear(width, width, bias=False)
        self.edge, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.node = Perceptron(2 * width, width, width)

    def forward(
        self, source: Tensor, target: Tensor, edge: Tensor, ends: Tensor, share: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update targets and edges.

        Args:
            source: (S, width), states of the source nodes.
            target: (R, width), states of the target nodes.
            edge: (E, width), states of the edges.
            ends: (2, E) int64, sources and targets, sorted by target.
            share: (E,), weight of each edge in the sum.

        Returns:
            The updated targets and edges, of the same shapes.
        """
        tensors = (source, target, edge, ends, share)
        # A compared size would be a constant of a graph, so a compiler must not see the comparison.
        keeps = not torch.is_grad_enabled() or torch.compiler.is_compiling()
        if not keeps and len(edge) > MANY:
            updated: tuple[Tensor, Tensor] = checkpoint(self._update, *tensors, use_reentrant=False)
            return updated
        return self._update(*tensors)

    def _update(
        self, source: Tensor, target: Tensor, edge: Tensor, ends: Tensor, share: Tensor
    ) -> tuple[Tensor, Tensor]:
        edge, total = self._edges(source, target, edge, ends, share)
        return target + self.node(torch.cat([target, total], 1)), edge

    def _edges(
        self, source: Tensor, target: Tensor, edge: Tensor, ends: Tensor, share: Tensor
    ) -> tuple[Tensor, Tensor]:
        # A product of a node state is computed once for the node, and not for each of its edges.
        hidden = self.edge(edge) + self.source(source)[ends[0]] + self.target(target)[ends[1]]
        edge = edge + self.norm(self.second(F.silu(hidden)))
        total = torch.zeros_like(target, dtype=edge.dtype)
        return edge, total.index_add(0, ends[1], edge * share[:, None].to(edge.dtype))


@final
class EdgeSpecific(nn.Module):
    """A layer with one matrix for each connection between two coarse levels, and a layer norm.

    It holds most of the weights of the network. Each target has its own bias. `weight` is
    (edge, in, out), so that `target_parameters` of peft gives each edge its own low-rank update.

    Source: MAgNET, Deshpande et al. 2024, arXiv:2211.00713; here with a silu and a norm.
    """

    sources: Tensor

    def __init__(self, sources: np.ndarray, width: int) -> None:
        super().__init__()
        targets, degree = sources.shape
        self.register_buffer("sources", torch.from_numpy(sources).long(), persistent=False)
        # A target sums degree * width products, so that its variance is that of the input.
        bound = math.sqrt(1 / (degree * width))
        self.weight = nn.Parameter(torch.randn(targets * degree, width, width) * bound)
        self.bias = nn.Parameter(torch.zeros(targets, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, source, width) to (batch, target, width)."""
        targets = len(self.sources)
        gathered = x.transpose(0, 1)[self.sources]  # (target, degree, batch, width)
        rows = gathered.transpose(1, 2).reshape(targets, len(x), -1)
        blocks = self.weight.reshape(targets, rows.shape[2], -1)
        y: Tensor = self.norm(F.silu(torch.bmm(rows, blocks).transpose(0, 1) + self.bias))
        return y


def vectors(source: Tensor, target: Tensor, ends: Tensor) -> Tensor:
    """Return vectors from source to target with their lengths, (E, 4).

    Args:
        source: (S, 3), positions.
        target: (R, 3), positions.
        ends: (2, E) int64, sources and targets.
    """
    step = target[ends[1]] - source[ends[0]]
    return torch.cat([step, step.norm(dim=1, keepdim=True)], 1)
