from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from case_table import table

import scionwood_pde as pde
from scionwood import RecipeError
from scionwood_pde.data.trajectories import Trajectories
from scionwood_pde.solvers import EQUATIONS, Simulation, simulate
from scionwood_pde.solvers.convection import Burgers
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.initial import TruncatedFourier
from scionwood_pde.solvers.linear import Advection
from scionwood_pde.solvers.registry import drawn_equation
from scionwood_pde.solvers.spectral import Grid


def drawn(
    name: str, n_points: int = 16, dims: int = 0, seed: int = 0, **options: Any
) -> Simulation:
    """Simulate three samples of an equation, by default in its highest dimension up to 2."""
    kind = EQUATIONS[name]
    dims = dims or max(d for d in kind.DIMS if d < 3)
    generator = torch.Generator().manual_seed(seed)
    return simulate(name, n_points, dims, 4, kind.INTERVAL, 3, generator, 4, **options)


def corners(kind: type[Equation]) -> tuple[Equation, int]:
    """Return an equation with all combinations of extreme parameters, and their number."""
    ends = list(product(*[(p.low, p.high) for p in kind.PARAMETERS.values()]))
    columns = torch.tensor(ends, dtype=torch.float64).T
    chosen: dict[str, Any] = dict(zip(kind.PARAMETERS, columns, strict=True))
    return replace(kind(), **chosen), len(ends)


@table("name", EQUATIONS)
def test_simulates_a_batch_from_the_name_of_an_equation(name):
    kind = EQUATIONS[name]
    run = drawn(name)
    dims = run.grid.dims
    assert run.channels == kind().channels(dims)
    assert run.fields.shape == (3, 5, len(run.channels), *[16] * dims)
    assert run.fields.dtype == torch.float32
    assert run.valid.all()
    assert run.times.tolist() == pytest.approx([kind.INTERVAL * i for i in range(5)])
    for parameter, span in kind.PARAMETERS.items():
        values = getattr(run.equation, parameter)
        assert values.shape == (3,)
        assert (values >= span.low).all()
        assert (values <= span.high).all()
        assert len(set(values.tolist())) == 3
    change = (run.fields[:, 1:] - run.fields[:, :-1]).flatten(2).norm(dim=2)
    assert (change > 1e-4 * run.fields[:, 1:].flatten(2).norm(dim=2)).all()


@table(("dims", "n_points", "frames"), [(1, 32, 40), (2, 16, 20), (3, 16, 6)])
@table("name", EQUATIONS)
def test_the_corners_of_the_parameter_ranges_are_stable(name, dims, n_points, frames):
    check_corners(name, dims, n_points, frames)


def check_corners(name: str, dims: int, n_points: int, frames: int) -> None:
    kind = EQUATIONS[name]
    equation, batch = corners(kind)
    generator = torch.Generator().manual_seed(1)
    sizes = (n_points, dims, frames, kind.INTERVAL, batch)
    if dims not in kind.DIMS:
        with pytest.raises(ValueError, match=f"in {dims}D"):
            simulate(equation, *sizes, generator)
    else:
        run = simulate(equation, *sizes, generator, substeps=4)
        assert run.valid.all()
        assert run.fields.abs().max() < 200


@table("name", EQUATIONS)
def test_samples_of_a_batch_are_independent(advance, name):
    run = drawn(name, dtype=torch.float64, order=2)
    for i in range(3):
        own = {p: getattr(run.equation, p)[i].item() for p in run.equation.PARAMETERS}
        alone = advance(
            replace(run.equation, **own),
            run.fields[i : i + 1, 0],
            run.equation.INTERVAL,
            n_steps=4,
            substeps=4,
            order=2,
        )
        torch.testing.assert_close(alone.fields[0], run.fields[i], rtol=1e-12, atol=1e-12)


@table("name", EQUATIONS)
def test_single_precision_stays_close_to_double(name):
    single, double = (drawn(name, dtype=d).fields for d in (torch.float32, torch.float64))
    error = (single.double() - double).norm() / double.norm()
    assert 0 < error < 1e-5


@table("dims", [1, 2, 3])
def test_a_finer_grid_gives_the_same_solution(dims):
    """The coarse grid resolves these smooth states, so that the fine one gives the same."""
    smooth = TruncatedFourier(cutoff=1, scaling="deviation", amplitude=0.3)
    equation = Burgers(diffusivity=0.1, initial=smooth)
    coarse, fine = (
        simulate(
            equation, n, dims, 2, 0.05, 1, torch.Generator().manual_seed(0), 5, dtype=torch.float64
        ).fields
        for n in (16, 32)
    )
    every = (..., *[slice(None, None, 2)] * dims)
    assert (fine[every] - coarse).norm() < 1e-4 * coarse.norm()
    assert (coarse[:, -1] - coarse[:, 0]).norm() > 0.1 * coarse[:, 0].norm()


