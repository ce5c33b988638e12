"""The LoRA linear operator as one GEMM with an augmented sum: y = [x | h] [W | s B]^T + bias.

A candidate for benchmarks, not in the dispatch table. The GEMM is the library's at full speed and
no pass over y is added, but x is copied beside h: two passes over x. That pays only where n is
well above k, or where the producer of x writes rows with r spare columns, which spares the copy.
[W | s B] is a copy of n (k + r) entries at each call.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood.kernels import addmm, mask
from scionwood.kernels.reference import gated

ALIGNED = 8
"""Columns are filled up to a multiple: rows of 16-bit floats then start at every 16 bytes."""

lora_linear_backward = addmm.lora_linear_backward


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
    if seed is None:
        z = F.linear(x, a)
    else:
        z = F.linear(mask.masked(x, seed, p), a).mul_(mask.growth(p))
    spare = -(x.shape[1] + b.shape[1]) % ALIGNED
    rows = torch.cat((x, gated(z, gate_bias), x.new_zeros(x.shape[0], spare)), 1)
    columns = torch.cat((weight, b * scaling, b.new_zeros(b.shape[0], spare)), 1)
    return F.linear(rows, columns, bias), z
