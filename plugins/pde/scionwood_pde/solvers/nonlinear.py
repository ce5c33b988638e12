"""Nonlinear terms: pointwise in space, de-aliased, from spectrum to spectrum.

Each function returns an N(u) for one grid. Modes beyond the de-aliasing limit (`Grid.resolved`) are
removed before the product is formed and again after it. The remaining modes are those of the exact
product.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scionwood_pde.solvers.etd import Nonlinear
from scionwood_pde.solvers.kept import KeptGrid, rotational_kept
from scionwood_pde.solvers.spectral import Grid


def pointwise(grid: Grid, degree: int, reaction: Callable[[Tensor], Tensor]) -> Nonlinear:
    """Return `N(u) = f(u)` for a polynomial f of the fields at each point.

    Args:
        grid: grid of the fields.
        degree: degree of f; the de-aliasing keeps 2 / (degree + 1) of the modes.
        reaction: f, from (batch, channel, *space) to the same shape.
    """
    mask = grid.resolved(degree)
    return lambda u: grid.forward(reaction(grid.inverse(u * mask))) * mask


def advective(grid: Grid, scale: Tensor) -> Nonlinear:
    """Return `N(u) = -b (u . grad) u` for a vector field.

    Args:
        grid: grid of the fields.
        scale: b, which broadcasts to (batch, channel, *space).
    """
    mask = grid.resolved(2)

    def evaluate(u: Tensor) -> Tensor:
        resolved = u * mask
        velocity = grid.inverse(resolved)
        total = torch.zeros_like(velocity)
        for axis in range(grid.dims):
            slope = grid.inverse(resolved * grid.gradient[axis])
            total = total + velocity[:, axis : axis + 1] * slope
        return grid.forward(-scale * total) * mask

    return evaluate


def conservative(grid: Grid, scale: Tensor) -> Nonlinear:
    """Return `N(u) = -b/2 div(u (x) u)` for a vector field, which conserves the mean.

    Args:
        grid: grid of the fields.
        scale: b, which broadcasts to (batch, channel, *space).
    """
    mask = grid.resolved(2)
    pairs = [(i, j) for i in range(grid.dims) for j in range(i, grid.dims)]
    # u_i u_j = u_j u_i: 6 transforms in 3D instead of 9.
    place = {pair: n for n, (i, j) in enumerate(pairs) for pair in ((i, j), (j, i))}

    def evaluate(u: Tensor) -> Tensor:
        velocity = grid.inverse(u * mask)
        products = torch.stack([velocity[:, i] * velocity[:, j] for i, j in pairs], dim=1)
        flux = grid.forward(-scale / 2 * products) * mask
        rows = [
            sum(grid.gradient[j] * flux[:, place[i, j]] for j in range(grid.dims))
            for i in range(grid.dims)
        ]
        return torch.stack([torch.as_tensor(row) for row in rows], dim=1)

    return evaluate


def scalar_flux(grid: Grid, scale: Tensor) -> Nonlinear:
    """Return `N(u) = -b/2 sum_i d(u^2)/dx_i` for a scalar field, which conserves the mean.

    Args:
        grid: grid of the fields.
        scale: b, which broadcasts to (batch, channel, *space).
    """
    mask = grid.resolved(2)
    divergence = grid.sum_of_derivatives(1).to(grid.dtype.to_complex()) * mask
    return lambda u: divergence * grid.forward(-scale / 2 * grid.inverse(u * mask) ** 2)


def gradient_norm(grid: Grid, scale: Tensor) -> Nonlinear:
    """Return `N(u) = -b/2 (|grad u|^2 - its mean)` for each channel, which conserves the mean.

    Args:
        grid: grid of the fields.
        scale: b, which broadcasts to (batch, channel, *space).
    """
    mask = grid.resolved(2)
    # Mode 0 is the mean, so dropping it subtracts the mean.
    fluctuation = mask * (grid.squared_wavenumber > 0)

    def evaluate(u: Tensor) -> Tensor:
        resolved = u * mask
        square = torch.zeros((), dtype=grid.dtype, device=u.device)
        for symbol in grid.gradient:
            square = square + grid.inverse(resolved * symbol) ** 2
        return grid.forward(-scale / 2 * square) * fluctuation

    return evaluate


def rotational(grid: Grid) -> Nonlinear:
    """Return `N(u) = P(u x curl u)`, incompressible convection in rotational form.

    It equals `-P((u . grad) u)` and conserves kinetic energy on the grid, since `u x omega` is
    orthogonal to u at every point. P is Leray's projection, which replaces the pressure.

    Args:
        grid: grid of the fields, in 2 or 3 dimensions.

    Source: Canuto, Hussaini, Quarteroni, Zang, Spectral Methods, 2007, section 3.3.
    """
    if isinstance(grid, KeptGrid) and grid.dims == 3:
        return rotational_kept(grid)
    mask = grid.resolved(2)
    turn = _turn_2d if grid.dims == 2 else _turn_3d

    def evaluate(u: Tensor) -> Tensor:
        resolved = u * mask
        # One transform of velocity and vorticity together.
        both = grid.inverse(torch.cat([resolved, curl(grid, resolved)], dim=1))
        return grid.project(grid.forward(turn(both[:, : grid.dims], both[:, grid.dims :])) * mask)

    return evaluate


def curl(grid: Grid, spectrum: Tensor) -> Tensor:
    """Return the curl of a vector field, from spectrum to spectrum.

    Args:
        grid: grid of the fields, in 2 or 3 dimensions.
        spectrum: (batch, dims, *modes), complex.

    Returns:
        (batch, 1, *modes) in 2D, `d u_y / dx - d u_x / dy`; (batch, 3, *modes) in 3D.
    """
    slope, u = grid.gradient, spectrum
    if grid.dims == 2:
        return (slope[0] * u[:, 1] - slope[1] * u[:, 0]).unsqueeze(1)
    parts = [slope[j] * u[:, k] - slope[k] * u[:, j] for j, k in ((1, 2), (2, 0), (0, 1))]
    return torch.stack(parts, dim=1)


def _turn_2d(u: Tensor, omega: Tensor) -> Tensor:
    return torch.stack([u[:, 1] * omega[:, 0], -u[:, 0] * omega[:, 0]], dim=1)


def _turn_3d(u: Tensor, omega: Tensor) -> Tensor:
    return torch.cross(u, omega, dim=1)
