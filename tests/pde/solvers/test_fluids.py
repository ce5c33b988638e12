"""Linear equations and flows against exact solutions and balances."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import pytest
import torch
from case_table import table

from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.fluids import KolmogorovFlow, NavierStokes
from scionwood_pde.solvers.initial import DivergenceFree
from scionwood_pde.solvers.linear import (
    Advection,
    AdvectionDiffusion,
    Diffusion,
    Dispersion,
    HyperDiffusion,
    Wave,
)
from scionwood_pde.solvers.nonlinear import curl, rotational
from scionwood_pde.solvers.spectral import Grid


def box(n_points: int, dims: int) -> Grid:
    return Grid(n_points, dims, 2 * pi, torch.float64)


def turbulent(n_points: int, dims: int, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return DivergenceFree()(box(n_points, dims), batch, dims, generator)


def mean(field: torch.Tensor, dims: int) -> torch.Tensor:
    return field.mean(tuple(range(-dims, 0)))


def energy(u: torch.Tensor, dims: int) -> torch.Tensor:
    """Return `<|u|^2> / 2` of (..., channel, *space)."""
    return mean((u**2).sum(-dims - 1), dims) / 2


def enstrophy(u: torch.Tensor, dims: int) -> torch.Tensor:
    """Return `<|omega|^2> / 2` of (batch, channel, *space)."""
    grid = box(u.shape[-1], dims)
    return energy(grid.inverse(curl(grid, grid.forward(u))), dims)


def divergence(u: torch.Tensor, dims: int) -> torch.Tensor:
    grid = box(u.shape[-1], dims)
    spectrum = grid.forward(u)
    parts = [spectrum[:, i] * grid.gradient[i] for i in range(dims)]
    return grid.inverse(torch.stack(parts).sum(0))


def test_the_2d_vortex_decays_as_in_taylors_solution(advance):
    x, y = box(16, 2).points
    start = torch.stack([x.sin() * y.cos(), -x.cos() * y.sin()])[None]
    end = advance(NavierStokes(viscosity=0.1, drag=0.05), start, 2.0, substeps=20).fields[:, -1]
    rate = torch.tensor(-2 * 0.1 - 0.05, dtype=torch.float64)
    assert (end - start * torch.exp(rate * 2.0)).abs().max() < 1e-12


@pytest.mark.parametrize("dims", [2, 3])
def test_the_energy_of_a_forced_flow_is_balanced(advance, dims):
    """`dE/dt = -2 nu Z - 2 a E + <f . u>` with the drag a."""
    nu, drag, dt = 0.02, 0.1, 0.01
    equation = KolmogorovFlow(viscosity=nu, drag=drag, forcing=0.7, forcing_mode=2)
    flow = advance(equation, turbulent(16, dims, 1), dt, n_steps=20).fields[0]
    y = box(16, dims).points[1]
    given = mean(0.7 * torch.sin(2 * y) * flow[:, 0], dims)
    balance = -2 * nu * enstrophy(flow, dims) - 2 * drag * energy(flow, dims) + given
    kinetic = energy(flow, dims)
    slope = (kinetic[2:] - kinetic[:-2]) / (2 * dt)
    assert balance.abs().min() > 1e-3
    assert (slope - balance[1:-1]).abs().max() < 1e-4
    assert divergence(flow, dims).abs().max() < 1e-12


@pytest.mark.parametrize("dims", [2, 3])
def test_convection_conserves_energy(dims):
    grid = box(16, dims)
    u = grid.forward(turbulent(16, dims)) * grid.resolved(2)
    work = (grid.inverse(u) * grid.inverse(rotational(grid)(u))).sum(1)
    assert work.abs().max() > 1e-2
    assert mean(work, dims).abs().max() < 1e-14


@table("mode", [5, 8, 40])
def test_refuses_a_forcing_beyond_the_grid(advance, mode):
    with pytest.raises(ValueError, match=f"forcing_mode={mode}.*lower forcing_mode"):
        advance(KolmogorovFlow(forcing_mode=mode), turbulent(16, 2), 0.1)
    with pytest.raises(ValueError, match=r"NavierStokes in 1D.*\(2, 3\)"):
        advance(NavierStokes(), torch.zeros(1, 1, 16), 0.1)


LENGTH, TIME = 2.5, 1.3
MODES = ((1, 2, 3), (-2, 1, 0), (0, 3, -1))  # three plane waves, with a column for each axis
PHASES = (0.3, 1.1, -0.7)


def still(k: torch.Tensor) -> float:
    return 0.0


def waves(
    dims: int,
    n_points: int,
    decay: Callable[..., float] = still,
    turn: Callable[..., float] = still,
    time: float = 0.0,
) -> torch.Tensor:
    """Return the sum of `exp(-decay(k) t) sin(k x + phase + turn(k) t)`, (1, 1, *space)."""
    x = Grid(n_points, dims, LENGTH, torch.float64).points
    total = torch.zeros(x.shape[1:], dtype=torch.float64)
    for modes, phase in zip(MODES, PHASES, strict=True):
        k = 2 * pi / LENGTH * torch.tensor(modes[:dims], dtype=torch.float64)
        angle = torch.einsum("d,d...->...", k, x) + phase + turn(k) * time
        total = total + torch.exp(torch.as_tensor(-decay(k) * time)) * angle.sin()
    return total[None, None]


EXACT: dict[str, tuple[Equation, Callable[..., float], Callable[..., float]]] = {
    "advection": (Advection(length=LENGTH, speed=0.7), still, lambda k: -0.7 * k.sum()),
    "diffusion": (
        Diffusion(length=LENGTH, diffusivity=0.03),
        lambda k: 0.03 * (k**2).sum(),
        still,
    ),
    "advection_diffusion": (
        AdvectionDiffusion(length=LENGTH, speed=-0.4, diffusivity=0.02),
        lambda k: 0.02 * (k**2).sum(),
        lambda k: 0.4 * k.sum(),
    ),
    "dispersion": (
        Dispersion(length=LENGTH, dispersivity=0.01),
        still,
        lambda k: -0.01 * (k**3).sum(),
    ),
    "hyper_diffusion": (
        HyperDiffusion(length=LENGTH, hyper_diffusivity=2e-3),
        lambda k: 2e-3 * (k**4).sum(),
        still,
    ),
    "hyper_diffusion, biharmonic": (
        HyperDiffusion(length=LENGTH, hyper_diffusivity=2e-3, biharmonic=True),
        lambda k: 2e-3 * (k**2).sum() ** 2,
        still,
    ),
}


@table("n_points", [12, 13])
@table("dims", [1, 2, 3])
@table("name", EXACT)
def test_plane_waves_follow_the_dispersion_relation(advance, name, dims, n_points):
    equation, decay, turn = EXACT[name]
    run = advance(equation, waves(dims, n_points), TIME / 4, n_steps=4, substeps=3)
    for time, frame in zip(run.times.tolist(), run.fields[0], strict=True):
        exact = waves(dims, n_points, decay, turn, time)[0]
        assert (frame - exact).abs().max() < 1e-12


@table("dims", [1, 2, 3])
def test_standing_waves_oscillate_and_a_mean_rate_drifts(advance, dims):
    speed, drift = 1.7, 0.25
    height = waves(dims, 12)
    start = torch.cat([height, torch.full_like(height, drift)], dim=1)
    end = advance(Wave(length=LENGTH, speed=speed), start, TIME, substeps=5).fields[0, -1]
    exact_h = torch.full_like(end[0], drift * TIME)
    exact_v = torch.full_like(end[1], drift)
    x = Grid(12, dims, LENGTH, torch.float64).points
    for modes, phase in zip(MODES, PHASES, strict=True):
        k = 2 * pi / LENGTH * torch.tensor(modes[:dims], dtype=torch.float64)
        omega = speed * k.norm()
        shape = torch.sin(torch.einsum("d,d...->...", k, x) + phase)
        exact_h = exact_h + shape * torch.cos(omega * TIME)
        exact_v = exact_v - shape * omega * torch.sin(omega * TIME)
    assert (end[0] - exact_h).abs().max() < 1e-12
    assert (end[1] - exact_v).abs().max() < 1e-11
