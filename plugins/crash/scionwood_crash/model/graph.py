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
SPEED, MASS, DURATION = 1, 2, 18
"""Columns of the logarithms of speed / 7 m/s, mass / 30 kg and duration / 10 ms."""


ALONE = 9
"""Fields of a graph without those of assemblies."""
_NO_NUMBERS, _NO_PAIRS = torch.zeros(0, dtype=torch.long), torch.zeros(2, 0, dtype=torch.long)


@final
class CrashGraph(NamedTuple):
    """B parts with N nodes, E directed edges, M coarse nodes and C cells in total.

    In an assembly each piece is a part of its own, and the pieces follow each other. The last three
    fields are empty if every part stands alone. Without coarse grids, M and k are 0.

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
        assembly: (B,) int64, the assembly of each part, in non-decreasing order.
        links: (2, L) int64, sources and targets of links between pieces, in both directions.
        kinds: (L,) int64, numbers of `solver.model.KINDS`: weld, tie or contact.
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
    assembly: Tensor = _NO_NUMBERS
    links: Tensor = _NO_PAIRS
    kinds: Tensor = _NO_NUMBERS

    @property
    def alone(self) -> tuple[Tensor, ...]:
        """The nine fields of parts that stand alone: the inputs of an exported network."""
        return tuple(self)[:ALONE]

    @property
    def node_assembly(self) -> Tensor:
        """(N,) int64: the assembly of each node, or its part if every part stands alone."""
        return self.assembly[self.batch] if len(self.assembly) else self.batch

    @property
    def assembly_count(self) -> int:
        """The number of assemblies, or of parts if every part stands alone."""
        return int(self.assembly[-1]) + 1 if len(self.assembly) else len(self.condition)

    @property
    def clamped(self) -> Tensor:
        """(N,) bool: nodes that cannot move."""
        return self.features[:, 1] > 0.5


def free_flight(condition: Tensor) -> Tensor:
    """Return the travel of the impactor if nothing stops it, (part,), in 100 mm."""
    # 7 m/s times 10 ms are 70 mm, 0.7 of the unit of 100 mm.
    return 0.7 * (condition[:, SPEED] + condition[:, DURATION]).exp()


def whole_condition(graph: CrashGraph) -> Tensor:
    """Return the condition of each assembly, the mean of those of its pieces, (assembly, 27)."""
    if not len(graph.assembly):
        return graph.condition
    total = graph.condition.new_zeros(graph.assembly_count, graph.condition.shape[1])
    count = torch.bincount(graph.assembly, minlength=graph.assembly_count).to(graph.condition)
    return total.index_add(0, graph.assembly, graph.condition) / count[:, None]


def join(graphs: Sequence[CrashGraph], levels: Sequence[int]) -> CrashGraph:
    """Join graphs of several parts or assemblies.

    Args:
        graphs: one or more parts each.
        levels: number of coarse nodes of a part on each level, finest first.
    """
    joined: dict[str, Tensor] = {
        name: torch.cat([getattr(graph, name) for graph in graphs])
        for name in ("features", "condition", "position", "share", "coarse", "kinds")
    }
    nodes = parts = wholes = 0
    names = ("edges", "links", "near", "batch", "cells", "assembly")
    moved: dict[str, list[Tensor]] = {name: [] for name in names}
    several = any(len(graph.assembly) for graph in graphs)
    for graph in graphs:
        for name in ("edges", "links", "cells"):
            moved[name].append(getattr(graph, name) + nodes)
        moved["near"].append(graph.near + parts * levels[0])
        moved["batch"].append(graph.batch + parts)
        if several:
            alone = torch.arange(len(graph.condition), device=graph.batch.device)
            moved["assembly"].append((graph.assembly if len(graph.assembly) else alone) + wholes)
        nodes, parts = nodes + len(graph.features), parts + len(graph.condition)
        wholes += graph.assembly_count
    if not several:
        moved["assembly"] = [graphs[0].assembly]
    for name, tensors in moved.items():
        joined[name] = torch.cat(tensors, 1 if name in ("edges", "links") else 0)
    return CrashGraph(**joined)
