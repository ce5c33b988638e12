"""Apply a network to a domain of dask, one row of tiles at a time.

Results equal those of `Coder.encode` and `Coder.decode` up to the rounding of other batch sizes.
Memory does not depend on the size of the domain: a row of tiles along the last axis is read, a few
tiles of it pass through the network together, and the row of results is the next chunk. Where the
last axis comes in chunks, it is one tile instead of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final
from uuid import uuid4

import numpy as np
import torch
from dask.array import Array
from torch import Tensor

from scionwood_pde.model.tiles import TileLayout
from scionwood_pde.readers.states import DASK

AT_ONCE = 8
"""Tiles that pass through the network together if the model has no limit of its own."""

LEADING = 4
"""Axes before those of space: sample, time, channel, feature."""


def in_rows(
    network: Callable[[Tensor], Tensor],
    x: Array,
    source: TileLayout,
    target: TileLayout,
    *,
    width: int,
    at_once: int = 0,
    device: str = "cpu",
) -> Array:
    """Apply a network to tiles of an array, whose halos overlap, and join the results.

    Args:
        network: maps tiles (tile, feature, *tile) to tiles of the target, (tile, width, *tile).
        x: (sample, time, channel, feature, *sides of the source).
        source: tiles of the input.
        target: the same tiles of the output, at another resolution.
        width: features of the output.
        at_once: most tiles that pass through the network together; 0 means `AT_ONCE`.
        device: where to compute.

    Returns:
        (sample, time, channel, width, *sides of the target) float32, computed when it is used.
    """
    ends = [
        count * step - side + source.halo
        for count, step, side in zip(source.counts, source.steps, source.sides, strict=True)
    ]
    pads = [*[(0, 0)] * LEADING, *((source.halo, end) for end in ends)]
    if any(before or after for before, after in pads):
        x = DASK.pad(x, pads, mode="wrap" if source.boundary == "periodic" else "edge")
    blocks = list(zip(source.counts, source.steps, source.tile, strict=True))
    # A row along the last axis shares its halos; but where that axis comes in chunks, single tiles
    # let a chunk go as soon as its tiles are done.
    is_row = x.numblocks[-1] == 1
    for axis, (count, step, length) in enumerate(blocks[: -1 if is_row else None], start=LEADING):
        before = (slice(None),) * axis
        # Tiles side by side: their halos overlap, so that neighbours share what they read.
        tiles = [x[(*before, slice(n * step, n * step + length))] for n in range(count)]
        x = DASK.concatenate(tiles, axis=axis)
    lengths = {LEADING + axis: length for axis, (_, _, length) in enumerate(blocks)}
    lengths |= {LEADING + len(blocks) - 1: -1} if is_row else {}
    channels = -1 if source.number == 1 else 1  # small domains: all fields are one batch
    x = DASK.rechunk(x, {0: 1, 1: 1, 2: channels, 3: -1, **lengths})
    # The end of a periodic domain may cut a tile, so that only the source knows their number.
    sizes = [(step,) * n for n, step in zip(source.counts, target.steps, strict=True)]
    sizes[-1] = (sum(sizes[-1]),) if is_row else sizes[-1]
    y: Array = DASK.map_blocks(
        _Row(network, source, target, at_once or AT_ONCE, device),
        x,
        name=f"rows-{uuid4().hex}",
        chunks=(*x.chunks[:3], (width,), *sizes),
        dtype=np.float32,
        meta=np.empty((0,) * x.ndim, np.float32),
    )
    inside: Array = y[(..., *(slice(side) for side in target.sides))]
    return inside


@final
@dataclass(frozen=True)
class _Row:
    """A function from a row of tiles to the values inside of their halos."""

    network: Callable[[Tensor], Tensor]
    source: TileLayout
    target: TileLayout
    at_once: int
    device: str

    @torch.no_grad()
    def __call__(self, row: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(row)).flatten(0, 2)
        x = x.unfold(-1, self.source.tile[-1], self.source.steps[-1]).movedim(-2, 1)
        parts = torch.split(x.flatten(0, 1), self.at_once)
        y = torch.cat([self.network(part.to(self.device)).cpu() for part in parts])
        for axis, step in enumerate(self.target.steps, start=2):
            # What the halo covers belongs to the tiles beside this one.
            y = y.narrow(axis, self.target.halo, step)
        y = y.unflatten(0, x.shape[:2]).movedim(1, -2).flatten(-2)
        values: np.ndarray = y.unflatten(0, row.shape[:3]).numpy()
        return values
