"""The LoRA linear operator in as few library GEMMs as can be: any device, and the CPU's choice.

Products are accumulated into the output by the GEMM itself (`addmm_`), so no tensor of the output's
size is made besides the output. Scalings go to tensors of rank width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood.kernels import mask
from scionwood.kernels.dispatch import LOW
from scionwood.kernels.reference import gated


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
    y = F.linear(x, weight, bias)
    z = (
        F.linear(x, a)
        if seed is None
        else F.linear(mask.masked(x, seed, p), a).mul_(mask.growth(p))
    )
    return y.addmm_(gated(z, gate_bias), b.t(), alpha=scaling), z


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
    """The loss's derivatives by x, a, b and gate_bias.

    With `dh = s dY B` and `dz` its image under the gate: `dX = dY W + dropout(dz A)`,
    `dA = dz^T dropout(x)`, `dB = s dY^T h`.

    Args:
        grad: (m, n), the derivative by y.
        x: (m, k), the operator's input; None where neither a nor b needs a derivative.
        weight: (n, k), as the rest in the forward operator.
        a: (r or 2r, k).
        b: (n, r).
        z: (m, r or 2r), as the forward operator returned it; None as x, unless there is a gate.
        gate_bias: (r,).
        seed: () int32.
        scaling: s.
        p: the probability of dropout.
        needs_x: whether x needs a derivative.

    Returns:
        By x, of its dtype; by a, b and gate_bias in float32 (float64 for float64). None where x
        needs no derivative, where x is None, or where there is no gate.
    """
    dh = F.linear(grad, b.t().contiguous()).mul_(scaling)  # in float32 up to twice as fast as mm
    dz, d_gate = (dh, None) if gate_bias is None or z is None else _through_gate(dh, z, gate_bias)
    kept = None if seed is None else mask.keep(seed, (len(grad), weight.shape[1]), p)
    dx = _by_x(grad, weight, dz, a, kept, p) if needs_x else None
    if x is None or z is None:
        return dx, None, None, None
    seen = x if kept is None else x * kept
    da = torch.mm(dz.t(), seen)
    db = torch.mm(gated(z, gate_bias).t(), grad)  # likewise up to six times
    if grad.dtype in LOW:
        da, db = da.float(), db.float()
    if seed is not None:
        da.mul_(mask.growth(p))
    return dx, da, db.mul_(scaling).t(), None if d_gate is None else d_gate.sum(0, dtype=da.dtype)


def wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype of the adapters' gradients."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _through_gate(dh: Tensor, z: Tensor, gate_bias: Tensor) -> tuple[Tensor, Tensor]:
    value, logit = z.chunk(2, -1)
    gate = (logit + gate_bias).sigmoid()
    d_logit = dh * value * gate * (1 - gate)
    return torch.cat((dh * gate, d_logit), -1), d_logit


def _by_x(
    grad: Tensor, weight: Tensor, dz: Tensor, a: Tensor, kept: Tensor | None, p: float
) -> Tensor:
    dx = torch.mm(grad, weight)
    if kept is None:
        return dx.addmm_(dz, a)
    return dx.add_(torch.mm(dz * mask.growth(p), a).mul_(kept))
