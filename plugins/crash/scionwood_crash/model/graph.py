"""What the networks take: the tensors of one or more parts, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

NODE_FEATURES = 9
"""Thickness, clamped, the normal (3), the vector from the point of impact (3), the gap."""

CONDITIONS = 27
"""Numbers of a whole part; see `scionwood_crash.data.encode` and, for the last 8, `.strength`."""

REACH = 8
"""The column of the gap: how far the impactor moves from its first contact to a node, 100 mm."""
DIRECTION = slice(12, 15)
"""Where the impactor's direction stands among the numbers of a part."""
SPEED, DURATION = 1, 18
"""And its speed over 7 m/s and the duration over 10 ms, as logarithms."""


@final
class CrashGraph(NamedTuple):
    """B parts with N nodes, E directed edges, M coarse nodes and C cells in all.

    Lengths are in units of 100 mm in the axes of each part; see `scionwood_crash.data.encode`.

    Attributes:
        features: (N, 9) float32, of nodes.
        condition: (B, 27) float32, of parts.
        position: (N, 3) float32.
        edges: (2, E) int64, sources and targets; sorted by target.
        near: (N, k) int64, the nearest coarse nodes of the finest level.
        share: (N, k) float32, how much each counts; sums of 1.
        coarse: (M, 3) float32, positions, the levels of a part after each other.
        batch: (N,) int64, the part of each node, which does not fall.
        cells: (C, 4) int64, nodes; a triangle repeats its last one.
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
        """(N,) bool: the nodes that cannot move."""
        return self.features[:, 1] > 0.5


def free_flight(condition: Tensor) -> Tensor:
    """How far the impactor would go with nothing in its way, (part,), in 100 mm."""
    return 0.7 * (condition[:, SPEED] + condition[:, DURATION]).exp()


def join(graphs: Sequence[CrashGraph], levels: Sequence[int]) -> CrashGraph:
    """One graph of several parts.

    Args:
        graphs: of one part or more each.
        levels: coarse nodes of a part by level, the finest first.
    """
    found: dict[str, Tensor] = {
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
    found |= {name: torch.cat(each, 1 if name == "edges" else 0) for name, each in moved.items()}
    return CrashGraph(**found)
