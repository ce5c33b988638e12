"""The LoRA linear operator in a minimal number of library GEMMs, for any device.

On a CPU it is the fastest implementation. The GEMM itself adds each product to the output
(`addmm_`), so that no other tensor of the size of the output is allocated. Scale factors are
applied to tensors of rank width.

With many rows in float32 on a CPU, W + s B A is cheaper to form than a pass over the output. The
sum is formed again in the backward pass, and rounds as finely as the products do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood.kernels import mask
from scionwood.kernels.reference import LOW, Member, gated

FEW = 256
"""Rows up to which a copy takes longer than it saves."""


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
) -> tuple[Tensor, Tensor]:
    """See `reference.lora_linear`."""
    if seed is not None:
        z = torch.mm(mask.masked(x, seed, p), a.t()).mul_(mask.growth(p))
    else:
        z = torch.mm(x, a.t())
        if gate_bias is None:
            return _output(x, Member(weight, bias, a, b, scaling), z), z
    y = F.linear(x, weight, bias)
    return y.addmm_(gated(z, gate_bias), b.t(), alpha=scaling), z


def _output(x: Tensor, member: Member, z: Tensor) -> Tensor:
    weight, bias, a, b, scaling = member
    if _merges(x, weight.shape[1]):
        return F.linear(x, torch.addmm(weight, b, a, alpha=scaling), bias)
    return F.linear(x, weight, bias).addmm_(z, b.t(), alpha=scaling)


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
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of the loss with respect to x, a, b and gate_bias.

    Let `dh = s dY B`, and let `dz` be `dh` after the derivative of the gate. Then
    `dX = dY W + dropout(dz A)`, `dA = dz^T dropout(x)` and `dB = s dY^T h`.

    Args:
        grad: (m, n), the gradient with respect to y.
        x: (m, k), the input of the operator. `None` if neither a nor b needs a gradient.
        weight: (n, k), as in the forward operator, like the remaining arguments.
        a: (r, k), or (2r, k) with a gate.
        b: (n, r).
        z: (m, r), or (m, 2r) with a gate, as the forward operator returned it. `None` if x is
            `None` and there is no gate.
        gate_bias: (r,), or `None` without a gate.
        seed: () int32, or `None` without dropout.
        scaling: The factor s.
        p: The probability of dropout.
        needs_x: Whether x needs a gradient.

    Returns:
        The gradient of x in its dtype, and those of a, b and gate_bias in float32 (float64 for
        float64). The first is `None` if `needs_x` is false, the others if x is `None`, and the last
        without a gate.
    """
    dh = torch.mm(grad, b).mul_(scaling)
    dz, d_gate = (dh, None) if gate_bias is None or z is None else _through_gate(dh, z, gate_bias)
    keep = None if seed is None else mask.keep(seed, (len(grad), weight.shape[1]), p)
    if needs_x and keep is None and d_gate is None and _merges(grad, weight.shape[0]):
        dx: Tensor | None = torch.mm(grad, torch.addmm(weight, b, a, alpha=scaling))
    else:
        dx = _by_x(grad, weight, dz, a, keep, p) if needs_x else None
    if x is None or z is None:
        return dx, None, None, None
    dropped_x = x if keep is None else x * keep
    da = torch.mm(_rows(dz), dropped_x)
    db = torch.mm(_rows(gated(z, gate_bias)), grad)
    if grad.dtype in LOW:
        da, db = da.float(), db.float()
    if seed is not None:
        da.mul_(mask.growth(p))
    return dx, da, db.mul_(scaling).t(), None if d_gate is None else d_gate.sum(0, dtype=da.dtype)


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of the gradients of adapters."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _rows(low: Tensor) -> Tensor:
    """Transpose a tensor of rank width; copied, it is up to twice as fast in a long product."""
    return low.t().contiguous() if len(low) > FEW else low.t()


def _merges(rows: Tensor, depth: int) -> bool:
    """Return whether forming W + s B A costs less than another pass over the output."""
    return rows.dtype not in LOW and rows.is_cpu and len(rows) >= 2 * depth


