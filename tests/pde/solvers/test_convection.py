"""Equations of convection and of reaction against exact solutions and balances."""

from __future__ import annotations

from math import exp, pi

import pytest
import torch
from case_table import table

from scionwood_pde.solvers.convection import (
    Burgers,
    KortewegDeVries,
    KuramotoSivashinsky,
    KuramotoSivashinskyConservative,
)
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.initial import TruncatedFourier
from scionwood_pde.solvers.reaction import GrayScott
from scionwood_pde.solvers.spectral import Grid


def states(equation: Equation, n_points: int, dims: int, batch: int = 2) -> torch.Tensor:
    grid = Grid(n_points, dims, equation.length, torch.float64)
    generator = torch.Generator().manual_seed(0)
    channels = len(equation.channels(dims))
    return TruncatedFourier(cutoff=2)(grid, batch, channels, generator)


def test_burgers_follows_the_cole_hopf_solution(advance):
    """`u = -2 nu theta_x / theta` where theta diffuses: `1 + a exp(-nu k^2 t) cos(k x)`."""
    nu, time, k, a = 0.05, 0.5, 2 * pi, 0.6
    x = Grid(64, 1, 1.0, torch.float64).points

    def exact(t: float) -> torch.Tensor:
        fading = a * torch.exp(torch.tensor(-nu * k**2 * t, dtype=torch.float64))
        return (2 * nu * k * fading * torch.sin(k * x) / (1 + fading * torch.cos(k * x)))[None]

    end = advance(Burgers(diffusivity=nu), exact(0.0), time, substeps=200).fields[:, -1]
    assert (end - exact(time)).abs().max() < 1e-9


@pytest.mark.parametrize(("amplitude", "speed"), [(0.5, 1.0), (1.0, 2.0)])
def test_a_soliton_keeps_its_shape_and_its_speed(advance, amplitude, speed):
    """`u = c/2 sech^2(sqrt(c)/2 (x - c t))`; the periodic images do not overlap."""
    x = Grid(256, 1, 50.0, torch.float64).points

    def exact(t: float) -> torch.Tensor:
        return (speed / 2 / torch.cosh(speed**0.5 / 2 * (x - 20 - speed * t)) ** 2)[None]

    equation = KortewegDeVries(length=50.0, hyper_diffusivity=0.0)
    end = advance(equation, exact(0.0), 3.0, substeps=300).fields[:, -1]
    assert end.max() == pytest.approx(amplitude, abs=0.01)
    assert (end - exact(3.0)).abs().max() < 2e-6


CONSERVING = {
    "burgers, 1D": (Burgers(), 32, 1),
    "burgers, conservative": (Burgers(form="conservative"), 16, 3),
    "burgers, scalar": (Burgers(form="scalar"), 16, 2),
    "kuramoto_sivashinsky": (KuramotoSivashinsky(), 24, 2),
    "kuramoto_sivashinsky_conservative": (KuramotoSivashinskyConservative(), 32, 1),
    "korteweg_de_vries": (KortewegDeVries(), 32, 1),
}


@table("name", CONSERVING)
def test_conservative_forms_conserve_the_mean(advance, name):
    equation, n_points, dims = CONSERVING[name]
    start = states(equation, n_points, dims) + 0.3
    end = advance(equation, start, equation.INTERVAL, substeps=10).fields[:, -1]
    axes = tuple(range(-dims, 0))
    torch.testing.assert_close(end.mean(axes), start.mean(axes), rtol=0, atol=1e-14)
    assert (end - start).abs().max() > 1e-2


@pytest.mark.parametrize(("dims", "same"), [(1, True), (2, False)])
def test_the_biharmonic_operator_differs_from_the_sum_beyond_one_dimension(advance, dims, same):
    start = states(KuramotoSivashinsky(), 24, dims)
    sums, biharmonic = (
        advance(KuramotoSivashinsky(biharmonic=b), start, 1.0, substeps=10).fields[:, -1]
        for b in (False, True)
    )
    difference = float((sums - biharmonic).norm() / sums.norm())
    assert difference < 1e-14 if same else difference > 0.01


def test_refuses_unknown_forms_and_grids_with_unlimited_growing_modes(advance):
    """No nonlinear term acts on modes beyond the de-aliasing limit, so that they would grow."""
    with pytest.raises(ValueError, match=r"skew.*advective"):
        advance(Burgers(form="skew"), torch.zeros(1, 1, 16), 0.1)
    with pytest.raises(ValueError, match="Raise n_points"):
        advance(KuramotoSivashinsky(length=60.0), torch.zeros(1, 1, 16), 0.1)
    assert advance(KuramotoSivashinsky(length=60.0), torch.zeros(1, 1, 48), 0.1).valid.all()


def test_each_substance_diffuses_by_its_own_coefficient(advance):
    """Without catalyst the substrate only diffuses and is fed; a tiny v only decays."""
    x = Grid(16, 1, 1.0, torch.float64).points[0]
    wave = torch.sin(2 * torch.pi * x)
    spread = torch.tensor([1e-3, 4e-3], dtype=torch.float64)
    equation = GrayScott(diffusivity_u=spread, diffusivity_v=2e-3, feed=0.02, kill=0.05)
    start = torch.stack([1 + 0.5 * wave, 1e-9 * wave]).expand(2, -1, -1)
    end = advance(equation, start, 2.0, substeps=100).fields[:, -1]
    k2 = 4 * torch.pi**2
    fading = torch.exp(-(k2 * spread + 0.02) * 2.0)[:, None]
    assert (end[:, 0] - (1 + 0.5 * fading * wave)).abs().max() < 1e-10
    assert (end[:, 1] / 1e-9 - exp(-(k2 * 2e-3 + 0.07) * 2.0) * wave).abs().max() < 1e-7
