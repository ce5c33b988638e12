"""The rows without a network of `pde_dynamics.py`, and the blend of a network with a filter."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from lora.timing import Row
from pde_dynamics_parts import CASES, N_POINTS, STEPS, Step, data_of, rolled, scores
from pde_solver_coarse import coarse_grid, long_step
from torch import Tensor

from scionwood_pde.evaluation.filters import FILTERS, Filters


def blended(model: Tensor, linear: Tensor, wanted: Tensor, mean: Tensor) -> list[Tensor]:
    """Return the weights of the model and of the filter at each step, fitted by least squares."""
    weights = []
    for step in range(STEPS):
        parts = [(each[:, step] - mean).flatten().double() for each in (model, linear)]
        target = (wanted[:, step] - mean).flatten().double()
        weights.append(torch.linalg.lstsq(torch.stack(parts, 1), target[:, None]).solution[:, 0])
    return weights


def baselines(name: str, seed: int, filters: Filters) -> dict[str, Row]:
    """Return the rows of the filters and of the cheap solvers."""
    case, data = CASES[name], data_of(name, seed)
    test, rows = data.trajectories("test"), {}
    for each in FILTERS:
        made = filtered_rollout(filters, each, test[:2, 1])
        rows[each] = scores(partial(_filtered, filters, each), made, test)
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
