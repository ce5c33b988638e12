"""Attention in square windows of two-dimensional maps, and norms that a number shifts.

The layers are those of Swin Transformer V2 (Liu et al. 2022, arXiv:2111.09883) in the order of its
section 3: attention, norm, sum; MLP, norm, sum. Attribute names are those of transformers' Swin V2,
which Poseidon's files carry.
"""

from __future__ import annotations

import itertools
import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGEST_SCALE = math.log(100)
"""Upper bound of the logarithm of the scale of cosines."""


@final
class TimedNorm(nn.Module):
    """A LayerNorm over channels whose scale and offset are linear functions of the lead time.

    Args:
        channels: number of channels.
        eps: added to the variance.
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Linear(1, channels), nn.Linear(1, channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (batch, ..., channel) to the same shape; `time` is (batch, 1)."""
        y = F.layer_norm(x, x.shape[-1:], eps=self.eps)
        shape = (x.shape[0], *[1] * (x.ndim - 2), -1)
        scaled: Tensor = self.weight(time).view(shape) * y + self.bias(time).view(shape)
        return scaled


@final
class PlainNorm(nn.LayerNorm):
    """A LayerNorm that ignores the lead time."""

    def forward(self, x: Tensor, time: Tensor) -> Tensor:  # type: ignore[override]
        """Map (..., channel) to the same shape."""
        return super().forward(x)


def norm_of(channels: int, eps: float, *, timed: bool) -> TimedNorm | PlainNorm:
    """Return the norm of a network with or without lead times."""
    return TimedNorm(channels, eps) if timed else PlainNorm(channels, eps)


@final
class _Cosines(nn.Module):
    """Attention between the cells of a window, without the output projection.

    Older files also hold the two buffers, which the window determines.
    """

    relative_coords_table: Tensor
    relative_position_index: Tensor

    def __init__(self, channels: int, heads: int, window: int, *, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))
        self.continuous_position_bias_mlp = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, heads, bias=False)
        )
        self.query = nn.Linear(channels, channels, bias=bias)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=bias)
        table, index = _distances(window)
        self.register_buffer("relative_coords_table", table, persistent=False)
        self.register_buffer("relative_position_index", index, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map (window, cell, channel) to the same shape; the mask is (windows, cell, cell)."""
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        q = F.normalize(q, dim=-1) * self.logit_scale.clamp(max=LARGEST_SCALE).exp()
        values = self.continuous_position_bias_mlp(self.relative_coords_table)
        values = values.flatten(0, -2)[self.relative_position_index]
        bias = 16 * values.permute(2, 0, 1).sigmoid()[None]
        if mask is not None:
            many = mask.repeat(x.shape[0] // mask.shape[0], 1, 1)
            bias = bias + many[:, None].to(bias.dtype)
        y = F.scaled_dot_product_attention(q, F.normalize(k, dim=-1), v, bias, scale=1.0)
        return y.transpose(1, 2).flatten(2)


@final
class Dense(nn.Module):
    """A linear layer under the name `dense`."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., channel) to (..., out)."""
        y: Tensor = self.dense(x)
        return y


@final
class _Attention(nn.Module):
    """Attention in windows with its output projection."""

    def __init__(self, channels: int, heads: int, window: int, *, bias: bool) -> None:
        super().__init__()
        self.self = _Cosines(channels, heads, window, bias=bias)
        self.output = Dense(channels, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y: Tensor = self.output(self.self(x, mask))
        return y


@final
class WindowBlock(nn.Module):
    """Attention in windows, which may be shifted by half a window, and an MLP.

    Args:
        channels: number of channels.
        heads: number of attention heads.
        side: cells along each axis of the map.
        window: cells along each axis of a window; it divides the side.
        shifted: shift the windows by half of their side; windows as large as the map stay.
        ratio: width of the MLP relative to the channels.
        bias: queries and values have a bias.
        eps: added to variances.
        timed: norms depend on the lead time.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        side: int,
        *,
        window: int,
        shifted: bool,
        ratio: float = 4.0,
        bias: bool = True,
        eps: float = 1e-5,
        timed: bool = False,
    ) -> None:
        super().__init__()
        self.side, self.window = side, window
        self.shift = window // 2 if shifted and side > window else 0
        self.attention = _Attention(channels, heads, window, bias=bias)
        self.layernorm_before = norm_of(channels, eps, timed=timed)
        self.intermediate = Dense(channels, int(ratio * channels))
        self.output = Dense(int(ratio * channels), channels)
        self.layernorm_after = norm_of(channels, eps, timed=timed)
        mask = _mask(side, window, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (batch, side, side, channel) to the same shape."""
        n, w, c = self.side // self.window, self.window, x.shape[-1]
        rolled = x.roll((-self.shift, -self.shift), (1, 2)) if self.shift else x
        cells = rolled.view(-1, n, w, n, w, c).transpose(2, 3).reshape(-1, w * w, c)
        mask = self.mask if isinstance(self.mask, Tensor) else None
        y: Tensor = self.attention(cells, mask)
        y = y.view(-1, n, n, w, w, c).transpose(2, 3).reshape(x.shape)
        y = y.roll((self.shift, self.shift), (1, 2)) if self.shift else y
        x = x + self.layernorm_before(y, time)
        y = self.output(F.gelu(self.intermediate(x)))
        out: Tensor = x + self.layernorm_after(y, time)
        return out


def _distances(window: int) -> tuple[Tensor, Tensor]:
    """Return the log-spaced distances, (1, rows, columns, 2), and the place of each pair."""
    steps = torch.arange(1.0 - window, window) / max(window - 1, 1) * 8
    steps = steps.sign() * (steps.abs() + 1).log2() / math.log2(8)
    table = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)[None]
    cells = torch.tensor(list(itertools.product(range(window), repeat=2)))
    apart = cells[:, None] - cells[None] + window - 1
    return table, apart[..., 0] * (2 * window - 1) + apart[..., 1]


def _mask(side: int, window: int, shift: int) -> Tensor:
    """Return -inf for cells of a window that the shift brought together from two sides."""
    place = torch.arange(side)
    # Cells of the last window come from three stretches: the rest of the map, the last window
    # before the shift, and what the roll brought from the front.
    region = (place >= side - window).long() + (place >= side - shift)
    both = 3 * region[:, None] + region[None]
    n = side // window
    cells = both.view(n, window, n, window).transpose(1, 2).reshape(-1, window * window)
    apart = cells[:, :, None] != cells[:, None]
    return torch.zeros(apart.shape).masked_fill(apart, float("-inf"))
