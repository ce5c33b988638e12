"""Random initial states, drawn from a `torch.Generator`.

Noise is drawn in float64 on the generator's device and only then moved and rounded: a seed gives
one state for the CPU and the GPU, and for both precisions. With a `cutoff` the state is one
trigonometric polynomial, which finer grids sample at more points.
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
            grid: of the fields.
            batch: the number of samples.
            channels: the number of channels.
            generator: the source of all randomness.

        Returns:
            (batch, channel, *space) of the grid's dtype and device.
        """


@dataclass(frozen=True, kw_only=True)
class Scaled(InitialCondition):
    """Independent channels, each scaled to one size.

    Args:
        amplitude: the size of the states, in the unit of the field.
        scaling: what the amplitude is, for each sample and channel: `maximum`, that of |u|;
            `deviation`, the standard deviation over space (the same on every grid); `range`, the
            states run from 0 to the amplitude.
    """

    amplitude: float = 1.0
    scaling: Literal["maximum", "deviation", "range"] = "maximum"

    @abstractmethod
    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """Draw states before they are scaled, (batch, channel, *space) float64."""

    @final
    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        u = self.draw(grid, batch, channels, generator)
        if self.scaling == "range":
            u = u - u.amin(grid.axes, keepdim=True)
        if self.scaling == "deviation":
            size = u.std(grid.axes, keepdim=True, correction=0)
        else:
            size = u.abs().amax(grid.axes, keepdim=True)
        return (self.amplitude * u / size).to(grid.dtype)


@final
@dataclass(frozen=True, kw_only=True)
class TruncatedFourier(Scaled):
    """A Fourier series with independent normal coefficients for `|m_i| <= cutoff`, of zero mean.

    Args:
        cutoff: the highest mode; APEBench's is 5. A coarse grid lowers it to what it resolves.
    """

    cutoff: int = 5

    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `Scaled.draw`."""
        highest = min(self.cutoff, (grid.n_points - 1) // 2)
        u = grid.interpolated(_white(grid, batch, channels, generator, 2 * highest + 1))
        return u - u.mean(grid.axes, keepdim=True)


@final
@dataclass(frozen=True, kw_only=True)
class GaussianRandomField(Scaled):
    """Noise with a power spectrum that falls as `|m|^-exponent`, of zero mean.

    Args:
        exponent: of the power a mode (not a shell of modes).
        cutoff: the highest mode; None for all that the grid has.
    """

    exponent: float = 3.0
    cutoff: int | None = None

    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `Scaled.draw`."""
        finest = (grid.n_points - 1) // 2
        highest = finest if self.cutoff is None else min(self.cutoff, finest)
        u = grid.interpolated(_white(grid, batch, channels, generator, 2 * highest + 1))
        square = grid.squared_wavenumber
        shape = torch.where(square > 0, square, 1) ** (-self.exponent / 4) * (square > 0)
        return grid.inverse(grid.forward(u) * shape)


@final
@dataclass(frozen=True, kw_only=True)
class DiffusedNoise(Scaled):
    """White noise after diffusion, `exp(-intensity (2 pi |m|)^2)`, of zero mean.

    Args:
        intensity: diffusivity times time in a box of side 1.
    """

    intensity: float = 1e-3

    def draw(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `Scaled.draw`."""
        spectrum = grid.forward(_white(grid, batch, channels, generator, grid.n_points))
        square = grid.squared_wavenumber
        decay = torch.exp(-self.intensity * grid.length**2 * square)
        return grid.inverse(spectrum * decay * (square > 0))


@final
@dataclass(frozen=True, kw_only=True)
class GaussianBlobs(Scaled):
    """The sum of Gaussian bumps at uniformly random places of the periodic box.

    Args:
        count: bumps a channel.
        narrowest: the lowest standard deviation, in sides of the box.
        widest: the highest.
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
        width = self.narrowest + (self.widest - self.narrowest) * share[:, :, :, 0]
        offset = grid.points / grid.length - share[:, :, :, 1:]
        offset = offset - offset.round()  # to the nearest of the periodic images
        return torch.exp(-(offset**2).sum(3) / (2 * width**2)).sum(2)


@final
@dataclass(frozen=True, kw_only=True)
class DivergenceFree(InitialCondition):
    """A vector field of zero divergence and zero mean: Leray's projection of another one.

    Args:
        source: the field that is projected.
        speed: the root mean square of |u|, in the unit of the field.
    """

    source: InitialCondition = GaussianRandomField(exponent=6.0, cutoff=5, scaling="deviation")
    speed: float = 1.0

    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        exact = replace(grid, dtype=torch.float64)
        u = self.source(exact, batch, channels, generator)
        u = exact.inverse(exact.project(exact.forward(u)))
        energy = (u**2).sum(1, keepdim=True).mean(grid.axes, keepdim=True)
        return (self.speed * u / energy.sqrt()).to(grid.dtype)


@final
@dataclass(frozen=True, kw_only=True)
class AtRest(InitialCondition):
    """A first channel from elsewhere; the others, its rate of change, are zero.

    Args:
        source: of the first channel.
    """

    source: InitialCondition = TruncatedFourier()

    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        first = self.source(grid, batch, 1, generator)
        rest = first.new_zeros((batch, channels - 1, *grid.shape))
        return torch.cat([first, rest], dim=1)


@final
@dataclass(frozen=True, kw_only=True)
class Consumed(InitialCondition):
    """Substances: the later ones as another condition draws them, the first what they leave of 1.

    Args:
        source: of the channels after the first.
    """

    source: InitialCondition = GaussianBlobs(amplitude=0.5)

    def __call__(self, grid: Grid, batch: int, channels: int, generator: torch.Generator) -> Tensor:
        """See `InitialCondition`."""
        others = self.source(grid, batch, channels - 1, generator)
        return torch.cat([1 - others.sum(1, keepdim=True), others], dim=1)


def _white(
    grid: Grid, batch: int, channels: int, generator: torch.Generator, n_points: int
) -> Tensor:
    """White noise on a grid of so many points an axis, float64 on the fields' device."""
    return torch.randn(
        (batch, channels, *[n_points] * grid.dims),
        generator=generator,
        dtype=torch.float64,
        device=generator.device,
    ).to(grid.device)
