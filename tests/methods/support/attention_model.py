"""A small model with grouped queries: 4 heads of 3 features use 2 heads of k and v."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class Attention(nn.Module):
    """Attention of 4 query heads and 2 heads of k and v, with a gate, a norm and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.o_proj = nn.Linear(12, 12), nn.Linear(12, 12)
        self.k_proj, self.v_proj = nn.Linear(12, 6), nn.Linear(12, 6)
        self.gate, self.norm = nn.Linear(12, 12), nn.LayerNorm(12)
        self.conv = nn.Conv1d(12, 12, 1)

    def heads(self, x: Tensor) -> Tensor:
        """Return the input of the projection o from all heads, (batch, time, 12)."""
        q, k, v = (f(x).unflatten(-1, (-1, 3)).mT for f in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (each.permute(0, 3, 1, 2) for each in (q, k, v))
        k, v = (each.repeat_interleave(2, 1) for each in (k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.conv(x.mT).mT + self.o_proj(self.heads(x)) * self.gate(x))


class Attentive(nn.Module):
    """Two blocks; the projection of the readout cannot be split into heads."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Attention() for _ in range(2))
        self.readout = nn.ModuleDict({"q_proj": nn.Linear(12, 7)})

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.readout["q_proj"](x)


def numbers() -> Tensor:
    """Return an input, (2, 5, 12) float32."""
    return torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(2))
