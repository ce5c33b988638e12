"""The edge block in Triton: one pass over the edges, sums by target without atomic additions.

A program handles a block of targets, whose edges are contiguous, and processes these edges in
tiles. Products of node states are computed beforehand and gathered. Both layers and the norm stay
in registers. A tile's contribution to the sums is a product with a matrix of zeros and ones, so the
result is the same in every run.

Only the inputs are kept for the backward pass, which computes the layers again. Its products are
those of the library. Its sums by source use the edges in the order of their sources.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from scionwood_crash.kernels import plain
from scionwood_crash.kernels.reference import EPS

TARGETS, EDGES = 16, 32
"""Number of targets per program, and of edges per tile."""
WIDEST = 128
"""Largest width at which both matrices of a block fit on the chip."""
_device_of: Any = torch.cuda.device_of  # torch leaves it untyped
INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)


def edge_block(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Compute the block like `plain.edge_block`, but keep nothing; wider blocks go to `plain`."""
    source, target, edge, src, dst, share, *weights = tensors
    if edge.shape[1] > WIDEST or not len(edge):
        return plain.edge_block(*tensors)
    by_source, by_target, by_edge, bias, second, second_bias, scale, shift = weights
    at_source, at_target = F.linear(source, by_source), F.linear(target, by_target, bias)
    edge = edge.contiguous()
    out, total = torch.empty_like(edge), torch.empty_like(target)
    start = starts(dst, len(target))
    width = edge.shape[1]
    with _device_of(edge):
        _forward[(triton.cdiv(len(target), TARGETS),)](
            at_source, at_target, edge, src, dst, share, start, by_edge.contiguous(),
            second.contiguous(), second_bias, scale, shift, out, total, len(target), width,
            EPS=EPS, WIDTH=padded(width), TARGETS=TARGETS, EDGES=EDGES,
            num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    none, moment = edge.new_empty(0, width), edge.new_empty(0, 1)
    return out, total, none, torch.empty_like(none), moment, torch.empty_like(moment)


def edge_block_backward(grad: Tensor, grad_total: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    """Compute gradients like `plain.edge_block_backward`, and the layers again."""
    source, target, edge, src, dst, share, *weights = arguments[:14]
    hidden, by_weights = arguments[14], arguments[18]
    if len(hidden) or not len(edge):
        return plain.edge_block_backward(grad, grad_total, *arguments)
    by_source, by_target, by_edge, bias, second, second_bias, scale, shift = weights
    hidden = F.linear(edge, by_edge)
    hidden += F.linear(source, by_source)[src]
    hidden += F.linear(target, by_target, bias)[dst]
    active = F.silu(hidden)
    z = F.linear(active, second, second_bias)
    by_out = grad_total[dst].mul_(share[:, None]).add_(grad)
    _, mean, rstd = torch.native_layer_norm(z, z.shape[1:], scale, shift, EPS)
    by_z, d_scale, d_shift = torch.ops.aten.native_layer_norm_backward(
        by_out, z, z.shape[1:], mean, rstd, scale, shift, [True, by_weights, by_weights]
    )
    by_hidden = torch.ops.aten.silu_backward(by_z @ second, hidden)
    at_target = sum_by_target(by_hidden, dst, len(target))
    order = torch.argsort(src, stable=True)
    at_source = sum_by_target(by_hidden[order], src[order], len(source))
    inputs = (at_source @ by_source, at_target @ by_target, by_out.addmm_(by_hidden, by_edge))
    if not by_weights:
        return *inputs, *(scale.new_empty(0) for _ in range(8))
    nodes = (at_source.t() @ source, at_target.t() @ target, by_hidden.t() @ edge)
    return *inputs, *nodes, at_target.sum(0), by_z.t() @ active, by_z.sum(0), d_scale, d_shift


def sum_by_target(values: Tensor, dst: Tensor, count: int) -> Tensor:
    """Sum rows (E, H), sorted by target, to (count, H); the result is the same in every run."""
    width = values.shape[1]
    total = values.new_empty(count, width)
    with _device_of(values):
        _sum[(triton.cdiv(count, TARGETS),)](
            values.contiguous(), dst, starts(dst, count), total, count, width,
            WIDTH=padded(width), TARGETS=TARGETS, EDGES=EDGES, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    return total


def starts(dst: Tensor, count: int) -> Tensor:
    """Return the first edge of each target, and the number of edges at the end, (count + 1,)."""
    return torch.searchsorted(dst, torch.arange(count + 1, device=dst.device))


def padded(width: int) -> int:
    """Return the next power of two of a width, at least the 16 of a matrix unit."""
    return max(16, int(triton.next_power_of_2(width)))


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _dot(a: tl.tensor, b: tl.tensor, total: tl.tensor) -> tl.tensor:
    """Return `total + a b`; float32 operands are not rounded to TF32."""
    if INTERPRETED:  # the interpreter treats bfloat16 bits as integers
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="ieee")


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _forward(
    at_source: tl.tensor,
    at_target: tl.tensor,
    edge: tl.tensor,
    src: tl.tensor,
    dst: tl.tensor,
    share: tl.tensor,
    start: tl.tensor,
    by_edge: tl.tensor,
    second: tl.tensor,
    second_bias: tl.tensor,
    scale: tl.tensor,
    shift: tl.tensor,
    out: tl.tensor,
    total: tl.tensor,
    count: tl.tensor,
    width: tl.tensor,
    EPS: tl.constexpr,
    WIDTH: tl.constexpr,
    TARGETS: tl.constexpr,
    EDGES: tl.constexpr,
) -> None:
    first = tl.program_id(0) * TARGETS
    targets, columns = first + tl.arange(0, TARGETS), tl.arange(0, WIDTH)
    inside, is_target = columns < width, targets < count
    square = columns[:, None] * width + columns[None, :]
    both = inside[:, None] & inside[None, :]
    w_edge = tl.trans(tl.load(by_edge + square, both, 0.0))
    w_second = tl.trans(tl.load(second + square, both, 0.0))
    b_second = tl.load(second_bias + columns, inside, 0.0).to(tl.float32)
    gain = tl.load(scale + columns, inside, 0.0).to(tl.float32)
    lift = tl.load(shift + columns, inside, 0.0).to(tl.float32)
    sums = tl.zeros((TARGETS, WIDTH), tl.float32)
    begin, end = tl.load(start + first), tl.load(start + tl.minimum(first + TARGETS, count))
    for at in range(begin, end, EDGES):
        rows = at + tl.arange(0, EDGES).to(tl.int64)
        is_edge = rows < end
        mask = is_edge[:, None] & inside[None, :]
        place = rows[:, None] * width + columns[None, :]
        edge_states = tl.load(edge + place, mask, 0.0)
        origin, goal = tl.load(src + rows, is_edge, 0), tl.load(dst + rows, is_edge, -1)
        hidden = tl.load(at_source + origin[:, None] * width + columns[None, :], mask, 0.0)
        hidden = hidden.to(tl.float32)
        hidden += tl.load(at_target + goal[:, None] * width + columns[None, :], mask, 0.0)
        hidden = _dot(edge_states, w_edge, hidden)
        active = (hidden * tl.sigmoid(hidden)).to(edge.dtype.element_ty)
        z = _dot(active, w_second, tl.zeros((EDGES, WIDTH), tl.float32)) + b_second[None, :]
        z = tl.where(inside[None, :], z, 0.0)
        centred = tl.where(inside[None, :], z - tl.sum(z, 1)[:, None] / width, 0.0)
        deviation = tl.sqrt(tl.sum(centred * centred, 1) / width + EPS)
        result = centred / deviation[:, None] * gain[None, :] + lift[None, :]
        result = tl.where(mask, result + edge_states.to(tl.float32), 0.0)
        tl.store(out + place, result.to(out.dtype.element_ty), mask)
        weighted = result * tl.load(share + rows, is_edge, 0.0).to(tl.float32)[:, None]
        belongs = (targets[:, None] == goal[None, :]).to(tl.float32)
        sums = _dot(belongs, weighted, sums)
    place = targets[:, None].to(tl.int64) * width + columns[None, :]
    tl.store(total + place, sums.to(total.dtype.element_ty), is_target[:, None] & inside[None, :])


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _sum(
    values: tl.tensor,
    dst: tl.tensor,
    start: tl.tensor,
    total: tl.tensor,
    count: tl.tensor,
    width: tl.tensor,
    WIDTH: tl.constexpr,
    TARGETS: tl.constexpr,
    EDGES: tl.constexpr,
) -> None:
    first = tl.program_id(0) * TARGETS
    targets, columns = first + tl.arange(0, TARGETS), tl.arange(0, WIDTH)
    inside, is_target = columns < width, targets < count
    sums = tl.zeros((TARGETS, WIDTH), tl.float32)
    begin, end = tl.load(start + first), tl.load(start + tl.minimum(first + TARGETS, count))
    for at in range(begin, end, EDGES):
        rows = at + tl.arange(0, EDGES).to(tl.int64)
        is_edge = rows < end
        place = rows[:, None] * width + columns[None, :]
        edge_values = tl.load(values + place, is_edge[:, None] & inside[None, :], 0.0).to(
            tl.float32
        )
        goal = tl.load(dst + rows, is_edge, -1)
        belongs = (targets[:, None] == goal[None, :]).to(tl.float32)
        sums = _dot(belongs, edge_values, sums)
    place = targets[:, None].to(tl.int64) * width + columns[None, :]
    tl.store(total + place, sums.to(total.dtype.element_ty), is_target[:, None] & inside[None, :])
