"""The scores of a recording: windows that overlap, whose outputs are blended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from scionwood_audio.inference.windows import Window, cut
from scionwood_audio.model.mel import FRAME

BATCH = 4
"""Windows that are computed at once: ten are no faster on a core, and take 100 MB more."""

Score = Callable[[Tensor], Tensor]
"""Maps windows (batch, sample) to outputs (batch, position) or (batch, position, width)."""


@torch.no_grad()
def score_pieces(pieces: Iterable[np.ndarray], score: Score, length: int, hop: int) -> np.ndarray:
    """Return the outputs of each position of a recording.

    Where windows overlap, their outputs are averaged, and count less towards the ends of a window,
    where a network hears little of what surrounds a position.

    Args:
        pieces: the samples at 16 kHz, in pieces of any length; only one is in memory.
        score: the network.
        length: samples of a window.
        hop: samples between the beginnings of two windows; a multiple of 320.

    Returns:
        (position,) or (position, width) float32.
    """
    blend = _Blend(length // FRAME)
    blended = []
    for windows in _batches(cut(pieces, length, hop)):
        outputs = score(torch.from_numpy(np.stack([w.samples for w in windows]))).float().numpy()
        for window, output in zip(windows, outputs, strict=True):
            blended.append(blend.add(window, output))
    return np.concatenate([*blended, blend.ready()])


class _Blend:
    """The weighted mean of windows; only the positions that later ones change are in memory."""

    def __init__(self, size: int) -> None:
        near = np.minimum(np.arange(size), np.arange(size)[::-1])
        self.taper = near.astype(np.float32) + 1
        self.first, self.weight = 0, np.zeros(0, np.float32)
        self.total = np.zeros(0, np.float32)

    def add(self, window: Window, output: np.ndarray) -> np.ndarray:
        """Add the outputs of a window, and return those of the positions before it."""
        start = window.start // FRAME
        if not self.first and not len(self.total):
            self.total = np.zeros((0, *output.shape[1:]), np.float32)
        ready = self.ready(start - self.first)
        used = min(len(self.taper), -(-window.length // FRAME))
        more = np.zeros(max(used - len(self.weight), 0), np.float32)
        self.weight = np.concatenate([self.weight, more])
        wide = np.zeros((len(more), *output.shape[1:]), np.float32)
        self.total = np.concatenate([self.total, wide])
        taper = self.taper[:used]
        self.total[:used] += output[:used] * taper.reshape(-1, *[1] * (output.ndim - 1))
        self.weight[:used] += taper
        return ready

    def ready(self, count: int | None = None) -> np.ndarray:
        """Return the means of the first positions, and forget them."""
        weight = self.weight[:count].reshape(-1, *[1] * (self.total.ndim - 1))
        ready = self.total[:count] / weight
        self.total, self.weight = self.total[count:], self.weight[count:]
        self.first += len(ready)
        return ready


def _batches(windows: Iterator[Window]) -> Iterator[list[Window]]:
    batch = []
    for window in windows:
        batch.append(window)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