def test_a_sample_that_blows_up_is_marked_and_does_not_affect_others(advance):
    start = torch.sin(2 * torch.pi * torch.arange(32, dtype=torch.float64) / 32)
    three = torch.stack([start, 1e3 * start, 0.5 * start])[:, None]
    run = advance(Burgers(), three, 0.1, n_steps=20, dtype=torch.float32)
    assert run.valid.tolist() == [True, False, True]
    assert not run.fields[1].isfinite().all()
    alone = advance(Burgers(), three[:1], 0.1, n_steps=20, dtype=torch.float32)
    torch.testing.assert_close(run.fields[0], alone.fields[0], rtol=1e-6, atol=1e-6)
    for value in (float("nan"), float("inf"), 2e4):
        beyond = torch.zeros(2, 1, 16)
        beyond[1] = value
        assert advance(Advection(), beyond, 0.1).valid.tolist() == [True, False]


def test_gradients_pass_through_a_step():
    """A coefficient can be fitted: the derivative agrees with central differences."""
    grid = Grid(16, 1, 1.0, torch.float64)
    start = grid.forward(torch.sin(2 * torch.pi * grid.points))

    def energy(diffusivity: torch.Tensor) -> torch.Tensor:
        step = Burgers(diffusivity=diffusivity).stepper(grid, 0.1, 4)
        return grid.inverse(step(start)).square().mean()

    nu = torch.tensor([0.02], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(energy(nu), nu)
    with torch.no_grad():
        expected = (energy(nu + 1e-5) - energy(nu - 1e-5)) / 2e-5
    assert gradient.item() == pytest.approx(expected.item(), rel=1e-6)


@table(
    ("options", "words"),
    [
        ({"equation": "burger"}, "'burger'.*burgers"),
        ({"n_steps": 0}, "n_steps=0"),
        ({"dt": -0.1}, "dt=-0.1"),
        ({"batch": 0}, "batch=0"),
        ({"substeps": 0}, "substeps=0"),
        ({"order": 3}, "order=3"),
        ({"dims": 4}, "4D"),
        ({"n_points": 2}, "n_points=2"),
        ({"initial": torch.zeros(2, 1, 16, 16)}, "initial of shape"),
        ({"equation": Burgers(diffusivity=torch.ones(3))}, "Burgers.diffusivity of shape"),
        ({"dtype": torch.bfloat16}, "float32 or float64"),
    ],
)
def test_refuses_sizes_that_do_not_fit(options, words):
    fitting: dict[str, Any] = {
        "equation": Burgers(),
        "n_points": 16,
        "dims": 2,
        "n_steps": 1,
        "dt": 0.1,
        "batch": 2,
        "generator": torch.Generator(),
    }
    with pytest.raises(ValueError, match=words):
        simulate(**{**fitting, **options})


@table(
    ("name", "interval", "named"),
    [("kolmogorov_flow", 20.0, True), ("burgers", 4.0, True), ("gray_scott", 1e4, False)],
    ids=["flow", "burgers", "reaction"],
)
def test_a_step_that_the_cfl_number_forbids_is_refused_by_name(name, interval, named):
    with pytest.raises(RecipeError, match="0 of 2 samples are valid") as caught:
        pde.simulate(equation=name, n=2, n_points=16, n_steps=4, interval=interval)
    assert ("CFL number" in str(caught.value)) == named
    assert "substeps" in str(caught.value)
    if name == "burgers":
        options: dict[str, Any] = {"n": 1, "n_points": 16, "n_steps": 2, "interval": 4.0, "dims": 2}
        with pytest.raises(RecipeError, match="CFL number") as caught:
            pde.simulate(equation="burgers", **options)
        found = re.search(r"Take (\d+) substeps", str(caught.value))
        assert len(pde.simulate(equation="burgers", substeps=int(found[1]), **options)) == 1
    if name == "kolmogorov_flow":
        data = Trajectories(equation=name, n_points=16, n_frames=3, interval=200.0)
        with pytest.raises(RecipeError, match="CFL number"):
            data.train_dataloader()


def test_parameters_and_sizes_out_of_range_are_refused_by_name():
    for name, value, rule in (
        ("diffusivity", -0.1, "parameter diffusivity of -0.1: .* not negative"),
        ("diffusivity", float("nan"), "parameter diffusivity of nan: it is finite"),
        ("length", 0.0, "a box has a positive length"),
    ):
        with pytest.raises(ValueError, match=rule):
            drawn_equation("burgers", torch.Generator(), 1, {name: value})
    with pytest.raises(ValueError, match=r"3 fields of 100000\^3 points: .* GiB, and this machine"):
        simulate("burgers", 100_000, 3, 1, 0.1, 1, torch.Generator())
