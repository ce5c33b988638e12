"""How far predicted states are from true ones: by field, by horizon, by scale, by what they keep.

States are (sample, time, channel, *space) tensors; a mean over samples and times is the caller's,
so that every number can be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10, pi

import torch
from torch import Tensor

EPSILON = 1e-7
"""The Well's, added to a variance so that constant fields divide."""

WINDOWS: Mapping[str, tuple[int, int]] = {"1": (0, 1), "6:12": (6, 12), "13:30": (13, 30)}
"""Horizons of a rollout: steps from the first of a pair up to the second, which is left out.

Steps count from 0 for the first that was predicted, as in The Well's benchmark.
"""


def vrmse(predicted: Tensor, true: Tensor) -> Tensor:
    """The root mean square error over the standard deviation: 1 where the mean is predicted.

    Args:
        predicted: (sample, time, channel, *space).
        true: the same shape.

    Returns:
        (sample, time, channel), no unit.

    Raises:
        ValueError: the shapes differ, or lack space.

    Source: The Well, https://github.com/PolymathicAI/the_well: the variance is that of
        `torch.std`, divided by n - 1, plus 1e-7.
    """
    error, space = _error(predicted, true)
    return (error.square().mean(space) / (true.std(space).square() + EPSILON)).sqrt()


def nrmse(predicted: Tensor, true: Tensor) -> Tensor:
    """The root mean square error over the root mean square of the truth.

    Args:
        predicted: (sample, time, channel, *space).
        true: the same shape.

    Returns:
        (sample, time, channel), no unit; infinite or NaN where the truth is zero everywhere.

    Raises:
        ValueError: the shapes differ, or lack space.

    Source: PDEBench, arXiv:2210.07182, whose nRMSE is the mean of this over samples.
    """
    error, space = _error(predicted, true)
    return error.square().mean(space).sqrt() / true.square().mean(space).sqrt()


def conserved_error(predicted: Tensor, true: Tensor) -> Tensor:
    """The error of the mean over space, which many equations conserve.

    Args:
        predicted: (sample, time, channel, *space).
        true: the same shape.

    Returns:
        (sample, time, channel), absolute, in the fields' units.

    Raises:
        ValueError: the shapes differ, or lack space.

    Source: PDEBench, arXiv:2210.07182, whose cRMSE is the root mean square of this over samples.
    """
    error, space = _error(predicted, true)
    return error.mean(space).abs()


