from __future__ import annotations

from collections.abc import Callable
from math import pi

import pytest
import torch
from case_table import table

from scionwood_pde.solvers import Simulation
from scionwood_pde.solvers.convection import (
    Burgers,
    KortewegDeVries,
    KuramotoSivashinsky,
    KuramotoSivashinskyConservative,
)
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.initial import TruncatedFourier
from scionwood_pde.solvers.spectral import Grid

Advance = Callable[..., Simulation]


def states(equation: Equation, n_points: int, dims: int, batch: int = 2) -> torch.Tensor:
    grid = Grid(n_points, dims, equation.length, torch.float64)
    generator = torch.Generator().manual_seed(0)
    channels = len(equation.channels(dims))
    return TruncatedFourier(cutoff=2)(grid, batch, channels, generator)


def test_burgers_follows_the_cole_hopf_solution(advance: Advance) -> None:
    """`u = -2 nu theta_x / theta` where theta diffuses: `1 + a exp(-nu k^2 t) cos(k x)`."""
    nu, time, k, a = 0.05, 0.5, 2 * pi, 0.6
    x = Grid(64, 1, 1.0, torch.float64).points

    def exact(t: float) -> torch.Tensor:
        fading = a * torch.exp(torch.tensor(-nu * k**2 * t, dtype=torch.float64))
        return (2 * nu * k * fading * torch.sin(k * x) / (1 + fading * torch.cos(k * x)))[None]

    end = advance(Burgers(diffusivity=nu), exact(0.0), time, substeps=200).fields[:, -1]
    assert (end - exact(time)).abs().max() < 1e-9


def test_burgers_along_a_diagonal_equals_the_1d_equation(advance: Advance) -> None:
    """With `u_x = u_y = w(x + y)` both components obey `w_t + 2 w w' = 2 nu w''`."""
    line = states(Burgers(), 24, 1, 1)
    row = torch.arange(24)
    plane = line[..., (row[:, None] + row) % 24].expand(1, 2, 24, 24)
    end = advance(Burgers(diffusivity=0.02), plane, 0.1, substeps=20).fields[0, -1]
    alone = Burgers(diffusivity=0.04, convection=2.0)
    expected = advance(alone, line, 0.1, substeps=20).fields[0, -1]
    torch.testing.assert_close(end[0, 0], expected[0], rtol=0, atol=1e-13)
    torch.testing.assert_close(end[1], end[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize(("amplitude", "speed"), [(0.5, 1.0), (1.0, 2.0)])
def test_a_soliton_keeps_its_shape_and_its_speed(
    advance: Advance, amplitude: float, speed: float
) -> None:
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
def test_conservative_forms_conserve_the_mean(advance: Advance, name: str) -> None:
    equation, n_points, dims = CONSERVING[name]
    start = states(equation, n_points, dims) + 0.3
    end = advance(equation, start, equation.INTERVAL, substeps=10).fields[:, -1]
    axes = tuple(range(-dims, 0))
    torch.testing.assert_close(end.mean(axes), start.mean(axes), rtol=0, atol=1e-14)
    assert (end - start).abs().max() > 1e-2


def test_the_slope_of_kuramoto_sivashinsky_obeys_the_conservative_form(advance: Advance) -> None:
    combustion = KuramotoSivashinsky(length=22.0)
    grid = Grid(48, 1, combustion.length, torch.float64)
    height = states(combustion, 48, 1)

    def slope(u: torch.Tensor) -> torch.Tensor:
        return grid.inverse(grid.forward(u) * grid.gradient[0])

    later = advance(combustion, height, 2.0, substeps=40).fields[:, -1]
    expected = advance(KuramotoSivashinskyConservative(), slope(height), 2.0, substeps=40)
    torch.testing.assert_close(slope(later), expected.fields[:, -1], rtol=0, atol=1e-11)


@pytest.mark.parametrize(("dims", "same"), [(1, True), (2, False)])
def test_the_biharmonic_operator_differs_from_the_sum_beyond_one_dimension(
    advance: Advance, dims: int, same: bool
) -> None:
    start = states(KuramotoSivashinsky(), 24, dims)
    sums, biharmonic = (
        advance(KuramotoSivashinsky(biharmonic=b), start, 1.0, substeps=10).fields[:, -1]
        for b in (False, True)
    )
    difference = float((sums - biharmonic).norm() / sums.norm())
    assert difference < 1e-14 if same else difference > 0.01


def test_refuses_an_unknown_form(advance: Advance) -> None:
    equation = Burgers(form="skew")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"skew.*advective"):
        advance(equation, torch.zeros(1, 1, 16), 0.1)


def test_refuses_a_grid_with_unlimited_growing_modes(advance: Advance) -> None:
    """No nonlinear term acts on modes beyond the de-aliasing limit, so that they would grow."""
    with pytest.raises(ValueError, match="Raise n_points"):
        advance(KuramotoSivashinsky(length=60.0), torch.zeros(1, 1, 16), 0.1)
    assert advance(KuramotoSivashinsky(length=60.0), torch.zeros(1, 1, 48), 0.1).valid.all()
