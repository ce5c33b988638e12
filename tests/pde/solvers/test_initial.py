from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from case_table import table

from scionwood_pde.solvers.initial import (
    AtRest,
    ComplementConcentrations,
    DiffusedNoise,
    DivergenceFree,
    GaussianBlobs,
    GaussianRandomField,
    InitialCondition,
    TruncatedFourier,
)
from scionwood_pde.solvers.spectral import Grid

ALL: dict[str, InitialCondition] = {
    "truncated Fourier": TruncatedFourier(),
    "random field": GaussianRandomField(),
    "diffused noise": DiffusedNoise(),
    "blobs": GaussianBlobs(),
    "divergence-free": DivergenceFree(),
    "at rest": AtRest(),
    "consumed": ComplementConcentrations(),
}


def draw(
    condition: InitialCondition,
    n_points: int = 16,
    dims: int = 2,
    *,
    seed: int = 0,
    batch: int = 3,
    channels: int = 2,
    dtype: torch.dtype = torch.float64,
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return condition(Grid(n_points, dims, 2.0, dtype), batch, channels, generator)


def every_second(field: torch.Tensor) -> torch.Tensor:
    return field[..., ::2, ::2]


@table("name", ALL)
def test_both_precisions_get_the_same_state(name):
    single, double = (draw(ALL[name], dtype=d) for d in (torch.float32, torch.float64))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, double.float(), rtol=0, atol=1e-6)


@table(
    "condition",
    [
        TruncatedFourier(scaling="deviation"),
        GaussianRandomField(scaling="deviation", cutoff=6),
        DivergenceFree(),
    ],
)
def test_a_finer_grid_samples_the_same_function(condition):
    coarse, fine = draw(condition, 16), draw(condition, 32)
    torch.testing.assert_close(every_second(fine), coarse, rtol=0, atol=1e-12)


@table("condition", [TruncatedFourier(), GaussianRandomField(), DiffusedNoise()])
def test_states_have_the_requested_scaling(condition):
    largest = draw(replace(condition, amplitude=3.0))
    assert torch.allclose(largest.abs().amax((-2, -1)), torch.full((3, 2), 3.0).double())
    assert largest.mean((-2, -1)).abs().max() < 1e-14
    even = draw(replace(condition, amplitude=3.0, scaling="deviation"))
    assert torch.allclose(even.std((-2, -1), correction=0), torch.full((3, 2), 3.0).double())
    ranged = draw(replace(condition, amplitude=3.0, scaling="range"))
    assert ranged.amin() == 0
    assert torch.allclose(ranged.amax((-2, -1)), torch.full((3, 2), 3.0).double())


def test_a_truncated_series_has_no_mode_above_its_cutoff():
    grid = Grid(16, 2, 2.0, torch.float64)
    spectrum = grid.forward(draw(TruncatedFourier(cutoff=3))).abs()
    low = (grid.modes[0].abs() <= 3) & (grid.modes[1] <= 3)
    assert spectrum[..., ~low].max() < 1e-15
    assert (spectrum[..., low].flatten(0, 1).mean(0)[1:] > 1e-3).all()
    coarse = Grid(8, 2, 2.0, torch.float64)
    spectrum = coarse.forward(draw(TruncatedFourier(cutoff=5), 8)).abs()
    assert spectrum[..., 4].max() < 1e-15, "a coarse grid lowers the cutoff"
    assert spectrum[..., 3].max() > 1e-3


@pytest.mark.parametrize("exponent", [2.0, 5.0])
def test_the_power_of_a_random_field_has_the_requested_exponent(exponent):
    grid = Grid(64, 2, 2.0, torch.float64)
    field = draw(GaussianRandomField(exponent=exponent), 64, batch=40)
    power = grid.forward(field).abs().square().mean((0, 1))
    size = grid.squared_wavenumber.sqrt() / torch.pi  # modes of a box of side 2
    inner, outer = (power[(size > r) & (size < 1.3 * r)].mean() for r in (4, 16))
    slope = torch.log(outer / inner) / torch.log(torch.tensor(4.0))
    assert slope == pytest.approx(-exponent, abs=0.15)


@pytest.mark.parametrize("dims", [2, 3])
def test_velocity_is_free_of_divergence_and_has_the_requested_speed(dims):
    grid = Grid(16, dims, 2.0, torch.float64)
    u = draw(DivergenceFree(speed=0.7), 16, dims, channels=dims)
    spectrum = grid.forward(u)
    divergence = torch.stack([spectrum[:, i] * grid.gradient[i] for i in range(dims)]).sum(0)
    assert grid.inverse(divergence).abs().max() < 1e-12
    speed = (u**2).sum(1).mean(grid.axes).sqrt()
    assert torch.allclose(speed, torch.full_like(speed, 0.7))


def test_blobs_wrap_around_the_box_and_are_the_same_on_a_finer_grid():
    """Blobs lie anywhere in the box, so that their mean over many samples is uniform."""
    mean = draw(GaussianBlobs(), 12, 1, batch=4000).mean((0, 1))
    assert (mean / mean.mean() - 1).abs().max() < 0.05
    coarse, fine = (draw(GaussianBlobs(scaling="maximum"), n) for n in (24, 48))
    ratio = every_second(fine) / coarse
    assert (ratio - ratio.amax((-2, -1), keepdim=True)).abs().max() < 1e-12


def test_a_wave_starts_at_rest_and_concentrations_add_up_to_one():
    wave, reactor = draw(AtRest()), draw(ComplementConcentrations())
    assert wave[:, 0].abs().max() == 1
    assert wave[:, 1].abs().max() == 0
    torch.testing.assert_close(reactor.sum(1), torch.ones_like(reactor[:, 0]))
    assert reactor[:, 1].min() == 0
    assert reactor[:, 1].max() == 0.5