def _through_gate(dh: Tensor, z: Tensor, gate_bias: Tensor) -> tuple[Tensor, Tensor]:
    value, logit = z.chunk(2, -1)
    gate = (logit + gate_bias).sigmoid()
    d_logit = dh * value * gate * (1 - gate)
    return torch.cat((dh * gate, d_logit), -1), d_logit


def _by_x(
    grad: Tensor, weight: Tensor, dz: Tensor, a: Tensor, keep: Tensor | None, p: float
) -> Tensor:
    dx = torch.mm(grad, weight)
    if keep is None:
        return dx.addmm_(dz, a)
    return dx.add_(torch.mm(dz * mask.growth(p), a).mul_(keep))


def lora_linears(x: Tensor, members: Sequence[Member]) -> tuple[list[Tensor], Tensor]:
    """Return y (m, n) of each layer, and z (m, sum of the ranks) of all, by one product with A."""
    a = _stacked(members, x.dtype)
    z = torch.mm(x, a.t())
    pairs = zip(_cast(members, a), _parts(z, members), strict=True)
    return [_output(x, member, low) for member, low in pairs], z


def lora_linears_backward(
    grads: Sequence[Tensor],
    x: Tensor | None,
    members: Sequence[Member],
    z: Tensor | None,
    needs_x: bool,
) -> tuple[Tensor | None, list[tuple[Tensor | None, Tensor | None]]]:
    """Return the gradient of x, and those of a and b of each layer; `None` as `needs_x` and x say.

    Args:
        grads: (m, n) of each layer.
        x: (m, k), or `None` if no factor needs a gradient.
        members: The layers.
        z: (m, sum of the ranks), as `lora_linears` returned it.
        needs_x: Whether x needs a gradient.
    """
    a = _stacked(members, grads[0].dtype)
    members = _cast(members, a)
    low = [
        torch.mm(grad, member.b).mul_(member.scaling)
        for grad, member in zip(grads, members, strict=True)
    ]
    dz = torch.cat(low, 1)
    dx = _by_shared(grads, members, dz, a) if needs_x else None
    if x is None or z is None:
        return dx, [(None, None)] * len(members)
    kind = wide(x.dtype)
    da = torch.mm(_rows(dz), x).to(kind).split_with_sizes([len(member.a) for member in members])
    pairs: list[tuple[Tensor | None, Tensor | None]] = []
    for grad, da_part, part, member in zip(grads, da, _parts(z, members), members, strict=True):
        db = torch.mm(_rows(part), grad).to(kind)
        pairs.append((da_part, db.mul_(member.scaling).t()))
    return dx, pairs


def _by_shared(grads: Sequence[Tensor], members: Sequence[Member], dz: Tensor, a: Tensor) -> Tensor:
    """Return the sum of the gradients of x; each product adds to it in place."""
    merged = all(
        _merges(grad, len(member.weight)) for grad, member in zip(grads, members, strict=True)
    )
    dx: Tensor | None = None
    for grad, (weight, _, factor, b, scaling) in zip(grads, members, strict=True):
        kernel = torch.addmm(weight, b, factor, alpha=scaling) if merged else weight
        dx = torch.mm(grad, kernel) if dx is None else dx.addmm_(grad, kernel)
    assert dx is not None, "a group has members"
    return dx if merged else dx.addmm_(dz, a)


def _stacked(members: Sequence[Member], dtype: torch.dtype) -> Tensor:
    return torch.cat([member.a for member in members]).to(dtype)


def _cast(members: Sequence[Member], a: Tensor) -> list[Member]:
    """Return the layers with factors in the dtype of a, which has the rows of all."""
    parts = a.split_with_sizes([len(member.a) for member in members])
    return [
        member._replace(a=a_part, b=member.b.to(a.dtype))
        for member, a_part in zip(members, parts, strict=True)
    ]


def _parts(z: Tensor, members: Sequence[Member]) -> tuple[Tensor, ...]:
    return z.split_with_sizes([len(member.a) for member in members], 1)
