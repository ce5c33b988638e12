"""The products of a LoRA linear layer, by the library or by Triton; see `node` for their order."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scionwood.kernels import dispatch

FEW = 64
"""Rows of x below which the library is faster if tensors of rank width are stored by rows of x."""
_ZEROS = {
    dtype: torch.zeros((), dtype=dtype)
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64)
}
"""Made here, since a step that makes tensors only the first time is no CUDA graph."""


def as_dtype(tensor: Any, dtype: torch.dtype) -> Any:
    """Convert a tensor; a call of `Tensor.to` costs a microsecond even if nothing changes."""
    return tensor if tensor is None or tensor.dtype is dtype else tensor.to(dtype)


def low_rank(rows: Tensor, a: Tensor) -> Tensor:
    """Return z (r, m) for x (m, k) and A (r, k)."""
    return torch.mm(a, rows.t()) if len(rows) >= FEW else torch.mm(rows, a.t()).t()


def output(
    rows: Tensor,
    shape: torch.Size,
    weight: Tensor,
    bias: Tensor | None,
    b: Tensor,
    h: Tensor,
    scaling: float,
) -> Tensor:
    """Return y; it is resized and no view, so that it may be changed in place."""
    if rows.is_cuda and (fused := dispatch.fused(rows, weight, len(h))):
        y: Tensor = fused.product(rows, weight.t(), bias, h.t(), b.t(), scaling)
    else:
        if bias is None:
            y = torch.mm((h * scaling).t(), b.t())
        else:
            y = torch.addmm(bias, h.t(), b.t(), alpha=scaling)
        torch.addmm(y, rows, weight.t(), out=y)
    return y if len(shape) == 2 else y.resize_((*shape[:-1], len(weight)))


def by_rank(
    grad: Tensor, b: Tensor, h: Tensor | None, scaling: float
) -> tuple[Tensor, Tensor | None]:
    """Return dh (r, m), and dB (n, r) unless h is `None`."""
    if h is not None and grad.is_cuda and (fused := dispatch.fused(grad, b, b.shape[1])):
        joint: tuple[Tensor, Tensor] = fused.by_rank(grad, b, h, scaling)
        return joint
    few = len(grad) < FEW
    dh = _scaled(grad, b, scaling).t() if few else _scaled(b.t(), grad.t(), scaling)
    return dh, None if h is None else _scaled(h, grad, scaling).t()


def add_by_x(dx: Tensor | None, grad: Tensor, weight: Tensor, dz: Tensor, a: Tensor) -> Tensor:
    """Add dY W to dx in place; there is none yet, it starts from the rank term."""
    if dx is None:
        if grad.is_cuda and (fused := dispatch.fused(grad, weight, len(dz))):
            return fused.product(grad, weight, None, dz.t(), a, 1.0)  # type: ignore[no-any-return]
        dx = torch.mm(dz.t(), a)
    return dx.addmm_(grad, weight)


def gates(z: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values (r, m) and the gates (r, m) of z (2r, m)."""
    value, logit = z.chunk(2)
    return value, (logit + bias.to(z.dtype)[:, None]).sigmoid()


def through_gate(dh: Tensor, z: Tensor, gate_bias: Tensor) -> Tensor:
    """Return dz (2r, m) for dh (r, m)."""
    value, gate = gates(z, gate_bias)
    return torch.cat((dh * gate, dh * value * gate * (1 - gate)))


def _scaled(left: Tensor, right: Tensor, scaling: float) -> Tensor:
    """Return `scaling left right`; on a CPU, one operation takes less time than two."""
    if left.is_cpu and (zero := _ZEROS.get(left.dtype)) is not None:
        return torch.addmm(zero, left, right, beta=0, alpha=scaling)
    return torch.mm(left, right).mul_(scaling)
