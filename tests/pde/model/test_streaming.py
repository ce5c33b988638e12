"""Encoding and decoding row by row: equal to whole domains, and no more is read than a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from case_table import table
from torch import Tensor
from torch.nn import functional as F

from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.encoder import Gaussian
from scionwood_pde.model.streaming import Places, decode_field, encode_field, gathered
from scionwood_pde.model.tiles import Tiling


class Watched:
    """An array that records how many numbers were read together."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.largest = values, 0

    def __getitem__(self, places: Places) -> np.ndarray:
        part: np.ndarray = self.values[places]
        self.largest = max(self.largest, part.size)
        return part


class Pooling:
    """A model of one channel that averages cells of 16^3 and adds the mean of its tile."""

    at_once = 3

    def __init__(self, tiling: Tiling) -> None:
        self.tiling = tiling

    def encoder(self, x: Tensor) -> Gaussian:
        mean = F.avg_pool3d(x, 16) + x.mean((2, 3, 4), keepdim=True)
        return Gaussian(mean, mean)

    def decoder(self, z: Tensor) -> Tensor:
        return F.interpolate(z, scale_factor=16) + z.square().mean((2, 3, 4), keepdim=True)


def rows_of(model: Any, field: Watched) -> tuple[np.ndarray, np.ndarray]:
    """Return latents and states, both row by row."""
    sides = field.values.shape
    latent = model.tiling.layout(sides).latent()
    latents: list[np.ndarray] = []
    state = np.full(sides, np.nan, np.float32)

    def write(places: Places, values: np.ndarray) -> None:
        if not latents:
            latents.append(np.full((len(values), *latent.sides), np.nan, np.float32))
        latents[0][(slice(None), *places)] = values

    def keep(places: Places, values: np.ndarray) -> None:
        state[places] = values[0]

    encode_field(model, field, sides, write, change=lambda part: part)
    decode_field(model, lambda places: latents[0][(slice(None), *places)], sides, keep)
    return latents[0], state


@table(
    ("sides", "tile", "halo", "boundary"),
    [
        ((32, 16, 48), 16, 0, "edge"),
        ((50, 48, 83), 48, 16, "edge"),
        ((64, 48, 80), 48, 16, "periodic"),
    ],
    ids=["no-halo", "padded", "periodic"],
)
def test_rows_equal_all_tiles_together(sides, tile, halo, boundary):
    model = Pooling(Tiling(tile, halo, boundary))
    generator = np.random.default_rng(0)
    field = Watched(generator.standard_normal(sides, dtype=np.float32))
    latents, state = rows_of(model, field)
    layout = model.tiling.layout(sides)
    tiles = layout.split(torch.from_numpy(field.values)[None, None])
    wanted = layout.latent().join(model.encoder(tiles).mean)
    np.testing.assert_allclose(latents, wanted[0].numpy(), rtol=1e-5, atol=1e-6)
    whole = layout.join(model.decoder(layout.latent().split(wanted)))
    np.testing.assert_allclose(state, whole[0, 0].numpy(), rtol=1e-5, atol=1e-6)
    assert field.largest <= tile * tile * sides[2]


@torch.no_grad()
def test_rows_of_tadpole_equal_its_own_encoding():
    model = Tadpole(tile=16, at_once=2).eval()
    field = np.random.default_rng(0).standard_normal((16, 16, 32), dtype=np.float32)
    latents, state = rows_of(model, Watched(field))
    wanted = model.encode(torch.from_numpy(field)[None, None]).mean
    np.testing.assert_allclose(latents, wanted[0].numpy(), rtol=1e-4, atol=1e-5)
    whole = model.decode(wanted, field.shape)[0, 0]
    np.testing.assert_allclose(state, whole.numpy(), rtol=1e-4, atol=1e-5)


def test_gathers_points_that_repeat_and_start_again():
    values = np.arange(6 * 7).reshape(6, 7)
    places = [np.array([4, 5, 0, 1, 2]), np.array([0, 0, 0, 1, 2, 6, 6])]
    np.testing.assert_array_equal(gathered(values, places), values[np.ix_(*places)])
