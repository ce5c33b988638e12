"""Overlapping tiles of a record: where they lie, what a model removes, and their blend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import nn

from scionwood_seismic.model.field_unet import FieldUNet
from scionwood_seismic.model.station_unet import StationUNet

Corner = tuple[int, int]
Pair = tuple[int, int]

TILES: dict[type[nn.Module], tuple[Pair, Pair]] = {
    FieldUNet: ((64, 128), (24, 40)),
    StationUNet: ((3, 2048), (1, 512)),
}
"""Traces and samples of the tiles of a network, and of the overlap of two tiles."""

OTHERS = (256, 256), (64, 64)
"""Those of every other network."""


@final
@dataclass(frozen=True)
class Tiling:
    """The tiles that cover a record.

    Attributes:
        shape: (trace, time) of the record.
        tile: the largest size of a tile, traces and samples.
        overlap: how much neighbouring tiles share, traces and samples.

    Example:
        >>> Tiling((64, 200), (64, 128), (24, 40)).corners
        [(0, 0), (0, 72)]
    """

    shape: tuple[int, int]
    tile: tuple[int, int]
    overlap: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """The size of every tile."""
        return min(self.tile[0], self.shape[0]), min(self.tile[1], self.shape[1])

    @property
    def corners(self) -> list[Corner]:
        """The first trace and sample of each tile; together the tiles form a grid."""
        rows, columns = (
            starts(length, tile, overlap)
            for length, tile, overlap in zip(self.shape, self.tile, self.overlap, strict=True)
        )
        return [(i, j) for i in rows for j in columns]

    @property
    def flanks(self) -> tuple[np.ndarray, np.ndarray]:
        """The weights of a tile along its traces and along its samples."""
        first, second = (
            flank(n, length, overlap)
            for n, length, overlap in zip(self.size, self.shape, self.overlap, strict=True)
        )
        return first, second

    def blend(self, parts: Iterator[tuple[Corner, np.ndarray]]) -> np.ndarray:
        """Return the weighted mean of tiles, (trace, time) float32.

        Args:
            parts: each tile once, with its corner.
        """
        flanks, size = self.flanks, self.size
        window = np.outer(*flanks).astype(np.float32)
        total = np.zeros(self.shape, np.float32)
        for (i, j), part in parts:
            total[i : i + size[0], j : j + size[1]] += window * part
        # Tiles form a grid, so the sum of their windows is an outer product too.
        rows, columns = (
            covered(one, starts(length, tile, overlap), length)
            for one, length, tile, overlap in zip(
                flanks, self.shape, self.tile, self.overlap, strict=True
            )
        )
        total /= rows[:, None]
        total /= columns
        return total


@torch.inference_mode()
def removed_from(
    model: nn.Module,
    crops: np.ndarray,
    masks: np.ndarray,
    level: float = 0.0,
    neighbours: np.ndarray | None = None,
    *,
    batch: int = 8,
) -> np.ndarray:
    """Return what a model removes from some crops.

    Args:
        model: see `field.denoise_record`.
        crops: (crop, trace, time) float32, zero where the mask is.
        masks: the same shape, 1 where there is data.
        level: the RMS of the noise in the unit of the crops; 0: unknown.
        neighbours: the neighbouring slices of each crop, (crop, slice, trace, time) float32; None:
            unknown.
        batch: crops per forward pass.

    Returns:
        (crop, trace, time) float32, zero where the mask is.
    """
    device = next(model.parameters()).device
    removed = np.empty(crops.shape, np.float32)
    for at in range(0, len(crops), batch):
        batch_slice = slice(at, at + batch)
        record, mask = (
            torch.from_numpy(array[batch_slice])[:, None].to(device) for array in (crops, masks)
        )
        levels = torch.full((len(record),), level, device=device)
        more = () if neighbours is None else (torch.from_numpy(neighbours[batch_slice]).to(device),)
        estimate = model(record, mask, levels, *more)[:, 0].float().cpu().numpy()
        removed[batch_slice] = (crops[batch_slice] - estimate) * masks[batch_slice]
    return removed


def each_removed(
    model: nn.Module,
    record: np.ndarray,
    mask: np.ndarray,
    tiling: Tiling,
    *,
    level: float = 0.0,
    beside: np.ndarray | None = None,
    batch: int = 8,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[tuple[Corner, np.ndarray]]:
    """Yield the corner of each tile and what a model removes from it, (trace, time).

    Args:
        model: see `field.denoise_record`.
        record: (trace, time) float32, zero where the mask is.
        mask: the same shape, 1 where there is data. A tile without data does not reach the model.
        tiling: the tiles.
        level: the RMS of the noise in the unit of the record; 0: unknown.
        beside: the neighbouring slices, (slice, trace, time) float32; None: unknown.
        batch: tiles per forward pass.
        progress: called with the share of the tiles that each step finishes.
    """
    corners = tiling.corners
    for at in range(0, len(corners), batch):
        batch_corners = corners[at : at + batch]
        crops, masks = (
            cut(record, batch_corners, tiling.size),
            cut(mask, batch_corners, tiling.size),
        )
        filled = np.flatnonzero(masks.any(axis=(1, 2)))
        removed = np.zeros(crops.shape, np.float32)
        if len(filled):
            more = None if beside is None else cut(beside, batch_corners, tiling.size)[filled]
            removed[filled] = removed_from(
                model, crops[filled], masks[filled], level, more, batch=batch
            )
        yield from zip(batch_corners, removed, strict=True)
        progress(len(batch_corners) / len(corners))


def cut(record: np.ndarray, corners: Sequence[Corner], size: tuple[int, int]) -> np.ndarray:
    """Return the crops of (trace, time) or (slice, trace, time) at some corners, (crop, ...)."""
    return np.stack([record[..., i : i + size[0], j : j + size[1]] for i, j in corners])


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return where tiles start along an axis; the last one ends with the data."""
    last = max(0, length - tile)
    return [*range(0, last, tile - overlap), last]


def flank(size: int, length: int, overlap: int) -> np.ndarray:
    """Return weights with Hann flanks over the overlap, never zero; 1 if one tile covers all."""
    weights = np.ones(size)
    if size < length:
        # Without the zeros of the window: at the edges of a record one tile alone has a weight.
        rise = np.hanning(2 * overlap + 2)[1 : overlap + 1]
        weights[:overlap] *= rise
        weights[-overlap:] *= rise[::-1]
    return weights


def covered(weights: np.ndarray, at: Sequence[int], length: int) -> np.ndarray:
    """Return the sum of the weights of all tiles along an axis, (length,) float32."""
    total = np.zeros(length, np.float32)
    for start in at:
        total[start : start + len(weights)] += weights
    return total


def usual_tiles(model: nn.Module) -> tuple[Pair, Pair]:
    """Return the size and the overlap of the tiles that suit a network, with or without adapter."""
    return next((TILES[type(part)] for part in model.modules() if type(part) in TILES), OTHERS)
