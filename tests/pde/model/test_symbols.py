"""Symbols and gains by shell: what they can equal, what is measured, and other boxes."""

from __future__ import annotations

import math

import pytest
import torch
from case_table import table
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.backbones import SpectralForecast
from scionwood_pde.model.spectra import shells, without_divergence
from scionwood_pde.model.symbols import Multipliers, points, symbols, waves

SIDES = [(16, 16), (16, 24), (12, 16, 16)]


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@table("sides", SIDES, ids=["square", "unequal", "3d"])
@torch.no_grad()
def test_the_symbols_after_the_products_can_be_lerays_projection(sides):
    dims = len(sides)
    net = Multipliers(dims, dims=dims, features=(), linear=False)
    pairs = [(a, b) for a in range(dims) for b in range(a, dims)]
    for j, (a, b) in enumerate(pairs):  # delta_ab - k_a k_b / k^2
        net.after[j, a, b] = net.after[j, b, a] = -1
    x = normal(2, dims, *sides)
    torch.testing.assert_close(net(x, x), without_divergence(x), rtol=0, atol=1e-5)


@table("sides", SIDES, ids=["square", "unequal", "3d"])
def test_the_features_of_a_vorticity_are_its_velocity(sides):
    side = max(sides)
    line = [2 * math.pi * torch.arange(n, dtype=torch.float64) / side for n in sides]
    step = side // math.gcd(*sides)  # the lowest wave that all axes hold
    x, y = torch.meshgrid(*line[:2], indexing="ij")
    stream = (step * x).sin() * (step * y).cos()
    square = 2 * step**2
    field = (square * stream)[(None, None, ..., *[None] * (len(sides) - 2))].expand(1, 1, *sides)
    made = points(waves(field) * symbols(("poisson", "gradient"), field), field)[0]
    cosine = step * (step * x).cos() * (step * y).cos()
    for feature, expected in zip(made, (stream, cosine), strict=False):
        expected = expected[(..., *[None] * (len(sides) - 2))].expand(sides)
        torch.testing.assert_close(feature, expected, rtol=0, atol=1e-5)


def test_measures_a_linear_part_that_is_the_least_squares_filter():
    model = SpectralForecast(fields=2, dims=2)
    now = normal(6, 2, 16, 16)
    spectrum = torch.fft.rfft2(now)
    fine = shells((16, 16), now.device) > 6
    spectrum[:, :, fine] = 0  # as de-aliasing leaves it
    now = torch.fft.irfft2(spectrum, s=(16, 16))
    turned = torch.stack([now[:, 0] - 0.5 * now[:, 1], 0.2 * now[:, 1]], dim=1)
    model.measure([{"state": now, "next": turned}])
    torch.testing.assert_close(model(now), turned, rtol=0, atol=1e-4)
    parts = model.network.multipliers
    assert parts.linear[7:12].abs().max() == 0
    assert parts.gain_after[0, 7:12].abs().max() == 0
    sizes = parts.features(waves(now), now).square().mean((0, 2, 3))
    torch.testing.assert_close(sizes, torch.ones(6), rtol=1e-4, atol=0)
    assert model(normal(1, 2, 32, 24)).isfinite().all()


@table(
    ("options", "message"),
    [
        ({"boundary": "edge"}, "boundary: edge: .*whole periodic box.*Use pde/unet"),
        ({"tile": 32}, "tile: 32: .*whole periodic box.*Use pde/unet"),
    ],
    ids=["edge", "tile"],
)
def test_refuses_a_part_of_a_box(options, message):
    with pytest.raises(RecipeError, match=message):
        SpectralForecast(**options)
