"""Fourier operators on the modes that survive de-aliasing only, with buffers that are used again.

A product of two fields is free of aliases on a third of the modes in 3D. Steps without gradients
compute with these modes alone: transforms run axis by axis, and each axis is padded when it is
transformed. The other modes see no nonlinear term, so that one factor advances them to the next
frame. Results agree with those of `Grid` to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, final

import torch
from torch import Tensor

from scionwood_pde.solvers.spectral import Grid


@final
@dataclass(frozen=True)
class KeptGrid(Grid):
    """The modes `|m_i| <= highest` of a grid, with the operators of `Grid`; without gradients.

    Spectra have 2 `highest` + 1 modes along each axis but the last, first those from 0 on and then
    the negative ones, and `highest` + 1 along the last. Results of `inverse` and `forward` are new
    tensors; only the padded inputs of transforms are kept.

    Args:
        highest: the highest mode along each axis.
    """

    highest: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _keep_freed_pages()

    @cached_property
    def modes(self) -> tuple[Tensor, ...]:
        """Mode numbers as float64, a tensor for each axis that broadcasts to the kept modes."""
        top = self.highest
        rising = torch.arange(top + 1, dtype=torch.float64, device=self.device)
        both = torch.cat([rising, torch.arange(-top, 0, dtype=torch.float64, device=self.device)])
        lines = [both] * (self.dims - 1) + [rising]
        shapes = [[-1 if i == axis else 1 for i in range(self.dims)] for axis in range(self.dims)]
        return tuple(line.reshape(shape) for line, shape in zip(lines, shapes, strict=True))

    @cached_property
    def places(self) -> Tensor:
        """The places of the kept modes along an axis of the whole spectrum, except the last."""
        rising = torch.arange(self.highest + 1, device=self.device)
        end = torch.arange(self.n_points - self.highest, self.n_points, device=self.device)
        return torch.cat([rising, end])

    @cached_property
    def waves(self) -> tuple[Tensor, ...]:
        """Wavenumbers along each axis in the precision of the fields."""
        return tuple(symbol.imag.contiguous() for symbol in self.gradient)

    @cached_property
    def inverse_square(self) -> Tensor:
        """`1 / |k|^2`, and 0 for the mean."""
        square = self.squared_wavenumber
        return torch.where(square > 0, 1 / torch.where(square > 0, square, 1), 0).to(self.dtype)

    @cached_property
    def _buffers(self) -> dict[tuple[int, ...], Tensor]:
        return {}

    def resolved(self, degree: int) -> Tensor:
        """Return 1: every mode is kept."""
        return torch.ones((), dtype=self.dtype, device=self.device)

    def cut(self, spectrum: Tensor) -> Tensor:
        """Return the kept modes of a whole spectrum."""
        low_modes = spectrum[..., : self.highest + 1]
        for axis in self.axes[:-1]:
            low_modes = low_modes.index_select(axis, self.places)
        return low_modes.contiguous()

    def put(self, low_modes: Tensor, spectrum: Tensor) -> Tensor:
        """Return a whole spectrum whose kept modes are replaced."""
        last = torch.arange(self.highest + 1, device=self.device)
        lines = [*[self.places] * (self.dims - 1), last]
        at: tuple[Any, ...] = (..., *torch.meshgrid(*lines, indexing="ij"))
        spectrum[at] = low_modes
        return spectrum

    def forward(self, field: Tensor) -> Tensor:
        """Transform a real field (..., *space) to its kept modes."""
        z: Tensor = torch.fft.rfft(field, dim=-1, norm="forward")[..., : self.highest + 1]
        for axis in reversed(self.axes[:-1]):
            z = torch.fft.fft(z, dim=axis, norm="forward").index_select(axis, self.places)
        return z

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Transform kept modes to their real field (..., *space)."""
        top, n = self.highest, self.n_points
        z = spectrum
        for axis in self.axes[:-1]:
            padded = self._padded(z, axis)
            # The places between stay zero from call to call, because only these two are ever
            # written.
            padded.narrow(axis, 0, top + 1).copy_(z.narrow(axis, 0, top + 1))
            padded.narrow(axis, n - top, top).copy_(z.narrow(axis, top + 1, top))
            z = torch.fft.ifft(padded, dim=axis, norm="forward")
        # `irfft` itself fills the missing modes of the last axis with zeros.
        field: Tensor = torch.fft.irfft(z, n=n, dim=-1, norm="forward")
        return field

    def _padded(self, z: Tensor, axis: int) -> Tensor:
        """Return the buffer of an axis, which is zero between the kept modes."""
        shape = list(z.shape)
        shape[axis] = self.n_points
        key = (axis, *shape)
        if key not in self._buffers:
            self._buffers[key] = torch.zeros(shape, dtype=z.dtype, device=z.device)
        return self._buffers[key]

    def projected_(self, spectrum: Tensor) -> Tensor:
        """Remove the gradient part of a vector field in place; see `Grid.project`."""
        k = self.waves
        along = spectrum[:, 0] * k[0]
        for axis in range(1, self.dims):
            along += spectrum[:, axis] * k[axis]
        # P u = u - k (k . u) / |k|^2.
        along *= self.inverse_square
        for axis in range(self.dims):
            spectrum[:, axis] -= along * k[axis]
        return spectrum


@cache
def _keep_freed_pages() -> None:
    """Let the allocator of glibc keep up to 62 MiB of freed memory; elsewhere nothing happens.

    glibc returns the end of its heap to the system above twice the largest block that was freed, up
    to 32 MiB. Each result of a transform then takes fresh pages, which doubles the time of a step.
    One freed block of nearly that size raises the bound.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def rotational_kept(grid: KeptGrid) -> Callable[[Tensor], Tensor]:
    """Return `N(u) = P(u x curl u)` in 3D on the kept modes; see `nonlinear.rotational`."""
    k, turns = grid.waves, ((1, 2), (2, 0), (0, 1))
    both: dict[int, Tensor] = {}

    def evaluate(u: Tensor) -> Tensor:
        # Velocity and vorticity share one buffer, so that one call transforms all six.
        if len(u) not in both:
            both[len(u)] = u.new_empty(len(u), 6, *u.shape[2:])
        pair = both[len(u)]
        pair[:, :3] = u
        for i, (j, m) in enumerate(turns):
            # curl u = i k x u: the real cross product first, then the factor i by exchanging the
            # parts.
            curl = torch.view_as_real(k[j] * u[:, m] - k[m] * u[:, j])
            curl_times_i = torch.view_as_real(pair[:, 3 + i])
            torch.neg(curl[..., 1], out=curl_times_i[..., 0])  # times i
            curl_times_i[..., 1] = curl[..., 0]
        fields = grid.inverse(pair)
        velocity, vorticity = fields[:, :3], fields[:, 3:]
        cross = torch.empty_like(velocity)
        for i, (j, m) in enumerate(turns):
            torch.mul(velocity[:, j], vorticity[:, m], out=cross[:, i])
            cross[:, i].addcmul_(velocity[:, m], vorticity[:, j], value=-1)
        return grid.projected_(grid.forward(cross))

    return evaluate
