"""The field network: a bias-free U-Net, which keeps amplitudes at every scale."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from scionwood_seismic.model.bias_free import BiasFreeUNet

STRIDE = 16
"""Records are padded to a multiple of this number: half resolution, then three halvings."""

INPUTS = 4
"""Channels of the input: the record, the told level, the RMS where none is told, and the RMS."""


@final
class FieldUNet(BiasFreeUNet):
    """A residual U-Net that sees a record, its mask and, if it is known, the level of its noise.

    Args:
        widths: channels at the strides 2, 4, 8 and 16.
    """

    multiple = STRIDE
    usual_shape = (1, 64, 128)
    preparation = ("Resample along time until the dominant period has 12 samples.",)

    def __init__(self, widths: tuple[int, ...] = (32, 48, 64, 96)) -> None:
        title = f"bias-free residual U-Net, widths {', '.join(map(str, widths))}"
        super().__init__(4 * INPUTS, 4, widths, {"architecture": title})

    def forward(
        self, record: Tensor, mask: Tensor | None = None, level: Tensor | None = None
    ) -> Tensor:
        """Denoise records of any size.

        Args:
            record: (batch, 1, trace, time) at the canonical sampling, any unit. It is zero where
                the mask is.
            mask: (batch, 1, trace, time), 1 where there is data and 0 elsewhere; None: all ones.
            level: (batch,), the RMS of the noise in the unit of the record; 0 or None: unknown.

        Returns:
            The denoised records, in the shape and the unit of `record`.
        """
        ones = torch.ones_like(record) if mask is None else mask
        told = record.new_zeros(record.shape[0]) if level is None else level
        return record - self._removed(record, ones, told)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two records of 32 traces and 48 samples."""
        return (torch.randn(2, 1, 32, 48, generator=torch.Generator().manual_seed(0)),)

    def _removed(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        traces, times = record.shape[-2:]
        h = F.pixel_unshuffle(_padded(_channels(record, mask, level)), 2)
        h = self.features(h.contiguous(memory_format=torch.channels_last))
        removed = F.pixel_shuffle(h, 2)[..., :traces, :times]
        return removed.to(record.dtype) * mask


def field_unet(*, init_seed: int = 0) -> FieldUNet:
    """Build the field network with random weights; train it with `adapter: full`.

    It has 492,672 parameters and expects records at the canonical sampling; see
    `scionwood_seismic.synth.canonical`.

    Args:
        init_seed: seed of the weights.

    Shapes: (batch, 1, trace, time) float32 in and out, of any size; padded to multiples of 16.
        A mask of the same shape and the noise level of each record, (batch,), are optional.

    Units: any; the output scales with the input.

    Source: Ronneberger et al., 2015, U-Net, arXiv 1505.04597; without bias, Mohan et al., 2020,
    arXiv 1906.05478; with a noise level, Zhang et al., 2018, doi 10.1109/TIP.2018.2839891.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        network = FieldUNet()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
    return network


def _channels(record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
    """Return the four channels of the input; each scales with the record."""
    count = mask.sum((1, 2, 3)).clamp_min(1)
    rms = (record.square().sum((1, 2, 3)) / count).sqrt()
    numbers = (level, rms * (level == 0), rms)
    return torch.cat([record, *(n.to(record)[:, None, None, None] * mask for n in numbers)], 1)


def _padded(channels: Tensor) -> Tensor:
    """Pad to a multiple of the stride: in time by the mirror image, and by absent traces."""
    traces, times = channels.shape[-2:]
    more = -times % STRIDE
    mode = "reflect" if more < times else "replicate"
    if more:
        channels = F.pad(channels, (0, more, 0, 0), mode=mode)
    return F.pad(channels, (0, 0, 0, -traces % STRIDE))