def spectrum(states: Tensor, lengths: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Half the variance of each field in shells of wavenumber: summed over u it is energy.

    Shell n holds the wavenumbers within half a step of n steps; a step is 2 pi over the longest
    side. What lies in the corners, beyond the shortest wavelength that every axis has, is left out.

    Args:
        states: (..., *space), periodic.
        lengths: the sides of the box, in the unit of length.

    Returns:
        Wavenumbers (shell,), radians over the unit of length, and the spectrum (..., shell), in the
        squared unit of the field. Without corners its sum is half the mean square.
    """
    sides = states.shape[-len(lengths) :]
    axes = tuple(range(-len(lengths), 0))
    power = torch.fft.fftn(states.double(), dim=axes, norm="forward").abs().square() / 2
    step = 2 * pi / max(lengths)
    waves = _wavenumbers(sides, [n / s for n, s in zip(lengths, sides, strict=True)])
    highest = min(pi * side / length for side, length in zip(sides, lengths, strict=True))
    shells = (waves / step).round().long().flatten().to(states.device)
    count = int(highest / step + 1e-9) + 1
    summed = power.new_zeros(*power.shape[: -len(lengths)], max(count, int(shells.max()) + 1))
    summed.index_add_(-1, shells, power.flatten(-len(lengths)))
    return step * torch.arange(count, dtype=torch.float64), summed[..., :count]


def spectral_error(predicted: Tensor, true: Tensor, bins: int = 3) -> Tensor:
    """The mean square error of low, middle and high wavenumbers, even in the logarithm.

    Args:
        predicted: (sample, time, channel, *space) with equal sides, N.
        true: the same shape.
        bins: how many, from 0 to pi over a cell; the first edge beyond 0 is at 2 pi / N.

    Returns:
        (sample, time, channel, bin), in the squared unit of the field.

    Raises:
        ValueError: the shapes differ, or the sides do.

    Source: `binned_spectral_mse` of The Well, https://github.com/PolymathicAI/the_well.
    """
    error, space = _error(predicted, true)
    sides = error.shape[3:]
    if len(set(sides)) > 1:
        raise ValueError(f"sides {tuple(sides)}: these bins need equal ones. Use `spectrum`")
    edges = torch.logspace(log10(2 * pi / sides[0]), log10(pi), bins + 1, device=error.device)
    edges[0] = 0
    places = torch.bucketize(
        _wavenumbers(sides, [1.0] * len(sides)).float(), edges.cpu(), right=True
    )
    power: Tensor = torch.fft.fftn(error, dim=space, norm="forward").abs().square().flatten(3)
    summed = power.new_zeros(*power.shape[:3], bins + 1)
    summed.index_add_(-1, (places - 1).flatten().to(error.device), power)
    return summed[..., :bins]


def enstrophy(velocity: Tensor, spacing: Sequence[float]) -> Tensor:
    """Half the mean square of the vorticity of a periodic flow.

    Args:
        velocity: (..., component, *space), two components in 2D, three in 3D.
        spacing: between points along each axis, in the unit of length.

    Returns:
        (...), 1 / time^2.

    Raises:
        ValueError: components and axes are not two or three alike.
    """
    dims = len(spacing)
    if dims not in (2, 3) or velocity.ndim <= dims or velocity.shape[-dims - 1] != dims:
        raise ValueError(
            f"velocity of shape {tuple(velocity.shape)} in {dims}D: it is (..., component, *space) "
            "with as many components as axes, two or three. Choose the velocity's channels"
        )
    parts = velocity.double().unbind(-dims - 1)

    def slope(component: int, axis: int) -> Tensor:
        return _derivative(parts[component], axis - dims, spacing[axis])

    pairs = [(0, 1)] if dims == 2 else [(0, 1), (1, 2), (2, 0)]
    squares = [(slope(j, i) - slope(i, j)).square() for i, j in pairs]
    return sum(squares, start=torch.zeros_like(squares[0])).mean(tuple(range(-dims, 0))) / 2


def by_window(
    values: Tensor, windows: Mapping[str, tuple[int, int]] = WINDOWS
) -> dict[str, Tensor]:
    """Means of an error over the horizons of a rollout.

    Args:
        values: (sample, time, channel), of predicted steps alone, from the first.
        windows: horizons by name; those that begin after the last step are left out.

    Returns:
        (channel,) for each window, over samples and the steps that there are.
    """
    steps = values.shape[1]
    kept = {name: (first, last) for name, (first, last) in windows.items() if first < steps}
    return {name: values[:, first:last].mean((0, 1)) for name, (first, last) in kept.items()}


def _error(predicted: Tensor, true: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    if predicted.shape != true.shape or true.ndim < 4:
        raise ValueError(
            f"predicted {tuple(predicted.shape)}, true {tuple(true.shape)}: both are (sample, "
            "time, channel, *space) of one shape. Choose the same samples, times and channels"
        )
    return predicted - true, tuple(range(3, true.ndim))


def _wavenumbers(
    sides: Sequence[int], spacing: Sequence[float], dtype: torch.dtype = torch.float64
) -> Tensor:
    """|k| of every mode, (*space), in radians over the unit of spacing."""
    squared = torch.zeros(1, dtype=dtype)
    for axis, (side, step) in enumerate(zip(sides, spacing, strict=True)):
        k = 2 * pi * torch.fft.fftfreq(side, step, dtype=dtype)
        squared = squared + (k**2).reshape([-1 if i == axis else 1 for i in range(len(sides))])
    return squared.sqrt()


def _derivative(x: Tensor, axis: int, spacing: float) -> Tensor:
    """Of a periodic field, exact for what the grid resolves."""
    side = x.shape[axis]
    k = 2 * pi * torch.fft.rfftfreq(side, spacing, dtype=torch.float64, device=x.device)
    if side % 2 == 0:
        k[-1] = 0  # the highest mode has no sine on the grid
    shape = [1] * x.ndim
    shape[axis] = -1
    slope: Tensor = torch.fft.irfft(
        1j * k.reshape(shape) * torch.fft.rfft(x, dim=axis), side, dim=axis
    )
    return slope
