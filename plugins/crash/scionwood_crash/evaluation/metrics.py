"""How far a predicted history is from the true one, part by part."""

from __future__ import annotations

import torch
from torch import Tensor

from scionwood_crash.data.encode import LENGTH
from scionwood_crash.model.graph import DIRECTION, CrashGraph


def distances(predicted: Tensor, true: Tensor, batch: Tensor, parts: int) -> Tensor:
    """The mean Euclidean distance (MED) of each part at each time, (parts, T), in mm.

    Args:
        predicted: (N, T, 3), in 100 mm.
        true: (N, T, 3), in 100 mm.
        batch: (N,), the part of each node.
        parts: how many there are.
    """
    gap = (predicted - true).norm(dim=-1)
    nodes = _by_part(torch.ones_like(gap[:, 0]), batch, parts)
    return LENGTH * _by_part(gap, batch, parts) / nodes[:, None]


def intrusion(displacement: Tensor, graph: CrashGraph) -> Tensor:
    """The largest displacement along the impact of each part at each time, (parts, T), in mm.

    Args:
        displacement: (N, T, 3), in 100 mm.
        graph: of these nodes.
    """
    direction = graph.condition[:, DIRECTION][graph.batch]
    along = LENGTH * torch.einsum("ntk,nk->nt", displacement, direction.to(displacement.dtype))
    low = along.new_full((len(graph.condition), along.shape[1]), -torch.inf)
    index = graph.batch[:, None].expand_as(along)
    return low.scatter_reduce(0, index, along, "amax")


def distance_loss(predicted: Tensor, true: Tensor, graph: CrashGraph) -> Tensor:
    """The MED over the true maximum intrusion, (parts,).

    Args:
        predicted: (N, T, 3), in 100 mm.
        true: (N, T, 3), in 100 mm.
        graph: of these nodes.
    """
    by_time = distances(predicted, true, graph.batch, len(graph.condition))
    return by_time.mean(1) / _deepest(intrusion(true, graph))


def intrusion_loss(predicted: Tensor, true: Tensor, graph: CrashGraph) -> Tensor:
    """The error of the intrusion, mean over time, over the true maximum, (parts,).

    Args:
        predicted: (N, T, 3), in 100 mm.
        true: (N, T, 3), in 100 mm.
        graph: of these nodes.
    """
    given, wanted = (intrusion(each, graph) for each in (predicted, true))
    return (given - wanted).abs().mean(1) / _deepest(wanted)


def position_error(predicted: Tensor, true: Tensor, graph: CrashGraph) -> Tensor:
    """The relative L2 error of positions from the centre, over all times, (parts,).

    Args:
        predicted: (N, T, 3), in 100 mm.
        true: (N, T, 3), in 100 mm.
        graph: of these nodes.
    """
    parts = len(graph.condition)
    place = graph.position[:, None] + true
    wrong = _by_part((predicted - true).square().sum((1, 2)), graph.batch, parts)
    return (wrong / _by_part(place.square().sum((1, 2)), graph.batch, parts)).sqrt()


def measure(predicted: Tensor, true: Tensor, graph: CrashGraph) -> dict[str, Tensor]:
    """The errors of each part, (parts,) each.

    `med` is the mean over nodes and times in mm, `med_last` that of the last frame, `med_share` the
    MED in percent of the true maximum intrusion, `intrusion_error` that of the maximum intrusion in
    percent, `rel_l2` that of positions.

    Args:
        predicted: (N, T, 3), in 100 mm.
        true: (N, T, 3), in 100 mm.
        graph: of these nodes.
    """
    by_time = distances(predicted, true, graph.batch, len(graph.condition))
    given, wanted = (_deepest(intrusion(each, graph)) for each in (predicted, true))
    return {
        "med": by_time.mean(1),
        "med_last": by_time[:, -1],
        "med_share": 100 * by_time.mean(1) / wanted,
        "intrusion_error": 100 * (given - wanted).abs() / wanted,
        "rel_l2": position_error(predicted, true, graph),
    }


def _by_part(values: Tensor, batch: Tensor, parts: int) -> Tensor:
    return values.new_zeros(parts, *values.shape[1:]).index_add(0, batch, values)


def _deepest(depth: Tensor) -> Tensor:
    """Over time, (parts,); at least a nanometre."""
    return depth.amax(1).clamp_min(1e-6)
