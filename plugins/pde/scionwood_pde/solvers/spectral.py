"""Fourier operators on a periodic box: wavenumbers, derivatives, de-aliasing, projection.

Conventions: the box is `[0, L)^D` with N equidistant points along each axis, `x_j = j L / N`; the
point at L equals that at 0 and is omitted. Space axes come last, in the order x, y, z ("ij"). Mode
m of an axis has the wavenumber `k = 2 pi m / L`; the last axis has only the modes 0 to N/2
(`rfftn`). The transform is scaled so that the coefficient of mode 0 is the mean (`norm="forward"`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import pi

import torch
from torch import Tensor


def highest_resolved(n_points: int, degree: int) -> int:
    """Return the highest mode along an axis that `Grid.resolved` keeps; below 0 there is none."""
    return 2 * (n_points // 2) // (degree + 1) - 1


@dataclass(frozen=True)
class Grid:
    """A periodic box `[0, length)^dims`, and the operators of its spectrum.

    Symbols in float64 or complex128 serve to compute coefficients, which are then rounded to
    `dtype`. `gradient` and masks already have `dtype`.

    Args:
        n_points: N, grid points along each axis, at least 4.
        dims: number of space dimensions, 1 to 3.
        length: side of the box, in the unit of length.
        dtype: dtype of the fields, float32 or float64.
        device: device of the fields.

    Raises:
        ValueError: a size or the dtype is not allowed.
    """

    n_points: int
    dims: int
    length: float
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        if self.n_points < 4:
            raise ValueError(f"n_points={self.n_points}: at least 4 are needed. Use a finer grid")
        if self.dims not in (1, 2, 3):
            raise ValueError(f"dims={self.dims}: a box has 1, 2 or 3 dimensions. Choose one")
        if not 0 < self.length < float("inf"):
            raise ValueError(
                f"length={self.length}: the side of a box is positive and finite. Choose another"
            )
        if self.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype={self.dtype}: fields are float32 or float64. Choose one")

    @property
    def axes(self) -> tuple[int, ...]:
        """The space axes, counted from the end."""
        return tuple(range(-self.dims, 0))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of space, `(N,) * D`."""
        return (self.n_points,) * self.dims

    @cached_property
    def points(self) -> Tensor:
        """Coordinates of the grid points, (dims, *space) float64, in the unit of `length`."""
        line = torch.arange(self.n_points, dtype=torch.float64, device=self.device)
        line = line * (self.length / self.n_points)
        return torch.stack(torch.meshgrid(*[line] * self.dims, indexing="ij"))

    @cached_property
    def modes(self) -> tuple[Tensor, ...]:
        """Mode numbers as float64, a tensor for each axis that broadcasts to the spectrum."""
        modes = []
        for axis in range(self.dims):
            frequencies = torch.fft.rfftfreq if axis == self.dims - 1 else torch.fft.fftfreq
            line = frequencies(
                self.n_points, 1 / self.n_points, dtype=torch.float64, device=self.device
            )
            modes.append(line.reshape([-1 if i == axis else 1 for i in range(self.dims)]))
        return tuple(modes)

    @cached_property
    def squared_wavenumber(self) -> Tensor:
        """`|k|^2`, (*modes) float64."""
        return -self.sum_of_derivatives(2)

    def derivative(self, axis: int, order: int = 1) -> Tensor:
        """Return the symbol `(i k)^order` of a derivative along one axis.

        For odd orders and even N, the highest mode is set to zero, because its sine vanishes on the
        grid.

        Args:
            axis: 0 for x, 1 for y, 2 for z.
            order: order of the derivative, at least 1.

        Returns:
            float64 for an even order, complex128 for an odd one; broadcasts to (*modes).
        """
        mode = self.modes[axis]
        # i^order = (-1)^(order // 2) times 1 or i.
        power: Tensor = (2 * pi / self.length * mode) ** order * (-1) ** (order // 2)
        if order % 2 == 0:
            return power
        odd: Tensor = 1j * power * (2 * mode.abs() != self.n_points)
        return odd

    def sum_of_derivatives(self, order: int) -> Tensor:
        """Return the symbol of `sum_i d^order / dx_i^order`; order 4 is not the biharmonic.

        Returns:
            (*modes), float64 for an even order, complex128 for an odd one.
        """
        return sum(
            (self.derivative(axis, order) for axis in range(1, self.dims)),
            start=self.derivative(0, order),
        )

    @cached_property
    def gradient(self) -> tuple[Tensor, ...]:
        """The symbol of the first derivative for each axis, in the precision of the fields."""
        kind = self.dtype.to_complex()
        return tuple(self.derivative(axis).to(kind) for axis in range(self.dims))

    def resolved(self, degree: int) -> Tensor:
        """Return a mask of the modes that stay free of aliases in a product of `degree` fields.

        The mask keeps `|m_i| <= 2 / (degree + 1) N/2 - 1` on every axis. This is Orszag's 2/3 rule
        for products of two fields, and 1/2 for products of three. The -1, as in exponax, makes the
        rule strict if the bound is an integer, and costs one mode otherwise.

        Args:
            degree: degree of the product, at least 1.

        Returns:
            (*modes), 1 for a mode that is kept and 0 otherwise, in the dtype of the fields.

        Source: Orszag, S. A., 1971, J. Atmos. Sci. 28, 1074.
        """
        highest = highest_resolved(self.n_points, degree)
        mask = torch.ones((), dtype=torch.bool, device=self.device)
        for mode in self.modes:
            mask = mask & (mode.abs() <= highest)
        return mask.to(self.dtype)

    def forward(self, field: Tensor) -> Tensor:
        """Transform a real field (..., *space) to its spectrum (..., *modes)."""
        spectrum: Tensor = torch.fft.rfftn(field, dim=self.axes, norm="forward")
        return spectrum

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Transform a spectrum (..., *modes) to its real field (..., *space)."""
        field: Tensor = torch.fft.irfftn(spectrum, s=self.shape, dim=self.axes, norm="forward")
        return field

    @cached_property
    def _projection(self) -> tuple[Tensor, ...]:
        """`k / |k|^2` for each axis, (*modes), with the gradient's k, so that div is exactly 0."""
        k = [symbol.imag for symbol in (self.derivative(axis) for axis in range(self.dims))]
        square = sum((part**2 for part in k[1:]), start=k[0] ** 2)
        inverse = torch.where(square > 0, 1 / torch.where(square > 0, square, 1), 0)
        return tuple((part * inverse).to(self.dtype) for part in k)

    def project(self, spectrum: Tensor) -> Tensor:
        """Return Leray's projection, which removes the gradient part of a vector field.

        `P u = u - k (k . u) / |k|^2`; mode 0 does not change.

        Args:
            spectrum: (batch, dims, *modes), complex.

        Returns:
            (batch, dims, *modes), of zero divergence.
        """
        along = sum(
            (spectrum[:, i] * self.gradient[i].imag for i in range(1, self.dims)),
            start=spectrum[:, 0] * self.gradient[0].imag,
        )
        pressure = torch.stack([along * part for part in self._projection], dim=1)
        return spectrum - pressure

    def interpolated(self, field: Tensor) -> Tensor:
        """Evaluate the trigonometric polynomial through the points of a coarser grid on this grid.

        Args:
            field: (..., n, ..., n), real, with odd n (so that no mode is ambiguous) and n <= N.

        Returns:
            (..., *space), real, with the modes `|m_i| <= (n - 1) / 2` only.

        Raises:
            ValueError: n is even or above N.
        """
        n = field.shape[-1]
        if n % 2 == 0 or n > self.n_points:
            raise ValueError(
                f"{n} points to {self.n_points}: the number must be odd and not larger. "
                "Choose a lower cutoff or a finer grid"
            )
        # The zeros go between positive and negative modes; the last axis has only positive ones,
        # and gets them at its end.
        spectrum = torch.fft.rfftn(field, dim=self.axes, norm="forward")
        half = (n + 1) // 2
        for axis in self.axes[:-1]:
            gap = list(spectrum.shape)
            gap[axis] = self.n_points - n
            low, high = spectrum.split([half, half - 1], dim=axis)
            spectrum = torch.cat([low, spectrum.new_zeros(gap), high], dim=axis)
        missing = self.n_points // 2 + 1 - half
        return self.inverse(torch.nn.functional.pad(spectrum, (0, missing)))
