"""Encoding and decoding row by row equal those of whole domains."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
from case_table import table
from torch import Tensor
from torch.nn import functional as F

from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.encoder import Gaussian
from scionwood_pde.model.rows import in_rows
from scionwood_pde.model.tiles import Tiling


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


def rows_of(model: Any, field: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return latents and states of a field, both row by row."""
    tiles = model.tiling.layout(field.shape)
    array = da.from_array(field[None, None, None, None], chunks=(1, 1, 1, 1, 16, 16, -1))
    latents = in_rows(
        lambda x: model.encoder(x).mean, array, tiles, tiles.latent(), width=width, at_once=3
    )
    states = in_rows(model.decoder, latents, tiles.latent(), tiles, width=1, at_once=3)
    return latents.compute()[0, 0, 0], states.compute()[0, 0, 0, 0]


@table(
    ("sides", "tile", "halo", "boundary"),
    [
        ((32, 16, 48), 16, 0, "edge"),
        ((50, 48, 49), 48, 16, "edge"),
    ],
    ids=["no-halo", "padded"],
)
def test_rows_equal_all_tiles_together(sides, tile, halo, boundary):
    compare(sides, tile, halo, boundary)


@pytest.mark.slow
def test_rows_equal_all_tiles_across_a_periodic_face():
    compare((64, 48, 80), 48, 16, "periodic")


def compare(sides, tile, halo, boundary):
    model = Pooling(Tiling(tile, halo, boundary))
    generator = np.random.default_rng(0)
    field = generator.standard_normal(sides, dtype=np.float32)
    latents, state = rows_of(model, field, 1)
    layout = model.tiling.layout(sides)
    tiles = layout.split(torch.from_numpy(field)[None, None])
    wanted = layout.latent().join(model.encoder(tiles).mean)
    np.testing.assert_allclose(latents, wanted[0].numpy(), rtol=1e-5, atol=1e-6)
    whole = layout.join(model.decoder(layout.latent().split(wanted)))
    np.testing.assert_allclose(state, whole[0, 0].numpy(), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_rows_of_tadpole_equal_its_own_encoding():
    model = Tadpole(tile=16, at_once=2).eval()
    field = np.random.default_rng(0).standard_normal((16, 16, 32), dtype=np.float32)
    latents, state = rows_of(model, field, model.shape.latent_channels)
    wanted = model.encode(torch.from_numpy(field)[None, None]).mean
    np.testing.assert_allclose(latents, wanted[0].numpy(), rtol=1e-4, atol=1e-5)
    whole = model.decode(wanted, field.shape)[0, 0]
    np.testing.assert_allclose(state, whole.numpy(), rtol=1e-4, atol=1e-5)
