"""Encode and decode a domain one row of tiles at a time, from any source to any target.

Results equal those of `Coder.encode` and `Coder.decode` up to the rounding of other batch sizes.
Memory does not depend on the size of the domain: a row of tiles along the last axis is read, a few
tiles of it pass through the network at once, and the row of results is written. Workers of an
active client of `dask.distributed` compute the rows if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol, final

import numpy as np
import torch
from torch import Tensor

from scionwood_pde.model.coder import Coder
from scionwood_pde.model.tiles import TileLayout
from scionwood_pde.model.workers import apply_to_items

AT_ONCE = 8
"""Tiles that pass through the network together if the model has no limit of its own."""

Places = tuple[slice, ...]


class Source(Protocol):
    """An array of which parts can be read, such as those of numpy, Zarr, dask and xarray."""

    def __getitem__(self, places: Places, /) -> object:
        """Return a part, which `numpy.asarray` reads."""


Write = Callable[[Places, np.ndarray], None]
"""A function that stores values (channel, *part) at a place in space."""


def encode_field(
    model: Coder,
    field: Source,
    sides: Sequence[int],
    write: Write,
    *,
    change: Callable[[np.ndarray], np.ndarray],
    device: str = "cpu",
) -> None:
    """Encode one field of a state to the means of its latents.

    Args:
        model: the model; its tiling has a tile.
        field: the field, (*sides).
        sides: sides of the domain in voxels.
        write: called with places in latent cells and values (latent channel, *part).
        change: normalises values of the field, and returns float32.
        device: where to compute.

    Raises:
        ValueError: the domain does not fit the tiling.
    """
    layout = model.tiling.layout(sides)

    def read(places: list[np.ndarray]) -> np.ndarray:
        return change(gathered(field, places))[None]

    def encoded(x: Tensor) -> Tensor:
        y: Tensor = model.encoder(x).mean
        return y

    at_once = model.at_once or AT_ONCE
    row = _Rows(layout, layout.latent(), read, encoded, at_once, device)
    for places, values in apply_to_items(row, _rows(layout)):
        write(places, values)


def decode_field(
    model: Coder,
    latents: Callable[[Places], np.ndarray],
    sides: Sequence[int],
    write: Write,
    *,
    device: str = "cpu",
) -> None:
    """Decode one field of a state from its latents.

    Args:
        model: the model; its tiling has a tile.
        latents: returns latents (latent channel, *part) at a place in cells.
        sides: sides of the domain in voxels.
        write: called with places in voxels and values (1, *part).
        device: where to compute.

    Raises:
        ValueError: the domain does not fit the tiling.
    """
    layout = model.tiling.layout(sides)

    def read(places: list[np.ndarray]) -> np.ndarray:
        return gathered(_Channels(latents), places, leading=1)

    def decoded(z: Tensor) -> Tensor:
        y: Tensor = model.decoder(z)
        return y

    at_once = model.at_once or AT_ONCE
    row = _Rows(layout.latent(), layout, read, decoded, at_once, device)
    for places, values in apply_to_items(row, _rows(layout)):
        write(places, values)


def gathered(source: Source, places: Sequence[np.ndarray], leading: int = 0) -> np.ndarray:
    """Read the points at given places along each axis, in as few parts as possible.

    Args:
        source: the array.
        places: places along each axis; they may repeat and start again from the other side.
        leading: axes of the result before those of space.
    """
    # A place below the one before it is where a periodic axis starts again from the other side.
    runs = [np.split(line, np.flatnonzero(np.diff(line) < 0) + 1) for line in places]

    def read(axis: int, chosen: list[np.ndarray]) -> np.ndarray:
        if axis == len(runs):
            part = tuple(slice(int(run[0]), int(run[-1]) + 1) for run in chosen)
            values = np.asarray(source[part])
            for i, run in enumerate(chosen):
                if (np.diff(run) != 1).any():
                    values = values.take(run - run[0], axis=leading + i)
            return values
        parts = [read(axis + 1, [*chosen, run]) for run in runs[axis]]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=leading + axis)

    return read(0, [])


class _Channels:
    """Latents as a source, with the channel as the first axis of each part."""

    def __init__(self, read: Callable[[Places], np.ndarray]) -> None:
        self.read = read

    def __getitem__(self, places: Places) -> np.ndarray:
        return self.read(places)


@final
@dataclass(frozen=True)
class _Rows:
    """A function from the numbers of a row of tiles to its place and its values.

    Args:
        given: tiles of the input.
        made: the same tiles of the output, at another resolution.
        read: returns the input (channel, *part) at places along each axis.
        function: maps tiles (tile, channel, *tile) to tiles of the output.
        at_once: most tiles that pass through the function together.
        device: where to compute.
    """

    given: TileLayout
    made: TileLayout
    read: Callable[[list[np.ndarray]], np.ndarray]
    function: Callable[[Tensor], Tensor]
    at_once: int
    device: str

    @torch.no_grad()
    def __call__(self, numbers: tuple[int, ...]) -> tuple[Places, np.ndarray]:
        source, target = self.given, self.made
        lines = [source.places(i)[_window(source, i, n)] for i, n in enumerate(numbers)]
        last = source.places(len(source.sides) - 1)
        row = torch.from_numpy(np.ascontiguousarray(self.read([*lines, last])))
        tiles = row.unfold(-1, source.tile[-1], source.steps[-1]).movedim(-2, 0)
        batches = torch.split(tiles, self.at_once)
        inside = torch.cat([self.function(part.to(self.device)).cpu() for part in batches])
        for axis, step in enumerate(target.steps, start=2):
            # What the halo covers belongs to the tiles beside this one.
            inside = inside.narrow(axis, target.halo, step)
        values = torch.cat(list(inside), dim=-1).numpy()
        starts = [n * target.steps[i] for i, n in enumerate(numbers)] + [0]
        ends = [
            min(s + w, side)
            for s, w, side in zip(starts, values.shape[1:], target.sides, strict=True)
        ]
        places = tuple(slice(s, e) for s, e in zip(starts, ends, strict=True))
        return places, values[:, *(slice(0, e - s) for s, e in zip(starts, ends, strict=True))]


def _rows(layout: TileLayout) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the tiles along all axes but the last."""
    return product(*(range(count) for count in layout.counts[:-1]))


def _window(layout: TileLayout, axis: int, number: int) -> slice:
    start = number * layout.steps[axis]
    return slice(start, start + layout.tile[axis])
