"""The modes of a grid: Fourier modes along periodic axes, cosine modes along all others."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import final

import torch
from torch import Tensor


@final
class Modes:
    """An orthonormal transform of fields on a regular grid, and the shells of its modes.

    Cosine modes have zero slope at both ends, so that no periodicity is assumed.

    Args:
        sides: points along each axis.
        periodic: whether each axis is periodic.
        lengths: length of the box along each axis. `None` means that all spacings are equal.

    Attributes:
        shells: (*sides) the shell of each mode: its wavenumber in steps of the longest side.

    Source: the cosine modes are those of the DCT-II, Ahmed, Natarajan and Rao 1974.
    """

    def __init__(
        self,
        sides: Sequence[int],
        periodic: Sequence[bool],
        lengths: Sequence[float] | None = None,
    ) -> None:
        self.sides, self.periodic = tuple(sides), tuple(periodic)
        boxes = self.lengths = tuple(abs(float(n)) for n in lengths or sides)
        dims = len(self.sides)
        self._fourier = [axis - dims for axis in range(dims) if self.periodic[axis]]
        self._cosines = {a - dims: _cosines(sides[a]) for a in range(dims) if not periodic[a]}
        squares = torch.zeros(1, dtype=torch.float64)
        for axis, (side, box) in enumerate(zip(self.sides, boxes, strict=True)):
            periodic_waves = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64)
            # Cosine mode m has half as many periods as Fourier mode m.
            half = torch.arange(side, dtype=torch.float64) / 2
            waves = (periodic_waves if self.periodic[axis] else half) * max(boxes) / box
            squares = squares + waves.square().reshape(*_along(axis, dims))
        self.shells = squares.sqrt().round().long()

    def forward(self, fields: Tensor) -> Tensor:
        """Transform fields (..., *sides) to modes, complex128 of the same shape."""
        modes = fields.double()
        for axis, matrix in self._cosines.items():
            modes = _applied(matrix, modes, axis)
        modes = modes.to(torch.complex128)
        if self._fourier:
            modes = torch.fft.fftn(modes, dim=self._fourier, norm="ortho")
        return modes

    def inverse(self, modes: Tensor) -> Tensor:
        """Transform modes (..., *sides) back to fields, float64."""
        if self._fourier:
            modes = torch.fft.ifftn(modes, dim=self._fourier, norm="ortho")
        fields = modes.real
        for axis, matrix in self._cosines.items():
            fields = _applied(matrix.mT, fields, axis)
        return fields

    def by_shell(self, values: Tensor) -> Tensor:
        """Return the sums of (channel, *sides) over shells, (channel, shell)."""
        summed = values.new_zeros(len(values), int(self.shells.max()) + 1)
        summed.index_add_(1, self.shells.flatten(), values.flatten(1))
        return summed


def _cosines(side: int) -> Tensor:
    """Return the orthonormal matrix of the DCT-II, (mode, point)."""
    points, modes = torch.arange(side, dtype=torch.float64), torch.arange(side)
    matrix: Tensor = torch.cos(pi * (points + 0.5) * modes[:, None] / side) * (2 / side) ** 0.5
    matrix[0] /= 2**0.5
    return matrix


def _applied(matrix: Tensor, values: Tensor, axis: int) -> Tensor:
    applied: Tensor = (values.movedim(axis, -1) @ matrix.mT).movedim(-1, axis)
    return applied


def _along(axis: int, dims: int) -> list[int]:
    return [-1 if i == axis else 1 for i in range(dims)]
