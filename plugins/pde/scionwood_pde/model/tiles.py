"""Cut a domain into tiles for the network, and put what it returns together again.

GroupNorm takes its statistics over a tile, so that a network's output depends on the size of the
tile everywhere, not only at the seams: the tiling is part of what a model is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from torch import Tensor

from scionwood_pde.model.presets import STRIDE

Boundary = Literal["edge", "periodic"]


@final
@dataclass(frozen=True)
class Tiling:
    """How domains are cut.

    Args:
        tile: voxels along each axis that the network sees at once, a multiple of 16; None for the
            whole domain.
        halo: voxels at each face of a tile that are computed and then dropped, a multiple of 16.
            Neighbouring tiles overlap by twice as many.
        boundary: what is beyond the domain: its outermost values, or its other side.

    Raises:
        ValueError: the numbers do not fit.
    """

    tile: int | None = None
    halo: int = 0
    boundary: Boundary = "edge"

    def __post_init__(self) -> None:
        if self.tile is None and self.halo:
            raise ValueError(
                f"halo {self.halo} without tile: a whole domain has no seams. Give a tile, or no "
                "halo"
            )
        for name, value in (("tile", self.tile or 0), ("halo", self.halo)):
            if value < 0 or value % STRIDE:
                raise ValueError(
                    f"{name} {value}: a {name} is a multiple of {STRIDE} voxels. Round it"
                )
        if self.tile is not None and self.tile <= 2 * self.halo:
            raise ValueError(
                f"tile {self.tile}, halo {self.halo}: the halo leaves nothing of the tile. Take "
                "at most a quarter of the tile"
            )

    def __str__(self) -> str:
        size = "whole domain" if self.tile is None else f"{self.tile}^3, halo {self.halo}"
        return f"{size}, boundary {self.boundary}"

    def layout(self, sides: Sequence[int]) -> Layout:
        """Where the tiles of a domain lie.

        Args:
            sides: voxels along each axis.

        Raises:
            ValueError: a side is shorter than a latent cell or than a tile, or it is periodic and
                no multiple of 16.
        """
        for side in sides:
            self._check(side, tuple(sides))
        whole = tuple(-(-side // STRIDE) * STRIDE for side in sides)
        tile = whole if self.tile is None else (self.tile,) * len(whole)
        return Layout(tuple(sides), tile, self.halo, self.boundary)

    def _check(self, side: int, sides: tuple[int, ...]) -> None:
        if side < STRIDE:
            raise ValueError(
                f"a domain of {sides} voxels: each side has at least {STRIDE}. Refine the grid, "
                "or repeat the field along the short axis"
            )
        if self.tile is not None and side < self.tile:
            raise ValueError(
                f"a domain of {sides} voxels: it is smaller than the tile of {self.tile}. Choose "
                "a smaller tile, or none"
            )
        if self.boundary == "periodic" and side % STRIDE:
            raise ValueError(
                f"a domain of {sides} voxels: a periodic side is a multiple of {STRIDE}. Resample "
                "the field, or take the boundary 'edge'"
            )


@final
@dataclass(frozen=True)
class Layout:
    """The tiles of one domain, in voxels or in latent cells.

    Args:
        sides: of the domain.
        tile: sides of a tile, with its halo.
        halo: of a tile at each face.
        boundary: see `Tiling`.
    """

    sides: tuple[int, ...]
    tile: tuple[int, ...]
    halo: int
    boundary: Boundary

    @property
    def steps(self) -> tuple[int, ...]:
        """What a tile contributes along each axis."""
        return tuple(length - 2 * self.halo for length in self.tile)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many tiles there are along each axis."""
        return tuple(-(-side // step) for side, step in zip(self.sides, self.steps, strict=True))

    def latent(self) -> Layout:
        """The same tiles in latent cells; the cells of a domain reach to the end of its tiles."""
        cells = tuple(n * step // STRIDE for n, step in zip(self.counts, self.steps, strict=True))
        if self.boundary == "periodic":
            cells = tuple(side // STRIDE for side in self.sides)
        tile = tuple(length // STRIDE for length in self.tile)
        return replace(self, sides=cells, tile=tile, halo=self.halo // STRIDE)

    def split(self, x: Tensor) -> Tensor:
        """Cut.

        Args:
            x: (batch, channel, *sides).

        Returns:
            (batch * tiles, channel, *tile).
        """
        for axis, index in enumerate(map(self._indices, range(len(self.sides))), start=2):
            if len(index) != x.shape[axis] or self.halo:
                x = x.index_select(axis, index.to(x.device))
        for axis, (length, step) in enumerate(zip(self.tile, self.steps, strict=True), start=2):
            x = x.unfold(axis, length, step)
        return x.movedim(1, 4).flatten(0, 3)

    def join(self, tiles: Tensor) -> Tensor:
        """Drop the halos and put the tiles together: the inverse of `split`.

        Args:
            tiles: (batch * tiles, channel, *tile).

        Returns:
            (batch, channel, *sides).
        """
        for axis, step in enumerate(self.steps, start=2):
            tiles = tiles.narrow(axis, self.halo, step)
        x = torch.unflatten(tiles, 0, (-1, *self.counts)).permute(0, 4, 1, 5, 2, 6, 3, 7)
        for axis, side in enumerate(self.sides, start=2):
            x = x.flatten(axis, axis + 1).narrow(axis, 0, side)
        return x

    def _indices(self, axis: int) -> Tensor:
        """Where each voxel of the padded axis comes from."""
        side, end = self.sides[axis], self.counts[axis] * self.steps[axis]
        wanted = torch.arange(-self.halo, end + self.halo)
        return wanted % side if self.boundary == "periodic" else wanted.clamp(0, side - 1)
