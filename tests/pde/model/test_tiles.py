"""Tiles of a domain: splitting and joining, halos, boundaries, and sizes that do not fit."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from torch import Tensor
from torch.nn import functional as F

from scionwood_pde.backbones import Tadpole
from scionwood_pde.model import Tiling
from scionwood_pde.online.preprocess import normalised
from scionwood_pde.solvers import simulate
from scionwood_scale.capture import traced

KERNEL = torch.randn(2, 2, 3, 3, 3, generator=torch.Generator().manual_seed(5))


def cube(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def convolved(x: Tensor) -> Tensor:
    return F.conv3d(x, KERNEL, padding=1)


@table("sides", [(16, 16, 16), (40, 33, 70), (64, 48, 49)])
@table("tiling", [Tiling(), Tiling(16), Tiling(48, 16)], ids=str)
def test_join_inverts_split(tiling, sides):
    if min(sides) < (tiling.tile or 0):
        sides = tuple(side + 32 for side in sides)
    x, layout = cube(2, 3, *sides), tiling.layout(sides)
    tiles = layout.split(x)
    assert tuple(tiles.shape[2:]) == layout.tile
    assert torch.equal(layout.join(tiles), x)


@pytest.mark.parametrize("sides", [(64, 48, 48), (50, 70, 48)])
def test_a_local_operation_with_a_halo_equals_the_untiled_one(sides):
    x, layout = cube(1, 2, *sides), Tiling(48, 16).layout(sides)
    tiled = layout.join(convolved(layout.split(x)))
    inner = (..., slice(1, -1), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(tiled[inner], convolved(x)[inner])
    x, layout = cube(1, 2, 32, 16, 16), Tiling(16).layout((32, 16, 16))
    wrong = (layout.join(convolved(layout.split(x))) - convolved(x)).abs().amax((0, 1, 3, 4))
    faces = (wrong > 1e-3).nonzero().flatten()
    assert faces.tolist() == [15, 16], "without a halo it is wrong at the faces of tiles"


def test_a_periodic_domain_has_no_edge():
    x, layout = cube(1, 2, 48, 64, 48), Tiling(48, 16, "periodic").layout((48, 64, 48))
    wrapped = F.conv3d(F.pad(x, (1,) * 6, mode="circular"), KERNEL)
    torch.testing.assert_close(layout.join(convolved(layout.split(x))), wrapped)


@table(
    ("tiling", "sides", "cells"),
    [
        (Tiling(), (33, 16, 48), (3, 1, 3)),
        (Tiling(32), (40, 32, 64), (4, 2, 4)),
        (Tiling(64, 16), (64, 70, 96), (4, 6, 6)),
        (Tiling(64, 16, "periodic"), (64, 80, 96), (4, 5, 6)),
    ],
    ids=str,
)
def test_a_latent_cell_stands_for_16_voxels(tiling, sides, cells):
    layout = tiling.layout(sides)
    latent = layout.latent()
    assert latent.sides == cells
    assert latent.counts == layout.counts
    assert latent.split(torch.zeros(1, 4, *cells)).shape[2:] == torch.Size(
        length // 16 for length in layout.tile
    )


def test_a_tile_is_computed_together_with_its_halo():
    """With its halo, the middle of three tiles along each axis covers the whole domain."""
    x = cube(1, 1, 48, 48, 48)
    with torch.no_grad():
        middle = Tadpole(tile=48, halo=16).eval().encode(x).mean[..., 1, 1, 1]
        torch.testing.assert_close(middle, Tadpole().eval().encode(x).mean[..., 1, 1, 1])


def seam_ratio(error: Tensor, step: int) -> float:
    """The error within two voxels of the faces of tiles over that of the rest, root mean squares.

    Args:
        error: (batch, field, side, side, side), periodic.
        step: voxels between faces.
    """
    places = torch.arange(error.shape[-1]) % step
    near = (places < 2) | (places >= step - 2)
    faces = near[:, None, None] | near[:, None] | near
    square = error.square()
    return float((square[..., faces].mean() / square[..., ~faces].mean()).sqrt())


@pytest.mark.slow
def test_a_halo_makes_the_error_at_faces_equal_to_that_inside():
    run = simulate("burgers", 48, 3, 4, 0.02, 1, torch.Generator().manual_seed(0))
    x = normalised(run.fields[0, -1, 0])[None]
    ratios, errors = {}, {}
    for tile, halo in ((16, 0), (48, 16)):
        model = Tadpole(weights="shipped", tile=tile, halo=halo, boundary="periodic", at_once=4)
        with torch.no_grad():
            error = model.eval()(x) - x
        ratios[halo], errors[halo] = seam_ratio(error, 16), error.square().mean()
    assert ratios[16] <= 1.2 < ratios[0]
    assert errors[16] < errors[0]


@table(
    ("tiling", "sides", "message"),
    [
        (Tiling(), (16, 1, 16), r"\(16, 1, 16\) voxels: each side needs at least 16"),
        (Tiling(), (0, 16, 16), "each side needs at least 16"),
        (Tiling(64), (64, 64, 32), "smaller than the tile of 64"),
        (Tiling(boundary="periodic"), (16, 20, 16), "a periodic side is a multiple of 16"),
        ((24, 0), None, "tile 24: a tile is a multiple of 16"),
        ((-16, 0), None, "tile -16: a tile is a multiple of 16"),
        ((64, 8), None, "halo 8: a halo is a multiple of 16"),
        ((32, 16), None, "tile 32, halo 16: nothing is left"),
        ((None, 16), None, "halo 16 without tile"),
        ((0, 0), None, "tile 0, halo 0: nothing is left"),
    ],
)
def test_refuses_tiles_and_domains_that_do_not_fit(tiling, sides, message):
    with pytest.raises(ValueError, match=message):
        Tadpole(tile=tiling[0], halo=tiling[1]) if sides is None else tiling.layout(sides)


@table("boundary", ["edge", "periodic"])
@table(("tile", "halo"), [(32, 0), (48, 16)])
def test_a_graph_can_repeat_a_cut(boundary, tile, halo):
    """Places are counted on the device, and are those that `places` gives."""
    layout, x = Tiling(tile, halo, boundary).layout((48, 64, 80)), cube(1, 2, 48, 64, 80)
    assert not traced(lambda: layout.split(x), [x]).faults
    padded = x
    for axis in range(3):
        padded = padded.index_select(axis + 2, torch.from_numpy(layout.places(axis)))
    assert torch.equal(layout.split(x)[0], padded[0, :, :tile, :tile, :tile])
