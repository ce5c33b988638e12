"""Spectral operations on fields of a periodic box: projection, and energy by shell.

Cells are cubes, so that the wavenumber of mode m along an axis of n points is a multiple of m / n.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHELLS = 256
"""Number of shells that are told apart; finer modes count to the last one."""


def modes(sides: Sequence[int], device: torch.device) -> list[Tensor]:
    """Return the wavenumber of each axis, which broadcasts to the spectrum of `rfftn`.

    Args:
        sides: points along each axis.
        device: where the tensors are.

    Returns:
        Wavenumbers in units of the lowest one of the longest axis.
    """
    lines = []
    for axis, side in enumerate(sides):
        frequencies = torch.fft.rfftfreq if axis == len(sides) - 1 else torch.fft.fftfreq
        # m / n times the longest side: cells are cubes, so that m / n is the wavenumber in cycles a
        # cell.
        line = frequencies(side, 1 / max(sides), device=device)
        lines.append(line.reshape([-1 if i == axis else 1 for i in range(len(sides))]))
    return lines


def without_divergence(field: Tensor) -> Tensor:
    """Return Leray's projection of a vector field: the nearest field of zero divergence.

    Args:
        field: (batch, component, *space), periodic, with one component for each axis.

    Returns:
        The same shape. The mean does not change.
    """
    sides = field.shape[2:]
    axes = tuple(range(2, field.ndim))
    # The sine of the Nyquist mode is zero on the grid, so it has no derivative and no divergence.
    half = 0.5 * max(sides)
    k = [torch.where(line.abs() == half, 0.0, line) for line in modes(sides, field.device)]
    square = sum((line.square() for line in k[1:]), start=k[0].square())
    spectrum = torch.fft.rfftn(field, dim=axes)
    along = sum((spectrum[:, i] * k[i] for i in range(1, len(k))), start=spectrum[:, 0] * k[0])
    along = along / torch.where(square > 0, square, 1.0)
    gradient = torch.stack([along * line for line in k], dim=1)
    projected: Tensor = torch.fft.irfftn(spectrum - gradient, s=tuple(sides), dim=axes)
    return projected


def shells(sides: Sequence[int], device: torch.device) -> Tensor:
    """Return the number of the shell of each mode of `rfftn`, at most `SHELLS - 1`."""
    lines = modes(sides, device)
    square = sum((line.square() for line in lines[1:]), start=lines[0].square())
    return square.sqrt().round().long().clamp(max=SHELLS - 1)


def energy(field: Tensor) -> Tensor:
    """Return the sum of the squared coefficients of each shell.

    The coefficient of the mean is the mean. Other grids of the same box therefore give the same
    numbers for the modes that they share.

    Args:
        field: (batch, field, *space), periodic.

    Returns:
        (batch, field, `SHELLS`).
    """
    spectrum = torch.fft.rfftn(field, dim=tuple(range(2, field.ndim)), norm="forward")
    return _summed(spectrum, shells(field.shape[2:], field.device))


def capped(field: Tensor, cap: Tensor) -> Tensor:
    """Return a field whose energy in each shell is at most a cap; lower energies do not change.

    A larger box or a finer grid has other shells than the cap, whose energies cannot be compared.
    Such a field does not change. Gradients take the factors of the shells as constants.

    Args:
        field: (batch, field, *space).
        cap: (field, `SHELLS`); a cap of zero stands for no cap.
    """
    axes = tuple(range(2, field.ndim))
    shell = shells(field.shape[2:], field.device)
    measured = cap.amax(0).nonzero().flatten().tolist()
    # The highest shell tells the sides of the training grid.
    if not measured or measured[-1] != int(shell.max()):
        return field
    spectrum = torch.fft.rfftn(field, dim=axes, norm="forward")
    ratio = cap / _summed(spectrum.detach(), shell).clamp(min=1e-20)
    # The root, because amplitudes and not energies are multiplied.
    factor = torch.where(cap > 0, ratio.clamp(max=1).sqrt(), 1.0)
    if bool((factor == 1).all()):
        return field
    limited: Tensor = torch.fft.irfftn(
        spectrum * factor[:, :, shell], s=tuple(field.shape[2:]), dim=axes, norm="forward"
    )
    return limited


def _summed(spectrum: Tensor, shell: Tensor) -> Tensor:
    # `rfftn` stores one of each conjugate pair, which both a cap and its field leave out alike.
    power = spectrum.abs().square().flatten(2)
    total = power.new_zeros(*power.shape[:2], SHELLS)
    return total.index_add_(2, shell.flatten(), power)
