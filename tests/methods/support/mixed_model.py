"""A small model with layers of many kinds, which use their parameters in different ways."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor


class Table(nn.Module):
    """A parameter without a layer, such as a position table."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = nn.Parameter(torch.randn(1, 5, 8))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.entries


class Codes(nn.Module):
    """Integers in a parameter, as in a quantised layer."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.zeros(2, dtype=torch.int8), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.codes.sum().to(x.dtype)


class Mixed(nn.Module):
    """Map tokens to nine numbers each."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 8)
        self.table = Table()
        self.recurrent = nn.GRU(8, 8, batch_first=True)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.act = nn.GELU()
        self.norm = nn.LayerNorm(8)
        self.codes = Codes()
        self.readout = nn.Linear(8, 9)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.table(self.embed(x))
        hidden = self.block(self.recurrent(hidden)[0])
        hidden, _ = self.attend(hidden, hidden, hidden)
        return self.readout(self.codes(self.norm(self.act(hidden))))


def tokens() -> Tensor:
    """Return an input, (3, 5) int64."""
    return torch.randint(9, (3, 5), generator=torch.Generator().manual_seed(2))
