"""The network of Poseidon, scOT (Herde et al. 2024, arXiv:2405.19101): Swin V2 as a U-Net.

It maps square two-dimensional states of one size to later ones. Attribute names are those of the
published state dicts. Dropout and drop path are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_pde.model.scot_shape import EPS, ScotShape
from scionwood_pde.model.windows import WindowBlock, norm_of


@final
class Scot(nn.Module):
    """A network from states (batch, channel, side, side) to later ones.

    Args:
        shape: its numbers.
        lead: lead time in the units of the training of the weights.
    """

    def __init__(self, shape: ScotShape, lead: float = 1.0) -> None:
        super().__init__()
        self.shape, self.lead = shape, lead
        self.embeddings = _Embeddings(shape)
        self.encoder = _Stages([_Down(shape, level) for level in shape.levels])
        self.decoder = _Stages([_Up(shape, level) for level in reversed(shape.levels)])
        self.patch_recovery = _Recovery(shape)
        self.residual_blocks = nn.ModuleList(
            nn.ModuleList(ConvNext(shape, level) for _ in range(count))
            if count
            else nn.ModuleList([nn.Identity()])
            for level, count in enumerate(shape.skips)
        )

    @property
    def multiple(self) -> int:
        """A side of the input is a multiple of this number."""
        return self.shape.side

    @property
    def side(self) -> int:
        """The side of the input."""
        return self.shape.side

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, side, side) to (batch, out, side, side).

        Raises:
            ValueError: the state has another size.
        """
        side = self.shape.side
        if x.shape[2:] != (side, side):
            raise ValueError(
                f"a state of {tuple(x.shape[2:])} points: Poseidon reads {side} x {side}. Resample "
                "the state"
            )
        time = x.new_full((x.shape[0], 1), self.lead)
        y, skips = self.embeddings(x, time), []
        for stage, blocks in zip(self.encoder.layers, self.residual_blocks, strict=True):
            skip, y = stage(y, time)
            for block in blocks.children():
                skip = block(skip, time) if isinstance(block, ConvNext) else skip
            skips.append(skip)
        y = skips.pop()
        for number, stage in enumerate(self.decoder.layers):
            y = stage(y + skips.pop() if number else y, time)
        out: Tensor = self.patch_recovery(y)
        return out + x[:, : self.shape.out] if self.shape.residual else out


@final
class ConvNext(nn.Module):
    """A block of a skip connection: depthwise convolution, norm and MLP (arXiv:2201.03545)."""

    def __init__(self, shape: ScotShape, level: int) -> None:
        super().__init__()
        channels = shape.width << level
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = norm_of(channels, shape.eps, timed=shape.timed)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        # Layer scale: a block starts as nearly the identity (arXiv:2103.17239).
        self.weight = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (batch, side, side, channel) to the same shape."""
        y = self.dwconv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = x + self.weight * self.pwconv2(F.gelu(self.pwconv1(self.norm(y, time))))
        return out


@final
class _Stages(nn.Module):
    """The stages of the encoder or the decoder under the name `layers`."""

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(stages)


@final
class _Patches(nn.Module):
    """A convolution from points to patches under the name `projection`."""

    def __init__(self, shape: ScotShape) -> None:
        super().__init__()
        self.projection = nn.Conv2d(shape.channels, shape.width, shape.patch, shape.patch)


@final
class _Embeddings(nn.Module):
    """Patches of the state, and their norm."""

    def __init__(self, shape: ScotShape) -> None:
        super().__init__()
        self.patch_embeddings = _Patches(shape)
        self.norm = norm_of(shape.width, EPS, timed=shape.timed)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y: Tensor = self.norm(self.patch_embeddings.projection(x).permute(0, 2, 3, 1), time)
        return y


@final
class _Recovery(nn.Module):
    """From patches to points, and a convolution over the seams."""

    def __init__(self, shape: ScotShape) -> None:
        super().__init__()
        self.projection = nn.ConvTranspose2d(shape.width, shape.out, shape.patch, shape.patch)
        self.mixup = nn.Conv2d(shape.out, shape.out, 5, padding=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mixup(self.projection(x.permute(0, 3, 1, 2)))
        return y


def _blocks(shape: ScotShape, level: int, order: Sequence[int]) -> nn.ModuleList:
    """Return the blocks of a level; those of odd number have shifted windows."""
    side = shape.side // shape.patch >> level
    options: dict[str, Any] = {"ratio": shape.ratio, "bias": shape.bias, "eps": shape.eps}
    window = min(shape.window, side)
    return nn.ModuleList(
        WindowBlock(
            shape.width << level,
            shape.heads[level],
            side,
            window=window,
            shifted=number % 2 == 1,
            timed=shape.timed,
            **options,
        )
        for number in order
    )


@final
class _Down(nn.Module):
    """A stage of the encoder: blocks, and four neighbours joined to one cell."""

    def __init__(self, shape: ScotShape, level: int) -> None:
        super().__init__()
        self.blocks = _blocks(shape, level, range(shape.depths[level]))
        last = level == shape.levels[-1]
        self.downsample = None if last else _Merging(shape.width << level, timed=shape.timed)

    def forward(self, x: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map before and after the joining."""
        y = x
        for block in self.blocks:
            y = block(y, time)
        return y, y if self.downsample is None else self.downsample(y + x, time)


@final
class _Up(nn.Module):
    """A stage of the decoder: blocks, and one cell split into four."""

    def __init__(self, shape: ScotShape, level: int) -> None:
        super().__init__()
        self.blocks = _blocks(shape, level, range(shape.depths[level])[::-1])
        self.upsample = _Unmerging(shape.width << level, timed=shape.timed) if level else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, time)
        return x if self.upsample is None else self.upsample(x, time)


@final
class _Merging(nn.Module):
    """Four neighbouring cells become one with twice the channels."""

    def __init__(self, channels: int, *, timed: bool) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = norm_of(2 * channels, EPS, timed=timed)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        # (0, 0), (1, 0), (0, 1), (1, 1): the order of Swin, which the published weights expect.
        parts = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        y: Tensor = self.norm(self.reduction(torch.cat(parts, -1)), time)
        return y


@final
class _Unmerging(nn.Module):
    """One cell becomes four with half the channels."""

    def __init__(self, channels: int, *, timed: bool) -> None:
        super().__init__()
        self.upsample = nn.Linear(channels, 2 * channels, bias=False)
        self.mixup = nn.Linear(channels // 2, channels // 2, bias=False)
        self.norm = norm_of(channels // 2, EPS, timed=timed)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        batch, side, _, channels = x.shape
        y = self.upsample(x).view(batch, side, side, 2, 2, channels // 2).transpose(2, 3)
        y = y.reshape(batch, 2 * side, 2 * side, channels // 2)
        out: Tensor = self.mixup(self.norm(y, time))
        return out
