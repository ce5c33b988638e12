"""Transformer stages of Tadpole: attention inside windows of 4^3 cells, without shifts.

Only the convolutions between the stages exchange information between windows. The attention is that
of Swin Transformer V2 (Liu et al. 2022, arXiv:2111.09883, section 3.3) without an output
projection: cosines of queries and keys, times a learned scale, plus a bias. A small network
computes the bias from the log-spaced distance. Attribute names are those of the published state
dict.
"""

from __future__ import annotations

import itertools
import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 4
"""Number of cells of a window along each axis."""

LARGEST_SCALE = 4.6052
"""Upper bound of the logarithm of the scale; cosines are multiplied by at most 100."""


@final
class PositionBias(nn.Module):
    """A bias for each pair of cells of a window, computed from the distance between them.

    Args:
        heads: number of attention heads.

    Attributes:
        relative_bias: the last computed bias in the published files; it is not used.
    """

    relative_coords_table: Tensor
    relative_position_index: Tensor

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.cpb_mlp = nn.Sequential(
            nn.Linear(3, 512), nn.ReLU(inplace=True), nn.Linear(512, heads, bias=False)
        )
        table, index = _distances()
        self.register_buffer("relative_coords_table", table)
        self.register_buffer("relative_position_index", index)
        self.register_buffer("relative_bias", torch.zeros(1, heads, *index.shape))

    def forward(self) -> Tensor:
        """Return the bias, (1, heads, 64, 64), between 0 and 16."""
        values = self.cpb_mlp(self.relative_coords_table).flatten(0, -2)
        bias: Tensor = values[self.relative_position_index].permute(2, 0, 1)
        return 16 * bias.sigmoid().unsqueeze(0)


@final
class WindowAttention(nn.Module):
    """Attention between the 64 cells of each window.

    Args:
        channels: number of channels in and out.
        heads: number of attention heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.pos_emb_funct = PositionBias(heads)
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (window, cell, channel) to the same shape."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # The scale goes into q, because the fused attention has one scale for all heads.
        q = F.normalize(q, dim=-1) * self.logit_scale.clamp(max=LARGEST_SCALE).exp()
        k, bias = F.normalize(k, dim=-1), self.pos_emb_funct()
        y = F.scaled_dot_product_attention(
            q.to(v.dtype), k.to(v.dtype), v, attn_mask=bias.to(v.dtype), scale=1.0
        )
        return y.transpose(1, 2).flatten(2)


@final
class Mlp(nn.Module):
    """Two linear layers with a GELU between them; the hidden layer is four times as wide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., channel) to the same shape."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


@final
class Block(nn.Module):
    """Attention and MLP, each after a LayerNorm and added to its input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (window, cell, channel) to the same shape."""
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


@final
class Stage(nn.Module):
    """Two blocks on the windows of a volume.

    If a side is not a multiple of 4, cells of zeros fill the last windows. They take part in the
    attention of both blocks, and are set to zero again before the second.

    Args:
        channels: number of channels in and out.
        heads: number of attention heads of each block.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(2))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, x, y, z) to the same shape."""
        n, _, *sides = x.shape
        pad = [amount for side in reversed(sides) for amount in (0, -side % WINDOW)]
        filled = F.pad(x, pad) if any(pad) else x
        windows = _to_windows(filled)
        inside = _to_windows(F.pad(x.new_ones(1, 1, *sides), pad)) if any(pad) else None
        for block in self.blocks:
            windows = block(windows)
            if inside is not None:
                # The biases of a block give the filling cells values of their own.
                windows = windows * inside.repeat(n, 1, 1)
        y = _from_windows(windows, filled.shape)
        return y[..., : sides[0], : sides[1], : sides[2]]


def _to_windows(x: Tensor) -> Tensor:
    """Map (batch, channel, x, y, z) to (batch * window, cell, channel)."""
    for axis in (2, 4, 6):
        x = torch.unflatten(x, axis, (-1, WINDOW))
    return x.permute(0, 2, 4, 6, 3, 5, 7, 1).flatten(4, 6).flatten(0, 3)


def _from_windows(windows: Tensor, shape: torch.Size) -> Tensor:
    """Invert `_to_windows` for a volume of the given shape."""
    n, c, *sides = shape
    counts = [side // WINDOW for side in sides]
    x = windows.reshape(n, *counts, WINDOW, WINDOW, WINDOW, c)
    return x.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(n, c, *sides)


def _distances() -> tuple[Tensor, Tensor]:
    """Return log-spaced distances, (1, 7, 7, 7, 3), and the index of each pair, (64, 64)."""
    reach = WINDOW - 1
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    table = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1)
    # The published model divides by the reach only if the last distance is negative, and its
    # weights were trained that way.
    table[:, :, :reach] /= reach
    table = table.sign() * torch.log2(1 + 8 * table.abs()) / math.log2(8)
    cells = torch.tensor(list(itertools.product(range(WINDOW), repeat=3)))
    apart = cells[:, None] - cells[None] + reach
    weights = torch.tensor([len(steps) ** 2, len(steps), 1])
    return table.unsqueeze(0), (apart * weights).sum(-1)
