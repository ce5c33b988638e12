"""The spectral operators, on all modes and on those that survive de-aliasing."""

from __future__ import annotations

from math import pi

import pytest
import torch
from case_table import table

from scionwood_pde.solvers import nonlinear
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.fluids import KolmogorovFlow, NavierStokes
from scionwood_pde.solvers.kept import KeptGrid
from scionwood_pde.solvers.nonlinear import rotational
from scionwood_pde.solvers.registry import EQUATIONS
from scionwood_pde.solvers.spectral import Grid


def box(n_points: int, dims: int, length: float = 1.7) -> Grid:
    return Grid(n_points, dims, length, torch.float64)


def random_field(grid: Grid, channels: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, channels, *grid.shape)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@table("n_points", [8, 9])
@table("dims", [1, 2, 3])
def test_axes_are_x_y_z_and_derivatives_refer_to_the_box(n_points, dims):
    grid = box(n_points, dims)
    k = 2 * torch.pi / 1.7
    field = random_field(grid, 1)
    mean = grid.forward(field)[(..., *[0] * dims)].real
    torch.testing.assert_close(mean, field.mean(grid.axes))
    for axis in range(dims):
        x = grid.points[axis]
        assert x.amax() == pytest.approx(1.7 * (n_points - 1) / n_points)
        for order, slope in ((1, k * torch.cos(k * x)), (3, -(k**3) * torch.cos(k * x))):
            derivative = grid.inverse(grid.forward(torch.sin(k * x)) * grid.derivative(axis, order))
            torch.testing.assert_close(derivative, slope, rtol=0, atol=1e-10)
        second = grid.inverse(grid.forward(torch.sin(k * x)) * grid.sum_of_derivatives(2))
        torch.testing.assert_close(second, -(k**2) * torch.sin(k * x), rtol=0, atol=1e-11)


def test_odd_derivatives_drop_the_highest_mode_of_an_even_grid():
    grid = box(8, 2)
    zigzag = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4).expand(8, 8)
    assert (grid.forward(zigzag) * grid.derivative(1)).abs().max() == 0
    highest = (8 * torch.pi / 1.7) ** 2
    curved = grid.inverse(grid.forward(zigzag) * grid.derivative(1, 2))
    torch.testing.assert_close(curved, -highest * zigzag)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_projection_removes_only_the_divergence(dims):
    grid = box(10, dims)
    once = grid.project(grid.forward(random_field(grid, dims)))
    divergence = sum(once[:, i] * grid.gradient[i] for i in range(dims))
    assert grid.inverse(torch.as_tensor(divergence)).abs().max() < 1e-12
    torch.testing.assert_close(grid.project(once), once, rtol=0, atol=1e-14)


@table(("degree", "n_points"), [(2, 16), (2, 18), (2, 15), (3, 16), (3, 20)])
def test_products_of_kept_modes_are_free_of_aliases(degree, n_points):
    """The exact product is formed on a grid that is fine enough to have no aliases."""
    grid, fine = box(n_points, 2), box(4 * n_points, 2)
    highest = int((grid.modes[1] * grid.resolved(degree)).max())
    assert 2 / (degree + 1) * n_points / 2 - 2 <= highest < n_points / (degree + 1)
    noise = random_field(box(2 * highest + 1, 2), 1)
    product = nonlinear.pointwise(grid, degree, lambda u: u**degree)
    result = grid.inverse(product(grid.forward(grid.interpolated(noise))))
    low = (fine.modes[0].abs() <= highest) & (fine.modes[1].abs() <= highest)
    exact = fine.inverse(fine.forward(fine.interpolated(noise) ** degree) * low)
    torch.testing.assert_close(result, exact[..., ::4, ::4], rtol=0, atol=1e-12)


def test_products_ignore_modes_beyond_the_limit():
    grid = box(16, 1)
    kept = grid.resolved(2)
    spectrum = grid.forward(random_field(grid, 1))
    square = nonlinear.pointwise(grid, 2, lambda u: u**2)
    assert (square(spectrum) * (1 - kept)).abs().max() == 0
    torch.testing.assert_close(square(spectrum), square(spectrum * kept), rtol=0, atol=0)


