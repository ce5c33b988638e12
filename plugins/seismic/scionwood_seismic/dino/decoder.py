"""The decoder of the denoiser: ViT maps from several depths, and a convolutional path."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Decoder(nn.Module):
    """Turn a gather and ViT feature maps of stride 16 into a denoised gather.

    A patch of 16 x 16 samples is longer than a wavelet, so the ViT alone cannot locate an event to
    the sample. A convolutional pyramid with strides 2, 4 and 8 provides the detail, as in a U-Net
    (Ronneberger et al., 2015) with the ViT at the bottom.

    The last layer predicts two values per sample: a gate and a correction. The gate can suppress a
    burst that is much stronger than the signal, where subtraction would be inaccurate. With
    `common_mode` the pyramid also receives the median over traces, and the last layer predicts the
    share of that median which goes. Such a decoder takes horizontal events for noise.

    Args:
        embed_dim: channels of each ViT map.
        levels: number of ViT maps.
        width: channels at stride 2; strides 4 and 8 have 1.5 and 2 times as many.
        scales: number of strides of the pyramid. Coarser information comes only from the ViT.
        predict: "noise" models the removed part, "clean" the kept part.
        common_mode: whether what all traces share is removed as noise.
    """

    def __init__(
        self,
        embed_dim: int,
        levels: int,
        *,
        width: int = 32,
        scales: int = 3,
        predict: str = "noise",
        common_mode: bool = True,
    ) -> None:
        super().__init__()
        self.predict, self.common_mode = predict, common_mode
        widths = [width, width * 3 // 2, width * 2][:scales]
        coarse = widths[::-1]
        self.stem = nn.Conv2d(8 if common_mode else 4, width, 3, padding=1)
        self.down = nn.ModuleList(_Block(channels) for channels in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(i, o, 2, 2) for i, o in pairwise(widths))
        self.context = nn.Conv2d(levels * embed_dim, coarse[0], 1)
        pairs = zip([coarse[0], *coarse], coarse, strict=False)
        self.grow = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in pairs)
        self.up = nn.ModuleList(_Block(channels) for channels in coarse)
        self.out = nn.Conv2d(width, 12 if common_mode else 8, 3, padding=1)
        nn.init.normal_(self.out.weight, std=0.01)  # at first, about half of the input is removed

    def forward(self, x: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Denoise gathers.

        Args:
            x: (batch, 1, trace, time); both sizes are multiples of 16.
            maps: `levels` tensors (batch, embed_dim, trace / 16, time / 16).

        Returns:
            (batch, 1, trace, time), in the units of `x`.
        """
        stripes = [x.median(dim=2, keepdim=True).values.expand_as(x)] if self.common_mode else []
        h = self.stem(F.pixel_unshuffle(torch.cat([x, *stripes], 1), 2))
        skips = []
        for block, shrink in zip(self.down, [*self.shrink, None], strict=True):
            h = block(h)
            skips.append(h)
            h = h if shrink is None else shrink(h)
        h = self.context(torch.cat(list(maps), 1))
        for grow, block, skip in zip(self.grow, self.up, reversed(skips), strict=True):
            h = block(F.interpolate(grow(h), skip.shape[-2:], mode="nearest") + skip)
        gate, *shares, value = torch.split(F.pixel_shuffle(self.out(h), 2), 1, dim=1)
        part: Tensor = torch.sigmoid(gate) * x + value
        for share, stripe in zip(shares, stripes, strict=True):
            part = part + share * stripe
        return x - part if self.predict == "noise" else part


class _Block(nn.Module):
    """Two convolutions with a residual connection; without normalisation amplitudes are kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.gelu(self.first(F.gelu(x))))
        return x + change
