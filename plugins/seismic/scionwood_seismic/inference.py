"""Denoise a gather of any size: one scale a gather, overlapping tiles, a smooth blend."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from scionwood_seismic.normalise import live, scale


def denoise_array(
    model: nn.Module,
    data: np.ndarray,
    *,
    tile: int = 256,
    overlap: int = 64,
    batch: int = 4,
    progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Denoise one gather, amplitudes kept: `f(a x) = a f(x)` for a > 0, up to rounding.

    The gather is divided by one number and multiplied by it again, so that tiles agree where they
    meet. Traces that are constant or hold a value that is not finite come back bit for bit as they
    are, and the model does not see them.

    Args:
        model: maps (batch, 1, trace, time) of about unit amplitude to the same.
        data: (trace, time), any unit.
        tile: the tile's size along both axes.
        overlap: how far neighbouring tiles overlap; less than `tile`.
        batch: tiles a forward pass.
        progress: called with the share of the gather that each step finished, in (0, 1].

    Returns:
        (trace, time) float32, in the unit of `data`.
    """
    result = data.astype(np.float32)
    alive = live(data)
    signal = data[alive]
    if signal.size == 0:
        progress(1.0)
        return result
    unit = scale(signal)
    scaled = (signal.astype(np.float64) / unit).astype(np.float32)
    blended = _blend(model, scaled, tile, overlap, batch, progress)
    result[alive] = (blended * unit).astype(np.float32)
    return result


@torch.inference_mode()
def _blend(
    model: nn.Module,
    data: np.ndarray,
    tile: int,
    overlap: int,
    batch: int,
    progress: Callable[[float], None],
) -> np.ndarray:
    """The weighted mean of overlapping tiles, float64."""
    device = next(model.parameters()).device
    corners = [
        (i, j)
        for i in _starts(data.shape[0], tile, overlap)
        for j in _starts(data.shape[1], tile, overlap)
    ]
    total, weights = np.zeros(data.shape), np.zeros(data.shape)
    size = min(tile, data.shape[0]), min(tile, data.shape[1])
    window = np.outer(
        *(_window(n, full, overlap) for n, full in zip(size, data.shape, strict=True))
    )
    for some in _chunks(corners, batch):
        views = [(slice(i, i + size[0]), slice(j, j + size[1])) for i, j in some]
        stack = torch.from_numpy(np.stack([data[view] for view in views])[:, None]).to(device)
        for view, part in zip(views, model(stack)[:, 0].float().cpu().numpy(), strict=True):
            total[view] += window * part
            weights[view] += window
        progress(len(some) / len(corners))
    return total / weights


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin; the last one ends with the data."""
    last = max(0, length - tile)
    return [*range(0, last, tile - overlap), last]


def _window(size: int, length: int, overlap: int) -> np.ndarray:
    """Hann flanks over the overlap, never zero; flat where one tile covers all."""
    weights = np.ones(size)
    if size < length:
        flank = np.hanning(2 * overlap + 2)[1 : overlap + 1]
        weights[:overlap] *= flank
        weights[-overlap:] *= flank[::-1]
    return weights


def _chunks(items: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    return (items[i : i + size] for i in range(0, len(items), size))
