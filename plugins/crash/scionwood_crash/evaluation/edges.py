"""Strain of edges and smoothness of predicted histories: measures that displacements hide.

A prediction can be close in every node and still stretch each edge by some percent, because the
errors of neighbours differ. Sheet metal hardly stretches in its plane: it bends and folds.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scionwood_crash.data.encode import LENGTH
from scionwood_crash.model.graph import CrashGraph

P99 = 0.99


def sides(graph: CrashGraph) -> Tensor:
    """Return the sides of cells as node pairs, (side, 2), each once."""
    source, target = graph.edges
    once = source < target
    return torch.stack([source[once], target[once]], 1)


def diagonals(graph: CrashGraph) -> Tensor:
    """Return the diagonals of the quads as node pairs, (diagonal, 2)."""
    quads = graph.cells[graph.cells[:, 2] != graph.cells[:, 3]]
    return torch.cat([quads[:, [0, 2]], quads[:, [1, 3]]])


def edge_vectors(position: Tensor, moved: Tensor, pairs: Tensor) -> Tensor:
    """Return the vectors of edges over time, (edge, T, 3).

    Args:
        position: (N, 3), initial positions.
        moved: (N, T, 3), displacements in the same unit.
        pairs: (edge, 2), node numbers.
    """
    place = position[:, None] + moved
    return place[pairs[:, 0]] - place[pairs[:, 1]]


def edge_strain(position: Tensor, moved: Tensor, pairs: Tensor) -> Tensor:
    """Return the engineering strain of edges over time, (edge, T).

    Args:
        position: (N, 3), initial positions.
        moved: (N, T, 3), displacements in the same unit.
        pairs: (edge, 2), node numbers.
    """
    initial_length: Tensor = (position[pairs[:, 0]] - position[pairs[:, 1]]).norm(dim=-1)
    length: Tensor = edge_vectors(position, moved, pairs).norm(dim=-1)
    return length / initial_length.clamp_min(1e-9)[:, None] - 1


def edge_vector_loss(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> Tensor:
    """Return the mean error of edge vectors over their initial lengths, (parts,).

    Sides and diagonals count equally. A rigid motion of the whole part does not change it.

    Args:
        predicted: (N, T, 3), in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        graph: graph of these nodes.
    """
    pairs = torch.cat([sides(graph), diagonals(graph)])
    first, second = pairs.T
    wrong = predicted - simulated
    error = (wrong[first] - wrong[second]).norm(dim=-1).mean(1)
    initial_length = (graph.position[first] - graph.position[second]).norm(dim=-1).clamp_min(1e-9)
    owner, parts = graph.node_assembly[first], graph.assembly_count
    count = error.new_zeros(parts).index_add(0, owner, torch.ones_like(error))
    mean: Tensor = error.new_zeros(parts).index_add(0, owner, error / initial_length) / count
    return mean


def edge_measures(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> dict[str, Tensor]:
    """Return the edge strain and the roughness in the last frame by name, (parts,) each.

    `edge_strain_true` and `edge_strain_predicted` are means of the absolute strain of the sides of
    cells, `edge_p99_true` and `edge_p99_predicted` its 99th percentiles. `ripple_true` and
    `ripple_predicted` measure the smoothness: the mean distance of a node's displacement from the
    mean of its neighbours, mm.

    Args:
        predicted: (N, T, 3), in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        graph: graph of these nodes.
    """
    pairs = sides(graph)
    owner = graph.node_assembly[pairs[:, 0]]
    measures: dict[str, Tensor] = {}
    for name, moved in (("true", simulated), ("predicted", predicted)):
        last = moved[:, -1:]
        strain = edge_strain(graph.position, last, pairs).abs()[:, 0]
        strain_by_part = [strain[owner == part] for part in range(graph.assembly_count)]
        measures[f"edge_strain_{name}"] = torch.stack(
            [strains.mean() for strains in strain_by_part]
        )
        measures[f"edge_p99_{name}"] = torch.stack(
            [torch.quantile(strains, P99) for strains in strain_by_part]
        )
        measures[f"ripple_{name}"] = _ripple(last[:, 0], graph)
    return measures


def _ripple(moved: Tensor, graph: CrashGraph) -> Tensor:
    """Return the mean length of the umbrella Laplacian of a displacement (N, 3), (parts,), mm."""
    source, target = graph.edges
    total = torch.zeros_like(moved).index_add(0, target, moved[source])
    count = moved.new_zeros(len(moved)).index_add(0, target, torch.ones_like(moved[source, 0]))
    laplacian = (total / count.clamp_min(1)[:, None] - moved).norm(dim=-1)
    parts = graph.assembly_count
    nodes = laplacian.new_zeros(parts).index_add(0, graph.node_assembly, torch.ones_like(laplacian))
    total = laplacian.new_zeros(parts).index_add(0, graph.node_assembly, laplacian)
    mean: Tensor = LENGTH * total / nodes
    return mean


def shell_edges(points: np.ndarray, cells: np.ndarray, moved: np.ndarray) -> dict[str, float]:
    """Return the edge strain and the ripple of one state of a mesh, as `edge_measures` does.

    Args:
        points: (node, 3), initial positions.
        cells: (cell, 4), node numbers; a triangle repeats its last node.
        moved: (node, 3), displacements in the same unit.

    Returns:
        `mean` and `p99` of the absolute strain, and `ripple` in the unit of the points.
    """
    pairs = np.stack([cells, np.roll(cells, -1, 1)], -1).reshape(-1, 2)
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], 1), axis=0)
    before, after = (
        np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)
        for place in (points, points + moved)
    )
    strain = np.abs(after / np.maximum(before, 1e-12) - 1)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    total, count = np.zeros(moved.shape), np.zeros(len(moved))
    np.add.at(total, both[:, 1], moved[both[:, 0]])
    np.add.at(count, both[:, 1], 1)
    used = count > 0
    laplacian = np.linalg.norm(total[used] / count[used, None] - moved[used], axis=1)
    return {
        "mean": float(strain.mean()),
        "p99": float(np.quantile(strain, P99)),
        "ripple": float(laplacian.mean()),
    }
