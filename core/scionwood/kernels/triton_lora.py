"""The LoRA linear operator in Triton, with three passes more than the frozen layer.

In the forward pass, `down` reads x and computes z. The product of the layer then starts its sum
from the part of rank r. In the backward pass, `through_b` reads dY and computes dh and dB, and
`over_rows` reads x and computes dA. The product of the layer starts from the part of rank r again,
and its last programs add the partial sums of dA and dB. These are five launches. A gate, a rank
above `JOINT` or a large dh takes one more. Factors may have a wider dtype than x: the kernels
convert the tiles that they read. Above rank `JOINT`, dh and dB read dY once each, since partial
sums would cost more than this read.
Higher ranks are processed in tiles of `Plan.rank`.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from scionwood.kernels import addmm, cards
from scionwood.kernels.triton_launch import (
    Beside,
    Sums,
    by_rank,
    down,
    dropping,
    over_rows,
    product,
    rows_of,
    space,
)
from scionwood.kernels.triton_plan import JOINT, Plan, Shape, allows_tf32, plan

DTYPES = (torch.float16, torch.bfloat16, torch.float32)


def lora_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    a: Tensor,
    b: Tensor,
    gate_bias: Tensor | None,
    seed: Tensor | None,
    scaling: float,
    p: float,
    cut: Plan | None = None,
) -> tuple[Tensor, Tensor]:
    """See `reference.lora_linear`; `cut` replaces the plan of the card.

    Raises:
        ValueError: The dtype is not a float of 16 or 32 bits, or the mask has more than 2^32
            positions.
    """
    _check(x, weight, seed)
    if not len(x):
        a, b = a.to(x.dtype), b.to(x.dtype)
        gate_bias = None if gate_bias is None else gate_bias.to(x.dtype)
        return addmm.lora_linear(x, weight, bias, a, b, gate_bias, seed, scaling, p)
    x, bias, gate_bias = rows_of(x), dense(bias), dense(gate_bias)
    cut = cut or planned(x, weight, a)
    with torch.cuda.device(x.get_device()):
        room = space(x, weight.t(), cut.up, cut.programs // 2)
        z = down(x, a, x.dtype, dropping(seed, p), 1.0, cut, room and room.flags)
        more = Beside(z, b.t(), scaling, bias=bias, gate_bias=gate_bias, tf32=cut.tf32)
        y = product(x, weight.t(), cut.up, cut.rank, more, room)
    return y, z


def lora_linear_backward(
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor,
    a: Tensor,
    b: Tensor,
    z: Tensor | None,
    gate_bias: Tensor | None,
    seed: Tensor | None,
    scaling: float,
    p: float,
    needs_x: bool,
    cut: Plan | None = None,
    onto: Tensor | None = None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """See `addmm.lora_linear_backward`; `cut` and errors are those of `lora_linear`.

    The gradient of x is added to `onto` in place if it is there.
    """
    _check(grad, weight, seed)
    if not len(grad) or (x is None and not needs_x):
        a, b = a.to(grad.dtype), b.to(grad.dtype)
        gate_bias = None if gate_bias is None else gate_bias.to(grad.dtype)
        return addmm.lora_linear_backward(
            grad, x, weight, a, b, z, gate_bias, seed, scaling, p, needs_x
        )
    grad, gate_bias = rows_of(grad), dense(gate_bias)
    z = z if z is None or gate_bias is None else z.contiguous()
    drop, sums, by_gate = dropping(seed, p), None, None
    cut = cut or planned(grad, weight, a)
    with torch.cuda.device(grad.get_device()):
        room = space(grad, weight, cut.dx, cut.programs // 2) if needs_x else None
        width, flags = weight.shape[1], room and room.flags
        dz, db = by_rank(grad, b, z, gate_bias, scaling, cut, width, x is not None, flags)
        if x is not None and db is not None:
            sums = Sums(over_rows(rows_of(x), dz, None, drop, 1.0, cut), db)
        dx = None
        if needs_x:
            more = Beside(dz, a, 1.0, drop, sums=sums, onto=onto, tf32=cut.tf32)
            dx = product(grad, weight, cut.dx, cut.rank, more, room)
        elif sums is not None:
            sums.add()
        if x is not None and gate_bias is not None:
            by_gate = dz[0, :, len(gate_bias) :].sum(0, dtype=torch.float32)
    if sums is None:
        return dx, None, None, by_gate
    return dx, sums.da, sums.db if b.shape[1] <= JOINT else sums.db.t(), by_gate


def _check(rows: Tensor, weight: Tensor, seed: Tensor | None) -> None:
    if rows.dtype not in DTYPES:
        names = ", ".join(str(dtype) for dtype in DTYPES)
        raise ValueError(f"{rows.dtype}: the Triton kernels need {names}. Use `addmm`")
    if seed is not None and len(rows) * weight.shape[1] > 2**32:
        shape = (len(rows), weight.shape[1])
        raise ValueError(f"x {shape}: a mask has at most 2^32 positions. Pass fewer rows at a time")


def dense(tensor: Tensor | None) -> Tensor | None:
    """Return a contiguous tensor."""
    return None if tensor is None else tensor.contiguous()


def planned(rows: Tensor, weight: Tensor, a: Tensor) -> Plan:
    """Return the plan of a layer on the device of its rows."""
    (n, k), dtype = weight.shape, rows.dtype
    shape = Shape(len(rows), n, k, len(a), dtype, allows_tf32(dtype))
    return planned_for(rows.get_device(), shape)


@lru_cache(maxsize=4096)
def planned_for(device: int, shape: Shape) -> Plan:
    """Return the plan of a layer on the card with an index; device -1 is a CPU."""
    return plan(shape) if device < 0 else cards.planned(cards.card(device), shape)
