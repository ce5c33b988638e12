"""The definition of the edge block in plain torch, differentiable by autograd.

Shapes, with S sources, R targets, E edges and width H:

    source: (S, H), target: (R, H), edge: (E, H), of one floating dtype.
    src, dst: (E,) int64, ends of each edge; dst is in non-decreasing order.
    share: (E,), weight of each edge in the sum.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-5
"""Epsilon of the layer norm."""


@final
class Weights(NamedTuple):
    """The parameters of a block: two linear layers and a layer norm.

    Each matrix is (H, H), and each vector (H,).
    """

    source: Tensor
    target: Tensor
    edge: Tensor
    bias: Tensor
    second: Tensor
    second_bias: Tensor
    scale: Tensor
    shift: Tensor


def edge_block(
    source: Tensor,
    target: Tensor,
    edge: Tensor,
    src: Tensor,
    dst: Tensor,
    share: Tensor,
    weights: Weights,
) -> tuple[Tensor, Tensor]:
    """Compute `e' = e + norm(W2 silu(W1 [source, target, e] + b1) + b2)`, and sums of `share e'`.

    Source: the edge update of MeshGraphNets, Pfaff et al. 2021, arXiv:2010.03409.

    Args:
        source: (S, H), states of the source nodes.
        target: (R, H), states of the target nodes.
        edge: (E, H), states of the edges.
        src: (E,) int64, source of each edge.
        dst: (E,) int64, target of each edge.
        share: (E,), weight of each edge in the sum.
        weights: parameters of the block.

    Returns:
        e' (E, H), and the sums over the edges of each target (R, H).
    """
    joined = torch.cat([source[src], target[dst], edge], 1)
    first = torch.cat([weights.source, weights.target, weights.edge], 1)
    z = F.linear(F.silu(F.linear(joined, first, weights.bias)), weights.second, weights.second_bias)
    out = edge + F.layer_norm(z, z.shape[1:], weights.scale, weights.shift, EPS)
    total = torch.zeros_like(target).index_add(0, dst, share[:, None] * out)
    return out, total
