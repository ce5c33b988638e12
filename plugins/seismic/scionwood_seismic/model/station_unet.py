"""The station network: gains in time and frequency for one to three components."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from scionwood_seismic.model.bias_free import BiasFreeUNet

COMPONENTS = 3
WINDOW, HOP = 128, 32
"""Length and step of the windows of the Fourier transform, samples."""

BINS = WINDOW // 2 + 1
STRIDE = 8
"""Images of time and frequency are padded to a multiple of this number."""

INPUTS = 2 * COMPONENTS + 2 + COMPONENTS
"""Magnitudes, magnitudes of sums of two components, RMS, RMS by frequency, RMS of components."""

TINY = 1e-30


@final
class StationUNet(BiasFreeUNet):
    """A U-Net on the short-time Fourier transform of a station's components.

    For each component, time and frequency it gives two numbers a and b, and removes the share
    `b^2 / (a^2 + b^2)`. The network sees magnitudes only, among them those of sums of two
    components, which show how a wave is polarised.

    Args:
        widths: channels at the strides 1, 2, 4 and 8.
    """

    multiple = HOP
    multiples: ClassVar[dict[str, int]] = {"time": HOP}
    usual_shape = (1, COMPONENTS, 2048)
    preparation = ("The traces are the components of one station, one to three.",)
    basis: Tensor

    def __init__(self, widths: tuple[int, ...] = (24, 40, 64, 96)) -> None:
        title = f"bias-free U-Net on time and frequency, widths {', '.join(map(str, widths))}"
        super().__init__(INPUTS, 2 * COMPONENTS, widths, {"architecture": title})
        torch.nn.init.normal_(self.out.weight, std=0.1)
        self.register_buffer("basis", _basis(), persistent=False)

    def forward(
        self, record: Tensor, mask: Tensor | None = None, level: Tensor | None = None
    ) -> Tensor:
        """Denoise records of one to three components of one station.

        Args:
            record: (batch, 1, component, time), any unit; zero where the mask is.
            mask: the same shape, 1 where there is data and 0 elsewhere; None: all ones.
            level: not used; a station's noise level follows from the record.

        Returns:
            The denoised records, in the shape and the unit of `record`. A fourth and further
            component is returned as it is.
        """
        x = record[:, 0, :COMPONENTS]
        count, samples = x.shape[1:]
        x = F.pad(x, (0, 0, 0, COMPONENTS - count)).float()
        real, imaginary = self._transform(x, samples)
        share = self._share(x, real, imaginary)
        removed = self._inverse(share * real, share * imaginary, samples)[:, None, :count]
        removed = F.pad(removed, (0, 0, 0, record.shape[2] - count)).to(record.dtype)
        return record - (removed if mask is None else removed * mask)

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two records of three components and 512 samples."""
        return (torch.randn(2, 1, 3, 512, generator=torch.Generator().manual_seed(0)),)

    def _transform(self, x: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """Return the real and the imaginary part, (batch, component, frequency, frame)."""
        batch = x.shape[0]
        padded = F.pad(x.flatten(0, 1)[:, None], (WINDOW, WINDOW + -samples % HOP))
        with torch.autocast(x.device.type, enabled=False):
            both = F.conv1d(padded, self.basis, stride=HOP)
        both = both.reshape(batch, COMPONENTS, *both.shape[1:])
        return both[:, :, :BINS], both[:, :, BINS:]

    def _inverse(self, real: Tensor, imaginary: Tensor, samples: int) -> Tensor:
        """Return (batch, component, time)."""
        both = torch.cat([real, imaginary], 2)
        with torch.autocast(real.device.type, enabled=False):
            scaled = both.flatten(0, 1) * _weights(real)
            x = F.conv_transpose1d(scaled, self.basis, stride=HOP)
        signal: Tensor = x[:, 0, WINDOW : WINDOW + samples]
        return signal.reshape(*real.shape[:2], samples)

    def _share(self, x: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
        """Return the share that is removed, (batch, component, frequency, frame), 0 to 1."""
        bins, frames = real.shape[-2:]
        image = F.pad(_image(x, real, imaginary), (0, -frames % STRIDE, 0, -bins % STRIDE))
        h = self.features(image.contiguous(memory_format=torch.channels_last)).float()
        keep, drop = torch.split(h[..., :bins, :frames].square(), COMPONENTS, dim=1)
        share: Tensor = drop / (keep + drop + TINY)
        return share


def station_unet(*, init_seed: int = 0) -> StationUNet:
    """Build the station network with random weights; train it with `adapter: full`.

    Args:
        init_seed: seed of the weights.

    Shapes: (batch, 1, component, time) float32 in and out, with one to three components and any
        number of samples. A mask of the same shape is optional.

    Units: any; the output scales with the input.

    Source: gains in time and frequency, Zhu et al., 2019, doi 10.1109/TGRS.2019.2926772; without
    bias, Mohan et al., 2020, arXiv 1906.05478.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        network = StationUNet()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # not in the stubs
    return network


def _basis() -> Tensor:
    """Return a windowed Fourier basis, (2 x frequency, 1, time)."""
    t = torch.arange(WINDOW, dtype=torch.float64)
    window = torch.hann_window(WINDOW, dtype=torch.float64)
    phase = 2 * torch.pi * torch.arange(BINS, dtype=torch.float64)[:, None] * t / WINDOW
    return torch.cat([phase.cos() * window, -phase.sin() * window])[:, None].float()


def _weights(real: Tensor) -> Tensor:
    """Return the weights of the inverse, (2 x frequency, 1): inner bins stand for two."""
    bins = torch.full((BINS, 1), 2.0, device=real.device)
    bins[0] = bins[-1] = 1.0
    squares = 1.5 * WINDOW / (4 * HOP)  # the sum over frames of the squared Hann window
    return torch.cat([bins, bins]) / (WINDOW * squares)


def _image(x: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
    """Return the channels of the input, (batch, channel, frequency, frame)."""
    pairs = (part + part.roll(-1, 1) for part in (real, imaginary))  # with the next component
    rms = x.square().mean(-1, keepdim=True).sqrt()[..., None].expand_as(real)
    total = rms.square().mean(1, keepdim=True).sqrt()
    ramp = torch.linspace(0, 1, BINS, device=x.device)[:, None]
    return torch.cat([_magnitude(real, imaginary), _magnitude(*pairs), rms, total, total * ramp], 1)


def _magnitude(real: Tensor, imaginary: Tensor) -> Tensor:
    # Divided by the square root of the window, a magnitude of noise is near its RMS.
    magnitude: Tensor = (real.square() + imaginary.square() + TINY).sqrt() / WINDOW**0.5
    return magnitude
