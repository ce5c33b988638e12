"""Steps on the modes that survive de-aliasing: equal to those on all modes, without gradients."""

from __future__ import annotations

from math import pi

import pytest
import torch
from case_table import table

from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.fluids import KolmogorovFlow, NavierStokes
from scionwood_pde.solvers.kept import KeptGrid
from scionwood_pde.solvers.nonlinear import rotational
from scionwood_pde.solvers.registry import EQUATIONS
from scionwood_pde.solvers.spectral import Grid

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
def test_a_frame_equals_that_of_the_steps_on_all_modes(name: str, dims: int, order: int) -> None:
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


def test_cutting_and_putting_back_keeps_a_spectrum() -> None:
    grid, kept = (
        Grid(12, 3, 2 * pi, torch.float64),
        KeptGrid(12, 3, 2 * pi, torch.float64, "cpu", 3),
    )
    field = torch.randn(2, 3, 12, 12, 12, dtype=torch.float64)
    spectrum = grid.forward(field)
    assert torch.equal(kept.put(kept.cut(spectrum), spectrum.clone()), spectrum)
    low = grid.inverse(spectrum * grid.resolved(2))
    torch.testing.assert_close(kept.inverse(kept.forward(field)), low, rtol=0, atol=1e-14)


def test_a_convection_term_does_not_change_its_input_or_earlier_results() -> None:
    kept = KeptGrid(16, 3, 2 * pi, torch.float64, "cpu", 4)
    term = rotational(kept)
    first, second = (kept.forward(torch.randn(1, 3, 16, 16, 16).double()) for _ in range(2))
    before = first.clone()
    one = term(first)
    copy = one.clone()
    term(second)
    assert torch.equal(first, before)
    assert torch.equal(one, copy)


def test_the_step_of_an_equation_keeps_gradients() -> None:
    equation = NavierStokes(viscosity=0.05)
    grid = Grid(8, 3, equation.length, torch.float64)
    state = torch.randn(1, 3, 8, 8, 8, dtype=torch.float64, requires_grad=True)
    grid.inverse(equation.stepper(grid, 0.1, 4)(grid.forward(state))).square().sum().backward()
    assert state.grad is not None
    assert state.grad.isfinite().all()


def test_a_forcing_beyond_the_limit_is_refused() -> None:
    equation = KolmogorovFlow(forcing_mode=7)
    with pytest.raises(ValueError, match="de-aliasing limit"):
        equation.advance(Grid(16, 3, equation.length), 0.1, 2, 1)
