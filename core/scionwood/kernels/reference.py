"""The definition of the LoRA linear operator in plain torch, differentiable by autograd."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood.kernels import mask

LOW = (torch.float16, torch.bfloat16)


@final
class Member(NamedTuple):
    """One of several layers that read the same tensor; shapes are those of `lora_linear`."""

    weight: Tensor
    bias: Tensor | None
    a: Tensor
    b: Tensor
    scaling: float = 1.0


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
    """Compute `y = x W^T + bias + s h B^T` with `z = dropout(x) A^T`.

    Without a gate, `h = z`. With a gate, `h = z_1 * sigmoid(z_2 + gate_bias)`, and A has the r rows
    of the adapter followed by the r rows of the gate.

    Args:
        x: (m, k), of any floating dtype; the other tensors have the same dtype.
        weight: (n, k).
        bias: (n,) or `None`.
        a: (r, k), or (2r, k) with a gate.
        b: (n, r).
        gate_bias: (r,), or `None` without a gate.
        seed: () int32, the seed of the mask, or `None` without dropout.
        scaling: The factor s.
        p: The probability of dropout.

    Returns:
        y (m, n), and z (m, r or 2r), which the backward pass needs.
    """
    dropped = x if seed is None else mask.masked(x, seed, p) * mask.growth(p)
    z = F.linear(dropped, a)
    return F.linear(x, weight, bias) + scaling * F.linear(gated(z, gate_bias), b), z


def gated(z: Tensor, gate_bias: Tensor | None) -> Tensor:
    """Return the rank activations h for z; see `lora_linear`."""
    if gate_bias is None:
        return z
    value, gate = z.chunk(2, -1)
    return value * (gate + gate_bias).sigmoid()
