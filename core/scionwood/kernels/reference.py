"""The definition of the LoRA linear operator in plain torch, differentiable by autograd.

Compilers and the transforms of `torch.func` run it in place of the node, see `node.lora_linear`.
"""

from __future__ import annotations

import torch
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
    """Compute `y = x W^T + bias + s h B^T` with `z = dropout(x) A^T`.

    Without a gate, `h = z`. With a gate, `h = z_1 * sigmoid(z_2 + gate_bias)`, and A has the r rows
    of the adapter followed by the r rows of the gate.

    Args:
        x: (..., k), of any floating dtype; the other tensors have the same dtype.
        weight: (n, k).
        bias: (n,) or `None`.
        a: (r, k), or (2r, k) with a gate.
        b: (n, r).
        gate_bias: (r,), or `None` without a gate.
        seed: () int32, the seed of the mask, or `None` without dropout.
        scaling: The factor s.
        p: The probability of dropout.

    Returns:
        y (..., n), and z (..., r or 2r).
    """
    dropped = x if seed is None else mask.masked(x, seed, p) * mask.growth(p)
    z = F.linear(dropped, a)
    h = z
    if gate_bias is not None:
        value, gate = z.chunk(2, -1)
        h = value * (gate + gate_bias).sigmoid()
    return torch.add(F.linear(x, weight, bias), F.linear(h, b), alpha=scaling), z
