"""Metrics of predicted states: by field, horizon and scale, and for conserved quantities.

States are tensors (sample, time, channel, *space). The metrics keep samples, times and channels
apart; the caller averages over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10, pi

import torch
from torch import Tensor

EPSILON = 1e-7
"""Added to a variance, as in The Well, so that constant fields do not divide by zero."""

FAINTEST = 1e-4
"""Smallest value of a spectrum, relative to its largest, that is compared.

Below it an autoencoder reconstructs nothing.
"""

WINDOWS: Mapping[str, tuple[int, int]] = {"1": (0, 1), "6:12": (6, 12), "13:30": (13, 30)}
"""Horizons of a rollout: the first step, and the step after the last.

The first predicted step is 0, as in the benchmark of The Well.
"""


def vrmse(predicted: Tensor, reference: Tensor, *, where: Tensor | None = None) -> Tensor:
    """Return the root mean square error over the standard deviation; predicting the mean gives 1.

    Args:
        predicted: (sample, time, channel, *space).
        reference: the same shape.
        where: the points that count, bool of the same shape. `None` means all points.

    Returns:
        (sample, time, channel), no unit; NaN where fewer than two points count.

    Raises:
        ValueError: the shapes differ, or lack space.

    Source: The Well, https://github.com/PolymathicAI/the_well: the variance is that of
        `torch.std`, divided by n - 1, plus 1e-7.
    """
    error, space = _error(predicted, reference)
    if where is None or bool(where.all()):
        return (error.square().mean(space) / (reference.std(space).square() + EPSILON)).sqrt()
    count = where.sum(space)
    spread = reference - _mean(reference, where).reshape(*count.shape, *[1] * len(space))
    # n / (n - 1), as in `reference.std` above.
    variance = _mean(spread.square(), where) * count / (count - 1)
    return (_mean(error.square(), where) / (variance + EPSILON)).sqrt()


def nrmse(predicted: Tensor, reference: Tensor, *, where: Tensor | None = None) -> Tensor:
    """Return the root mean square error over the root mean square of the reference.

    Args:
        predicted: (sample, time, channel, *space).
        reference: the same shape.
        where: see `vrmse`.

    Returns:
        (sample, time, channel), no unit; infinite or NaN if the reference is zero everywhere.

    Raises:
        ValueError: the shapes differ, or lack space.

    Source: PDEBench, arXiv:2210.07182, whose nRMSE is the mean of this over samples.
    """
    error, _ = _error(predicted, reference)
    return (_mean(error.square(), where) / _mean(reference.square(), where)).sqrt()


def conserved_error(predicted: Tensor, reference: Tensor, *, where: Tensor | None = None) -> Tensor:
    """Return the error of the mean over space, which many equations conserve.

    Args:
        predicted: (sample, time, channel, *space).
        reference: the same shape.
        where: see `vrmse`.

    Returns:
        (sample, time, channel), absolute, in the fields' units.

    Raises:
        ValueError: the shapes differ, or lack space.

    Source: PDEBench, arXiv:2210.07182, whose cRMSE is the root mean square of this over samples.
    """
    error, _ = _error(predicted, reference)
    return _mean(error, where).abs()


def spectrum(states: Tensor, lengths: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return half the variance of each field in shells of wavenumber.

    Summed over the components of a velocity, this is the energy spectrum. Shell n holds the
    wavenumbers within half a step of n steps, where a step is 2 pi over the longest side. Modes in
    the corners, beyond the highest wavenumber that all axes resolve, are dropped.

    Args:
        states: (..., *space), periodic.
        lengths: sides of the box, in the unit of length.

    Returns:
        Wavenumbers (shell,), in radians over the unit of length, and the spectrum (..., shell), in
        the squared unit of the field. Except for the corners, its sum is half the mean square.
    """
    sides = states.shape[-len(lengths) :]
    axes = tuple(range(-len(lengths), 0))
    power = torch.fft.fftn(states.double(), dim=axes, norm="forward").abs().square() / 2
    step = 2 * pi / max(lengths)
    waves = _wavenumbers(sides, [n / s for n, s in zip(lengths, sides, strict=True)])
    highest = min(pi * side / length for side, length in zip(sides, lengths, strict=True))
    shells = (waves / step).round().long().flatten().to(states.device)
    # Without the small number, rounding would drop the last shell of some boxes.
    count = int(highest / step + 1e-9) + 1
    summed = power.new_zeros(*power.shape[: -len(lengths)], max(count, int(shells.max()) + 1))
    summed.index_add_(-1, shells, power.flatten(-len(lengths)))
    return step * torch.arange(count, dtype=torch.float64), summed[..., :count]


