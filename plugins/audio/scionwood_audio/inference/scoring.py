"""The scores of a recording: windows that overlap, whose outputs are blended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from scionwood_audio.inference.windows import cut
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
    step, size = hop // FRAME, length // FRAME
    taper = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)).astype(np.float32)
    windows, means = cut(pieces, length, hop), []
    blend = np.zeros((0, 2), np.float32)  # sums, and weights in the last column
    while batch := list(islice(windows, BATCH)):
        samples = torch.from_numpy(np.stack([window.samples for window in batch]))
        outputs = score(samples).float().numpy()
        for window, output in zip(batch, outputs, strict=True):
            rows = np.column_stack([output, np.ones(size, np.float32)]) * taper[:, None]
            rows = rows[: -(-window.length // FRAME)]
            if len(blend):
                means.append(blend[:step, :-1] / blend[:step, -1:])
                rows[: len(blend[step:])] += blend[step:]
            blend = rows
    values = np.concatenate([*means, blend[:, :-1] / blend[:, -1:]])
    return values if outputs.ndim == 3 else values[:, 0]
