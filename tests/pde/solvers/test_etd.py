"""The schemes converge at their order, and difficulties describe a step without units."""

from __future__ import annotations

from fractions import Fraction
from math import factorial, log2

import pytest
import torch
from case_table import table

from scionwood_pde.solvers import EQUATIONS
from scionwood_pde.solvers.convection import Burgers, KortewegDeVries
from scionwood_pde.solvers.difficulty import (
    APEBENCH,
    Resolution,
    difficulties,
    from_difficulties,
    from_normalised,
    normalised,
)
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.etd import phi
from scionwood_pde.solvers.fluids import KolmogorovFlow
from scionwood_pde.solvers.initial import TruncatedFourier
from scionwood_pde.solvers.linear import Advection, Diffusion
from scionwood_pde.solvers.spectral import Grid


def phi_in_rational_numbers(k: int, z: complex) -> complex:
    """Return `sum_j z^j / (j + k)!` without rounding, with a remainder below any double."""
    x, y = Fraction(z.real), Fraction(z.imag)
    real, imag, total_real, total_imag = Fraction(1), Fraction(0), Fraction(0), Fraction(0)
    for j in range(200):
        total_real += real / factorial(j + k)
        total_imag += imag / factorial(j + k)
        real, imag = real * x - imag * y, real * y + imag * x
    return complex(total_real, total_imag)


@table(
    "z", [0.0, 1e-9, -1e-3, -0.5, -0.999, -1.001, 0.9999, -3.0, 2.0, -40.0, 1e-4j, 0.99j, 1.01j, 9j]
)
def test_the_phi_functions_are_accurate_near_zero_and_far_from_it(z):
    values = phi(torch.tensor([z], dtype=torch.complex128))
    if not z.imag:
        real = phi(torch.tensor([z.real], dtype=torch.float64))
        assert all(torch.allclose(r, f.real, rtol=1e-14) for r, f in zip(real, values, strict=True))
    for k, value in enumerate(values, start=1):
        exact = phi_in_rational_numbers(k, z)
        assert abs(value.item() - exact) < 3e-15 * max(1, abs(exact))


CASES: dict[str, tuple[Equation, float]] = {
    "korteweg_de_vries": (KortewegDeVries(length=10.0), 0.2),
    "kolmogorov_flow": (KolmogorovFlow(forcing_mode=2), 0.5),
}


@table(("order", "low", "high"), [(2, 1.9, 2.1), (4, 3.8, 4.2)])
@table("name", CASES)
def test_schemes_converge_at_their_order(advance, name, order, low, high):
    equation, time = CASES[name]
    grid_dims = 1 if name == "korteweg_de_vries" else 2
    x = torch.arange(16, dtype=torch.float64) / 16 * 2 * torch.pi
    wave = torch.sin(x) + 0.5 * torch.cos(2 * x + 1)
    shear = wave if grid_dims == 1 else wave[:, None] * torch.sin(x + 0.3)
    channels = len(equation.channels(grid_dims))
    start = torch.stack([shear.roll(3 * i, -1) for i in range(channels)])[None]
    steps = [20, 40, 400]
    coarse, fine, exact = (
        advance(equation, start, time, substeps=n, order=order).fields[:, -1] for n in steps
    )
    measured = log2(float((coarse - exact).norm() / (fine - exact).norm()))
    assert low < measured < high


def test_the_difficulty_of_advection_is_the_courant_number():
    """A speed of 4 grid points per step, negative with APEBench's sign."""
    at = Resolution(n_points=64, dims=1, dt=0.1, length=2.0)
    points_a_step = 4 * (2.0 / 64) / 0.1
    assert difficulties(Advection(speed=points_a_step), at) == {"speed": pytest.approx(-4.0)}


def test_the_difficulty_of_diffusion_is_twice_the_fourier_number():
    """`gamma_2 = 2 D nu dt / dx^2`: an explicit scheme is stable up to 1."""
    at = Resolution(n_points=50, dims=3, dt=0.1, length=2.0)
    gamma = difficulties(Diffusion(diffusivity=0.02), at)
    assert gamma == {"diffusivity": pytest.approx(2 * 3 * 0.02 * 0.1 / 0.04**2)}


@table("dims", [1, 2, 3])
@table("name", APEBENCH)
def test_difficulties_convert_in_both_directions(name, dims):
    at = Resolution(n_points=48, dims=dims, dt=0.3, length=1.7, maximum=0.8)
    equation = from_difficulties(name, at)
    assert equation.length == 1.7
    given = difficulties(equation, at)
    assert {key: given[key] for key in APEBENCH[name]} == pytest.approx(dict(APEBENCH[name]))
    again = from_normalised(name, at, normalised(equation, at))
    assert difficulties(again, at) == pytest.approx(given)


def test_coefficients_of_samples_convert_separately():
    at = Resolution(n_points=32, dims=2, dt=0.1)
    both = torch.tensor([0.01, 0.02], dtype=torch.float64)
    gamma = difficulties(Burgers(diffusivity=both), at)["diffusivity"]
    each = [difficulties(Burgers(diffusivity=d), at)["diffusivity"] for d in both.tolist()]
    assert torch.as_tensor(gamma).tolist() == pytest.approx(each)


@table("name", APEBENCH)
def test_equal_difficulties_give_equal_frames(advance, name):
    """States have no unit either, so that equal numbers lead to equal results."""
    frames = []
    for length, dt in ((1.0, 1.0), (2.7, 0.05)):
        equation = from_difficulties(name, Resolution(32, 1, dt, length))
        grid = Grid(32, 1, length, torch.float64)
        start = TruncatedFourier()(grid, 1, 1, torch.Generator().manual_seed(0))
        run = advance(equation, start, dt, n_steps=10, order=2)
        assert run.valid.all()
        frames.append(run.fields)
    torch.testing.assert_close(frames[0], frames[1], rtol=0, atol=1e-11)
    assert (frames[0][:, -1] - frames[0][:, 0]).abs().max() > 1e-2


def test_refuses_parameters_without_a_difficulty():
    at = Resolution(32, 2, 0.1)
    assert set(APEBENCH) < set(EQUATIONS)
    with pytest.raises(ValueError, match=r"'gray_scott'.*Give difficulties"):
        from_difficulties("gray_scott", at)
    with pytest.raises(ValueError, match=r"'feed' of GrayScott.*\[\]"):
        from_difficulties("gray_scott", at, {"feed": 1.0})
    with pytest.raises(ValueError, match=r"'burger'.*no equation"):
        from_difficulties("burger", at, {"diffusivity": 1.0})
