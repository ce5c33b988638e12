"""Layers that mix the fields of a state at one resolution, and a small network of them.

A quadratic term such as `(u . grad) u` is a product of two linear stencils. A bilinear layer learns
both, which no single convolution followed by a fixed function does exactly.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_pde.model.tiles import Boundary

_KINDS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}
PADDING: dict[Boundary, Literal["circular", "replicate"]] = {
    "periodic": "circular",
    "edge": "replicate",
}


def convolution(
    channels: int, out: int, size: int, *, dims: int = 3, boundary: Boundary = "periodic"
) -> nn.Module:
    """Return a convolution that keeps the sides, and continues the domain as its boundary asks.

    Args:
        channels: channels of the input.
        out: channels of the output.
        size: odd side of the kernel.
        dims: number of space dimensions, 1 to 3.
        boundary: `periodic` or `edge`.
    """
    mode: Literal["zeros", "circular", "replicate"]
    # A pointwise layer sees no neighbour and needs no padding.
    mode = PADDING[boundary] if size > 1 else "zeros"
    return _KINDS[dims](channels, out, size, padding=size // 2, padding_mode=mode)


@final
class Mixing(nn.Module):
    """Two stencils, their product or a GELU, and a pointwise layer that starts at zero.

    Args:
        channels: channels of the input.
        out: channels of the output.
        width: channels between.
        size: odd side of the stencils.
        bilinear: multiply two stencils; otherwise one stencil is followed by a GELU.
        dims: number of space dimensions.
        boundary: see `convolution`.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        width: int,
        size: int = 3,
        *,
        bilinear: bool = True,
        dims: int = 3,
        boundary: Boundary = "periodic",
    ) -> None:
        super().__init__()
        self.bilinear = bilinear
        between = 2 * width if bilinear else width
        self.stencil = convolution(channels, between, size, dims=dims, boundary=boundary)
        self.out = convolution(width, out, 1, dims=dims)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to (batch, out, *space)."""
        y = self.stencil(x)
        if self.bilinear:
            first, second = y.chunk(2, dim=1)
            y = first * second
        else:
            y = F.gelu(y)
        mixed: Tensor = self.out(y)
        return mixed


@final
class StencilNet(nn.Module):
    """A bilinear layer and a GELU layer side by side at full resolution; their sum is the output.

    Args:
        channels: channels of the input.
        out: channels of the output.
        width: channels between, in each of both.
        size: odd side of the stencils.
        dims: number of space dimensions.
        boundary: see `convolution`.
    """

    multiple = 1
    """A side of the input is a multiple of this number."""

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        width: int = 24,
        size: int = 5,
        dims: int = 3,
        boundary: Boundary = "periodic",
    ) -> None:
        super().__init__()
        self.products = Mixing(channels, out, width, size, dims=dims, boundary=boundary)
        self.functions = Mixing(
            channels, out, width, size, bilinear=False, dims=dims, boundary=boundary
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to (batch, out, *space)."""
        y: Tensor = self.products(x) + self.functions(x)
        return y


@final
class UNet(nn.Module):
    """A U-Net of three resolutions, whose last layer starts at zero.

    Args:
        channels: channels of the input.
        out: channels of the output.
        width: channels at full resolution; they double twice.
        dims: number of space dimensions.
        boundary: see `convolution`.

    Source: Ronneberger et al. 2015, arXiv:1505.04597, with GroupNorm and GELU.
    """

    multiple = 4

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        width: int = 16,
        dims: int = 3,
        boundary: Boundary = "periodic",
    ) -> None:
        super().__init__()
        self.dims = dims

        def block(before: int, after: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for inside in (before, after):
                layers.append(convolution(inside, after, 3, dims=dims, boundary=boundary))
                layers += [nn.GroupNorm(4, after), nn.GELU()]
            return nn.Sequential(*layers)

        self.down = nn.ModuleList(
            [block(channels, width), block(width, 2 * width), block(2 * width, 4 * width)]
        )
        self.up = nn.ModuleList([block(6 * width, 2 * width), block(3 * width, width)])
        self.out = convolution(width, out, 1, dims=dims)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, *space) to (batch, out, *space); sides are multiples of 4."""
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[self.dims - 1]
        fine = self.down[0](x)
        middle = self.down[1](pool(fine, 2))
        coarse = self.down[2](pool(middle, 2))
        middle = self.up[0](torch.cat([self._doubled(coarse), middle], dim=1))
        y: Tensor = self.out(self.up[1](torch.cat([self._doubled(middle), fine], dim=1)))
        return y

    def _doubled(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="nearest")
