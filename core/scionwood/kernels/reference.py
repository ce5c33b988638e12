"""The LoRA linear operator in plain torch, differentiable by autograd: the definition."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from scionwood.kernels import mask


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
    """`y = x W^T + bias + s h B^T` with `h = z` or, gated, `h = z_1 * sigmoid(z_2 + gate_bias)`.

    `z = dropout(x) A^T`; gated, A holds the r rows of the adapter and then the r of the gate.

    Args:
        x: (m, k), any floating dtype, which the other tensors share.
        weight: (n, k).
        bias: (n,).
        a: (r, k), or (2r, k) where a gate is given.
        b: (n, r).
        gate_bias: (r,).
        seed: () int32, of the mask; needed where p > 0.
        scaling: s.
        p: the probability of dropout.

    Returns:
        y (m, n), and z (m, r or 2r), which the backward pass needs.
    """
    dropped = x if seed is None else mask.masked(x, seed, p) * mask.growth(p)
    z = F.linear(dropped, a)
    return F.linear(x, weight, bias) + scaling * F.linear(gated(z, gate_bias), b), z


def gated(z: Tensor, gate_bias: Tensor | None) -> Tensor:
    """The rank activations h of z; see `lora_linear`."""
    if gate_bias is None:
        return z
    value, gate = z.chunk(2, -1)
    return value * (gate + gate_bias).sigmoid()
