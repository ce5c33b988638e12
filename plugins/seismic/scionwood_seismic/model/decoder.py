"""The denoiser's decoder: ViT maps from several depths, and a convolutional path for detail."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Decoder(nn.Module):
    """Turn a gather and ViT feature maps of stride 16 into a denoised gather.

    A patch of 16 x 16 samples is longer than a wavelet, so the ViT alone cannot place an event to
    the sample. A convolutional pyramid (strides 2, 4, 8) carries the detail past it, as in a U-Net
    (Ronneberger et al., 2015) whose bottom is the ViT. Two choices are our own. The pyramid also
    sees the median over traces, in which a noise common to all channels stands alone. And the
    last layer gives three numbers for each sample: a gate, so that a burst many times stronger than
    the signal is closed off rather than subtracted, a share of that median, and a value.

    Args:
        embed_dim: channels of each ViT map.
        levels: how many ViT maps are given.
        width: channels at stride 2; strides 4 and 8 have 1.5 and 2 times as many.
        scales: how many of these strides there are. With fewer, what is coarser is the ViT's alone.
        predict: "noise" gates and corrects the removed part, "clean" the kept part.
    """

    def __init__(
        self,
        embed_dim: int,
        levels: int,
        *,
        width: int = 32,
        scales: int = 3,
        predict: str = "noise",
    ) -> None:
        super().__init__()
        self.predict = predict
        widths = [width, width * 3 // 2, width * 2][:scales]
        coarse = widths[::-1]
        self.stem = nn.Conv2d(8, width, 3, padding=1)
        self.down = nn.ModuleList(_Block(each) for each in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(i, o, 2, 2) for i, o in pairwise(widths))
        self.context = nn.Conv2d(levels * embed_dim, coarse[0], 1)
        pairs = zip([coarse[0], *coarse], coarse, strict=False)
        self.grow = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in pairs)
        self.up = nn.ModuleList(_Block(each) for each in coarse)
        self.out = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.normal_(self.out.weight, std=0.01)  # begins near "half of it is noise"

    def forward(self, x: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Denoise.

        Args:
            x: (batch, 1, trace, time), sizes that are multiples of 16.
            maps: `levels` tensors (batch, embed_dim, trace / 16, time / 16).

        Returns:
            (batch, 1, trace, time), in the units of `x`.
        """
        stripe = x.median(dim=2, keepdim=True).values.expand_as(x)
        h = self.stem(F.pixel_unshuffle(torch.cat([x, stripe], 1), 2))
        skips = []
        for block, shrink in zip(self.down, [*self.shrink, None], strict=True):
            h = block(h)
            skips.append(h)
            h = h if shrink is None else shrink(h)
        h = self.context(torch.cat(list(maps), 1))
        for grow, block, skip in zip(self.grow, self.up, reversed(skips), strict=True):
            h = block(F.interpolate(grow(h), skip.shape[-2:], mode="nearest") + skip)
        gate, share, value = F.pixel_shuffle(self.out(h), 2).split(1, dim=1)
        part = torch.sigmoid(gate) * x + share * stripe + value
        return x - part if self.predict == "noise" else part


class _Block(nn.Module):
    """Two convolutions around a residual connection; no normalisation, so amplitudes survive."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.gelu(self.first(F.gelu(x))))
