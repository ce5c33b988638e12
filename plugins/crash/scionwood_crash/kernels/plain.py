"""The edge block in torch for CPUs and every device without an entry of its own.

The first layer is split: products of node states are computed once per node instead of once per
edge. Then 4 H^2 E multiplications become 2 H^2 E + 2 H^2 N. Edges are processed in blocks that stay
in the cache, and buffers are reused, because new memory costs more than arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood_crash.kernels.reference import EPS

BLOCK = 1 << 18
"""Values in a block; 1 MiB in float32."""


def edge_block(
    source: Tensor,
    target: Tensor,
    edge: Tensor,
    src: Tensor,
    dst: Tensor,
    share: Tensor,
    by_source: Tensor,
    by_target: Tensor,
    by_edge: Tensor,
    bias: Tensor,
    second: Tensor,
    second_bias: Tensor,
    scale: Tensor,
    shift: Tensor,
) -> tuple[Tensor, ...]:
    """Compute `reference.edge_block`; also return its intermediate values for the backward pass.

    Returns:
        Edges and sums, then the values before silu and before the norm, and the norm's mean and
        reciprocal standard deviation.
    """
    # Once per node instead of once per edge; the bias goes with the target.
    at_source, at_target = F.linear(source, by_source), F.linear(target, by_target, bias)
    out, hidden, z = (torch.empty_like(edge) for _ in range(3))
    total = torch.zeros_like(target)
    mean, rstd = (edge.new_empty(len(edge), 1) for _ in range(2))
    by_edge, second = by_edge.t(), second.t()
    first, scratch = _scratch(edge, 2)
    for part in _blocks(edge):
        h = torch.mm(edge[part], by_edge, out=hidden[part])
        size = len(h)
        h += torch.index_select(at_source, 0, src[part], out=first[:size])
        h += torch.index_select(at_target, 0, dst[part], out=first[:size])
        active = torch.ops.aten.silu.out(h, out=first[:size])
        torch.addmm(second_bias, active, second, out=z[part])
        normed, mean[part], rstd[part] = torch.native_layer_norm(
            z[part], z.shape[1:], scale, shift, EPS
        )
        torch.add(normed, edge[part], out=out[part])
        total.index_add_(0, dst[part], torch.mul(out[part], share[part, None], out=scratch[:size]))
    return out, total, hidden, z, mean, rstd


def edge_block_backward(
    grad: Tensor,
    grad_total: Tensor,
    source: Tensor,
    target: Tensor,
    edge: Tensor,
    src: Tensor,
    dst: Tensor,
    share: Tensor,
    by_source: Tensor,
    by_target: Tensor,
    by_edge: Tensor,
    bias: Tensor,
    second: Tensor,
    second_bias: Tensor,
    scale: Tensor,
    shift: Tensor,
    hidden: Tensor,
    z: Tensor,
    mean: Tensor,
    rstd: Tensor,
    by_weights: bool,
) -> tuple[Tensor, ...]:
    """Return gradients of source, target and edge, and of the eight weights if wanted.

    Args:
        grad: (E, H), gradient of the returned edges.
        grad_total: (R, H), gradient of the sums.
        source: as in forward.
        target: as in forward.
        edge: as in forward.
        src: as in forward.
        dst: as in forward.
        share: as in forward.
        by_source: as in forward.
        by_target: as in forward.
        by_edge: as in forward.
        bias: as in forward.
        second: as in forward.
        second_bias: as in forward.
        scale: as in forward.
        shift: as in forward.
        hidden: returned by forward.
        z: returned by forward.
        mean: returned by forward.
        rstd: returned by forward.
        by_weights: compute the gradients of the weights; otherwise the last eight are empty.
    """
    at_source, at_target = torch.zeros_like(source), torch.zeros_like(target)
    by_e = torch.empty_like(edge)
    d_edge, d_second = (torch.zeros_like(tensor) for tensor in (by_edge, second))
    d_bias, d_scale, d_shift = (torch.zeros_like(tensor) for tensor in (second_bias, scale, shift))
    needed = [True, by_weights, by_weights]
    (first,) = _scratch(edge, 1)
    for part in _blocks(edge):
        size = part.stop - part.start
        by_out = torch.index_select(grad_total, 0, dst[part], out=by_e[part])
        by_out.mul_(share[part, None]).add_(grad[part])
        by_z, scales, shifts = torch.ops.aten.native_layer_norm_backward(
            by_out, z[part], z.shape[1:], mean[part], rstd[part], scale, shift, needed
        )
        h = hidden[part]
        if by_weights:
            active = torch.ops.aten.silu.out(h, out=first[:size])
            d_second.addmm_(by_z.t(), active)
            d_bias += by_z.sum(0)
            d_scale += scales
            d_shift += shifts
        by_h = torch.mm(by_z, second, out=first[:size])
        by_h = torch.ops.aten.silu_backward(by_h, h)
        if by_weights:
            d_edge.addmm_(by_h.t(), edge[part])
        at_target.index_add_(0, dst[part], by_h)
        at_source.index_add_(0, src[part], by_h)
        by_out.addmm_(by_h, by_edge)
    inputs = (at_source @ by_source, at_target @ by_target, by_e)
    if not by_weights:
        return *inputs, *(scale.new_empty(0) for _ in range(8))
    nodes = (at_source.t() @ source, at_target.t() @ target)
    return *inputs, *nodes, d_edge, at_target.sum(0), d_second, d_bias, d_scale, d_shift


def _blocks(edge: Tensor) -> Iterator[slice]:
    step = max(1, BLOCK // edge.shape[1])
    for start in range(0, len(edge), step):
        yield slice(start, min(start + step, len(edge)))


def _scratch(edge: Tensor, count: int) -> list[Tensor]:
    """Return buffers of one block each, which are reused."""
    rows = min(len(edge), max(1, BLOCK // edge.shape[1]))
    return [edge.new_empty(rows, edge.shape[1]) for _ in range(count)]
