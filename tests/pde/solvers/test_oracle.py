"""Comparison with exponax 0.2.0, whose results `data/oracle.py` recorded."""

from __future__ import annotations

from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table

from scionwood_pde.solvers.convection import (
    Burgers,
    KuramotoSivashinsky,
    KuramotoSivashinskyConservative,
)
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.fluids import KolmogorovFlow, NavierStokes
from scionwood_pde.solvers.linear import Advection, Diffusion, Dispersion, HyperDiffusion, Wave
from scionwood_pde.solvers.nonlinear import curl
from scionwood_pde.solvers.reaction import AllenCahn, FisherKPP, GrayScott, SwiftHohenberg
from scionwood_pde.solvers.spectral import Grid

RECORDED = dict(np.load(Path(__file__).with_name("data") / "oracle.npz"))
STEPS = 20

CASES: dict[str, tuple[Equation, float]] = {
    "advection_1d": (Advection(speed=0.7), 0.01),
    "advection_3d": (Advection(speed=0.7), 0.01),
    "diffusion_2d": (Diffusion(diffusivity=0.02), 0.01),
    "dispersion_2d": (Dispersion(dispersivity=1e-3), 0.1),
    "hyper_diffusion_2d": (HyperDiffusion(hyper_diffusivity=1e-5), 0.1),
    "wave_2d": (Wave(speed=1.3), 0.02),
    "burgers_1d": (Burgers(diffusivity=0.02), 0.01),
    "burgers_2d_etdrk2": (Burgers(diffusivity=0.02), 0.01),
    "burgers_2d_scalar": (Burgers(diffusivity=0.02, form="scalar"), 0.01),
    "burgers_3d": (Burgers(diffusivity=0.02, form="conservative"), 0.01),
    "kuramoto_sivashinsky_1d": (KuramotoSivashinsky(length=22.0), 0.1),
    "kuramoto_sivashinsky_3d": (KuramotoSivashinsky(length=12.0), 0.1),
    "kuramoto_sivashinsky_conservative_1d": (KuramotoSivashinskyConservative(), 0.1),
    "navier_stokes_3d": (NavierStokes(viscosity=0.02), 0.02),
    "fisher_kpp_2d": (FisherKPP(diffusivity=0.01), 0.05),
    "allen_cahn_2d": (AllenCahn(), 0.05),
    "swift_hohenberg_2d": (SwiftHohenberg(reactivity=0.7, quadratic=1.0), 0.1),
    "gray_scott_2d": (GrayScott(feed=0.04, kill=0.06), 1.0),
}


def recorded(name: str, what: str) -> torch.Tensor:
    return torch.from_numpy(RECORDED[f"{name}.{what}"]).double()


def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the relative L2 distance."""
    return float((ours - theirs).norm() / theirs.norm())


@table("name", CASES)
def test_twenty_steps_agree_with_exponax(advance, name):
    equation, dt = CASES[name]
    start = recorded(name, "initial")[None]
    order = 2 if "etdrk2" in name else 4
    ours = advance(equation, start, dt, n_steps=STEPS, order=order).fields[0, -1]
    if ours.ndim == 4:
        ours = ours[:, ::2, ::2, ::2]
    assert distance(ours, recorded(name, "final")) < 1e-12


@pytest.mark.parametrize(
    ("name", "equation"),
    [
        ("navier_stokes_2d", NavierStokes(viscosity=0.02, drag=0.1)),
        ("kolmogorov_flow_2d", KolmogorovFlow(viscosity=0.02, drag=0.1, forcing=-0.8)),
    ],
)
def test_2d_velocity_agrees_with_the_vorticity_of_exponax(advance, name, equation):
    """exponax has `u = (d psi/dy, -d psi/dx)` and `laplace psi`: minus the usual vorticity."""
    grid = Grid(25, 2, 2 * pi, torch.float64)
    psi = grid.forward(recorded(name, "initial"))
    velocity = grid.inverse(torch.cat([grid.gradient[1] * psi, -grid.gradient[0] * psi]))
    ours = advance(equation, velocity[None], 0.02, n_steps=STEPS).fields[:, -1]
    vorticity = grid.inverse(curl(grid, grid.forward(ours)))[0]
    assert distance(-vorticity, recorded(name, "final")) < 1e-12


def test_3d_forcing_agrees_with_exponax_up_to_phase_and_factor(advance):
    """exponax forces one of the two conjugate modes: `A/2 cos(k y)` instead of `A sin(k y)`."""
    name, quarter_wave = "kolmogorov_flow_3d", 1  # 12 points over 3 waves
    equation = KolmogorovFlow(viscosity=0.01, drag=0.1, forcing=0.4, forcing_mode=3)
    start = recorded(name, "initial")[None].roll(quarter_wave, 3)
    ours = advance(equation, start, 0.02, n_steps=STEPS).fields[0, -1]
    ours = ours.roll(-quarter_wave, 2)[:, ::2, ::2, ::2]
    assert distance(ours, recorded(name, "final")) < 1e-12
