"""Denoise a gather of any size with one amplitude scale and overlapping, blended tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from scionwood_seismic.data.normalise import live, scale
from scionwood_seismic.inference.tiles import Corner, Tiling, cut


def denoise_array(
    model: nn.Module,
    data: np.ndarray,
    *,
    tile: int = 256,
    overlap: int = 64,
    batch: int = 4,
    unit: float | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Denoise one gather and preserve amplitudes: `f(a x) = a f(x)` for a > 0, up to rounding.

    The whole gather is divided by one number and multiplied by it again, so that neighbouring tiles
    agree. Traces that are constant or contain a non-finite value are returned bit for bit, and the
    model does not see them.

    Args:
        model: maps (batch, 1, trace, time) of about unit amplitude to the same shape and units.
        data: (trace, time), any unit.
        tile: size of the tiles along both axes.
        overlap: overlap of neighbouring tiles, smaller than `tile`.
        batch: tiles per forward pass.
        unit: the amplitude to divide by, if `data` is a part of a gather. By default it is
            `normalise.scale` of `data`.
        progress: called with the share of the gather that each step finishes, in (0, 1].

    Returns:
        (trace, time) float32, in the unit of `data`.
    """
    result = data.astype(np.float32)
    alive = live(data)
    signal = data if alive.all() else data[alive]
    if signal.size == 0:
        progress(1.0)
        return result
    unit = unit or scale(signal)
    # The division runs in float64, because 1e-40 is not a normal float32; the array stays float32.
    scaled = np.empty(signal.shape, np.float32)
    np.divide(signal, unit, out=scaled, dtype=np.float64, casting="same_kind")
    blended = _blend(model, scaled, tile, overlap, batch, progress)
    np.multiply(blended, unit, out=blended, dtype=np.float64, casting="same_kind")
    result[alive] = blended
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
    """Return the weighted mean of overlapping tiles, float32."""
    device = next(model.parameters()).device
    tiling = Tiling((data.shape[0], data.shape[1]), (tile, tile), (overlap, overlap))

    def parts() -> Iterator[tuple[Corner, np.ndarray]]:
        corners = tiling.corners
        for at in range(0, len(corners), batch):
            batch_corners = corners[at : at + batch]
            stack = torch.from_numpy(cut(data, batch_corners, tiling.size)[:, None]).to(device)
            yield from zip(batch_corners, model(stack)[:, 0].float().cpu().numpy(), strict=True)
            progress(len(batch_corners) / len(corners))

    return tiling.blend(parts())
