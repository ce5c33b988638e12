"""Whether a part is like the parts that a network was trained on: a distance fitted to them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from scionwood_crash.model.graph import CONDITIONS, CrashGraph

MODES = 12
"""Principal directions that are kept; the rest counts as a residual."""
QUANTILE = 0.99
"""The limit is this quantile of the cross-validated distances of the training parts."""
FOLDS = 5
"""Folds of the cross-validation that sets the limit."""
FLOOR = 0.05
"""Smallest standard deviation; a feature that hardly varies in training must not decide alone."""
DISTANCE, LIMIT = "novelty_distance", "novelty_limit"
"""Features of a predicted series: the distance of the part, and the limit of the network."""


@final
class Novelty(nn.Module):
    """Mahalanobis distance of a part's condition and shape from the training parts.

    The shape is the position of the morphed grid in the part's own axes, so that any two meshes
    can be compared.

    Source: Lee et al. 2018, arXiv:1807.03888; applied to the inputs of the network instead of its
        hidden states.

    Args:
        nodes: nodes of the finest grid.
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
        self.register_buffer("limit", torch.zeros(()))  # 0: not measured yet

    @torch.no_grad()
    def fit(self, graphs: list[CrashGraph]) -> None:
        """Fit the distance and its limit to the training parts.

        Args:
            graphs: one or more parts each.
        """
        x = torch.cat([self._vectors(graph) for graph in graphs])
        folds = min(FOLDS, len(x))
        fold = torch.arange(len(x), device=x.device) % folds
        distances = []
        for at in range(folds) if len(x) > 1 else ():
            self._fit(x[fold != at])
            distances.append(self(*_pair(x[fold == at])))
        self._fit(x)
        self.limit.copy_(torch.quantile(torch.cat(distances or [self(*_pair(x))]), QUANTILE))

    def _fit(self, x: Tensor) -> None:
        self.mean.copy_(x.mean(0))
        self.scale.copy_(x.std(0, correction=0).clamp_min(FLOOR))
        standard = (x - self.mean) / self.scale
        _, values, modes = torch.linalg.svd(standard, full_matrices=False)
        kept = min(MODES, max(1, len(x) // 3))
        self.basis.zero_()
        self.basis[:, :kept] = modes[:kept].T
        self.spread.fill_(1.0)
        self.spread[:kept] = (values[:kept] / len(x) ** 0.5).clamp_min(1e-3)
        residual = standard - standard @ self.basis @ self.basis.T
        self.rest.copy_(residual.square().sum(1).mean().sqrt().clamp_min(1e-3))

    def forward(self, condition: Tensor, shape: Tensor) -> Tensor:
        """Return the distance of each part, (part,); it is about 1 for training parts.

        Args:
            condition: (part, 27).
            shape: (part, 3 * node), positions of the finest grid, in 100 mm.
        """
        standard = (torch.cat([condition, shape], 1) - self.mean) / self.scale
        inside = standard @ self.basis
        residual = standard - inside @ self.basis.T
        own = (inside / self.spread).square().mean(1)
        return ((own + residual.square().sum(1) / self.rest.square()) / 2).sqrt()

    def of(self, graph: CrashGraph) -> Tensor:
        """Return the distance of each part of a graph, (part,)."""
        distance: Tensor = self(*_pair(self._vectors(graph)))
        return distance

    def _vectors(self, graph: CrashGraph) -> Tensor:
        parts = len(graph.condition)
        shape = graph.coarse.reshape(parts, -1, 3)[:, : self.nodes].reshape(parts, -1)
        return torch.cat([graph.condition, shape], 1)


def verdict(distance: float, limit: float) -> str:
    """Return a sentence on whether a part is like the training parts.

    Args:
        distance: novelty of the part; see `Novelty`.
        limit: novelty that 99 % of the training parts do not exceed; 0 if it was not measured.
    """
    if not limit:
        return "the novelty of this part was not measured: the network was not trained in this run"
    if distance <= limit:
        return f"like the training parts: distance {distance:.2f}, limit {limit:.2f}"
    return f"UNLIKE the training parts: distance {distance:.2f}, limit {limit:.2f}"


def _pair(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, :CONDITIONS], x[:, CONDITIONS:]