@table("dims", [1, 2, 3])
@table("n_points", [5, 8, 15])
def test_interpolation_passes_through_the_coarse_points(dims, n_points):
    coarse, fine = box(5, dims), box(n_points, dims)
    field = random_field(coarse, 1)
    finer = fine.interpolated(field)
    spectrum = fine.forward(finer)
    for mode in fine.modes:
        assert (spectrum * (mode.abs() > 2)).abs().max() < 1e-14
    if n_points % 5 == 0:
        every = (..., *[slice(None, None, n_points // 5)] * dims)
        torch.testing.assert_close(finer[every], field)
    torch.testing.assert_close(finer.mean(fine.axes), field.mean(coarse.axes))


@table(
    ("options", "words"),
    [
        ({"n_points": 3}, "n_points=3"),
        ({"dims": 4}, "dims=4"),
        ({"length": 0.0}, "length=0"),
        ({"length": float("nan")}, "length=nan"),
        ({"dtype": torch.float16}, "float32 or float64"),
    ],
)
def test_refuses_impossible_boxes_and_sources(options, words):
    with pytest.raises(ValueError, match=words):
        Grid(**{"n_points": 8, "dims": 1, "length": 1.0, **options})
    for n in (4, 11):  # even, and finer
        with pytest.raises(ValueError, match="must be odd"):
            box(9, 1).interpolated(torch.zeros(1, n, dtype=torch.float64))


CASES = [
    ("burgers", 1),
    ("korteweg_de_vries", 1),
    ("kuramoto_sivashinsky", 2),
    ("navier_stokes", 2),
    ("kolmogorov_flow", 3),
    ("gray_scott", 3),
]


@table(("name", "dims"), CASES, ids=[f"{n}-{d}" for n, d in CASES])
@table("order", [2, 4])
def test_a_frame_equals_that_of_the_steps_on_all_modes(name, dims, order):
    generator = torch.Generator().manual_seed(0)
    equation = EQUATIONS[name]().drawn(generator, 2)
    grid = Grid(18 if dims == 3 else 24, dims, equation.length, torch.float64)
    start = equation.initial(grid, 2, len(equation.channels(dims)), generator)
    # Noise also excites the modes beyond the de-aliasing limit.
    noise = torch.randn(start.shape, generator=generator, dtype=torch.float64)
    start = start + 1e-3 * noise
    dt = equation.INTERVAL
    kept = equation.advance(grid, dt, order, 3)(start)
    whole = Equation.advance(equation, grid, dt, order, 3)(start)
    assert (kept - whole).abs().max() <= 1e-13 * whole.abs().max()
    assert (kept - start).abs().max() > 1e-6


def test_cutting_and_putting_back_keeps_a_spectrum():
    grid, kept = (
        Grid(12, 3, 2 * pi, torch.float64),
        KeptGrid(12, 3, 2 * pi, torch.float64, "cpu", 3),
    )
    field = torch.randn(2, 3, 12, 12, 12, dtype=torch.float64)
    spectrum = grid.forward(field)
    assert torch.equal(kept.put(kept.cut(spectrum), spectrum.clone()), spectrum)
    low = grid.inverse(spectrum * grid.resolved(2))
    torch.testing.assert_close(kept.inverse(kept.forward(field)), low, rtol=0, atol=1e-14)


def test_a_convection_term_does_not_change_its_input_or_earlier_results():
    kept = KeptGrid(16, 3, 2 * pi, torch.float64, "cpu", 4)
    term = rotational(kept)
    first, second = (kept.forward(torch.randn(1, 3, 16, 16, 16).double()) for _ in range(2))
    before = first.clone()
    one = term(first)
    copy = one.clone()
    term(second)
    assert torch.equal(first, before)
    assert torch.equal(one, copy)


def test_the_step_of_an_equation_keeps_gradients():
    with pytest.raises(ValueError, match="de-aliasing limit"):
        KolmogorovFlow(forcing_mode=7).advance(Grid(16, 3, 2 * pi), 0.1, 2, 1)
    equation = NavierStokes(viscosity=0.05)
    grid = Grid(8, 3, equation.length, torch.float64)
    state = torch.randn(1, 3, 8, 8, 8, dtype=torch.float64, requires_grad=True)
    grid.inverse(equation.stepper(grid, 0.1, 4)(grid.forward(state))).square().sum().backward()
    assert state.grad.isfinite().all()
