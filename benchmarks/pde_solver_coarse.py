"""Cheap solvers as baselines of dynamics: a coarser grid, and one long time step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.spectral import Grid

Step = Callable[[Tensor], Tensor]
"""A function from states (batch, channel, *space) in their units to the next ones."""


def long_step(equation: Equation, n_points: int, dt: float) -> Step:
    """Return one step of ETDRK2 over the whole time between two frames."""
    grid = Grid(n_points, 3, equation.length)
    step = equation.stepper(grid, dt, 2)
    return lambda x: grid.inverse(step(grid.forward(x)))


def coarse_grid(
    equation: Equation, n_points: int, dt: float, fine: Step, *, coarse: int, substeps: int
) -> Step:
    """Return a step on a coarser grid; the modes that it lacks follow another step.

    Args:
        equation: the equation with its parameters.
        n_points: points of the states along each axis.
        dt: time between two frames.
        fine: the step of the modes that the coarse grid does not resolve, such as a linear filter.
        coarse: points of the coarse grid along each axis.
        substeps: time steps between two frames.
    """
    small, large = Grid(coarse, 3, equation.length), Grid(n_points, 3, equation.length)
    step = equation.stepper(small, dt / substeps, 2)
    top = 2 * (coarse // 2) // 3 - 1
    at, low = _places(n_points, top), _places(coarse, top)

    def advance(x: Tensor) -> Tensor:
        spectrum = large.forward(x)
        state = spectrum.new_zeros(*x.shape[:2], coarse, coarse, coarse // 2 + 1)
        state[low] = spectrum[at]
        for _ in range(substeps):
            state = step(state)
        made = large.forward(fine(x).to(x.dtype))
        made[at] = state[low]
        return large.inverse(made)

    return advance


def _places(n_points: int, top: int) -> tuple[slice | Tensor, ...]:
    """Return the places of the modes up to `top` of a spectrum."""
    kept = torch.tensor([i for i in range(n_points) if min(i, n_points - i) <= top])
    last = torch.arange(top + 1)
    return slice(None), slice(None), kept[:, None, None], kept[None, :, None], last[None, None]
