"""A transformer over the cells of a latent volume, between encoder and decoder.

Its layers are pre-normalised with RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467) and use gated
GELU (Shazeer 2020, arXiv:2002.05202). Positions are sines and cosines (Vaswani et al. 2017,
arXiv:1706.03762), and a learned token represents the whole domain. The parameters are those of the
published sub-network. Its attention is approximate from 4096 cells on; this one is exact.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 8
LONGEST = 10_000.0
"""Longest period of the sines of a position, over 2 pi, in cells."""


@final
class Layer(nn.Module):
    """Attention between all cells and a gated MLP, each added to its input.

    Args:
        width: number of channels in and out.
        conditioned: whether a condition scales and shifts the inputs of both parts
            (Peebles and Xie 2023, arXiv:2212.09748, section 3.2).
    """

    def __init__(self, width: int, *, conditioned: bool) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(width, eps=1e-5)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.RMSNorm(width, eps=1e-5)
        self.gate = nn.Linear(width, 4 * width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        self.modulation = nn.Linear(width, 4 * width) if conditioned else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (batch, cell, channel) to the same shape; the condition is (batch, channel)."""
        if self.modulation is None:
            x = x + self._attention(self.norm1(x))
            return x + self._mlp(self.norm2(x))
        scale1, shift1, scale2, shift2 = self.modulation(condition).unsqueeze(1).chunk(4, dim=-1)
        x = x + self._attention((1 + scale1) * self.norm1(x) + shift1)
        return x + self._mlp((1 + scale2) * self.norm2(x) + shift2)

    def _attention(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        y: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return y

    def _mlp(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(F.gelu(self.gate(x)) * self.up(x))
        return y


@final
class LatentTransformer(nn.Module):
    """A transformer from a latent volume of all fields to one of the same shape.

    Its output is zero before training.

    Args:
        channels: number of channels of the volume, for all fields together.
        width: number of channels inside, a multiple of 8.
        depth: number of layers.
        conditioned: whether `forward` takes a condition.
    """

    def __init__(self, channels: int, *, width: int, depth: int, conditioned: bool = False) -> None:
        super().__init__()
        self.width = width
        self.input_proj = nn.Linear(channels, width)
        self.layers = nn.ModuleList(Layer(width, conditioned=conditioned) for _ in range(depth))
        # Almost zero, so that it changes nothing at first.
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, width))
        self.out_proj = nn.Linear(width, channels)
        nn.init.zeros_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Transform latents.

        Args:
            z: (batch, channel, x, y, z).
            condition: (batch, width), if the network is conditioned.

        Returns:
            The same shape as z.
        """
        n, _, *sides = z.shape
        x = self.input_proj(z.flatten(2).transpose(1, 2))
        x = x + positions(sides, self.width, x.device).to(x.dtype)
        x = torch.cat([x, self.cls_token.expand(n, -1, -1)], dim=1)
        for layer in self.layers:
            x = layer(x, condition)
        # The last token stands for the whole domain and is no cell.
        return torch.unflatten(self.out_proj(x[:, :-1]).transpose(1, 2), 2, sides)


def waves(position: Tensor, channels: int) -> Tensor:
    """Return sines, then cosines, (..., channels) of positions (...), with periods up to 10^4."""
    half = math.ceil(channels / 2)
    rates = LONGEST ** (-torch.arange(half, device=position.device) / (channels / 2))
    angles = position.unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :channels]


def positions(sides: list[int], channels: int, device: torch.device | None = None) -> Tensor:
    """Return the encoded position of each cell, (cell, channels), a third of them for each axis."""
    steps = (torch.arange(side, device=device) for side in sides)
    axes = torch.meshgrid(*steps, indexing="ij")
    third = math.ceil(channels / len(sides))
    encoded = torch.cat([waves(axis.flatten(), third) for axis in axes], dim=-1)
    return encoded[:, :channels]
