"""The rows without a network of `pde_dynamics.py`: filters and cheap solvers; and a blend."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from pde_dynamics_parts import CASES, N_POINTS, STEPS, Step, data_of, rolled, scores
from runner import Row
from torch import Tensor

from scionwood_pde.evaluation.filters import FILTERS, Filters
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.spectral import Grid


def blended(model: Tensor, linear: Tensor, truth: Tensor, mean: Tensor) -> list[Tensor]:
    """Return the weights of the model and of the filter at each step, fitted by least squares."""
    weights = []
    for step in range(STEPS):
        parts = [(item[:, step] - mean).flatten().double() for item in (model, linear)]
        target = (truth[:, step] - mean).flatten().double()
        weights.append(torch.linalg.lstsq(torch.stack(parts, 1), target[:, None]).solution[:, 0])
    return weights


def baselines(name: str, seed: int, filters: Filters) -> dict[str, Row]:
    """Return the rows of the filters and of the cheap solvers."""
    case, data = CASES[name], data_of(name, seed)
    test, rows = data.trajectories("test"), {}
    for item in FILTERS:
        states = filtered_rollout(filters, item, test[:2, 1])
        rows[item] = scores(partial(_filtered, filters, item), states, test)
    mean, std = (
        torch.tensor(values).view(-1, 1, 1, 1)
        for values in (data.normaliser.mean, data.normaliser.std)
    )
    parameters: dict[str, Any] = dict(case.parameters)
    equation = replace(data.equation, **parameters)
    dt = case.interval * equation.INTERVAL

    def shell(x: Tensor) -> Tensor:
        return _filtered(filters, "shell", (x - mean) / std) * std + mean

    solvers = {
        "solver, one long step": long_step(equation, N_POINTS, dt),
        "solver, 24^3": coarse_grid(equation, N_POINTS, dt, shell, coarse=24, substeps=2),
    }
    for title, solve in solvers.items():
        step = partial(_in_units, solve, mean, std)
        rows[title] = scores(step, rolled(step, test[:2]), test)
    return rows


def filtered_rollout(filters: Filters, name: str, start: Tensor) -> Tensor:
    """Return the rollout of a filter from normalised states, (sample, step, field, x, y, z)."""
    return torch.stack([_filtered(filters, name, start, h + 1) for h in range(STEPS)], dim=1)


def _filtered(filters: Filters, name: str, x: Tensor, steps: int = 1) -> Tensor:
    return filters.predict(name, x, steps).float()


def _in_units(solve: Step, mean: Tensor, std: Tensor, x: Tensor) -> Tensor:
    return (solve(x * std + mean) - mean) / std


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
        result = large.forward(fine(x).to(x.dtype))
        result[at] = state[low]
        return large.inverse(result)

    return advance


def _places(n_points: int, top: int) -> tuple[slice | Tensor, ...]:
    """Return the places of the modes up to `top` of a spectrum."""
    modes = torch.tensor([i for i in range(n_points) if min(i, n_points - i) <= top])
    last = torch.arange(top + 1)
    return slice(None), slice(None), modes[:, None, None], modes[None, :, None], last[None, None]
