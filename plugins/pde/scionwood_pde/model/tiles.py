"""Cut a domain into tiles for the network, and join the results.

GroupNorm computes its statistics over a tile. The output of the network therefore depends on the
tile size everywhere, not only at the faces of tiles. The tiling is a part of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.model.presets import STRIDE

Boundary = Literal["edge", "periodic"]
Places = TypeVar("Places", np.ndarray, Tensor)


@final
@dataclass(frozen=True)
class Tiling:
    """The way in which domains are cut into tiles.

    Args:
        tile: voxels along each axis that the network processes at once, a multiple of 16. `None`
            means the whole domain.
        halo: voxels at each face of a tile that are computed and then dropped, a multiple of 16.
            Neighbouring tiles overlap by twice this number.
        boundary: values beyond the domain: its outermost values (`edge`) or those of its opposite
            side (`periodic`).

    Raises:
        ValueError: the numbers do not fit.
    """

    tile: int | None = None
    halo: int = 0
    boundary: Boundary = "edge"

    def __post_init__(self) -> None:
        if self.tile is None and self.halo:
            raise ValueError(
                f"halo {self.halo} without tile: a whole domain needs no halo. Give a tile, or no "
                "halo"
            )
        for name, value in (("tile", self.tile or 0), ("halo", self.halo)):
            if value < 0 or value % STRIDE:
                raise ValueError(
                    f"{name} {value}: a {name} is a multiple of {STRIDE} voxels. Round it"
                )
        if self.tile is not None and self.tile <= 2 * self.halo:
            raise ValueError(
                f"tile {self.tile}, halo {self.halo}: nothing is left inside the halo. Use "
                "a halo of at most a quarter of the tile"
            )

    def __str__(self) -> str:
        size = "whole domain" if self.tile is None else f"{self.tile}^3, halo {self.halo}"
        return f"{size}, boundary {self.boundary}"

    def layout(self, sides: Sequence[int]) -> TileLayout:
        """Return the tiles of a domain.

        Args:
            sides: number of voxels along each axis.

        Raises:
            RecipeError: a side is shorter than a latent cell or a tile, or it is periodic and not
                a multiple of 16.
        """
        for side in sides:
            self._check(side, tuple(sides))
        padded_sides = tuple(-(-side // STRIDE) * STRIDE for side in sides)
        tile = padded_sides if self.tile is None else (self.tile,) * len(padded_sides)
        return TileLayout(tuple(sides), tile, self.halo, self.boundary)

    def _check(self, side: int, sides: tuple[int, ...]) -> None:
        domain = f"a domain of {sides} voxels"
        if side < STRIDE:
            rule = f"each side needs at least {STRIDE}"
            remedy = "Refine the grid, or repeat the field along the short axis"
            raise RecipeError(domain, rule, remedy)
        if self.tile is not None and side < self.tile:
            rule = f"it is smaller than the tile of {self.tile}"
            remedy = "Choose a smaller tile, or none: --backbone.tile null"
            raise RecipeError(domain, rule, remedy)
        if self.boundary == "periodic" and side % STRIDE:
            rule = f"a periodic side is a multiple of {STRIDE}"
            remedy = "Resample the field, or use an edge: --backbone.boundary edge"
            raise RecipeError(domain, rule, remedy)


@final
@dataclass(frozen=True)
class TileLayout:
    """The tiles of one domain, in voxels or in latent cells.

    Args:
        sides: sides of the domain.
        tile: sides of a tile, including its halo.
        halo: width of the halo at each face of a tile.
        boundary: see `Tiling`.
    """

    sides: tuple[int, ...]
    tile: tuple[int, ...]
    halo: int
    boundary: Boundary

    @property
    def steps(self) -> tuple[int, ...]:
        """Sides of a tile without its halo."""
        return tuple(length - 2 * self.halo for length in self.tile)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each axis."""
        return tuple(-(-side // step) for side, step in zip(self.sides, self.steps, strict=True))

    @property
    def number(self) -> int:
        """Number of tiles of the domain."""
        return prod(self.counts)

    def latent(self) -> TileLayout:
        """Return the same tiles in latent cells, which extend to the end of the last tiles."""
        cells = tuple(n * step // STRIDE for n, step in zip(self.counts, self.steps, strict=True))
        if self.boundary == "periodic":
            # A periodic domain has no padding at its end: tiles beyond it would repeat its first
            # cells.
            cells = tuple(side // STRIDE for side in self.sides)
        tile = tuple(length // STRIDE for length in self.tile)
        return replace(self, sides=cells, tile=tile, halo=self.halo // STRIDE)

    def split(self, x: Tensor) -> Tensor:
        """Cut a domain into tiles.

        Args:
            x: (batch, channel, *sides).

        Returns:
            (batch * tiles, channel, *tile).
        """
        for axis in range(len(self.sides)):
            start, end = self._reach(axis)  # counted on the device, so that a graph can repeat it
            if self.halo or end != x.shape[axis + 2]:
                index = self._within(axis, torch.arange(start, end, device=x.device))
                x = x.index_select(axis + 2, index)
        for axis, (length, step) in enumerate(zip(self.tile, self.steps, strict=True), start=2):
            x = x.unfold(axis, length, step)
        dims = len(self.sides)
        return x.movedim(1, 1 + dims).flatten(0, dims)

    def join(self, tiles: Tensor) -> Tensor:
        """Drop the halos and join the tiles; this inverts `split`.

        Args:
            tiles: (batch * tiles, channel, *tile).

        Returns:
            (batch, channel, *sides).
        """
        for axis, step in enumerate(self.steps, start=2):
            tiles = tiles.narrow(axis, self.halo, step)
        dims = len(self.sides)
        order = [axis for i in range(dims) for axis in (1 + i, 2 + dims + i)]
        x = torch.unflatten(tiles, 0, (-1, *self.counts)).permute(0, 1 + dims, *order)
        for axis, side in enumerate(self.sides, start=2):
            x = x.flatten(axis, axis + 1).narrow(axis, 0, side)
        return x

    def places(self, axis: int) -> np.ndarray:
        """Return the place of each voxel or cell of the padded axis in the domain."""
        return self._within(axis, np.arange(*self._reach(axis)))

    def _reach(self, axis: int) -> tuple[int, int]:
        """Return the first place of the padded axis, and the one after its last."""
        return -self.halo, self.counts[axis] * self.steps[axis] + self.halo

    def _within(self, axis: int, places: Places) -> Places:
        side = self.sides[axis]
        return places % side if self.boundary == "periodic" else places.clip(0, side - 1)
