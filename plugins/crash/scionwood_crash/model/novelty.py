"""Whether a part is like the parts that a network was trained on: a distance fitted to them."""

from __future__ import annotations

import math
from typing import final

import torch
from scipy.stats import t as student
from torch import Tensor, nn

from scionwood_crash.model.graph import CONDITIONS, CrashGraph

MODES = 12
"""Principal directions that are kept; the rest counts as a residual."""
SHARE = 0.98
"""A new part of a known kind lies within the limit with this probability, if the logarithms of
distances are normal: the bound of a prediction interval from the cross-validated distances."""
FOLDS, LEAVE_ONE_OUT = 10, 24
"""Folds of the cross-validation that sets the limit; up to 24 parts are left out one by one."""
FEWEST = 12
"""Fewer parts set no limit: from 8 bumpers the distance detects 3 hats, tubes or boxes in 10."""
FLOOR = 0.05
"""Smallest standard deviation; a feature that hardly varies in training must not decide alone."""
DISTANCE, LIMIT = "novelty_distance", "novelty_limit"
"""Features of a predicted series: the distance of the part, and the limit of the network."""


@final
class Novelty(nn.Module):
    """Mahalanobis distance of a part's condition and shape from the training parts.

    The shape is the position of the morphed grid in the part's own axes, so that any two meshes
    can be compared. Without grids, the condition alone is compared.

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
        """Fit the distance to the training parts, and its limit if there are at least 12.

        Args:
            graphs: one or more parts each.
        """
        x = torch.cat([self._vectors(graph) for graph in graphs])
        count = len(x)
        mode_count = min(MODES, max(1, count // 3))
        self.limit.zero_()
        if count >= FEWEST:
            folds = count if count <= LEAVE_ONE_OUT else FOLDS
            fold = torch.arange(count, device=x.device) % folds
            distances = []
            for at in range(folds):
                self._fit(x[fold != at], mode_count)
                distances.append(self(*_pair(x[fold == at])))
            self.limit.fill_(_bound(torch.cat(distances)))
        self._fit(x, mode_count)

    def _fit(self, x: Tensor, mode_count: int) -> None:
        self.mean.copy_(x.mean(0))
        self.scale.copy_(x.std(0, correction=0).clamp_min(FLOOR))
        standard = (x - self.mean) / self.scale
        _, values, modes = torch.linalg.svd(standard, full_matrices=False)
        self.basis.zero_()
        self.basis[:, :mode_count] = modes[:mode_count].T
        self.spread.fill_(1.0)
        self.spread[:mode_count] = (values[:mode_count] / len(x) ** 0.5).clamp_min(1e-3)
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
        mode_distance = (inside / self.spread).square().mean(1)
        return ((mode_distance + residual.square().sum(1) / self.rest.square()) / 2).sqrt()

    def of(self, graph: CrashGraph) -> Tensor:
        """Return the distance of each part of a graph, (part,)."""
        distance: Tensor = self(*_pair(self._vectors(graph)))
        return distance

    def _vectors(self, graph: CrashGraph) -> Tensor:
        parts = len(graph.condition)
        if len(graph.coarse):
            shape = graph.coarse.reshape(parts, -1, 3)[:, : self.nodes].reshape(parts, -1)
        else:  # the conditions alone
            shape = graph.condition.new_zeros(parts, 3 * self.nodes)
        return torch.cat([graph.condition[:, :CONDITIONS], shape], 1)


def verdict(distance: float, limit: float) -> str:
    """Return a sentence on whether a part is like the training parts.

    Args:
        distance: novelty of the part; see `Novelty`.
        limit: novelty that 98 % of new parts of the same kind do not exceed; 0 if not measured.
    """
    if not limit:
        return (
            "the novelty of this part was not measured: the network was not trained in this run, "
            f"or on fewer than {FEWEST} parts"
        )
    if distance <= limit:
        return f"like the training parts: distance {distance:.2f}, limit {limit:.2f}"
    return f"UNLIKE the training parts: distance {distance:.2f}, limit {limit:.2f}"


def _bound(distances: Tensor) -> float:
    """Return the upper bound of a prediction interval for the distance of one more part."""
    logs = distances.double().clamp_min(1e-6).log()
    count = len(logs)
    # Student's t with sqrt(1 + 1/n): the spread of one more value, mean and deviation being
    # estimates.
    wide = float(student.ppf(SHARE, count - 1)) * math.sqrt(1 + 1 / count)
    return math.exp(float(logs.mean()) + wide * float(logs.std()))


def _pair(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, :CONDITIONS], x[:, CONDITIONS:]
