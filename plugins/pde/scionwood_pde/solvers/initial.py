"""Random initial states, drawn from a `torch.Generator`.

Noise is drawn in float64 on the generator's device, and then moved and rounded. A seed therefore
gives the same state on CPU and GPU, and in both precisions. With a `cutoff`, the state is a
trigonometric polynomial, which a finer grid samples at more points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from torch import Tensor

from scionwood_pde.solvers.spectral import Grid


class InitialCondition(ABC):
    """A distribution of initial states."""

    @abstractmethod
    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """Draw states.

        Args:
            grid: grid of the fields.
            batch: number of samples.
            channels: number of channels.
            generator: source of the random numbers.

        Returns:
            (batch, channel, *space) in the grid's dtype and on its device.
        """


@dataclass(frozen=True, kw_only=True)
class Scaled(InitialCondition):
    """Independent channels, each scaled to a given amplitude.

    Args:
        amplitude: amplitude of the states, in the unit of the field.
        scaling: meaning of the amplitude for each sample and channel: `maximum`, the maximum of
            |u|; `deviation`, the standard deviation over space (equal on every grid); or `range`,
            for values from 0 to the amplitude.
    """

    amplitude: float = 1.0
    scaling: Literal["maximum", "deviation", "range"] = "maximum"

    @abstractmethod
    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """Draw states before scaling, (batch, channel, *space) float64."""

    @final
    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        u = self.draw(grid, batch, channels, generator)
        if self.scaling == "range":
            u = u - u.amin(grid.axes, keepdim=True)
        if self.scaling == "deviation":
            # Divided by n and not by n - 1: the variance is then the sum of the squared modes, on
            # every grid.
            size = u.std(grid.axes, keepdim=True, correction=0)
        else:
            size = u.abs().amax(grid.axes, keepdim=True)
        return (self.amplitude * u / size).to(grid.dtype)


@final
@dataclass(frozen=True, kw_only=True)
class TruncatedFourier(Scaled):
    """A Fourier series of zero mean with independent normal coefficients for `|m_i| <= cutoff`.

    Args:
        cutoff: highest mode; APEBench uses 5. A coarse grid lowers it to its highest mode.
    """

    cutoff: int = 5

    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `Scaled.draw`."""
        # An odd number of points 2 m + 1 determines the modes up to m: white noise there,
        # interpolated, has the same modes on any finer grid.
        highest = min(self.cutoff, (grid.n_points - 1) // 2)
        u = grid.interpolated(_white(grid, batch, channels, generator, 2 * highest + 1))
        return u - u.mean(grid.axes, keepdim=True)


@final
@dataclass(frozen=True, kw_only=True)
class GaussianRandomField(Scaled):
    """Noise of zero mean with a power spectrum that decreases as `|m|^-exponent`.

    Args:
        exponent: exponent of the power of a mode (not of a shell of modes).
        cutoff: highest mode. `None` means all modes of the grid.
    """

    exponent: float = 3.0
    cutoff: int | None = None

    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `Scaled.draw`."""
        finest = (grid.n_points - 1) // 2
        highest = finest if self.cutoff is None else min(self.cutoff, finest)
        u = grid.interpolated(_white(grid, batch, channels, generator, 2 * highest + 1))
        square = grid.squared_wavenumber
        # The power of a mode goes with |k|^-exponent, so its amplitude with (k^2)^(-exponent / 4).
        # A factor 2 pi / L does not matter, since the result is scaled.
        shape = torch.where(square > 0, square, 1) ** (-self.exponent / 4) * (square > 0)
        return grid.inverse(grid.forward(u) * shape)


@final
@dataclass(frozen=True, kw_only=True)
class DiffusedNoise(Scaled):
    """White noise of zero mean after diffusion, `exp(-intensity (2 pi |m|)^2)`.

    Args:
        intensity: diffusivity times time in a box of side 1.
    """

    intensity: float = 1e-3

    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `Scaled.draw`."""
        spectrum = grid.forward(_white(grid, batch, channels, generator, grid.n_points))
        square = grid.squared_wavenumber
        # 2 pi |m| = k L.
        decay = torch.exp(-self.intensity * grid.length**2 * square)
        return grid.inverse(spectrum * decay * (square > 0))


@final
@dataclass(frozen=True, kw_only=True)
class GaussianBlobs(Scaled):
    """The sum of Gaussian bumps at uniformly random places of the periodic box.

    Args:
        count: number of bumps in each channel.
        narrowest: smallest standard deviation, relative to the side of the box.
        widest: largest standard deviation, relative to the side of the box.
    """

    count: int = 4
    narrowest: float = 0.04
    widest: float = 0.1
    scaling: Literal["maximum", "deviation", "range"] = "range"

    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `Scaled.draw`."""
        shape = (batch, channels, self.count, grid.dims + 1)
        share = torch.rand(
            shape, generator=generator, dtype=torch.float64, device=generator.device
        ).to(grid.device)
        share = share.reshape(*shape, *[1] * grid.dims)
        # One random number of each bump gives its width, the others its place.
        width = self.narrowest + (self.widest - self.narrowest) * share[:, :, :, 0]
        offset = grid.points / grid.length - share[:, :, :, 1:]
        offset = offset - offset.round()  # to the nearest of the periodic images
        return torch.exp(-(offset**2).sum(3) / (2 * width**2)).sum(2)


@final
@dataclass(frozen=True, kw_only=True)
class DivergenceFree(InitialCondition):
    """A vector field of zero divergence and zero mean: Leray's projection of another field.

    Args:
        source: distribution of the field that is projected.
        speed: root mean square of |u|, in the unit of the field.
    """

    source: InitialCondition = GaussianRandomField(exponent=6.0, cutoff=5, scaling="deviation")
    speed: float = 1.0

    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        # The projection in float64, so that rounding leaves as little divergence as possible.
        exact = replace(grid, dtype=torch.float64)
        u = self.source(exact, batch, channels, generator)
        u = exact.inverse(exact.project(exact.forward(u)))
        energy = (u**2).sum(1, keepdim=True).mean(grid.axes, keepdim=True)
        return (self.speed * u / energy.sqrt()).to(grid.dtype)


@final
@dataclass(frozen=True, kw_only=True)
class AtRest(InitialCondition):
    """A first channel from another distribution; the other channels are zero.

    For a wave, the other channel is the rate of change of the first.

    Args:
        source: distribution of the first channel.
    """

    source: InitialCondition = TruncatedFourier()

    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        first = self.source(grid, batch, 1, generator)
        others = first.new_zeros((batch, channels - 1, *grid.shape))
        return torch.cat([first, others], dim=1)


@final
@dataclass(frozen=True, kw_only=True)
class ComplementConcentrations(InitialCondition):
    """Concentrations that add up to 1: the first channel is 1 minus the sum of the others.

    Args:
        source: distribution of the channels after the first.
    """

    source: InitialCondition = GaussianBlobs(amplitude=0.5)

    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        others = self.source(grid, batch, channels - 1, generator)
        return torch.cat([1 - others.sum(1, keepdim=True), others], dim=1)


def _white(
    grid: Grid, batch: int, channels: int, generator: torch.Generator, n_points: int
) -> Tensor:
    """Return white noise with `n_points` along each axis, float64 on the device of the fields."""
    return torch.randn(
        (batch, channels, *[n_points] * grid.dims),
        generator=generator,
        dtype=torch.float64,
        device=generator.device,
    ).to(grid.device)
