"""The input of the networks: the tensors of one or more parts, concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

NODE_FEATURES = 9
"""Thickness, clamped, normal (3), vector from the point of impact (3), gap."""

CONDITIONS = 27
"""Features of a whole part: `data.encode` computes them, the last 8 in `parts.strength`."""

REACH = 8
"""Column of the gap: travel of the impactor from its first contact to a node, in 100 mm."""
DIRECTION = slice(12, 15)
"""Columns of the impactor's direction in the condition of a part."""
SPEED, DURATION = 1, 18
"""Columns of the logarithms of speed / 7 m/s and duration / 10 ms."""


@final
class CrashGraph(NamedTuple):
    """B parts with N nodes, E directed edges, M coarse nodes and C cells in total.

    Lengths are in 100 mm, in the axes of each part; see `scionwood_crash.data.encode`.

    Attributes:
        features: (N, 9) float32, features of nodes.
        condition: (B, 27) float32, features of parts.
        position: (N, 3) float32, initial positions.
        edges: (2, E) int64, sources and targets, sorted by target.
        near: (N, k) int64, nearest coarse nodes on the finest level.
        share: (N, k) float32, weights of these coarse nodes; they sum to 1.
        coarse: (M, 3) float32, positions of coarse nodes, by part and then by level.
        batch: (N,) int64, part of each node, in non-decreasing order.
        cells: (C, 4) int64, node numbers; a triangle repeats its last node.
    """

    features: Tensor
    condition: Tensor
    position: Tensor
    edges: Tensor
    near: Tensor
    share: Tensor
    coarse: Tensor
    batch: Tensor
    cells: Tensor

    @property
    def clamped(self) -> Tensor:
        """(N,) bool: nodes that cannot move."""
        return self.features[:, 1] > 0.5


def free_flight(condition: Tensor) -> Tensor:
    """Return the travel of the impactor if nothing stops it, (part,), in 100 mm."""
    return 0.7 * (condition[:, SPEED] + condition[:, DURATION]).exp()


def join(graphs: Sequence[CrashGraph], levels: Sequence[int]) -> CrashGraph:
    """Join graphs of several parts.

    Args:
        graphs: one or more parts each.
        levels: number of coarse nodes of a part on each level, finest first.
    """
    joined: dict[str, Tensor] = {
        name: torch.cat([getattr(graph, name) for graph in graphs])
        for name in ("features", "condition", "position", "share", "coarse")
    }
    nodes = parts = 0
    moved: dict[str, list[Tensor]] = {name: [] for name in ("edges", "near", "batch", "cells")}
    for graph in graphs:
        moved["edges"].append(graph.edges + nodes)
        moved["cells"].append(graph.cells + nodes)
        moved["near"].append(graph.near + parts * levels[0])
        moved["batch"].append(graph.batch + parts)
        nodes, parts = nodes + len(graph.features), parts + len(graph.condition)
    joined |= {name: torch.cat(each, 1 if name == "edges" else 0) for name, each in moved.items()}
    return CrashGraph(**joined)
