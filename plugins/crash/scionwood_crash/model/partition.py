"""Large graphs piece by piece: the states of a part of its nodes at a time, and no approximation.

A node's state after k updates depends on the nodes that are at most k edges away. A piece has its
own nodes, and around them a halo of that width, whose states are thrown away. The backward pass
computes each piece again, so that the memory is that of one piece.

Source: the halo is that of X-MeshGraphNet, Nabian et al. 2024, arXiv:2411.17164. There each piece
has a loss of its own. Here decoder and loss see the whole part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from scionwood_crash.model.graph import CrashGraph


@final
class Piece(NamedTuple):
    """A piece of a graph.

    Attributes:
        nodes: (n,) int64, its nodes and those of its halo, increasing.
        own: (n,) bool, which of them are its own.
        graph: the graph of these nodes, without cells.
    """

    nodes: Tensor
    own: Tensor
    graph: CrashGraph


def cut(graph: CrashGraph, max_nodes: int, width: int) -> list[Piece]:
    """Cut a graph into pieces across its longest sides.

    Args:
        graph: one or more parts.
        max_nodes: own nodes of a piece at most.
        width: width of the halo in edges.
    """
    ends = torch.cat([graph.edges, graph.links], 1)
    pieces = []
    all_nodes = torch.arange(len(graph.position), device=graph.position.device)
    for core_nodes in _halves(graph.position, all_nodes, max_nodes):
        inside = torch.zeros_like(all_nodes, dtype=torch.bool)
        inside[core_nodes] = True
        mine = inside.clone()
        for _ in range(width):
            inside[ends[0, inside[ends[1]]]] = True
        nodes = inside.nonzero()[:, 0]
        pieces.append(Piece(nodes, mine[nodes], _induced(graph, nodes)))
    return pieces


def by_pieces(
    states: Callable[[CrashGraph], Tensor], graph: CrashGraph, pieces: Sequence[Piece]
) -> Tensor:
    """Return the states of all nodes, (N, width), from those of the pieces.

    Args:
        states: computes the states of a graph; a node's state depends on no node beyond the halo.
        graph: the whole graph; its condition may have a gradient.
        pieces: its pieces.
    """
    out, order = [], []
    for piece in pieces:
        piece_graph = piece.graph._replace(condition=graph.condition)
        needs_grad = torch.is_grad_enabled()
        x = (
            checkpoint(states, piece_graph, use_reentrant=False)
            if needs_grad
            else states(piece_graph)
        )
        out.append(x[piece.own])
        order.append(piece.nodes[piece.own])
    return torch.cat(out)[torch.argsort(torch.cat(order))]


def _halves(position: Tensor, nodes: Tensor, max_nodes: int) -> list[Tensor]:
    """Halve a set of nodes across its longest side until each set is small enough."""
    if len(nodes) <= max_nodes:
        return [nodes]
    place = position[nodes]
    side = int((place.amax(0) - place.amin(0)).argmax())
    order = nodes[torch.argsort(place[:, side], stable=True)]
    middle = len(order) // 2
    return [
        *_halves(position, order[:middle], max_nodes),
        *_halves(position, order[middle:], max_nodes),
    ]


def _induced(graph: CrashGraph, nodes: Tensor) -> CrashGraph:
    """Return the graph of some nodes with the edges and links between them, in their order."""
    number = torch.full_like(graph.batch, -1)
    number[nodes] = torch.arange(len(nodes), device=nodes.device)
    edges, links = number[graph.edges], number[graph.links]
    is_inside, linked = (edges >= 0).all(0), (links >= 0).all(0)
    node_fields = {name: getattr(graph, name)[nodes] for name in ("features", "position", "batch")}
    node_fields |= {name: getattr(graph, name)[nodes] for name in ("near", "share")}
    return graph._replace(
        **node_fields,
        edges=edges[:, is_inside],
        links=links[:, linked],
        kinds=graph.kinds[linked],
        cells=graph.cells[:0],
    )
