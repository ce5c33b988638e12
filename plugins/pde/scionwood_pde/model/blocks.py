"""Convolutional parts of Tadpole, with the attribute names of the published state dict."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class ResidualBlock(nn.Module):
    """The block `x + conv(gelu(norm(conv(gelu(norm(x))))))` with kernels of 3^3.

    Args:
        channels: number of channels in and out.
        groups: number of groups of both GroupNorms.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.gn_1 = nn.GroupNorm(groups, channels)
        self.conv_1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.gn_2 = nn.GroupNorm(groups, channels)
        self.conv_2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, x, y, z) to the same shape."""
        y = self.conv_1(F.gelu(self.gn_1(x)))
        y = self.conv_2(F.gelu(self.gn_2(y)))
        total: Tensor = x + y
        return total


@final
class Shuffle(nn.Module):
    """A layer that turns eight channels into one of twice the sides.

    Channel `8 c + 4 i + 2 j + k` holds the voxels of channel c with odd-even offset (i, j, k).

    Source: Shi et al. 2016, arXiv:1609.05158.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, 8 c, x, y, z) to (batch, c, 2x, 2y, 2z)."""
        n, _, *sides = x.shape
        parts = torch.unflatten(x, 1, (-1, 2, 2, 2)).permute(0, 1, 5, 2, 6, 3, 7, 4)
        return parts.reshape(n, -1, *(2 * side for side in sides))


@final
class Downsample(nn.Module):
    """A convolution of stride 2 that halves the sides and doubles the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        conv = nn.Conv3d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)
        self.body = nn.Sequential(conv)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c, x, y, z) to (batch, 2 c, x / 2, y / 2, z / 2)."""
        y: Tensor = self.body(x)
        return y


@final
class Upsample(nn.Module):
    """A convolution, a shuffle and a convolution that double the sides and halve the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(channels, 2 * channels, 3, padding=1, bias=False),
            Shuffle(),
            nn.Conv3d(channels // 4, channels // 2, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c, x, y, z) to (batch, c / 2, 2x, 2y, 2z)."""
        y: Tensor = self.body(x)
        return y


@final
class PointwiseUpsample(nn.Module):
    """A convolution of size 1 and a shuffle that double the sides."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.linear_conv = nn.Conv3d(channels, 8 * out, 1)
        self.shuffle = Shuffle()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, x, y, z) to (batch, out, 2x, 2y, 2z)."""
        y: Tensor = self.shuffle(self.linear_conv(x))
        return y
