"""LoRA linear layers that read one tensor, in Triton: one read of x gives z for all of them.

In the backward pass, each product adds its part of dX to that of the layers before.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scionwood.kernels import addmm, triton_lora
from scionwood.kernels.reference import Member
from scionwood.kernels.triton_launch import Beside, Drop, down, product, rows_of, space


def lora_linears(x: Tensor, members: Sequence[Member]) -> tuple[list[Tensor], Tensor]:
    """See `addmm.lora_linears`."""
    if not len(x):
        return addmm.lora_linears(x, members)
    x, a = rows_of(x), torch.cat([member.a for member in members])
    cuts = [triton_lora.planned(x, member.weight, member.a) for member in members]
    with torch.cuda.device(x.get_device()):
        rooms = [
            space(x, member.weight.t(), cut.up, cut.programs // 2)
            for member, cut in zip(members, cuts, strict=True)
        ]
        flags = next((room.flags for room in rooms if room), None)
        cut = triton_lora.planned(x, members[0].weight, a)
        z = down(x, a, x.dtype, Drop(), 1.0, cut, flags)
        ys, at = [], 0
        for (weight, bias, factor, b, scaling), cut, room in zip(members, cuts, rooms, strict=True):
            low, bias = z[:, at : at + len(factor)], triton_lora.dense(bias)
            more = Beside(low, b.t(), scaling, bias=bias, tf32=cut.tf32)
            room = (room and flags is not None and room._replace(flags=flags)) or None
            ys.append(product(x, weight.t(), cut.up, cut.rank, more, room))
            at += len(factor)
    return ys, z


def lora_linears_backward(
    grads: Sequence[Tensor],
    x: Tensor | None,
    members: Sequence[Member],
    z: Tensor | None,
    needs_x: bool,
) -> tuple[Tensor | None, list[tuple[Tensor | None, Tensor | None]]]:
    """See `addmm.lora_linears_backward`."""
    dx, pairs, at = None, [], 0
    for grad, (weight, _, a, b, scaling) in zip(grads, members, strict=True):
        low = None if z is None else z[:, at : at + len(a)]
        operands = (grad, x, weight, a, b, low, None, None, scaling, 0.0, needs_x)
        dx, da, db, _ = triton_lora.lora_linear_backward(*operands, onto=dx)
        pairs.append((da, db))
        at += len(a)
    return dx, pairs