def spectral_error(predicted: Tensor, reference: Tensor, bins: int = 3) -> Tensor:
    """Return the mean square error in bins of wavenumber that are even in the logarithm.

    Args:
        predicted: (sample, time, channel, *space) with equal sides of N cells.
        reference: the same shape.
        bins: number of bins from 0 to pi over a cell; the first edge above 0 is 2 pi / N.

    Returns:
        (sample, time, channel, bin), in the squared unit of the field.

    Raises:
        ValueError: the shapes differ, or the sides are not equal.

    Source: `binned_spectral_mse` of The Well, https://github.com/PolymathicAI/the_well.
    """
    error, space = _error(predicted, reference)
    sides = error.shape[3:]
    if len(set(sides)) > 1:
        raise ValueError(f"sides {tuple(sides)}: these bins need equal sides. Use `spectrum`")
    edges = torch.logspace(log10(2 * pi / sides[0]), log10(pi), bins + 1, device=error.device)
    # The first bin also holds the mean error, mode 0, whose logarithm does not exist.
    edges[0] = 0
    places = torch.bucketize(
        _wavenumbers(sides, [1.0] * len(sides)).float(), edges.cpu(), right=True
    )
    power: Tensor = torch.fft.fftn(error, dim=space, norm="forward").abs().square().flatten(3)
    summed = power.new_zeros(*power.shape[:3], bins + 1)
    summed.index_add_(-1, (places - 1).flatten().to(error.device), power)
    # The last bin holds what lies beyond pi over a cell, the corners.
    return summed[..., :bins]


def enstrophy(velocity: Tensor, spacing: Sequence[float]) -> Tensor:
    """Return half the mean square of the vorticity of a periodic flow.

    Args:
        velocity: (..., component, *space), with two components in 2D and three in 3D.
        spacing: distance between points along each axis, in the unit of length.

    Returns:
        (...), 1 / time^2.

    Raises:
        ValueError: the number of components is not that of the axes, or neither 2 nor 3.
    """
    dims = len(spacing)
    if dims not in (2, 3) or velocity.ndim <= dims or velocity.shape[-dims - 1] != dims:
        raise ValueError(
            f"velocity of shape {tuple(velocity.shape)} in {dims}D: it must be (..., component, "
            "*space) with as many components as axes, two or three. Choose the velocity's channels"
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
    """Return means of an error over the horizons of a rollout.

    Args:
        values: (sample, time, channel), of predicted steps only, starting with the first.
        windows: horizons by name; those that begin after the last step are dropped.

    Returns:
        (channel,) for each horizon, averaged over samples and the available steps.
    """
    steps = values.shape[1]
    horizons = {name: (first, last) for name, (first, last) in windows.items() if first < steps}
    return {name: values[:, first:last].mean((0, 1)) for name, (first, last) in horizons.items()}


def spectral_distance(predicted: Tensor, reference: Tensor, lengths: Sequence[float]) -> Tensor:
    """Return the mean distance between the spectra of two periodic states, in decades.

    It is the mean of `|log10 (E' / E)|` over shells, without the mean of the field and without
    shells whose E is below `FAINTEST` of the largest.

    Args:
        predicted: (sample, time, channel, *space).
        reference: the same shape.
        lengths: sides of the box; see `spectrum`.

    Returns:
        (sample, time, channel); NaN for a constant field.
    """
    predicted_power, reference_power = (
        spectrum(states, lengths)[1][..., 1:] for states in (predicted, reference)
    )
    distances, is_strong = decades(predicted_power, reference_power)
    return (distances * is_strong).sum(-1) / is_strong.sum(-1)


def decades(predicted: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of two spectra (..., shell) in decades, and which shells count.

    A shell without energy counts as 1e-300, so that the distance is large and finite.

    Args:
        predicted: the predicted spectrum, float64.
        reference: the reference of the same shape.

    Returns:
        `|log10 (E' / E)|`, and bool: E is at least `FAINTEST` of the largest; of a field without
        energy, no shell counts.
    """
    strongest = reference.amax(-1, keepdim=True).clamp(min=1e-300)
    ratio = predicted.clamp(min=1e-300) / reference.clamp(min=1e-300)
    return ratio.log10().abs(), reference >= FAINTEST * strongest


def _mean(values: Tensor, where: Tensor | None) -> Tensor:
    """Return the mean over space of the points that count."""
    space = tuple(range(3, values.ndim))
    if where is None:
        return values.mean(space)
    return values.where(where, 0).sum(space) / where.sum(space)


def _error(predicted: Tensor, reference: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    if predicted.shape != reference.shape or reference.ndim < 4:
        raise ValueError(
            f"predicted {tuple(predicted.shape)}, reference {tuple(reference.shape)}: both must "
            "be (sample, time, channel, *space) of one shape. Choose the same samples and times"
        )
    return predicted - reference, tuple(range(3, reference.ndim))


def _wavenumbers(
    sides: Sequence[int], spacing: Sequence[float], dtype: torch.dtype = torch.float64
) -> Tensor:
    """Return |k| of every mode, (*space), in radians over the unit of spacing."""
    squared = torch.zeros(1, dtype=dtype)
    for axis, (side, step) in enumerate(zip(sides, spacing, strict=True)):
        k = 2 * pi * torch.fft.fftfreq(side, step, dtype=dtype)
        squared = squared + (k**2).reshape([-1 if i == axis else 1 for i in range(len(sides))])
    return squared.sqrt()


def _derivative(x: Tensor, axis: int, spacing: float) -> Tensor:
    """Return the derivative of a periodic field, exact for all modes that the grid resolves."""
    side = x.shape[axis]
    k = 2 * pi * torch.fft.rfftfreq(side, spacing, dtype=torch.float64, device=x.device)
    if side % 2 == 0:
        k[-1] = 0  # the sine of the highest mode is zero on the grid
    shape = [1] * x.ndim
    shape[axis] = -1
    slope: Tensor = torch.fft.irfft(
        1j * k.reshape(shape) * torch.fft.rfft(x, dim=axis), side, dim=axis
    )
    return slope
