"""The field network: a bias-free U-Net, which keeps amplitudes at every scale."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError
from scionwood_seismic.model.bias_free import BiasFreeUNet

STRIDE = 16
"""Records are padded to a multiple of this number: half resolution, then three halvings."""

MOST_NEIGHBOURS = 3
"""Neighbouring slices on each side, at most."""

INPUTS = 4
"""Channels of the input: the record, the told level, the RMS where none is told, and the RMS."""


@final
class FieldUNet(BiasFreeUNet):
    """A residual U-Net that sees a record, its mask and, if it is known, the level of its noise.

    With `neighbours` it also sees the slices beside the record in a volume. Their weights are zero
    at first, so that the training can start from a run that sees one slice.

    Args:
        widths: channels at the strides 2, 4, 8 and 16.
        neighbours: slices on each side of the record.
    """

    multiple = STRIDE
    usual_shape = (1, 64, 128)
    preparation: tuple[str, ...] = (
        "Resample along time until the dominant period has 12 samples.",
    )

    def __init__(self, widths: tuple[int, ...] = (32, 48, 64, 96), *, neighbours: int = 0) -> None:
        title = f"bias-free residual U-Net, widths {', '.join(map(str, widths))}"
        title += f", {2 * neighbours} neighbouring slices" if neighbours else ""
        super().__init__(4 * INPUTS, 4, widths, {"architecture": title})
        self.neighbours = neighbours
        if neighbours:
            self.beside = nn.Conv2d(8 * neighbours, widths[0], 3, padding=1, bias=False)
            nn.init.zeros_(self.beside.weight)
            self.additions = ("beside.",)
            alone = "An export sees no neighbouring slices: the record stands for them."
            self.preparation = (*type(self).preparation, alone)

    def forward(
        self,
        record: Tensor,
        mask: Tensor | None = None,
        level: Tensor | None = None,
        beside: Tensor | None = None,
    ) -> Tensor:
        """Denoise records of any size.

        Args:
            record: (batch, 1, trace, time) at the canonical sampling, any unit. It is zero where
                the mask is.
            mask: (batch, 1, trace, time), 1 where there is data and 0 elsewhere; None: all ones.
            level: (batch,), the RMS of the noise in the unit of the record; 0 or None: unknown.
            beside: (batch, 2 neighbours, trace, time), the slices before and after the record, the
                nearest first, in its unit; None: the record stands for each of them.

        Returns:
            The denoised records, in the shape and the unit of `record`.
        """
        ones = torch.ones_like(record) if mask is None else mask
        levels = record.new_zeros(record.shape[0]) if level is None else level
        if self.neighbours and beside is None:
            beside = record.expand(-1, 2 * self.neighbours, -1, -1)
        return record - self._removed(record, ones, levels, beside)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two records of 32 traces and 48 samples."""
        return (torch.randn(2, 1, 32, 48, generator=torch.Generator().manual_seed(0)),)

    def _removed(
        self, record: Tensor, mask: Tensor, level: Tensor, slices: Tensor | None
    ) -> Tensor:
        traces, times = record.shape[-2:]
        h = _unshuffled(_channels(record, mask, level))
        more = self.beside(_unshuffled(slices)) if self.neighbours and slices is not None else None
        h = self.features(h, more)
        removed = F.pixel_shuffle(h, 2)[..., :traces, :times]
        return removed.to(record.dtype) * mask


def field_unet(*, neighbours: int = 0, init_seed: int = 0) -> FieldUNet:
    """Build the field network with random weights; train it with `adapter: full`.

    It has 492,672 parameters and expects records at the canonical sampling; see
    `scionwood_seismic.synth.canonical`.

    Args:
        neighbours: slices of a volume that it sees on each side of a record, 0 to 3. Their weights
            are zero at first.
        init_seed: seed of the weights.

    Shapes: (batch, 1, trace, time) float32 in and out, of any size; padded to multiples of 16.
        A mask of the same shape, the noise level of each record, (batch,), and the neighbouring
        slices, (batch, 2 neighbours, trace, time), are optional.

    Raises:
        RecipeError: `neighbours` is not between 0 and 3.

    Units: any; the output scales with the input.

    Source: Ronneberger et al., 2015, U-Net, arXiv 1505.04597; without bias, Mohan et al., 2020,
    arXiv 1906.05478; with a noise level, Zhang et al., 2018, doi 10.1109/TIP.2018.2839891.
    """
    if not 0 <= neighbours <= MOST_NEIGHBOURS:
        rule = f"a record has 0 to {MOST_NEIGHBOURS} neighbours on each side"
        raise RecipeError(f"backbone.neighbours {neighbours}", rule, "Such as 1")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        network = FieldUNet(neighbours=neighbours)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # not in the stubs
    return network


def _channels(record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
    """Return the four channels of the input; each scales with the record."""
    count = mask.sum((1, 2, 3)).clamp_min(1)
    rms = (record.square().sum((1, 2, 3)) / count).sqrt()
    numbers = (level, rms * (level == 0), rms)
    return torch.cat([record, *(n.to(record)[:, None, None, None] * mask for n in numbers)], 1)


def _unshuffled(channels: Tensor) -> Tensor:
    """Return padded channels at half the resolution, four for each."""
    half = F.pixel_unshuffle(_padded(channels), 2)
    return half.contiguous(memory_format=torch.channels_last)


def _padded(channels: Tensor) -> Tensor:
    """Pad to a multiple of the stride: in time by the mirror image, and by absent traces."""
    traces, times = channels.shape[-2:]
    more = -times % STRIDE
    mode = "reflect" if more < times else "replicate"
    if more:
        channels = F.pad(channels, (0, more, 0, 0), mode=mode)
    return F.pad(channels, (0, 0, 0, -traces % STRIDE))
