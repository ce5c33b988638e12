"""Cut normalised cubes of single fields from the frames of a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from scionwood_pde.online.simulator import Frames

FLAT = 1e-5
"""Smallest standard deviation of a cube, in the field's unit; flatter cubes are dropped."""


@final
@dataclass(frozen=True)
class Cropper:
    """A function that cuts cubes at random places, separates their fields, and normalises each.

    Args:
        side: side of a cube in voxels.
        per_frame: places in each frame; every field of the frame is cut at each place.
    """

    side: int
    per_frame: int = 1

    def __call__(self, frames: Frames, generator: torch.Generator) -> list[Tensor]:
        """Cut all cubes of a simulation, in random order.

        Args:
            frames: the frames of a valid simulation.
            generator: random numbers for the places and the order.

        Returns:
            Cubes (1, side, side, side) with zero mean and unit variance; flat ones are dropped.

        Raises:
            ValueError: the grid is smaller than a cube.
        """
        space = frames.fields.shape[2:]
        room = [points - self.side for points in space]
        if min(room) < 0:
            raise ValueError(
                f"a cube of side {self.side} in a grid of {tuple(space)}: it does not fit. Raise "
                "n_points or lower the side"
            )
        cubes = []
        for frame in frames.fields:
            for _ in range(self.per_frame):
                x, y, z = (self._place(points, generator) for points in room)
                # A flat cube has no pattern, and its division would only enlarge rounding errors.
                cubes += [normalised(u) for u in frame[:, x, y, z] if u.std() > FLAT]
        order = torch.randperm(len(cubes), generator=generator).tolist()
        return [cubes[i] for i in order]

    def _place(self, room: int, generator: torch.Generator) -> slice:
        start = int(torch.randint(room + 1, (), generator=generator))
        return slice(start, start + self.side)


def normalised(field: Tensor) -> Tensor:
    """Return a field (x, y, z) as (1, x, y, z) with zero mean and unit variance."""
    return ((field - field.mean()) / field.std())[None]
