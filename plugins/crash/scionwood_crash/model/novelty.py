"""Whether a part is like those that a network was trained on: a distance, fitted to them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from scionwood_crash.model.graph import CONDITIONS, CrashGraph

MODES = 12
"""Principal directions that are kept; the rest counts as a residual."""
QUANTILE = 0.99
"""Of the training parts, each measured by the others, so many are within the limit."""
FOLDS = 5
"""The parts are measured in so many groups, each by the others."""
FLOOR = 0.05
"""The least deviation of a number: what hardly varies in training decides nothing alone."""


@final
class Novelty(nn.Module):
    """The Mahalanobis distance of a part's numbers and shape from the training parts.

    The shape is where the morphed grid lies in the part's own axes, so that any meshes compare.

    Source: Lee et al. 2018, arXiv:1807.03888, on what the network is given instead of its states.

    Args:
        nodes: of the finest grid.
    """

    mean: Tensor
    scale: Tensor
    basis: Tensor
    spread: Tensor
    rest: Tensor
    limit: Tensor

    def __init__(self, nodes: int) -> None:
        super().__init__()
        size = CONDITIONS + 3 * nodes
        self.nodes = nodes
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("basis", torch.zeros(size, MODES))
        self.register_buffer("spread", torch.ones(MODES))
        self.register_buffer("rest", torch.ones(()))
        self.register_buffer("limit", torch.zeros(()))  # not measured yet

    @torch.no_grad()
    def fit(self, graphs: list[CrashGraph]) -> None:
        """Measure the training parts.

        Args:
            graphs: of one part or more each.
        """
        x = torch.cat([self._numbers(graph) for graph in graphs])
        group = torch.arange(len(x), device=x.device) % min(FOLDS, len(x))
        apart = []
        for one in group.unique() if len(x) > 1 else ():
            self._measure(x[group != one])
            apart.append(self(*_pair(x[group == one])))
        self._measure(x)
        self.limit.copy_(torch.quantile(torch.cat(apart or [self(*_pair(x))]), QUANTILE))

    def _measure(self, x: Tensor) -> None:
        self.mean.copy_(x.mean(0))
        self.scale.copy_(x.std(0, correction=0).clamp_min(FLOOR))
        standard = (x - self.mean) / self.scale
        _, values, modes = torch.linalg.svd(standard, full_matrices=False)
        kept = min(MODES, max(1, len(x) // 3))
        self.basis.zero_()
        self.basis[:, :kept] = modes[:kept].T
        self.spread.fill_(1.0)
        self.spread[:kept] = (values[:kept] / len(x) ** 0.5).clamp_min(1e-3)
        left = standard - standard @ self.basis @ self.basis.T
        self.rest.copy_(left.square().sum(1).mean().sqrt().clamp_min(1e-3))

    def forward(self, condition: Tensor, shape: Tensor) -> Tensor:
        """The distance of each part, (part,); about 1 for training parts.

        Args:
            condition: (part, 27).
            shape: (part, 3 * node), positions on the finest grid, in 100 mm.
        """
        standard = (torch.cat([condition, shape], 1) - self.mean) / self.scale
        inside = standard @ self.basis
        left = standard - inside @ self.basis.T
        own = (inside / self.spread).square().mean(1)
        return ((own + left.square().sum(1) / self.rest.square()) / 2).sqrt()

    def of(self, graph: CrashGraph) -> Tensor:
        """The distance of each part of a graph, (part,)."""
        return self(*_pair(self._numbers(graph)))

    def _numbers(self, graph: CrashGraph) -> Tensor:
        parts = len(graph.condition)
        shape = graph.coarse.reshape(parts, -1, 3)[:, : self.nodes].reshape(parts, -1)
        return torch.cat([graph.condition, shape], 1)


def _pair(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, :CONDITIONS], x[:, CONDITIONS:]
