"""The LoRA linear operator as one augmented GEMM: y = [x | h] [W | s B]^T + bias.

The dispatch uses it where `predict` or a measurement says so. The GEMM of the library runs at full
speed without another pass over y. However, the operator copies x beside h, which costs two passes
over x. It is faster only if n is much larger than k, or if the producer of x leaves r spare
columns, so that no copy is needed. Each call also copies [W | s B], which has n (k + r) entries.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scionwood.kernels import addmm, mask
from scionwood.kernels.reference import gated

ALIGNED = 8
"""The number of columns is padded to a multiple, so that 16-bit rows start at 16 bytes."""

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
