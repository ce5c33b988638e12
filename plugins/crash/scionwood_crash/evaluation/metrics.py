"""Error measures of predicted histories, part by part; an assembly counts as one part."""

from __future__ import annotations

import torch
from torch import Tensor

from scionwood_crash.data.encode import LENGTH
from scionwood_crash.model.graph import DIRECTION, CrashGraph


def distances(predicted: Tensor, simulated: Tensor, batch: Tensor, parts: int) -> Tensor:
    """Return the mean Euclidean distance (MED) of each part at each time, (parts, T), mm.

    Args:
        predicted: (N, T, 3), in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        batch: (N,), part of each node.
        parts: number of parts.
    """
    gap = (predicted - simulated).norm(dim=-1)
    nodes = _by_part(torch.ones_like(gap[:, 0]), batch, parts)
    return LENGTH * _by_part(gap, batch, parts) / nodes[:, None]


def intrusion(displacement: Tensor, graph: CrashGraph) -> Tensor:
    """Return the largest displacement along the impact by part and time, (parts, T), mm.

    Args:
        displacement: (N, T, 3), in 100 mm.
        graph: graph of these nodes.
    """
    direction = graph.condition[:, DIRECTION][graph.batch]
    along = LENGTH * torch.einsum("ntk,nk->nt", displacement, direction.to(displacement.dtype))
    low = along.new_full((graph.assembly_count, along.shape[1]), -torch.inf)
    index = graph.node_assembly[:, None].expand_as(along)
    return low.scatter_reduce(0, index, along, "amax")


def distance_loss(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> Tensor:
    """Return the MED divided by the maximum intrusion of the reference, (parts,).

    Args:
        predicted: (N, T, 3), in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        graph: graph of these nodes.
    """
    by_time = distances(predicted, simulated, graph.node_assembly, graph.assembly_count)
    return by_time.mean(1) / _deepest(intrusion(simulated, graph))


def intrusion_loss(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> Tensor:
    """Return the mean error of the intrusion over time, divided by its maximum, (parts,).

    Args:
        predicted: (N, T, 3), in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        graph: graph of these nodes.
    """
    predicted_depth, true_depth = (intrusion(history, graph) for history in (predicted, simulated))
    return (predicted_depth - true_depth).abs().mean(1) / _deepest(true_depth)


def position_error(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> Tensor:
    """Return the relative L2 error of positions from the centre over all times, (parts,).

    Args:
        predicted: (N, T, 3), in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        graph: graph of these nodes.
    """
    parts = graph.assembly_count
    place = graph.position[:, None] + simulated
    wrong = _by_part((predicted - simulated).square().sum((1, 2)), graph.node_assembly, parts)
    return (wrong / _by_part(place.square().sum((1, 2)), graph.node_assembly, parts)).sqrt()


def measure(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> dict[str, Tensor]:
    """Return the errors of each part by name, (parts,) each.

    `med` is the mean Euclidean distance over nodes and times, mm, and `med_last` that of the last
    frame. `med_share` is the MED in percent of the maximum intrusion of the reference.
    `intrusion_error` is the error of the maximum intrusion in percent, and `rel_l2` that of
    positions.

    Args:
        predicted: (N, T, 3), in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        graph: graph of these nodes.
    """
    by_time = distances(predicted, simulated, graph.node_assembly, graph.assembly_count)
    predicted_depth, true_depth = (
        _deepest(intrusion(history, graph)) for history in (predicted, simulated)
    )
    return {
        "med": by_time.mean(1),
        "med_last": by_time[:, -1],
        "med_share": 100 * by_time.mean(1) / true_depth,
        "intrusion_error": 100 * (predicted_depth - true_depth).abs() / true_depth,
        "rel_l2": position_error(predicted, simulated, graph),
    }


def _by_part(values: Tensor, batch: Tensor, parts: int) -> Tensor:
    return values.new_zeros(parts, *values.shape[1:]).index_add(0, batch, values)


def _deepest(depth: Tensor) -> Tensor:
    """Return the maximum over time, (parts,), of at least a nanometre."""
    return depth.amax(1).clamp_min(1e-6)
